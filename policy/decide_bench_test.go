package policy_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy"
)

// BenchmarkDecide is one decision, from the strings of a request to the answer
// that is prepared for it; nothing is written. The policy lists 10,000 origins;
// where the name ends in "each", each request comes from another one, so that much
// of the time is that of memory which no cache near the processor holds.
func BenchmarkDecide(b *testing.B) {
	var spec strings.Builder
	spec.WriteString("methods: [GET, POST, DELETE]\nrequestHeaders: [Content-Type, X-Csrf-Token, X-Request-Id]\ncredentials: true\nmaxAge: 2h\norigins:\n")
	origins := make([]string, 10_000)
	for i := range origins {
		origins[i] = fmt.Sprintf("https://tenant-%05d.shop.example", i)
		fmt.Fprintf(&spec, "- %s\n", origins[i])
	}
	text := strings.Replace(onePolicy(spec.String()), `"*"`, "api.shop.example", 1)
	set := compile(b, text, policy.Options{})
	rand.Shuffle(len(origins), func(i, j int) { origins[i], origins[j] = origins[j], origins[i] })
	for _, bench := range []struct {
		name    string
		request policy.Request
		want    policy.Verdict
	}{
		{"actual", policy.Request{Method: "GET", Origin: origins[0], FetchSite: "cross-site", FetchMode: "cors"}, policy.VerdictAllow},
		{"actual-each", policy.Request{Method: "GET", FetchSite: "cross-site", FetchMode: "cors"}, policy.VerdictAllow},
		{"stranger", policy.Request{Method: "GET", Origin: "https://tenant-00000.evil.example"}, policy.VerdictDeny},
		{"preflight", policy.Request{Method: "OPTIONS", Origin: origins[0], RequestMethod: "DELETE", RequestHeaders: "content-type,x-csrf-token,x-request-id"}, policy.VerdictAllow},
		{"preflight-each", policy.Request{Method: "OPTIONS", RequestMethod: "DELETE", RequestHeaders: "content-type,x-csrf-token,x-request-id"}, policy.VerdictAllow},
		{"same-origin", policy.Request{Method: "POST", Origin: "https://api.shop.example", FetchSite: "same-origin"}, policy.VerdictPass},
	} {
		b.Run(bench.name, func(b *testing.B) {
			r := bench.request
			r.Scheme, r.Host, r.Path = "https", "api.shop.example", "/v1/orders/4711?fields=all"
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if bench.request.Origin == "" {
					r.Origin = origins[i%len(origins)]
				}
				if d := set.Decide(&r); d.Verdict != bench.want {
					b.Fatalf("%v: %v", d.Verdict, d.Reason)
				}
			}
		})
	}
}
