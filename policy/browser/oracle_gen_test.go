package browser_test

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// The names are few, so that pages and patterns meet, and near to each other, so
// that a pattern that reaches too far is found out.
var (
	schemes = []string{"https", "https", "https", "http", "app"}
	ports   = []string{"", "", "", ":8443", ":3000", ":1", ":65535"}
	hosts   = []string{
		"shop.example", "www.shop.example", "a.b.shop.example", "evilshop.example", "shop.example.evil.example", "evil.example",
		"pr-1-shop.preview.example", "pr-22-shop.preview.example", "pr-a.b-shop.preview.example", "pr--shop.preview.example",
		"x.pr-1-shop.preview.example", "my_app.shop.example", "shop.example.", "www.shop.example.", "xn--bcher-kva.example",
		"api.example", "localhost", "app.localhost", "127.0.0.1", "10.0.0.1", "[::1]", "[2001:db8::1]", "desktop", "-",
	}
	hostPatterns = []string{
		"*.shop.example", "*.example.shop.example", "pr-*-shop.preview.example", "*.pr-*-shop.preview.example", "pr-*.preview.example",
		"*-shop.preview.example", "*.preview.example", "*.b.shop.example", "*.shop.example.", "*.localhost", "a*.b.shop.example",
	}
	requestHosts = []string{"api.example", "api.example", "a.api.example", "b.a.api.example", "api.example:8443", "other.example", "shop.example"}
	targetHosts  = []string{"api.example", "API.example:8443", "*.api.example", "*.a.api.example", "*", "other.example", "shop.example"}
	paths        = []string{"/", "/v1", "/v1/", "/v1/orders", "/v10", "/v1/orders/7?q=/v2", "/v2"}
	targetPaths  = []string{"", "/v1/*", "/v1/orders", "/v1/orders/*", "/", "/v2/*"}
	methods      = []string{
		"GET", "GET", "POST", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "QUERY", "get", "put", "patch", "Custom", "TRACE", "*",
	}
	listedMethods = []string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "QUERY", "Custom", "*"}
	headerNames   = []string{
		"Content-Type", "Content-Type", "Authorization", "X-Csrf-Token", "x-csrf-token", "Accept", "Accept-Language", "Content-Language",
		"Range", "X-Grpc-Web", "Mcp-Session-Id", "X-Other", "Cookie", "X-HTTP-Method-Override", "*",
	}
	headerValues = []string{
		"", "1", "text/plain", "application/json", "text/plain; charset=utf-8", "application/grpc-web+proto", "bytes=0-1", "bytes=-1", "de, en;q=0.5",
		"d\u00e9", "TRACE", "(x)", strings.Repeat("a", 128), strings.Repeat("a", 129), "text/plain;" + strings.Repeat("a", 117),
	}
	listedHeaders = []string{"Content-Type", "Authorization", "X-Csrf-Token", "x-other", "Accept", "Range", "*"}
	expressions   = []string{
		`https://[a-z]+\.shop\.example`, `https://pr-[0-9]+-shop\.preview\.example(:[0-9]+)?`, `https://shop\.example|http://shop\.example`, `https?://(.+\.)?shop\.example`,
	}
	days           = []string{"2026-05-31", "2026-06-01", "2026-06-02", "2026-06-01T02:00:00+02:00", "2026-06-01T00:00:01Z", "2027-01-31"}
	exposedHeaders = []string{"X-Request-Id", "x-secret", "ETag", "Content-Type", "*"}
)

func draw[T any](t *rapid.T, label string, from []T) T { return rapid.SampledFrom(from).Draw(t, label) }

// chance is true in one of n cases.
func chance(t *rapid.T, label string, n int) bool { return rapid.IntRange(1, n).Draw(t, label) == n }

