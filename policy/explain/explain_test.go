package explain_test

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/explain"
)

const shop = `apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata: {name: shop}
spec:
  targets: [{hosts: [api.shop.example], paths: [/v1/*]}]
  origins:
    - https://shop.example
    - https://*.sub.example
    - http://localhost:3000
  excludeOrigins: [https://old.sub.example]
  temporaryOrigins:
    - {origin: https://trial.example, until: "2020-01-01"}
  requestHeaders: ["*"]
---
apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata: {name: wide}
spec:
  targets: [{hosts: ["*.shop.example"]}, {hosts: ["*"]}]
  origins: [https://shop.example]
---
apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata: {name: secret}
spec:
  targets: [{hosts: [secret.shop.example]}]
  origins: [https://shop.example]
  credentials: true
---
apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata: {name: paused}
spec:
  targets: [{hosts: [off.shop.example]}]
  origins: [https://shop.example]
  enforcement: DISABLED
---
apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata: {name: passing}
spec:
  targets: [{hosts: [pass.shop.example]}]
  origins: [https://shop.example]
  onDisallowedOrigin: PASS
`

// ask puts a question to shop.
func ask(t *testing.T, query string, change ...func(*explain.Policies)) *explain.Explanation {
	t.Helper()
	policies := read(t, shop)
	policies.Options.Now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, f := range change {
		f(&policies)
	}
	policies.Set, _ = policy.Compile(policies.Documents, policies.Options)
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	q, err := explain.ParseQuestion(values)
	if err != nil {
		t.Fatal(err)
	}
	e, err := explain.Explain(policies, q)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func passing(p *explain.Policies) { p.Options.NoPolicy = policy.DispositionPass }

func without(names ...string) func(*explain.Policies) {
	return func(p *explain.Policies) {
		kept := p.Documents[:0:0]
		for _, one := range p.Documents {
			set, _ := policy.Compile([]policy.Document{one}, policy.Options{})
			if !strings.Contains(" "+strings.Join(names, " ")+" ", " "+set.Policies()[0].Name+" ") {
				kept = append(kept, one)
			}
		}
		p.Documents = kept
	}
}

// codes are what an explanation says besides its decision.
type codes struct {
	Outcome  explain.Outcome
	Reason   string
	Notes    []string
	Change   []string // fields edited
	NoChange string
}

func codesOf(e *explain.Explanation) codes {
	c := codes{Outcome: e.Outcome, Reason: e.Reason}
	for _, n := range e.Notes {
		c.Notes = append(c.Notes, n.Code)
	}
	if e.Change != nil {
		for _, edit := range e.Change.Edits {
			c.Change = append(c.Change, edit.Field)
		}
		if e.Change.NewDocument != "" {
			c.Change = append(c.Change, "new")
		}
	}
	if e.NoChange != nil {
		c.NoChange = e.NoChange.Code
	}
	return c
}

func TestSpecialCases(t *testing.T) {
	t.Parallel()
	const api = "&url=https://api.shop.example/v1/x"
	tests := map[string]struct {
		query  string
		change []func(*explain.Policies)
		want   codes
	}{
		"allowed":            {"origin=https://shop.example" + api, nil, codes{Outcome: "allowed", Reason: "origin_allowed"}},
		"same origin":        {"origin=https://api.shop.example&method=POST" + api, nil, codes{Outcome: "allowed", Reason: "same_origin"}},
		"no max-age":         {"origin=https://shop.example&header=X-A" + api, nil, codes{Outcome: "allowed", Reason: "origin_allowed", Notes: []string{"no_max_age"}}},
		"null":               {"origin=null" + api, nil, codes{Outcome: "blocked", Reason: "origin_null", Notes: []string{"origin_null"}, NoChange: "origin_null"}},
		"malformed":          {"origin=https://shop.example/" + api, nil, codes{Outcome: "blocked", Reason: "origin_malformed", NoChange: "origin_malformed"}},
		"excluded":           {"origin=https://old.sub.example" + api, nil, codes{Outcome: "blocked", Reason: "origin_excluded", NoChange: "origin_excluded"}},
		"expired":            {"origin=https://trial.example" + api, nil, codes{Outcome: "blocked", Reason: "origin_not_allowed", Notes: []string{"origin_expired"}, Change: []string{"spec.origins"}}},
		"navigation":         {"origin=https://idp.example&method=POST&mode=navigate" + api, nil, codes{Outcome: "blocked", Reason: "cross_site_navigation", Notes: []string{"cross_site_navigation"}, Change: []string{"spec.navigations"}}},
		"navigation by GET":  {"origin=https://idp.example&mode=navigate" + api, nil, codes{Outcome: "allowed", Reason: "no_origin"}},
		"websocket":          {"origin=https://evil.example&url=wss://api.shop.example/v1/ws", nil, codes{Outcome: "blocked", Reason: "origin_not_allowed", Notes: []string{"websocket"}, Change: []string{"spec.origins"}}},
		"no-cors":            {"origin=https://evil.example&method=POST&mode=no-cors&header=X-A:1" + api, nil, codes{Outcome: "blocked", Reason: "origin_not_allowed", Notes: []string{"no_cors", "headers_dropped"}, Change: []string{"spec.origins"}}},
		"disabled":           {"origin=https://evil.example&url=https://off.shop.example/", nil, codes{Outcome: "service_decides", Reason: "disabled", NoChange: "disabled"}},
		"no policy":          {"origin=https://shop.example&url=https://other.example/x&header=X-A", []func(*explain.Policies){without("wide")}, codes{Outcome: "blocked", Reason: "no_policy", Change: []string{"new"}}},
		"no policy, null":    {"origin=null&url=https://other.example/x", []func(*explain.Policies){without("wide")}, codes{Outcome: "blocked", Reason: "no_policy", Notes: []string{"origin_null"}, NoChange: "origin_null"}},
		"no policy, pass":    {"origin=https://shop.example&url=https://other.example/x", []func(*explain.Policies){without("wide"), passing}, codes{Outcome: "service_decides", Reason: "no_policy", NoChange: "no_policy"}},
		"unknown policy":     {"origin=https://shop.example&policy-name=shpo" + api, nil, codes{Outcome: "blocked", Reason: "unknown_policy", NoChange: "unknown_policy"}},
		"named policy":       {"origin=https://shop.example&policy-name=secret" + api, nil, codes{Outcome: "allowed", Reason: "origin_allowed"}},
		"credentials":        {"origin=https://shop.example&credentials=true&url=https://wide.shop.example/", nil, codes{Outcome: "blocked", Reason: "origin_allowed", Notes: []string{"credentials", "cookies_same_site"}, Change: []string{"spec.credentials"}}},
		"plain http":         {"origin=http://shop.example&url=https://secret.shop.example/", nil, codes{Outcome: "blocked", Reason: "origin_not_allowed", NoChange: "plain_http_with_credentials"}},
		"authorization":      {"origin=https://shop.example&header=Authorization" + api, nil, codes{Outcome: "blocked", Reason: "header_not_allowed", Notes: []string{"authorization"}, Change: []string{"spec.requestHeaders"}}},
		"readable refusal":   {"origin=https://shop.example&method=POST&url=https://shop.shop.example/&policy-name=get", []func(*explain.Policies){onlyGet}, codes{Outcome: "blocked", Reason: "method_not_allowed", Notes: []string{"readable_refusal"}, Change: []string{"spec.methods"}}},
		"patch":              {"origin=https://shop.example&method=patch" + api, nil, codes{Outcome: "blocked", Reason: "method_not_allowed", NoChange: "method_case"}},
		"trace":              {"origin=https://shop.example&method=TRACE" + api, nil, codes{Outcome: "blocked", NoChange: "never_sent"}},
		"hidden header":      {"origin=https://shop.example&read-header=ETag" + api, nil, codes{Outcome: "partial", Reason: "origin_allowed", Notes: []string{"headers_hidden"}, Change: []string{"spec.exposeHeaders"}}},
		"cookie header":      {"origin=https://shop.example&read-header=Set-Cookie" + api, nil, codes{Outcome: "partial", Reason: "origin_allowed", Notes: []string{"headers_hidden"}, NoChange: "header_forbidden"}},
		"visible header":     {"origin=https://shop.example&read-header=content-type" + api, nil, codes{Outcome: "allowed", Reason: "origin_allowed"}},
		"passed":             {"origin=https://evil.example&url=https://pass.shop.example/", nil, codes{Outcome: "blocked", Reason: "origin_not_allowed", Change: []string{"spec.origins"}}},
		"mixed content":      {"origin=https://shop.example&url=http://api.shop.example/v1/x", nil, codes{Outcome: "allowed", Reason: "origin_allowed", Notes: []string{"mixed_content"}}},
		"local network":      {"origin=https://shop.example&url=http://192.168.1.1/", nil, codes{Outcome: "allowed", Reason: "origin_allowed", Notes: []string{"local_network"}}},
		"too many headers":   {"origin=https://shop.example" + api + manyHeaders(130), nil, codes{Outcome: "blocked", Reason: "too_many_headers", NoChange: "too_many_headers"}},
		"https behind http":  {"origin=https://api.shop.example&url=http://api.shop.example/v1/x", nil, codes{Outcome: "blocked", Reason: "same_origin", Notes: []string{"mixed_content"}, NoChange: "not_cors"}},
		"forbidden header":   {"origin=https://shop.example&header=Cookie:%20a" + api, nil, codes{Outcome: "allowed", Reason: "origin_allowed", Notes: []string{"headers_dropped"}}},
		"cross-site cookies": {"origin=http://localhost:3000&credentials=true" + api, nil, codes{Outcome: "blocked", Reason: "origin_allowed", Notes: []string{"credentials", "cookies_cross_site"}, Change: []string{"spec.credentials"}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := ask(t, test.query, test.change...)
			if diff := cmp.Diff(test.want, codesOf(e), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s%+v", diff, e.NoChange)
			}
		})
	}
}

// onlyGet adds a policy that only routes name.
func onlyGet(p *explain.Policies) {
	more := `apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata: {name: get}
spec: {origins: [https://shop.example], methods: [GET]}
`
	p.Documents = append(p.Documents, readDocuments(more)...)
}

func manyHeaders(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("&header=X-" + strings.Repeat("a", i+1))
	}
	return b.String()
}

