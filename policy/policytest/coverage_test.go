package policytest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policytest"
)

// exercises are requests that together exercise all parts of shop, and the parts
// that each exercises and no other does.
var exercises = []struct {
	request string
	alone   []string
}{
	{`{url: "https://b.shop.example/v1/a", origin: https://c.shop.example}`, []string{"spec.targets[0].hosts[1]", "spec.origins[1]"}},
	{`{url: "https://api.shop.example/v2", origin: https://partner.example}`, []string{"spec.targets[0].paths[1]", "spec.originSets[0]"}},
	{`{url: "https://api.shop.example/v1/a", origin: https://old.shop.example}`, []string{"spec.excludeOrigins[0]"}},
	{`{url: "https://api.shop.example/v1/a", origin: https://trial.example}`, []string{"spec.temporaryOrigins[0].origin"}},
	{`{url: "https://api.shop.example/v1/a", origin: https://a.regex.example}`, []string{"spec.originRegexes[0]"}},
	{
		`{url: "https://api.shop.example/v1/a", origin: https://shop.example, preflight: {method: DELETE, headers: [x-csrf-token]}}`,
		[]string{"spec.methods[1]", "spec.requestHeaders[0]"},
	},
	{`{url: "https://api.shop.example/v1/a", origin: https://shop.example, preflight: {method: GET, headers: [x-grpc-web]}}`, []string{"spec.presets[0]"}},
	{`{url: "https://api.shop.example/v1/a", origin: "null", preflight: {method: GET}}`, []string{"an origin that may not call"}},
	{`{url: "https://api.shop.example/v1/a", origin: "https://x.example"}`, []string{"an actual request that passes although its origin may not call"}},
	{`{url: "https://api.shop.example/v1/a", origin: "https://x.example", fetchMode: navigate}`, []string{"a form post that navigates, from an origin that may not call"}},
	{`{url: "https://api.shop.example/v1/a", origin: https://shop.example, method: PUT}`, []string{"a method that is not allowed"}},
	{`{url: "https://api.shop.example/v1/a", origin: https://shop.example, preflight: {method: GET, headers: [x-a]}}`, []string{"a request header that is not allowed"}},
}

func cover(t *testing.T, policyText string, requests []string) policytest.PolicyCoverage {
	t.Helper()
	docs := policies(t, policyText)
	var spec strings.Builder
	spec.WriteString("  tests:\n")
	for i, request := range requests {
		fmt.Fprintf(&spec, "  - {name: t%d, request: %s, expect: {headersExactly: true}}\n", i, request)
	}
	c, err := policytest.Cover(docs, run(t, docs, spec.String()))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Policies) != 1 || c.Exercised != c.Policies[0].Exercised || c.Total != c.Policies[0].Total || c.Percent != c.Policies[0].Percent {
		t.Fatalf("the whole is not its only policy: %+v", c)
	}
	return c.Policies[0]
}

// names returns parts by their fields, and outcomes by what they are.
func names(parts []policytest.Part) []string {
	var all []string
	for _, p := range parts {
		if p.Kind == policytest.Outcome {
			all = append(all, p.Text)
		} else {
			all = append(all, p.Field)
		}
	}
	return all
}

// TestCover leaves out one request at a time: what is missing then is what that
// request alone exercises.
func TestCover(t *testing.T) {
	t.Parallel()
	var all []string
	for _, e := range exercises {
		all = append(all, e.request)
	}
	whole := cover(t, shop, all)
	const parts = 21
	if whole.Exercised != parts || whole.Total != parts || whole.Percent != 100 || len(whole.Missing) != 0 {
		t.Fatalf("all tests together: %+v", whole)
	}
	for i, e := range exercises {
		t.Run(e.request, func(t *testing.T) {
			t.Parallel()
			got := cover(t, shop, slices.Delete(slices.Clone(all), i, i+1))
			if diff := cmp.Diff(e.alone, names(got.Missing)); diff != "" {
				t.Errorf("missing (-want +got):\n%s", diff)
			}
		})
	}
}

