package policy_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/corsgate/corsgate/policy"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

func TestPatternCovers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		a, b             string
		covers, overlaps bool
	}{
		{"*", "null", true, true},
		{"*", "https://*.shop.example:*", true, true},
		{"null", "*", false, true},
		{"null", "null", true, true},
		{"null", "https://shop.example", false, false},
		{"https://shop.example", "https://shop.example", true, true},
		{"https://shop.example", "http://shop.example", false, false},
		{"https://shop.example", "https://shop.example:8443", false, false},
		{"https://shop.example:*", "https://shop.example:8443", true, true},
		{"https://shop.example:*", "https://shop.example", true, true},
		{"https://shop.example:8443", "https://shop.example:*", false, true},
		{"https://[::1]:*", "https://[::1]", true, true},
		{"https://[::1]:*", "https://[::2]", false, false},
		{"https://*.shop.example", "https://shop.example", false, false},
		{"https://*.shop.example", "https://a.shop.example", true, true},
		{"https://*.shop.example", "https://a.b.shop.example", true, true},
		{"https://*.shop.example", "https://*.b.shop.example", true, true},
		{"https://*.shop.example", "https://*.shop.example", true, true},
		{"https://*.shop.example", "https://*.shop.example:*", false, true},
		{"https://*.shop.example:*", "https://*.shop.example:8443", true, true},
		{"https://*.shop.example:8443", "https://*.shop.example", false, false},
		{"https://*.b.shop.example", "https://*.shop.example", false, true},
		{"https://*.shop.example", "https://*.another-shop.example", false, false},
		{"https://*.shop.example", "https://pr-*.shop.example", true, true},
		{"https://pr-*.shop.example", "https://*.shop.example", false, true},
		{"https://pr-*.shop.example", "https://pr-1.shop.example", true, true},
		{"https://pr-*.shop.example", "https://pr-.shop.example", false, false},
		{"https://pr-*.shop.example", "https://pr-1*.shop.example", true, true},
		{"https://pr-1*.shop.example", "https://pr-*.shop.example", false, true},
		{"https://pr-*.shop.example", "https://pr-*-eu.shop.example", true, true},
		{"https://pr-*.shop.example", "https://pr-a_*.shop.example", false, true},
		{"https://pr-*-eu.shop.example", "https://pr-*-us.shop.example", false, false},
		{"https://*.pr-*.shop.example", "https://a.pr-1.shop.example", true, true},
		{"https://*.pr-*.shop.example", "https://pr-1.shop.example", false, false},
		{"https://*.pr-*.shop.example", "https://pr-*.shop.example", false, false},
		{"https://pr-*.shop.example", "https://*.pr-*.shop.example", false, false},
		{"https://*.pr-*.shop.example", "https://*.shop.example", false, true},
		{"https://pr-*.shop.example", "https://a.pr-1.shop.example", false, false},
		{"https://pr-*.shop.example", "https://*.a.pr-1.shop.example", false, false},
		{"https://a.shop.example", "no pattern", false, false},
		{"no pattern", "https://a.shop.example", false, false},
	}
	for _, test := range tests {
		if got := policy.PatternCovers(test.a, test.b); got != test.covers {
			t.Errorf("PatternCovers(%q, %q) is %t", test.a, test.b, got)
		}
		a, okA := policy.ParseOriginPattern(test.a)
		b, okB := policy.ParseOriginPattern(test.b)
		if !okA || !okB {
			continue
		}
		if a.Overlaps(b) != test.overlaps || b.Overlaps(a) != test.overlaps {
			t.Errorf("%q and %q overlap: %t and %t, want %t", test.a, test.b, a.Overlaps(b), b.Overlaps(a), test.overlaps)
		}
		if a.String() != test.a {
			t.Errorf("%q is written as %q", test.a, a)
		}
	}
}