func TestNear(t *testing.T) {
	t.Parallel()
	for origin, want := range map[string]string{
		"https://sub.example":        `https://*.sub.example: "*." stands for one or more labels, and never for sub.example itself`,
		"http://shop.example":        "https://shop.example: the scheme differs: https there, http here",
		"https://shop.example:8443":  "https://shop.example: the port differs: 443 there, 8443 here",
		"http://localhost:5173":      "http://localhost:3000: the port differs: 3000 there, 5173 here",
		"https://shop.example.":      "https://shop.example: the dot at the end makes it another host",
		"https://a.shop.example":     `https://shop.example: a subdomain is another origin; "*." would cover it`,
		"https://shpo.example":       "https://shop.example: the host is spelled otherwise",
		"http://a.sub.example":       "https://*.sub.example: its scheme or port differs (http, 80 here)",
		"https://entirely.different": "",
	} {
		e := ask(t, "url=https://api.shop.example/v1/x&origin="+url.QueryEscape(origin))
		got := ""
		if near := e.Request.Rule.Near; near != nil {
			got = near.Text + ": " + near.Why
		}
		if got != want {
			t.Errorf("%s: %q, want %q", origin, got, want)
		}
	}
}

func TestGoverning(t *testing.T) {
	t.Parallel()
	at := func(line, column int) policy.Position {
		return policy.Position{File: "p.yaml", Line: line, Column: column}
	}
	target := func(name, text, why string, position policy.Position) explain.Target {
		return explain.Target{Policy: name, Target: text, Why: why, Position: position}
	}
	shopTarget := target("shop", "api.shop.example/v1/*", "", at(5, 49))
	tests := map[string]struct {
		query  string
		change []func(*explain.Policies)
		want   explain.Governing
	}{
		"target": {"url=https://api.shop.example/v1/x", nil, explain.Governing{
			By: "target", Policy: "shop", Position: at(1, 1), Enforcement: "ENFORCE", Target: &shopTarget,
			Others: []explain.Target{
				target("wide", "*.shop.example", "its host is less specific", at(19, 22)),
				target("wide", "*", "its host is less specific", at(19, 51)),
			},
		}},
		"route": {"url=https://api.shop.example/v1/x&policy-name=wide", nil, explain.Governing{
			By: "route", Policy: "wide", Position: at(15, 1), Enforcement: "ENFORCE",
		}},
		"route, unknown": {"url=https://api.shop.example/v1/x&policy-name=wode", nil, explain.Governing{
			By: "route", Policy: "wode", Nearest: &explain.Target{Policy: "wide", Position: at(15, 1), Why: "its name is spelled nearly so"},
		}},
		"none, near path": {"url=https://api.shop.example/v2/x", []func(*explain.Policies){without("wide")}, explain.Governing{
			By: "none", Nearest: &explain.Target{Policy: "shop", Target: "api.shop.example/v1/*", Position: at(5, 49), Why: "the path /v2/x does not match"},
		}},
		"none, near host": {"url=https://apo.shop.example/v1/x", []func(*explain.Policies){without("wide")}, explain.Governing{
			By: "none", Nearest: &explain.Target{Policy: "shop", Target: "api.shop.example/v1/*", Position: at(5, 49), Why: "the host apo.shop.example is spelled otherwise"},
		}},
		"none": {"url=https://nothing.like/v1/x", []func(*explain.Policies){without("wide")}, explain.Governing{By: "none"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := ask(t, "origin=https://shop.example&"+test.query, test.change...)
			if diff := cmp.Diff(test.want, e.Governing); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What a program reads is what a person is told: an explanation that came over
// the wire reads the same.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, query := range []string{
		"origin=https://shop.example&method=PUT&header=X-A&credentials=true&read-header=ETag", "origin=null&mode=navigate&method=POST",
		"origin=https://old.sub.example", "origin=https://shop.example&header=X-A",
	} {
		e := ask(t, query+"&url=https://api.shop.example/v1/x")
		data, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var there explain.Explanation
		if err := json.Unmarshal(data, &there); err != nil {
			t.Fatal(err)
		}
		var here, after bytes.Buffer
		if err := e.WriteText(&here, explain.Style{}); err != nil {
			t.Fatal(err)
		}
		if err := there.WriteText(&after, explain.Style{}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(here.String(), after.String()); diff != "" {
			t.Errorf("%s:\n%s", query, diff)
		}
	}
}

// Colours change no word, and prose keeps within its lines.
func TestStyle(t *testing.T) {
	t.Parallel()
	e := ask(t, "origin=https://evil.example&url=https://api.shop.example/v1/x&method=PUT")
	var plain, coloured bytes.Buffer
	if err := e.WriteText(&plain, explain.Style{}); err != nil {
		t.Fatal(err)
	}
	if err := e.WriteText(&coloured, explain.Style{Colour: true}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(plain.String(), "\x1b") || !strings.Contains(coloured.String(), "\x1b[31mhttps://evil.example may not PUT") {
		t.Errorf("colours: %q", coloured.String())
	}
	stripped := coloured.String()
	for _, code := range []string{"0", "1", "2", "31", "32"} {
		stripped = strings.ReplaceAll(stripped, "\x1b["+code+"m", "")
	}
	if diff := cmp.Diff(plain.String(), stripped); diff != "" {
		t.Errorf("(-plain +stripped):\n%s", diff)
	}
}