// TestCoverNothing checks what parts there are and where they stand.
func TestCoverNothing(t *testing.T) {
	t.Parallel()
	got := cover(t, shop, []string{`{url: "https://x.example"}`})
	if got.Exercised != 0 || got.Percent != 0 || got.Name != "shop" || got.Position.String() != "p.yaml:1:1" {
		t.Errorf("coverage %+v", got)
	}
	var list strings.Builder
	for _, p := range got.Missing {
		list.WriteString(p.Position.String() + " " + p.Kind + " " + p.Field + " " + p.Text + "\n")
	}
	want := `p.yaml:6:13 target spec.targets[0].hosts[0] api.shop.example
p.yaml:6:31 target spec.targets[0].hosts[1] *.shop.example
p.yaml:7:13 target spec.targets[0].paths[0] /v1/*
p.yaml:7:20 target spec.targets[0].paths[1] /v2
p.yaml:8:13 origin spec.origins[0] https://shop.example
p.yaml:8:35 origin spec.origins[1] https://*.shop.example
p.yaml:9:16 origin set spec.originSets[0] partners
p.yaml:10:20 origin spec.excludeOrigins[0] https://old.shop.example
p.yaml:11:13 method spec.methods[0] GET
p.yaml:11:18 method spec.methods[1] DELETE
p.yaml:12:20 header spec.requestHeaders[0] X-Csrf-Token
p.yaml:13:13 preset spec.presets[0] grpc-web
p.yaml:16:31 origin spec.temporaryOrigins[0].origin https://trial.example
p.yaml:17:19 origin spec.originRegexes[0] https://[a-z]\.regex\.example
p.yaml:8:3 outcome spec.origins an actual request that is allowed
p.yaml:11:3 outcome spec.methods a preflight that is allowed
p.yaml:8:3 outcome spec.origins an origin that may not call
p.yaml:15:23 outcome spec.onDisallowedOrigin an actual request that passes although its origin may not call
p.yaml:14:16 outcome spec.navigations a form post that navigates, from an origin that may not call
p.yaml:11:3 outcome spec.methods a method that is not allowed
p.yaml:12:3 outcome spec.requestHeaders a request header that is not allowed
`
	if diff := cmp.Diff(want, list.String()); diff != "" {
		t.Errorf("parts (-want +got):\n%s", diff)
	}
}

const smallHead = "apiVersion: corsgate.dev/v1\nkind: CorsPolicy\nmetadata: {name: small}\nspec:\n"

