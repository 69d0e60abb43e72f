package scene

import (
	"fmt"
	"slices"
	"strings"
)

// A Kind is a sort of request that Envoy gets.
type Kind int

const (
	// CrossOrigin comes from a script of an origin that may call.
	CrossOrigin Kind = iota
	// NoOrigin comes from a program, or from a navigation.
	NoOrigin
	// SameOrigin comes from a script of the host's own pages, and says so.
	SameOrigin
	// Preflight asks whether a cross-origin request may be sent.
	Preflight
)

// Requests returns requests to Envoy in HTTP/1.1, each different, from the first
// of the origins of [WritePolicies].
func Requests(kind Kind, n, origins int) [][]byte {
	random := source(partHTTP)
	out := make([][]byte, n)
	for i := range out {
		host := Host(i)
		headers := browserHeaders(random, host)
		method := "GET"
		switch kind {
		case NoOrigin:
			headers["sec-fetch-site"] = "none"
		case SameOrigin:
			headers["sec-fetch-site"], headers["origin"] = "same-origin", "https://"+host
		case Preflight:
			method = "OPTIONS"
			headers["access-control-request-method"], headers["access-control-request-headers"] = "PUT", "content-type"
			headers["origin"] = Origin(random.IntN(origins))
			delete(headers, "authorization")
			delete(headers, "cookie")
		default:
			headers["origin"] = Origin(random.IntN(origins))
		}
		// Envoy itself adds these.
		for _, name := range []string{":scheme", "content-type", "x-forwarded-for", "x-forwarded-proto", "x-request-id"} {
			delete(headers, name)
		}
		var text strings.Builder
		fmt.Fprintf(&text, "%s /v1/orders/%d?page=%d HTTP/1.1\r\nhost: %s\r\n", method, random.IntN(1_000_000), random.IntN(100), host)
		names := make([]string, 0, len(headers))
		for name := range headers {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			fmt.Fprintf(&text, "%s: %s\r\n", name, headers[name])
		}
		text.WriteString("\r\n")
		out[i] = []byte(text.String())
	}
	return out
}
