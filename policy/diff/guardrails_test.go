package diff_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/diff"
)

// guardrailText makes a guardrail. Lines are the lines of its spec.
func guardrailText(name string, lines ...string) string {
	return "---\napiVersion: corsgate.dev/v1\nkind: CorsGuardrail\nmetadata: {name: " + name + "}\nspec:\n  " + strings.Join(lines, "\n  ") + "\n"
}

// weaker is the line of a guardrail's risk.
func weaker(fields string) string {
	what := `the guardrail "house" forbids less than before: ` + fields
	if fields == "" {
		what = `the guardrail "house" is gone`
	}
	return "! high guard_removed: " + what + "; policies may do what was forbidden to them on purpose"
}

func TestGuardrailChanges(t *testing.T) {
	t.Parallel()
	serving := policy.Options{Breaches: policy.BreachesBarred}
	house := func(lines ...string) string { return shop() + guardrailText("house", lines...) }
	changed := func(lines ...string) []string { return append([]string{"guardrail house (changed)"}, lines...) }
	tests := map[string]struct {
		before, after string
		want          []string
	}{
		"the same": {house("noPlainHttp: true"), house("noPlainHttp: true"), nil},
		"added":    {shop(), house("noPlainHttp: true", "maxAge: 2h", "hosts: [api.example]"), []string{"guardrail house (added)", "- spec: it forbids from now on: noPlainHttp, maxAge"}},
		"removed":  {house("noPlainHttp: true"), shop(), []string{"guardrail house (removed)", "+ spec: it forbids no more: noPlainHttp", weaker("")}},
		"renamed": {
			house("noPlainHttp: true"), shop() + guardrailText("home", "noPlainHttp: true"),
			[]string{`= what the guardrail "house" forbade is forbidden by "home"`},
		},
		"namespaces, fewer": {
			house("noPlainHttp: true", "namespaces: [a, b]"), house("noPlainHttp: true", "namespaces: [b, c]"),
			changed("+ namespaces: it holds no more for a", "- namespaces: it holds for c as well", weaker("namespaces")),
		},
		"hosts, not all": {
			house("noPlainHttp: true"), house("noPlainHttp: true", "hosts: [api.example]"),
			changed("+ hosts: it holds for api.example alone; before it held for all", weaker("hosts")),
		},
		"hosts, all": {
			house("noPlainHttp: true", "hosts: [api.example]"), house("noPlainHttp: true"),
			changed("- hosts: it holds for all; before it held for api.example alone"),
		},
		"suffixes": {
			house("originSuffixes: [shop.example, a.example]"), house("originSuffixes: [shop.example, b.example, eu.shop.example]"),
			changed("+ originSuffixes: origins of b.example may be let in as well", "- originSuffixes: origins of a.example may not be let in any more", weaker("originSuffixes")),
		},
		"suffixes, any": {
			house("originSuffixes: [shop.example]", "noExceptions: true"), house("noExceptions: true"),
			changed("+ originSuffixes: origins of any domain may be let in; before it was shop.example", weaker("originSuffixes")),
		},
		"suffixes, not any": {
			house("noExceptions: true"), house("originSuffixes: [shop.example]", "noExceptions: true"),
			changed("- originSuffixes: only origins of shop.example may be let in"),
		},
		"forbidden origins": {
			house("forbiddenOrigins: [https://a.example, https://x.b.example]"), house("forbiddenOrigins: ['https://*.b.example']"),
			changed("+ forbiddenOrigins: https://a.example is no longer forbidden", "- forbiddenOrigins: https://*.b.example is forbidden from now on", weaker("forbiddenOrigins")),
		},
		"credentials": {
			house("credentials: NEVER"), house("credentials: EXACT_HTTPS"),
			changed("+ credentials: EXACT_HTTPS; before it was NEVER", weaker("credentials")),
		},
		"credentials, stricter": {
			house("credentials: ALLOW", "noExceptions: true"), house("credentials: EXACT_HTTPS", "noExceptions: true"),
			changed("- credentials: EXACT_HTTPS; before it was ALLOW"),
		},
		"flags": {
			house("noOriginRegexes: true", "noExceptions: true"), house("noPlainHttp: true", "noExceptions: true"),
			changed("+ noOriginRegexes: it is not asked of policies any more", "- noPlainHttp: it is asked of policies from now on", weaker("noOriginRegexes")),
		},
		"max age":       {house("maxAge: 10m"), house("maxAge: 2h"), changed("+ maxAge: 2h at the most; before it was 10m", weaker("maxAge"))},
		"max age, less": {house("maxAge: 2h"), house("maxAge: 600s"), changed("- maxAge: 600s at the most; before it was 2h")},
		"max age, same": {house("maxAge: 10m"), house("maxAge: 600s"), []string{"= the documents hold the same in other words"}},
		"max age, none": {
			house("maxAge: 2h", "noExceptions: true"), house("noExceptions: true"),
			changed("+ maxAge: it has no limit; before it was 2h", weaker("maxAge")),
		},
		"max age, some": {house("noExceptions: true"), house("maxAge: 2h", "noExceptions: true"), changed("- maxAge: 2h at the most")},
		"methods and headers": {
			house("forbiddenMethods: [DELETE, PUT]", "forbiddenRequestHeaders: [X-A]", "forbiddenExposeHeaders: [X-B]"),
			house("forbiddenMethods: [PUT]", "forbiddenRequestHeaders: [x-a, X-C]", "forbiddenExposeHeaders: [X-D, X-E]"),
			changed("+ forbiddenMethods: DELETE is no longer forbidden", "+ forbiddenExposeHeaders: X-B is no longer forbidden",
				"- forbiddenRequestHeaders: X-C is forbidden from now on", "- forbiddenExposeHeaders: X-D, X-E are forbidden from now on", weaker("forbiddenMethods, forbiddenExposeHeaders")),
		},
		"any origin, fewer": {
			house("anyOrigin: {policies: [a, b]}"), house("anyOrigin: {policies: [b, c]}"),
			changed("+ anyOrigin: c may let any origin in as well", "- anyOrigin: a may not let any origin in any more", weaker("anyOrigin")),
		},
		"any origin, nobody": {
			house("noExceptions: true"), house("noExceptions: true", "anyOrigin: {policies: []}"),
			changed("- anyOrigin: no policy may let any origin in any more"),
		},
		"any origin, some": {
			house("noExceptions: true"), house("noExceptions: true", "anyOrigin: {policies: [a]}"),
			changed("- anyOrigin: only a may let any origin in; before every policy might"),
		},
		"any origin, all": {
			house("noExceptions: true", "anyOrigin: {policies: [a]}"), house("noExceptions: true"),
			changed("+ anyOrigin: every policy may let any origin in; before it was a", weaker("anyOrigin")),
		},
		"any origin in spite of suffixes": {
			house("originSuffixes: [shop.example]"), house("originSuffixes: [shop.example]", "anyOrigin: {policies: [a]}"),
			changed("+ anyOrigin: a may let any origin in as well", weaker("anyOrigin")),
		},
		"a policy is barred": {
			shop(), house("forbiddenOrigins: [https://shop.example]"),
			[]string{
				"api.example", "policy shop (barred by a guardrail)",
				`- guardrail: the policy lets nobody in: the guardrail "house" at new.yaml:13:22 forbids letting "https://shop.example" in`,
				"- origins: 1 origin may not call any more", "https://shop.example", "- methods: GET, HEAD, POST",
				"guardrail house (added)", "- spec: it forbids from now on: forbiddenOrigins",
			},
		},
		"a policy is barred no more": {
			house("forbiddenOrigins: [https://shop.example]"), house("forbiddenOrigins: [https://other.example]"),
			[]string{
				"api.example", "policy shop",
				"+ guardrail: no guardrail keeps the policy from letting anybody in any more",
				"+ origins: 1 origin may call", "https://shop.example", "+ methods: GET, HEAD, POST",
				"guardrail house (changed)", "+ forbiddenOrigins: https://shop.example is no longer forbidden", "- forbiddenOrigins: https://other.example is forbidden from now on",
				weaker("forbiddenOrigins"),
			},
		},
		"a policy that is switched off": {
			shop("enforcement: DISABLED"), shop("enforcement: DISABLED") + guardrailText("house", "forbiddenOrigins: [https://shop.example]"),
			[]string{"guardrail house (added)", "- spec: it forbids from now on: forbiddenOrigins"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := diff.Compare(sideOf(t, "old.yaml", test.before, serving), sideOf(t, "new.yaml", test.after, serving), diff.Options{})
			got := lines(t, report)
			if d := cmp.Diff(test.want, got); d != "" {
				t.Errorf("report (-want +got):\n%s", d)
			}
			risks := 0
			for _, line := range got {
				if strings.HasPrefix(line, "! ") {
					risks++
				}
			}
			if report.Risks != risks || len(report.AllRisks()) != risks {
				t.Errorf("%d risks are counted, and %d listed, of %d", report.Risks, len(report.AllRisks()), risks)
			}
		})
	}
}

