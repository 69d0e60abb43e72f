package explain_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/explain"
)

const guarded = `apiVersion: corsgate.dev/v1
kind: CorsGuardrail
metadata: {name: house}
spec:
  originSuffixes: [shop.example]
  forbiddenMethods: [DELETE]
  forbiddenRequestHeaders: [X-Internal]
---
apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata: {name: fine, namespace: shop}
spec:
  targets: [{hosts: [api.shop.example]}]
  origins: [https://shop.example]
  originSets: [others]
---
apiVersion: corsgate.dev/v1
kind: CorsOriginSet
metadata: {name: others, namespace: shop}
spec: {origins: [https://other.shop.example]}
---
apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata: {name: barred}
spec:
  targets: [{hosts: [barred.shop.example]}]
  origins: [https://elsewhere.example]
  onDisallowedOrigin: PASS
---
apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata: {name: reported}
spec:
  targets: [{hosts: [reported.shop.example]}]
  origins: [https://a.elsewhere.example, https://b.elsewhere.example, https://c.elsewhere.example, https://d.elsewhere.example]
  enforcement: REPORT_ONLY
---
apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata: {name: paused}
spec:
  targets: [{hosts: [paused.shop.example]}]
  origins: [https://elsewhere.example]
  enforcement: DISABLED
`

