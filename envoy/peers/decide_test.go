package peers_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/rs/cors"

	"github.com/corsgate/corsgate/policy"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// The same rules for both.
var (
	methods = []string{http.MethodGet, http.MethodPost, http.MethodDelete}
	headers = []string{"Content-Type", "X-Csrf-Token", "X-Request-Id"}
)

const (
	host  = "api.shop.example"
	asked = "content-type,x-csrf-token,x-request-id" // sorted and in lower case, as browsers send them
)

func list(n int) []string {
	origins := make([]string, n)
	for i := range origins {
		origins[i] = fmt.Sprintf("https://tenant-%05d.shop.example", i)
	}
	return origins
}

// shuffled returns the origins in an order of their own, each a text of its own.
func shuffled(origins []string) []string {
	texts := make([]string, len(origins))
	for i, j := range rand.Perm(len(origins)) {
		texts[i] = string([]byte(origins[j]))
	}
	return texts
}

// BenchmarkDecide asks for the decision on one request after another: each from
// another origin of the list, or again and again from one of them.
//
// decide: corsgate finds the policy by host and decides; the answer is one that was
// prepared. corsgate: the same, and each value of the answer is written to a buffer. rs/cors: the handler, which writes to a header map that is
// cleared each time; its request is an *http.Request that was parsed before.
func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		origins := list(n)
		for _, preflight := range []bool{false, true} {
			callers := shuffled(origins)
			for who, some := range map[string][]string{"each": callers, "one": callers[:1]} {
				name := fmt.Sprintf("origins=%d/preflight=%v/%s", n, preflight, who)
				b.Run(name+"/decide", func(b *testing.B) { ours(b, origins, some, preflight, false) })
				b.Run(name+"/corsgate", func(b *testing.B) { ours(b, origins, some, preflight, true) })
				b.Run(name+"/rs-cors", func(b *testing.B) { theirs(b, origins, some, preflight) })
			}
		}
	}
}

func ours(b *testing.B, origins, callers []string, preflight, write bool) {
	b.Helper()
	set, problems := policy.Compile([]policy.Document{{File: "f", Message: &corsgatev1.CorsPolicy{
		Metadata: &corsgatev1.Metadata{Name: "api"},
		Spec: &corsgatev1.CorsPolicySpec{
			Targets: []*corsgatev1.Target{{Hosts: []string{host}}},
			Origins: origins, Methods: methods, RequestHeaders: headers, Credentials: true,
		},
	}}}, policy.Options{})
	if set == nil {
		b.Fatal(problems)
	}
	r := policy.Request{Method: http.MethodGet, Scheme: "https", Host: host, Path: "/v1/orders", FetchSite: "cross-site"}
	if preflight {
		r.Method, r.RequestMethod, r.RequestHeaders = http.MethodOptions, http.MethodDelete, asked
	}
	buf := make([]byte, 0, 1<<10)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r.Origin = callers[i%len(callers)]
		d := set.Decide(&r)
		if d.Verdict != policy.VerdictAllow {
			b.Fatal(d.Reason)
		}
		if !write {
			continue
		}
		buf = buf[:0]
		for i := range d.Answer().Fields {
			buf = d.AppendValue(buf, &d.Answer().Fields[i])
		}
	}
}

func theirs(b *testing.B, origins, callers []string, preflight bool) {
	b.Helper()
	c := cors.New(cors.Options{AllowedOrigins: origins, AllowedMethods: methods, AllowedHeaders: headers, AllowCredentials: true})
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "https://"+host+"/v1/orders", http.NoBody)
	if preflight {
		r.Method = http.MethodOptions
		r.Header.Set("Access-Control-Request-Method", http.MethodDelete)
		r.Header.Set("Access-Control-Request-Headers", asked)
	}
	w := &recorder{header: http.Header{}}
	value := make([]string, 1)
	r.Header["Origin"] = value
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		value[0] = callers[i%len(callers)]
		clear(w.header)
		c.HandlerFunc(w, r)
		if w.header["Access-Control-Allow-Origin"] == nil {
			b.Fatal("not allowed")
		}
	}
}

// A recorder keeps the header and nothing else.
type recorder struct{ header http.Header }

// Header returns the header.
func (w *recorder) Header() http.Header { return w.header }

// Write counts what it drops.
func (w *recorder) Write(b []byte) (int, error) { return len(b), nil }

// WriteHeader does nothing.
func (w *recorder) WriteHeader(int) {}
