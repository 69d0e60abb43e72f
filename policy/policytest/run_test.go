package policytest_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/document"
	"github.com/corsgate/corsgate/policy/policytest"
)

// shop has one of each part that coverage knows.
const shop = `apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata: {name: shop}
spec:
  targets:
  - hosts: [api.shop.example, "*.shop.example"]
    paths: [/v1/*, /v2]
  origins: [https://shop.example, "https://*.shop.example"]
  originSets: [partners]
  excludeOrigins: [https://old.shop.example]
  methods: [GET, DELETE]
  requestHeaders: [X-Csrf-Token]
  presets: [grpc-web]
  navigations: PASS
  onDisallowedOrigin: PASS
  temporaryOrigins: [{origin: "https://trial.example", until: "2026-03-01"}]
  originRegexes: ["https://[a-z]\\.regex\\.example"]
---
apiVersion: corsgate.dev/v1
kind: CorsOriginSet
metadata: {name: partners}
spec: {origins: [https://partner.example]}
`

func policies(t *testing.T, text string) []policy.Document {
	t.Helper()
	docs, problems := document.Read("p.yaml", []byte(text))
	if len(problems) > 0 {
		t.Fatalf("the policies cannot be read:\n%v", problems)
	}
	return docs
}

func run(t *testing.T, docs []policy.Document, spec string) []policytest.Result {
	t.Helper()
	results, err := policytest.Run(docs, policy.Options{}, tests(t, spec))
	if err != nil {
		t.Fatal(err)
	}
	return results
}