// A change of guardrails alone shows at the head, in Markdown and in JSON.
func TestGuardrailsInOtherForms(t *testing.T) {
	t.Parallel()
	report := diff.Compare(sideOf(t, "old.yaml", shop()+guardrailText("house", "noPlainHttp: true", "maxAge: 2h"), policy.Options{}),
		sideOf(t, "new.yaml", shop()+guardrailText("house", "noPlainHttp: true"), policy.Options{}), diff.Options{})
	if got, want := report.Headline(), "no change in meaning, 1 guardrail changed (1 weaker), 1 risk to look at (1 high)"; got != want {
		t.Errorf("headline is %q, want %q", got, want)
	}
	var b bytes.Buffer
	if err := report.WriteMarkdown(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"- **high** `guard_removed`: `the guardrail \"house\" forbids less than before: maxAge`; ", "#### guardrail house (changed) — `new.yaml:9:1`\n", "- `+` **maxAge**: it has no limit; before it was 2h\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the comment lacks %q:\n%s", want, b.String())
		}
	}
	data, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"guardrails":1`, `"status":"changed"`, `"items":[{"weaker":true,"field":"maxAge"`} {
		if !strings.Contains(string(data), want) {
			t.Errorf("the JSON lacks %s:\n%s", want, data)
		}
	}
}

// Policies and sets are told apart by namespace.
func TestNamespacedPolicies(t *testing.T) {
	t.Parallel()
	text := func(origin string) string {
		var b strings.Builder
		for _, namespace := range []string{"a", "b"} {
			b.WriteString("---\napiVersion: corsgate.dev/v1\nkind: CorsPolicy\nmetadata: {name: p, namespace: " + namespace + "}\nspec:\n  targets: [{hosts: [" + namespace + ".example]}]\n  originSets: [s]\n")
			b.WriteString("---\napiVersion: corsgate.dev/v1\nkind: CorsOriginSet\nmetadata: {name: s, namespace: " + namespace + "}\nspec:\n  origins: [https://x.example" + map[string]string{"b": origin}[namespace] + "]\n")
		}
		return b.String()
	}
	report := diff.Compare(sideOf(t, "old.yaml", text(""), policy.Options{}), sideOf(t, "new.yaml", text(", https://y.example"), policy.Options{}), diff.Options{})
	want := []string{"b.example", "policy b/p", "+ origins: 1 origin may call", "https://y.example in the origin set b/s"}
	if d := cmp.Diff(want, lines(t, report)); d != "" {
		t.Errorf("report (-want +got):\n%s", d)
	}
}
