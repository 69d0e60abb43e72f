package scene

import (
	"fmt"
	"math/rand/v2"
	"strconv"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	// Checks is how many different questions the servers are asked.
	Checks = 4096
	// CheckHeaders is how many headers each of their requests has: all that a
	// browser sends, as Envoy sends them where allowed_headers is not set.
	CheckHeaders = 21
	// CheckMethod is the call that asks them.
	CheckMethod = "/envoy.service.auth.v3.Authorization/Check"
)

// MarshalledChecks returns questions on the wire, each different: requests to
// the hosts of [WritePolicies] from its first origins. Of ten, seven come from
// an origin that may call, one is its preflight, one comes from a stranger, and
// one has no Origin.
func MarshalledChecks(n, origins, headers int) ([][]byte, error) {
	random := source(partChecks)
	out := make([][]byte, n)
	for i := range out {
		message, err := proto.Marshal(check(random, i, origins, headers))
		if err != nil {
			return nil, fmt.Errorf("marshal a check request: %w", err)
		}
		out[i] = message
	}
	return out, nil
}

// The kinds of questions, by the last digit of their number.
const (
	digitPreflight = 7
	digitStranger  = 8
	digitNoOrigin  = 9
	digits         = 10
)

// check makes one question as Envoy asks it.
func check(random *rand.Rand, i, origins, headers int) *authv3.CheckRequest {
	host, origin := Host(i/digits), Origin(random.IntN(origins))
	method := [...]string{"GET", "POST", "PUT", "DELETE"}[random.IntN(4)]
	h := browserHeaders(random, host)
	switch i % digits {
	case digitPreflight:
		h["origin"], h["access-control-request-method"] = origin, method
		h["access-control-request-headers"] = "content-type,x-csrf-token"
		method = "OPTIONS"
		delete(h, "cookie")
		delete(h, "authorization")
	case digitStranger:
		h["origin"] = Stranger(random.IntN(origins))
	case digitNoOrigin:
		h["sec-fetch-site"] = "none"
	default:
		h["origin"] = origin
	}
	fit(h, headers)
	path := fmt.Sprintf("/v1/orders/%d?page=%d&sort=created", random.IntN(1_000_000), random.IntN(100))
	h[":path"], h[":method"], h[":authority"] = path, method, host
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source:      peer("10.20.30."+strconv.Itoa(random.IntN(256)), 1024+random.Uint32N(60000)),
		Destination: peer("10.0.0.7", 10000),
		Request: &authv3.AttributeContext_Request{
			Time: &timestamppb.Timestamp{Seconds: 1_800_000_000 + int64(i), Nanos: random.Int32N(1_000_000_000)},
			Http: &authv3.AttributeContext_HttpRequest{
				Id: strconv.FormatUint(random.Uint64(), 10), Method: method, Headers: h,
				Path: path, Host: host, Scheme: "https", Protocol: "HTTP/2", Size: -1,
			},
		},
		ContextExtensions:    map[string]string{"corsgate.vary": "route"},
		MetadataContext:      &corev3.Metadata{},
		RouteMetadataContext: &corev3.Metadata{},
	}}
}

func peer(ip string, port uint32) *authv3.AttributeContext_Peer {
	return &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{
		SocketAddress: &corev3.SocketAddress{
			Address: ip, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port},
		},
	}}}
}

// pseudo is how many headers of HTTP/2 are added last: :path, :method and
// :authority.
const pseudo = 3

// browserHeaders are those that Chromium sends with a fetch, and those that
// Envoy adds.
func browserHeaders(random *rand.Rand, host string) map[string]string {
	return map[string]string{
		":scheme":            "https",
		"accept":             "application/json, text/plain, */*",
		"accept-encoding":    "gzip, deflate, br, zstd",
		"accept-language":    "en-GB,en-US;q=0.9,en;q=0.8,de;q=0.7",
		"authorization":      "Bearer " + hex(random, 360),
		"content-type":       "application/json",
		"cookie":             "session=" + hex(random, 64) + "; theme=dark; consent=" + hex(random, 24),
		"referer":            "https://" + host + "/",
		"sec-ch-ua":          `"Chromium";v="148", "Not)A;Brand";v="8", "Google Chrome";v="148"`,
		"sec-ch-ua-mobile":   "?0",
		"sec-ch-ua-platform": `"Windows"`,
		"sec-fetch-dest":     "empty",
		"sec-fetch-mode":     "cors",
		"sec-fetch-site":     "cross-site",
		"user-agent":         "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/148.0.0.0 Safari/537.36",
		"x-csrf-token":       hex(random, 32),
		"x-forwarded-for":    "10.20.30." + strconv.Itoa(random.IntN(256)),
		"x-forwarded-proto":  "https",
		"x-request-id":       hex(random, 8) + "-" + hex(random, 4) + "-" + hex(random, 4) + "-" + hex(random, 12),
	}
}

// fit adds headers that nothing looks at, or removes some that nothing looks
// at, until there are as many as wanted.
func fit(h map[string]string, want int) {
	for _, name := range [...]string{
		"x-csrf-token", "sec-ch-ua-mobile", "sec-ch-ua-platform", "sec-fetch-dest", "referer", "x-forwarded-proto",
		"accept-language", "accept-encoding", "content-type", "sec-ch-ua", "cookie", "authorization", "accept",
		"x-request-id", "x-forwarded-for", ":scheme", "user-agent", "sec-fetch-mode", "sec-fetch-site",
	} {
		if len(h)+pseudo <= want {
			break
		}
		delete(h, name)
	}
	for i := 0; len(h)+pseudo < want; i++ {
		h["x-tracing-baggage-"+strconv.Itoa(i)] = "value-of-some-length-that-a-tracer-adds-" + strconv.Itoa(i)
	}
}

func hex(random *rand.Rand, n int) string {
	const alphabet = "0123456789abcdef"
	out := make([]byte, n)
	for i := range out {
		out[i] = alphabet[random.IntN(len(alphabet))]
	}
	return string(out)
}