// TestExpectations checks each expectation with what holds and with what does
// not: each must be able to fail.
func TestExpectations(t *testing.T) {
	t.Parallel()
	const call = `{url: "https://api.shop.example/v1/a", origin: https://shop.example}`
	const preflight = `{url: "https://api.shop.example/v1/a", origin: https://a.shop.example, preflight: {method: DELETE}}`
	const answer = `access-control-allow-origin: https://a.shop.example, access-control-allow-methods: "DELETE, GET", access-control-allow-headers: "content-type, grpc-timeout, x-csrf-token, x-grpc-web, x-user-agent", access-control-expose-headers: "grpc-message, grpc-status, grpc-status-details-bin", vary: "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"`
	for name, c := range map[string]struct {
		request, holds, fails string
		want                  string // what does not hold, each as String says it
	}{
		"verdict":            {call, "verdict: allow", "verdict: deny", "verdict: expected deny, got allow"},
		"reason":             {call, "reason: origin_allowed", "reason: same_origin", "reason: expected same_origin, got origin_allowed"},
		"kind":               {preflight, "kind: preflight", "kind: actual", "kind: expected actual, got preflight"},
		"forward":            {call, "action: forward", "action: refuse", "action: expected refuse, got forward"},
		"answer":             {preflight, "action: answer", "action: forward", "action: expected forward, got answer"},
		"status":             {preflight, "status: 204", "status: 200", "status: expected 200, got 204"},
		"policy":             {call, "policy: shop", "policy: shops", "policy: expected shops, got shop"},
		"rule by field":      {preflight, `rule: "spec.origins[1]"`, `rule: "spec.origins[0]"`, `rule: expected spec.origins[0], got spec.origins[1], "https://*.shop.example"`},
		"rule by text":       {preflight, `rule: "https://*.shop.example"`, "rule: https://shop.example", `rule: expected https://shop.example, got spec.origins[1], "https://*.shop.example"`},
		"a header":           {call, "headers: {Access-Control-Allow-Origin: https://shop.example}", `headers: {ACCESS-CONTROL-ALLOW-ORIGIN: "*"}`, "headers.access-control-allow-origin: expected *, got https://shop.example"},
		"no header":          {call, `headers: {access-control-max-age: ""}`, `headers: {vary: ""}`, "headers.vary: expected none, got Origin"},
		"a replaced header":  {call, `headers: {access-control-allow-credentials: ""}`, `headers: {access-control-allow-credentials: "false"}`, "headers.access-control-allow-credentials: expected false, got none"},
		"headers exactly":    {preflight, "headersExactly: true, headers: {" + answer + "}", "headersExactly: true, headers: {" + strings.Replace(answer, "vary", "x", 1) + "}", "headers.x: expected Origin, Access-Control-Request-Method, Access-Control-Request-Headers, got none\nheaders.vary: expected none, got Origin, Access-Control-Request-Method, Access-Control-Request-Headers"},
		"nothing":            {`{url: "https://api.shop.example/v1/a"}`, "verdict: pass, kind: not_cors", "status: 403, rule: spec.origins", "status: expected 403, got none\nrule: expected spec.origins, got none"},
		"no policy":          {`{url: "https://other.example", origin: "null"}`, "action: refuse, status: 403", "policy: shop", "policy: expected shop, got none"},
		"before an end":      {`{url: "https://api.shop.example/v1/a", origin: https://trial.example, time: "2026-02-28T23:59:59Z"}`, "verdict: allow", "verdict: pass", "verdict: expected pass, got allow"},
		"an end":             {`{url: "https://api.shop.example/v1/a", origin: https://trial.example, time: "2026-03-01"}`, "verdict: pass", "verdict: allow", "verdict: expected allow, got pass"},
		"what no time ends":  {`{url: "https://api.shop.example/v1/a", origin: https://trial.example}`, "verdict: allow", "verdict: pass", "verdict: expected pass, got allow"},
		"a hostile request":  {`{url: "https://api.shop.example/v1/a", origin: "\e[31m"}`, "reason: origin_malformed", "policy: \"\\e[1m\"", `policy: expected "\x1b[1m", got shop`},
		"the route's policy": {`{url: "https://else.example", origin: https://shop.example, policy: shop}`, "policy: shop, verdict: allow", "verdict: pass", "verdict: expected pass, got allow"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			docs := policies(t, shop)
			results := run(t, docs, "  tests:\n  - {name: a, request: "+c.request+", expect: {"+c.holds+"}}\n  - {name: b, request: "+c.request+", expect: {"+c.fails+"}}\n")
			if !results[0].Passed() {
				t.Errorf("what holds is taken to fail: %v", results[0].Mismatches)
			}
			if got := mismatches(&results[1]); got != c.want || results[1].Passed() {
				t.Errorf("mismatches\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func mismatches(r *policytest.Result) string {
	lines := make([]string, len(r.Mismatches))
	for i := range r.Mismatches {
		lines[i] = r.Mismatches[i].String()
	}
	return strings.Join(lines, "\n")
}

// TestRowsOverride checks what a row expects, and where it says so.
func TestRowsOverride(t *testing.T) {
	t.Parallel()
	results := run(t, policies(t, shop), `  tests:
  - name: a
    request: {url: "https://api.shop.example/v1/a", origin: https://shop.example}
    expect: {verdict: deny, reason: origin_allowed, headers: {Vary: x, x-a: b}}
    rows:
    - {expect: {verdict: allow}}
    - {expect: {headers: {vary: Origin, X-A: ""}}}
    - {expect: {verdict: pass, headers: {vary: Origin, x-a: ""}}}
`)
	type at struct {
		Field        string
		Line, Column int
	}
	var got [][]at
	for _, r := range results {
		var all []at
		for _, m := range r.Mismatches {
			all = append(all, at{m.Field, m.Position.Line, m.Position.Column})
		}
		got = append(got, all)
	}
	want := [][]at{
		{{"headers.vary", 8, 69}, {"headers.x-a", 8, 77}},
		{{"verdict", 8, 23}},
		{{"verdict", 12, 26}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mismatches (-want +got):\n%s", diff)
	}
}

// TestRunNoPolicy checks that the options reach the engine.
func TestRunNoPolicy(t *testing.T) {
	t.Parallel()
	all := tests(t, "  tests: [{name: a, request: {url: \"http://x\", origin: \"https://a.example\"}, expect: {verdict: pass}}]\n")
	results, err := policytest.Run(policies(t, shop), policy.Options{NoPolicy: policy.DispositionPass}, all)
	if err != nil || !results[0].Passed() {
		t.Errorf("results %v, error %v", results, err)
	}
}

// TestRunInvalid checks that policies that do not compile are an error.
func TestRunInvalid(t *testing.T) {
	t.Parallel()
	all := tests(t, "  tests: [{name: a, request: {url: \"http://x\"}, expect: {verdict: pass}}]\n")
	bad := policies(t, strings.Replace(shop, "https://shop.example", "https://shop.example/", 1))
	if results, err := policytest.Run(bad, policy.Options{}, all); err == nil || !strings.Contains(err.Error(), "origin_path") || results != nil {
		t.Errorf("results %v, error %v", results, err)
	}
}