// askGuarded puts a question to policies that guardrails reach.
func askGuarded(t *testing.T, query string) *explain.Explanation {
	t.Helper()
	policies := explain.Policies{Documents: readDocuments(guarded)} // who asks need not know how breaches are taken
	policies.Set, _ = policy.Compile(policies.Documents, policy.Options{Breaches: policy.BreachesBarred})
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

// What a guardrail forbids is named as such, and never proposed; what no guardrail
// forbids is, although other policies are barred.
func TestGuardrails(t *testing.T) {
	t.Parallel()
	const fine, shop = "&url=https://api.shop.example/", "origin=https://shop.example"
	for name, test := range map[string]struct {
		query string
		want  codes
		says  string // of NoChange
	}{
		"within":            {shop + fine, codes{Outcome: "allowed", Reason: "origin_allowed"}, ""},
		"an origin within":  {"origin=https://new.shop.example" + fine, codes{Outcome: "blocked", Reason: "origin_not_allowed", Change: []string{"spec.origins"}}, ""},
		"an origin outside": {"origin=https://new.example" + fine, codes{Outcome: "blocked", Reason: "origin_not_allowed", NoChange: "guardrail_origin_suffix"}, `No change is proposed, for a guardrail forbids what it would take, at more.yaml:14:3 (spec.origins[1]): "https://new.example" lies outside of the domains that the guardrail "house" at more.yaml:5:3 keeps to (shop.example). Do without, or ask whoever answers for the guardrail house.`},
		"a method":          {shop + "&method=DELETE" + fine, codes{Outcome: "blocked", Reason: "method_not_allowed", NoChange: "guardrail_method"}, `the guardrail "house" at more.yaml:6:22 forbids the method "DELETE"`},
		"a header":          {shop + "&header=X-Internal" + fine, codes{Outcome: "blocked", Reason: "header_not_allowed", NoChange: "guardrail_request_header"}, `forbids the request header "x-internal"`},
		"another header":    {shop + "&header=X-A" + fine, codes{Outcome: "blocked", Reason: "header_not_allowed", Change: []string{"spec.requestHeaders"}}, ""},
		"a barred policy":   {shop + "&url=https://barred.shop.example/", codes{Outcome: "blocked", Reason: "guardrail", NoChange: "guardrail"}, `The policy barred does what a guardrail forbids, so it lets nobody in. At more.yaml:27:13 (spec.origins[0]): "https://elsewhere.example" lies outside of the domains that the guardrail "house" at more.yaml:5:3 keeps to (shop.example); list origins of these domains.`},
		"what it lists":     {"origin=https://elsewhere.example&url=https://barred.shop.example/", codes{Outcome: "blocked", Reason: "guardrail", NoChange: "guardrail"}, "so it lets nobody in"},
		"its own origin":    {"origin=https://barred.shop.example&method=POST&url=https://barred.shop.example/", codes{Outcome: "allowed", Reason: "same_origin", Notes: []string{"guardrail"}}, ""},
		"reported":          {"origin=https://a.elsewhere.example&url=https://reported.shop.example/", codes{Outcome: "service_decides", Reason: "guardrail", Notes: []string{"guardrail"}, NoChange: "report_only"}, "Once it is enforced, the request would be refused: the policy does what a guardrail forbids, and is not in force (guardrail)."},
		"switched off":      {"origin=https://elsewhere.example&url=https://paused.shop.example/", codes{Outcome: "service_decides", Reason: "disabled", Notes: []string{"guardrail"}, NoChange: "disabled"}, "would be refused: the policy does what a guardrail forbids"},
		"a new policy":      {"origin=https://new.example&url=https://nowhere.example/", codes{Outcome: "blocked", Reason: "no_policy", NoChange: "guardrail_origin_suffix"}, "at new"},
		"a namespace":       {shop + "&policy-name=fine" + fine, codes{Outcome: "blocked", Reason: "unknown_policy", NoChange: "unknown_policy"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := askGuarded(t, test.query)
			if diff := cmp.Diff(test.want, codesOf(e), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s%+v", diff, e.NoChange)
			}
			if test.says != "" && (e.NoChange == nil || !strings.Contains(e.NoChange.Text, test.says)) {
				t.Errorf("%+v does not say %q", e.NoChange, test.says)
			}
		})
	}
}

func TestGuardrailNotes(t *testing.T) {
	t.Parallel()
	e := askGuarded(t, "origin=https://a.elsewhere.example&url=https://reported.shop.example/")
	if text := e.Notes[0].Text; !strings.HasPrefix(text, "The policy reported does what a guardrail forbids. Being REPORT_ONLY it changes nothing; enforced, it would let nobody in. At more.yaml:35:13 (spec.origins[0]): ") ||
		strings.Contains(text, "d.elsewhere.example") || !strings.HasSuffix(text, ". 1 more of its parts do the same.") {
		t.Errorf("the note is %q", text)
	}
	if got := len(e.Governing.Breaches); got != 4 {
		t.Errorf("%d breaches, want 4", got)
	}
	rule := askGuarded(t, "origin=https://shop.example&url=https://barred.shop.example/").Request.Rule
	if rule == nil || rule.Field != "spec.origins[0]" || rule.Why != "a guardrail forbids it, so the policy lets nobody in" {
		t.Errorf("the rule is %+v", rule)
	}
}

// Policies and origin sets are called by their full names.
func TestNamespaces(t *testing.T) {
	t.Parallel()
	e := askGuarded(t, "origin=https://other.shop.example&url=https://api.shop.example/")
	if e.Governing.Policy != "shop/fine" || e.Request.Rule.Document != "shop/others" || e.Request.Rule.Why != "the origin itself is listed, in the origin set shop/others" {
		t.Errorf("governed by %+v, by the rule %+v", e.Governing, e.Request.Rule)
	}
	near := askGuarded(t, "origin=http://other.shop.example&url=https://api.shop.example/").Request.Rule.Near
	if near == nil || near.Text != "https://other.shop.example" {
		t.Errorf("the nearest entry is %+v", near)
	}
	unknown := askGuarded(t, "origin=https://shop.example&policy-name=fine&url=https://api.shop.example/")
	want := &explain.Target{Policy: "shop/fine", Position: policy.Position{File: "more.yaml", Line: 9, Column: 1}, Why: "it has the name in another namespace"}
	if diff := cmp.Diff(want, unknown.Governing.Nearest); diff != "" {
		t.Errorf("nearest (-want +got):\n%s", diff)
	}
	change := askGuarded(t, "origin=https://new.shop.example&url=https://api.shop.example/").Change
	if change == nil || change.Policy != "shop/fine" {
		t.Errorf("the change is %+v", change)
	}
}