// TestCoverKinds checks policies that have fewer parts, or others.
func TestCoverKinds(t *testing.T) {
	t.Parallel()
	const call = `{url: "https://a.example/", origin: https://b.example, policy: small`
	for name, c := range map[string]struct {
		spec     string
		requests []string
		total    int
		missing  []string
	}{
		"a disabled policy": {
			"  origins: [https://b.example]\n  methods: [GET]\n  enforcement: DISABLED\n", []string{call + "}"}, 1, nil,
		},
		"a disabled policy that only a route finds": {
			"  targets: [{hosts: [a.example]}]\n  origins: [https://b.example]\n  enforcement: DISABLED\n",
			[]string{call + "}"},
			2,
			[]string{"spec.targets[0].hosts[0]"}, // the route names the policy, so no target is tried
		},
		"a policy that only reports": {
			"  origins: [https://b.example]\n  enforcement: REPORT_ONLY\n",
			[]string{call + "}", call + ", method: PUT}", call + ", preflight: {method: GET, headers: [x-a]}}"},
			5,
			[]string{"an origin that may not call"},
		},
		"any origin": {
			"  origins: [\"*\"]\n",
			[]string{call + "}"},
			4,
			[]string{"a method that is not allowed", "a request header that is not allowed"},
		},
		"any method and header": {
			"  origins: [\"*\"]\n  methods: [GET, \"*\"]\n  requestHeaders: [X-A, \"*\"]\n",
			[]string{call + "}", call + ", preflight: {method: GET, headers: [x-a]}}"},
			7,
			[]string{"spec.methods[1]", "spec.requestHeaders[1]"},
		},
		"others by the wildcards": {
			"  origins: [\"*\"]\n  methods: [GET, \"*\"]\n  requestHeaders: [X-A, \"*\"]\n",
			[]string{call + ", preflight: {method: PUT, headers: [x-b]}}"},
			7,
			[]string{"spec.methods[0]", "spec.requestHeaders[0]", "an actual request that is allowed"},
		},
		"a header that needs no preset": {
			"  origins: [\"*\"]\n  presets: [grpc-web]\n",
			[]string{call + ", preflight: {method: GET, headers: [accept]}}"},
			6,
			[]string{"spec.presets[0]", "an actual request that is allowed", "a method that is not allowed", "a request header that is not allowed"},
		},
		"a handshake uses no method": {
			"  origins: [https://b.example]\n  methods: [GET]\n",
			[]string{call + ", upgrade: websocket}"},
			6,
			[]string{"spec.methods[0]", "an origin that may not call", "a method that is not allowed", "a request header that is not allowed"},
		},
		"an origin set of the policy's name": {
			"  origins: [https://c.example]\n  originSets: [small]\n---\napiVersion: corsgate.dev/v1\nkind: CorsOriginSet\nmetadata: {name: small}\nspec: {origins: [https://b.example]}\n",
			[]string{call + "}"},
			6,
			[]string{"spec.origins[0]", "an origin that may not call", "a method that is not allowed", "a request header that is not allowed"},
		},
		"two hosts of one meaning": {
			"  targets: [{hosts: [a.example, A.example], paths: [/]}, {hosts: [\"*\"], paths: [/x]}]\n  origins: [https://b.example]\n",
			[]string{`{url: "https://A.example/", origin: https://b.example}`},
			10,
			[]string{"spec.targets[1].hosts[0]", "spec.targets[1].paths[0]", "an origin that may not call", "a method that is not allowed", "a request header that is not allowed"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := cover(t, smallHead+c.spec, c.requests)
			if diff := cmp.Diff(c.missing, names(got.Missing)); diff != "" || got.Total != c.total {
				t.Errorf("total %d, want %d; missing (-want +got):\n%s", got.Total, c.total, diff)
			}
		})
	}
}

// TestCoverProbeNames checks that a route does not find, by the name of its policy,
// what stands for a target.
func TestCoverProbeNames(t *testing.T) {
	t.Parallel()
	docs := policies(t, strings.Replace(smallHead, "small", "target-0", 1)+"  targets: [{hosts: [x.example]}]\n  origins: [\"*\"]\n")
	results := run(t, docs, "  tests: [{name: a, request: {url: \"https://a.example/\", policy: target-0}, expect: {policy: target-0}}]\n")
	c, err := policytest.Cover(docs, results)
	if err != nil || c.Exercised != 0 {
		t.Errorf("coverage %+v, error %v", c, err)
	}
}

// TestCoverSeveral checks the order of policies, and that percentages are rounded
// down.
func TestCoverSeveral(t *testing.T) {
	t.Parallel()
	docs := policies(t, strings.ReplaceAll(smallHead, "small", "b")+"  targets: [{hosts: [b.example]}]\n  origins: [\"*\"]\n---\n"+
		strings.ReplaceAll(smallHead, "small", "a")+"  origins: [\"*\"]\n")
	results := run(t, docs, `  tests: [{name: a, request: {url: "https://b.example/", origin: "https://x.example"}, expect: {verdict: allow}}]`+"\n")
	c, err := policytest.Cover(docs, results)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Policies) != 2 || c.Policies[0].Name != "a" || c.Policies[1].Name != "b" {
		t.Fatalf("policies %+v", c.Policies)
	}
	if c.Exercised != 3 || c.Total != 9 || c.Percent != 33.3 || c.Policies[1].Percent != 60 {
		t.Errorf("coverage %+v", c)
	}
	if _, err := policytest.Cover(policies(t, strings.Replace(shop, "v2", "v2//", 1)), nil); err == nil {
		t.Error("invalid policies are covered")
	}
	if c, err := policytest.Cover([]policy.Document{}, nil); err != nil || c.Percent != 100 {
		t.Errorf("of nothing: %+v, %v", c, err)
	}
}