// What one pattern covers, the engine lets in by it; what does not overlap, no
// origin matches both of.
func TestPatternsAgainstDecisions(t *testing.T) {
	t.Parallel()
	head := rapid.SampledFrom([]string{"", "*.", "a.", "b.", "a.b.", "*.a.", "a*.", "*a.", "*.a*.", "a*.b.", "a_*.", "*-1."})
	port := rapid.SampledFrom([]string{"", ":81", ":*"})
	pattern := rapid.Custom(func(t *rapid.T) string {
		return "https://" + head.Draw(t, "head") + "x.example" + port.Draw(t, "port")
	})
	label := rapid.StringMatching(`[ab]([ab1_-]{0,2}[ab1])?`)
	origin := rapid.Custom(func(t *rapid.T) string {
		labels := append(rapid.SliceOfN(label, 0, 3).Draw(t, "labels"), "x.example")
		return "https://" + strings.Join(labels, ".") + rapid.SampledFrom([]string{"", ":81", ":82"}).Draw(t, "port")
	})
	rapid.Check(t, func(t *rapid.T) {
		texts := [2]string{pattern.Draw(t, "a"), pattern.Draw(t, "b")}
		var sets [2]*policy.Set
		var patterns [2]policy.OriginPattern
		for i, text := range texts {
			sets[i] = letIn(t, text)
			patterns[i], _ = policy.ParseOriginPattern(text)
		}
		for range 20 {
			r := policy.Request{Method: "GET", Scheme: "https", Host: "api.example", Path: "/", Origin: origin.Draw(t, "origin")}
			a, b := sets[0].Decide(&r), sets[1].Decide(&r)
			inA, inB := a.Verdict == policy.VerdictAllow, b.Verdict == policy.VerdictAllow
			if inB && !inA && patterns[0].Covers(patterns[1]) {
				t.Fatalf("%s covers %s, and %s matches only the latter", texts[0], texts[1], r.Origin)
			}
			if inA && inB && !patterns[0].Overlaps(patterns[1]) {
				t.Fatalf("%s and %s do not overlap, and %s matches both", texts[0], texts[1], r.Origin)
			}
		}
	})
}

// letIn makes a set that lets one pattern in.
func letIn(t *rapid.T, pattern string) *policy.Set {
	t.Helper()
	set, problems := policy.Compile([]policy.Document{{Message: &corsgatev1.CorsPolicy{
		Metadata: &corsgatev1.Metadata{Name: "p"},
		Spec: &corsgatev1.CorsPolicySpec{
			Targets: []*corsgatev1.Target{{Hosts: []string{"*"}}}, Origins: []string{pattern},
		},
	}}}, policy.Options{})
	if set == nil {
		t.Fatalf("compile %s: %v", pattern, problems)
	}
	return set
}

func TestTargetKeys(t *testing.T) {
	t.Parallel()
	set := compile(t, `
apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata: {name: p}
spec:
  targets:
    - hosts: [API.shop.example, "*.shop.example:8443"]
      paths: [/v1/*, /v2]
    - hosts: ["*"]
  origins: [https://shop.example]
`, policy.Options{})
	want := []policy.TargetKey{
		{Host: "api.shop.example", Path: "/v1", Under: true},
		{Host: "api.shop.example", Path: "/v2"},
		{Host: "shop.example", Below: true, Port: 8443, Path: "/v1", Under: true},
		{Host: "shop.example", Below: true, Port: 8443, Path: "/v2"},
		{Under: true},
	}
	keys := set.Policies()[0].TargetKeys()
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	texts := []string{"api.shop.example/v1/*", "api.shop.example/v2", "*.shop.example:8443/v1/*", "*.shop.example:8443/v2", "*"}
	for i, key := range keys {
		if key.String() != texts[i] {
			t.Errorf("key %d is %q, want %q", i, key, texts[i])
		}
	}
}

func TestGrants(t *testing.T) {
	t.Parallel()
	set := compile(t, onePolicy(`
origins: [https://shop.example]
requestHeaders: ["*", Authorization, X-A]
presets: [mcp]
exposeHeaders: [X-E, x-b]
`), policy.Options{})
	want := policy.Grants{
		Methods: policy.NameList{Names: []string{"GET", "HEAD", "POST"}},
		RequestHeaders: policy.NameList{
			Any: true, Beyond: []string{"authorization"},
			Names: []string{"authorization", "content-type", "last-event-id", "mcp-protocol-version", "mcp-session-id", "x-a"},
		},
		ExposeHeaders: policy.NameList{Names: []string{"mcp-session-id", "x-b", "x-e"}},
	}
	if diff := cmp.Diff(want, set.Policies()[0].Grants()); diff != "" {
		t.Errorf("grants (-want +got):\n%s", diff)
	}
}
