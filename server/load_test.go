package server

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	// loadOrigins and loadRequests are enough that no cache of the processor's
	// holds all that is touched.
	loadOrigins  = 10_000
	loadRequests = 4096
)

// loadPolicy is a policy with many origins.
func loadPolicy() string {
	var text strings.Builder
	text.WriteString(`apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata:
  name: storefront
spec:
  targets: [{hosts: [api.shop.example]}]
  methods: [GET, PUT, DELETE]
  requestHeaders: [Content-Type, X-Csrf-Token, X-Requested-With]
  exposeHeaders: [X-Request-Id]
  credentials: true
  maxAge: 2h
  origins:
  - https://*.preview.example
`)
	for i := range loadOrigins {
		fmt.Fprintf(&text, "  - https://%s\n", loadHost(i))
	}
	return text.String()
}

func loadHost(i int) string { return fmt.Sprintf("shop-%05d.customers.example", i*7919%100_003) }

// loadChecks are requests as Envoy sends them for pages of many origins, with
// all of a browser's headers: 21 of them, and some 1.5 KB.
func loadChecks(tb testing.TB) [][]byte {
	tb.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	out := make([][]byte, loadRequests)
	for i := range out {
		origin := "https://" + loadHost(random.IntN(loadOrigins))
		switch i % 16 {
		case 0:
			origin = fmt.Sprintf("https://evil-%d.example", i)
		case 1:
			origin = fmt.Sprintf("https://pr-%d.preview.example", i)
		}
		encoded, err := proto.Marshal(loadCheck(i, origin))
		if err != nil {
			tb.Fatal(err)
		}
		out[i] = encoded
	}
	return out
}

func loadCheck(i int, origin string) *authv3.CheckRequest {
	id := fmt.Sprintf("%08x-2b1c-4d5e-8f90-a1b2c3d4e5f6", i)
	path := fmt.Sprintf("/v1/orders/%d/items?page=%d&sort=created", i, i%50)
	request := check("GET", "api.shop.example", path, map[string]string{
		":authority":         "api.shop.example",
		":method":            "GET",
		":path":              path,
		":scheme":            "https",
		"accept":             "application/json, text/plain, */*",
		"accept-encoding":    "gzip, deflate, br, zstd",
		"accept-language":    "en-GB,en;q=0.9,de;q=0.8",
		"authorization":      "Bearer " + strings.Repeat("eyJhbGciOiJ", 12),
		"cookie":             "session=" + id + "; theme=dark; consent=1",
		"origin":             origin,
		"referer":            origin + "/",
		"sec-ch-ua":          `"Chromium";v="142", "Google Chrome";v="142", "Not_A Brand";v="99"`,
		"sec-ch-ua-mobile":   "?0",
		"sec-ch-ua-platform": `"macOS"`,
		"sec-fetch-dest":     "empty",
		"sec-fetch-mode":     "cors",
		"sec-fetch-site":     "cross-site",
		"user-agent":         "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
		"x-forwarded-for":    fmt.Sprintf("203.0.113.%d", i%256),
		"x-forwarded-proto":  "https",
		"x-request-id":       id,
	})
	http := request.GetAttributes().GetRequest().GetHttp()
	http.Id, http.Protocol, http.Size = strconv.FormatUint(uint64(i)*1_000_003, 10), "HTTP/2", -1
	if i%8 == 2 {
		http.Method = "OPTIONS"
		http.Headers[":method"] = "OPTIONS"
		http.Headers["access-control-request-method"] = "PUT"
		http.Headers["access-control-request-headers"] = "content-type,x-csrf-token"
		delete(http.GetHeaders(), "authorization")
		delete(http.GetHeaders(), "cookie")
	}
	request.Attributes.Request.Time = &timestamppb.Timestamp{Seconds: 1_790_000_000, Nanos: 123_456_000}
	request.Attributes.Source = loadPeer(fmt.Sprintf("203.0.113.%d", i%256), 40_000+uint32(i))
	request.Attributes.Destination = loadPeer("10.0.0.7", 8443)
	request.Attributes.MetadataContext = &corev3.Metadata{}
	request.Attributes.RouteMetadataContext = &corev3.Metadata{}
	return request
}

func loadPeer(address string, port uint32) *authv3.AttributeContext_Peer {
	return &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{
		SocketAddress: &corev3.SocketAddress{Address: address, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port}},
	}}}
}