// some draws up to most of a list, each once.
func some[T comparable](t *rapid.T, label string, from []T, most int) []T {
	var list []T
	for range rapid.IntRange(0, most).Draw(t, label+" count") {
		if v := draw(t, label, from); !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	return list
}

// genOrigin draws an origin as a browser sends it.
func genOrigin(t *rapid.T) string {
	if chance(t, "null", 12) {
		return "null"
	}
	host := draw(t, "host", hosts)
	if host == "-" {
		host = rapid.StringMatching(`[a-z]([a-z0-9-]{0,4}[a-z0-9])?(\.[a-z0-9]{1,3})?\.(shop|preview)\.example`).Draw(t, "odd host")
	}
	return draw(t, "scheme", schemes) + "://" + host + draw(t, "port", ports)
}

// genPattern draws an entry of a list of origins.
func genPattern(t *rapid.T) string {
	switch rapid.IntRange(0, 9).Draw(t, "form") {
	case 0:
		return "null"
	case 1, 2, 3:
		return draw(t, "scheme", schemes) + "://" + draw(t, "host pattern", hostPatterns) + draw(t, "port", append([]string{":*"}, ports...))
	case 4:
		return draw(t, "scheme", schemes) + "://" + draw(t, "host", hosts[:len(hosts)-1]) + ":*"
	}
	return genOriginOfList(t)
}

func genOriginOfList(t *rapid.T) string {
	return draw(t, "scheme", schemes) + "://" + draw(t, "host", hosts[:len(hosts)-1]) + draw(t, "port", ports)
}

func genPatterns(t *rapid.T, label string, least, most int) []string {
	var list []string
	for range rapid.IntRange(least, most).Draw(t, label) {
		if p := genPattern(t); !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	return list
}

// genWorld draws policies that compile, and what they compile to.
func genWorld(t *rapid.T) (*world, *policy.Set) {
	w := &world{patterns: map[string]*regexp.Regexp{}, passUngoverned: chance(t, "pass ungoverned", 4)}
	names := []string{"partners", "staff"}
	for _, name := range some(t, "sets", names, 2) {
		w.sets = append(w.sets, &corsgatev1.CorsOriginSet{
			Metadata: &corsgatev1.Metadata{Name: name},
			Spec:     &corsgatev1.CorsOriginSetSpec{Origins: genPatterns(t, "set", 1, 3)},
		})
	}
	taken := map[string]bool{}
	for i := range rapid.IntRange(1, 3).Draw(t, "policies") {
		w.policies = append(w.policies, &corsgatev1.CorsPolicy{
			Metadata: &corsgatev1.Metadata{Name: fmt.Sprintf("p%d", i)},
			Spec:     genSpec(t, w, taken),
		})
	}
	set, problems := w.compile()
	if set == nil {
		// What is refused with credentials may do without.
		for _, p := range w.policies {
			p.Spec.Credentials = false
		}
		set, problems = w.compile()
	}
	if set == nil {
		t.Skipf("refused: %v", problems.Errors())
	}
	return w, set
}

func (w *world) documents() []policy.Document {
	var docs []policy.Document
	for _, p := range w.policies {
		docs = append(docs, policy.Document{File: "test.yaml", Message: p})
	}
	for _, s := range w.sets {
		docs = append(docs, policy.Document{File: "test.yaml", Message: s})
	}
	return docs
}

func (w *world) compile() (*policy.Set, policy.Problems) {
	options := policy.Options{NoPolicy: policy.DispositionDeny, Now: mustTime(today)}
	if w.passUngoverned {
		options.NoPolicy = policy.DispositionPass
	}
	return policy.Compile(w.documents(), options)
}

// clone copies the documents, to change them.
func (w *world) clone() *world {
	c := &world{passUngoverned: w.passUngoverned, patterns: w.patterns}
	for _, p := range w.policies {
		c.policies = append(c.policies, proto.CloneOf(p))
	}
	for _, s := range w.sets {
		c.sets = append(c.sets, proto.CloneOf(s))
	}
	return c
}

func genSpec(t *rapid.T, w *world, taken map[string]bool) *corsgatev1.CorsPolicySpec {
	spec := &corsgatev1.CorsPolicySpec{
		Targets:                   genTargets(t, taken),
		ExcludeOrigins:            genPatterns(t, "excluded", 0, 2),
		Methods:                   some(t, "methods", listedMethods, 4),
		RequestHeaders:            some(t, "request headers", listedHeaders, 4),
		Presets:                   some(t, "presets", []string{"grpc-web", "connect", "mcp"}, 1),
		ExposeHeaders:             some(t, "expose", exposedHeaders, 3),
		Credentials:               rapid.Bool().Draw(t, "credentials"),
		MaxAge:                    draw(t, "max age", []string{"", "0s", "5s", "10m", "24h"}),
		OnDisallowedOrigin:        corsgatev1.Disposition(rapid.Int32Range(0, 2).Draw(t, "disallowed")),
		Navigations:               corsgatev1.Disposition(rapid.Int32Range(0, 2).Draw(t, "navigations")),
		CrossOriginResourcePolicy: corsgatev1.ResourcePolicy(rapid.Int32Range(0, 3).Draw(t, "resource policy")),
		PrivateNetwork:            rapid.Bool().Draw(t, "private network"),
		PreflightLists:            corsgatev1.PreflightLists(rapid.Int32Range(0, 2).Draw(t, "preflight lists")),
		Enforcement:               draw(t, "enforcement", []corsgatev1.Enforcement{0, 1, 1, 1, 1, 2, 3}),
	}
	for _, set := range w.sets {
		if rapid.Bool().Draw(t, "uses set") {
			spec.OriginSets = append(spec.OriginSets, set.GetMetadata().GetName())
		}
	}
	spec.Origins = genPatterns(t, "origins", 1, 4)
	for range rapid.IntRange(0, 1).Draw(t, "temporary") {
		spec.TemporaryOrigins = append(spec.TemporaryOrigins, &corsgatev1.TemporaryOrigin{Origin: genPattern(t), Until: draw(t, "until", days)})
	}
	if chance(t, "regex", 4) {
		spec.OriginRegexes = []string{draw(t, "expression", expressions)}
	}
	if rapid.Bool().Draw(t, "dangerously") {
		spec.Dangerously = &corsgatev1.Exceptions{
			AnyOriginWithCredentials: "drawn by a test", PlainHttpWithCredentials: "drawn by a test", PublicSuffix: "drawn by a test",
		}
	}
	if chance(t, "any origin", 6) {
		spec.Origins, spec.OriginSets, spec.OriginRegexes, spec.TemporaryOrigins = []string{"*"}, nil, nil, nil
		spec.Credentials = spec.GetCredentials() && spec.GetDangerously() != nil
	}
	if spec.GetCredentials() {
		spec.ExposeHeaders = slices.DeleteFunc(spec.GetExposeHeaders(), func(name string) bool { return name == "*" })
	}
	if chance(t, "status", 3) {
		spec.PreflightStatus = new(rapid.Int32Range(200, 299).Draw(t, "preflight status"))
	}
	if chance(t, "timing", 2) {
		spec.TimingAllowOrigin = new(rapid.Bool().Draw(t, "timing"))
	}
	if chance(t, "all headers", 5) {
		spec.RequestHeaders, spec.Presets = []string{"*"}, nil
	}
	if chance(t, "all methods", 5) {
		spec.Methods = []string{"*"}
	}
	if chance(t, "long lists", 10) {
		for i := range 60 {
			spec.RequestHeaders = append(spec.RequestHeaders, fmt.Sprintf("X-Quite-Long-Name-Of-A-Header-%d", i))
			spec.Methods = append(spec.Methods, fmt.Sprintf("QUITE-LONG-NAME-OF-A-METHOD-%d", i))
		}
	}
	return spec
}

// genTargets draws targets that no other policy has.
func genTargets(t *rapid.T, taken map[string]bool) []*corsgatev1.Target {
	var targets []*corsgatev1.Target
	for range rapid.IntRange(1, 3).Draw(t, "targets") {
		host, path := draw(t, "target host", targetHosts), draw(t, "target path", targetPaths)
		if taken[host+path] {
			continue
		}
		taken[host+path] = true
		target := &corsgatev1.Target{Hosts: []string{host}}
		if path != "" {
			target.Paths = []string{path}
		}
		targets = append(targets, target)
	}
	return targets
}

// A call is what a page asks for, and how it reaches us.
type call struct {
	request browser.Request
	// tlsEnded says that an https request reaches us as http.
	tlsEnded bool
	// varies says that the route adds Vary itself.
	varies bool
	// service is what the service itself sends.
	service []browser.Header
}

func genCall(t *rapid.T) call {
	scheme := draw(t, "request scheme", []string{"https", "https", "http"})
	u, err := url.Parse(scheme + "://" + draw(t, "request host", requestHosts) + draw(t, "path", paths))
	if err != nil {
		t.Fatalf("parse a URL: %v", err)
	}
	c := call{
		request: browser.Request{
			Origin: genOrigin(t), URL: u, Method: draw(t, "method", methods),
			Mode: draw(t, "mode", []browser.Mode{
				browser.ModeCORS, browser.ModeCORS, browser.ModeCORS, browser.ModeCORS, browser.ModeNoCORS, browser.ModeNavigate, browser.ModeWebSocket,
			}),
			Credentials:    browser.Credentials(rapid.Uint8Range(0, 2).Draw(t, "credentials mode")),
			ReferrerPolicy: browser.ReferrerPolicy(rapid.Uint8Range(0, 3).Draw(t, "referrer policy")),
			UploadListener: chance(t, "listener", 8),
			Stream:         chance(t, "stream", 12),
		},
		tlsEnded: scheme == "https" && chance(t, "TLS ended", 3),
		varies:   rapid.Bool().Draw(t, "varies"),
		service:  genService(t),
	}
	for range rapid.IntRange(0, 3).Draw(t, "headers") {
		c.request.Headers = append(c.request.Headers, browser.Header{Name: draw(t, "name", headerNames), Value: draw(t, "value", headerValues)})
	}
	if chance(t, "many headers", 40) {
		for i := range draw(t, "how many", []int{120, 128, 129, 200}) {
			c.request.Headers = append(c.request.Headers, browser.Header{Name: fmt.Sprintf("X-Quite-Long-Name-Of-A-Header-%d", i)})
		}
	}
	if c.request.Mode == browser.ModeWebSocket {
		c.request.Method, c.request.Headers, c.request.UploadListener, c.request.Stream = "GET", nil, false, false
	}
	return c
}

// genService draws what a service sends that grants more than the policy does.
func genService(t *rapid.T) []browser.Header {
	headers := []browser.Header{
		{Name: "content-type", Value: "text/plain"},
		{Name: "x-request-id", Value: "7"},
		{Name: "x-secret", Value: "7"},
		{Name: "mcp-session-id", Value: "7"},
		{Name: "set-cookie", Value: "a=b"},
	}
	for _, h := range []struct {
		name   string
		values []string
	}{
		{"access-control-allow-origin", []string{"*", "https://evil.example", "null"}},
		{"access-control-allow-credentials", []string{"true"}},
		{"access-control-expose-headers", []string{"*", "X-Secret"}},
		{"access-control-allow-methods", []string{"*", "PUT"}},
		{"access-control-allow-headers", []string{"*"}},
		{"timing-allow-origin", []string{"*"}},
	} {
		if chance(t, h.name, 3) {
			headers = append(headers, browser.Header{Name: h.name, Value: draw(t, h.name, h.values)})
		}
	}
	return headers
}
