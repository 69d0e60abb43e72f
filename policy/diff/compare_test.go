package diff_test

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/diff"
	"github.com/corsgate/corsgate/policy/document"
)

// sideOf compiles documents in YAML.
func sideOf(t *testing.T, file, text string, options policy.Options) diff.Side {
	t.Helper()
	docs, problems := document.Read(file, []byte(text))
	if len(problems) > 0 {
		t.Fatalf("read %s: %v", file, problems)
	}
	set, problems := policy.Compile(docs, options)
	if set == nil {
		t.Fatalf("compile %s: %v", file, problems.Errors())
	}
	return diff.Side{Set: set, Documents: docs, Options: options}
}

// policyText makes a policy. Lines are the lines of its spec.
func policyText(name string, lines ...string) string {
	return "---\napiVersion: corsgate.dev/v1\nkind: CorsPolicy\nmetadata: {name: " + name + "}\nspec:\n  " + strings.Join(lines, "\n  ") + "\n"
}

func setText(name, origins string) string {
	return "---\napiVersion: corsgate.dev/v1\nkind: CorsOriginSet\nmetadata: {name: " + name + "}\nspec:\n  origins: [" + origins + "]\n"
}

// shop makes the policy that most cases change.
func shop(lines ...string) string {
	text := strings.Join(lines, "\n")
	if !strings.Contains(text, "targets:") {
		lines = append(lines, "targets: [{hosts: [api.example]}]")
	}
	if !strings.Contains(text, "origins:") && !strings.Contains(text, "originSets:") {
		lines = append(lines, "origins: [https://shop.example]")
	}
	return policyText("shop", lines...)
}

// lines returns what the report says, without positions and without what each
// report says at its head and its end.
func lines(t *testing.T, report *diff.Report) []string {
	t.Helper()
	var b bytes.Buffer
	if err := report.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`  \[[^]]*\]`).ReplaceAllString(b.String(), "")
	var out []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line != "" && line != report.Headline() {
			out = append(out, line)
		}
	}
	return out
}

func TestCompare(t *testing.T) {
	t.Parallel()
	everything := shop()
	tests := map[string]struct {
		before, after string
		want          []string
	}{
		"nothing": {shop(), shop(), nil},
		"comments": {
			shop(), "# a word\n" + shop(), nil,
		},
		"order": {
			shop("origins: [https://a.example, https://b.example]", "methods: [GET, PUT]"),
			shop("methods: [PUT, GET]", "origins: [https://b.example, https://a.example]"),
			[]string{`= "shop" is written differently and means the same: origins, methods`},
		},
		"an exact origin moves under a wildcard": {
			shop("origins: [https://a.x.example, https://*.x.example]"),
			shop("origins: [https://*.x.example]"),
			[]string{`= "shop" is written differently and means the same: origins`},
		},
		"a list becomes a set": {
			shop("origins: [https://a.example, https://b.example]"),
			shop("originSets: [partners]") + setText("partners", "https://a.example, https://b.example"),
			[]string{`= "shop" is written differently and means the same: origins, originSets`},
		},
		"an exclusion of nobody": {
			shop("origins: [https://a.example]"),
			shop("origins: [https://a.example]", "excludeOrigins: [https://b.example]"),
			[]string{`= "shop" is written differently and means the same: excludeOrigins`},
		},
		"defaults spelled out": {
			shop(),
			shop("methods: [POST, GET, HEAD]", "onDisallowedOrigin: DENY", "navigations: DENY", "enforcement: ENFORCE", "preflightStatus: 204"),
			[]string{`= "shop" is written differently and means the same: methods, preflightStatus, onDisallowedOrigin, navigations, enforcement`},
		},
		"a preset spelled out": {
			shop("presets: [graphql]"),
			shop("requestHeaders: [Apollo-Require-Preflight, Content-Type, GraphQL-Preflight]"),
			[]string{`= "shop" is written differently and means the same: requestHeaders, presets`},
		},
		"renamed": {
			shop(), policyText("store", "targets: [{hosts: [api.example]}]", "origins: [https://shop.example]"),
			[]string{
				`= what "shop" said is said by "store"`,
				`= there is no policy "shop" any more; a route that names it in corsgate.policy would be refused`,
			},
		},
		"split over two": {
			shop("targets: [{hosts: [a.example, b.example]}]"),
			shop("targets: [{hosts: [a.example]}]") + policyText("other", "targets: [{hosts: [b.example]}]", "origins: [https://shop.example]"),
			[]string{
				`= "shop" is written differently and means the same: targets`,
				`= what "shop" said is said by "other"`,
				`= "other" is written differently and means the same: targets`,
			},
		},
		"disabled on both sides": {
			shop("enforcement: DISABLED"), shop("enforcement: DISABLED", "credentials: true"),
			[]string{`= "shop" is DISABLED on both sides, so what it would allow was not compared`},
		},
		"origins": {
			shop("origins: [https://a.example, https://b.example]"), shop("origins: [https://b.example, https://c.example]"),
			change("+ origins: 1 origin may call", "https://c.example", "- origins: 1 origin may not call any more", "https://a.example"),
		},
		"a wildcard": {
			shop("origins: [https://a.x.example]"), shop("origins: [https://*.x.example]"),
			change("+ origins: 1 origin or pattern may call", "https://*.x.example", risk("medium wildcard_widened: https://*.x.example")),
		},
		"a narrower wildcard": {
			shop("origins: [https://*.x.example]"), shop("origins: [https://pr-*.x.example, https://*.b.x.example]"),
			change("- origins: 1 origin or pattern may not call any more", "https://*.x.example"),
		},
		"a wide exclusion removed": {
			shop("origins: [https://a.x.example, https://b.example]", "excludeOrigins: ['https://*.x.example']"),
			shop("origins: [https://a.x.example, https://b.example]"),
			change("+ origins: 2 origins or patterns may call", "https://a.x.example", "https://*.x.example (excludeOrigins)", risk("medium exclusion_removed: https://*.x.example")),
		},
		"a wide exclusion widened": {
			shop("origins: ['https://*.x.example']", "excludeOrigins: ['https://*.a.x.example']"),
			shop("origins: ['https://*.x.example']", "excludeOrigins: ['https://*.x.example']"),
			change("- origins: 1 origin or pattern may not call any more", "https://*.x.example (excludeOrigins)"),
		},
		"a wildcard listed and kept out": {
			shop(), shop("origins: [https://shop.example, 'https://*.x.example']", "excludeOrigins: ['https://*.x.example']"),
			[]string{`= "shop" is written differently and means the same: origins, excludeOrigins`},
		},
		"any port": {
			shop("origins: [https://a.example]"), shop("origins: ['https://a.example:*']"),
			change("+ origins: 1 origin or pattern may call", "https://a.example:*", risk("medium wildcard_widened: https://a.example:*")),
		},
		"any origin": {
			shop("origins: [https://a.example]"), shop("origins: ['*']"),
			change("+ origins: any origin may call", "*", risk("high any_origin: *")),
		},
		"any origin but one": {
			shop(), shop("origins: ['*']", "excludeOrigins: [https://evil.example]"),
			change("+ origins: any origin may call, but for excludeOrigins", "*", risk("high any_origin: *")),
		},
		"not any origin any more": {
			shop("origins: ['*']"), shop(), change("- origins: any origin that is not listed may not call any more", "*"),
		},
		"any origin, with a new exclusion": {
			shop("origins: ['*']"), shop("origins: ['*']", "excludeOrigins: [https://evil.example]"),
			change("- origins: 1 origin may not call any more", "https://evil.example (excludeOrigins)",
				`- origins: requests whose Origin is malformed may not call any more, and answers name the origin in place of "*"`),
		},
		"null and plain http": {
			shop(), shop("origins: [https://shop.example, 'null', http://a.example, http://b.example]"),
			change("+ origins: 3 origins may call", "null", "http://a.example", "http://b.example",
				risk("high null_origin: null"), risk("medium plain_http_origin: http://a.example and 1 other")),
		},
		"a regular expression": {
			shop(), shop("originRegexes: ['https://pr-[0-9]+\\.shop\\.example']"),
			change("+ origins: 1 origin or pattern may call", `/https://pr-[0-9]+\.shop\.example/ (regular expression)`,
				risk(`medium origin_regex: /https://pr-[0-9]+\.shop\.example/`)),
		},
		"an exclusion removed": {
			shop("origins: [https://*.x.example]", "excludeOrigins: [https://old.x.example]"), shop("origins: [https://*.x.example]"),
			change("+ origins: 1 origin may call", "https://old.x.example (excludeOrigins)", risk("medium exclusion_removed: https://old.x.example")),
		},
		"an exclusion added": {
			shop("origins: [https://*.x.example]"), shop("origins: [https://*.x.example]", "excludeOrigins: [https://old.x.example]"),
			change("- origins: 1 origin may not call any more", "https://old.x.example (excludeOrigins)"),
		},
		"an origin listed and kept out": {
			shop("origins: [https://a.example, https://b.example]", "excludeOrigins: [https://b.example]"),
			shop("origins: [https://a.example]"),
			[]string{`= "shop" is written differently and means the same: origins, excludeOrigins`},
		},
		"a shared set": {
			shop("originSets: [s]") + setText("s", "https://a.example"), shop("originSets: [s]") + setText("s", "https://b.example"),
			change("+ origins: 1 origin may call", "https://b.example in the origin set s", "- origins: 1 origin may not call any more", "https://a.example in the origin set s"),
		},
		"credentials": {
			shop(), shop("credentials: true"),
			change("+ credentials: calls may carry cookies, client certificates and HTTP authentication", risk("high credentials_allowed: credentials: true")),
		},
		"methods": {
			shop("methods: [GET, POST]"), shop("methods: [GET, DELETE, PATCH]"),
			change("+ methods: DELETE, PATCH", "- methods: POST", risk("medium unsafe_method: DELETE"), risk("medium unsafe_method: PATCH")),
		},
		"any method": {
			shop("methods: [GET]"), shop("methods: ['*']"), change("+ methods: *", risk(`medium any_method: methods: ["*"]`)),
		},
		"HEAD rides on GET": {
			shop("methods: [GET]"), shop("methods: [GET, HEAD]"), change("~ methods: answers name them as GET, HEAD; before it was GET"),
		},
		"request headers": {
			shop("requestHeaders: [X-A]"), shop("requestHeaders: [x-a, X-B, Authorization]"),
			change("+ requestHeaders: authorization, x-b", risk("medium authorization_allowed: Authorization")),
		},
		"any request header": {
			shop("requestHeaders: [X-A]"), shop("requestHeaders: ['*']"),
			change("+ requestHeaders: *", risk(`medium any_request_header: requestHeaders: ["*"]`)),
		},
		"any request header covers no Authorization": {
			shop("requestHeaders: [Authorization]"), shop("requestHeaders: ['*']"),
			change("+ requestHeaders: *", "- requestHeaders: authorization", risk(`medium any_request_header: requestHeaders: ["*"]`)),
		},
		"exposed headers": {
			shop("exposeHeaders: [X-A]"), shop("exposeHeaders: ['*']"),
			change("+ exposeHeaders: *", risk(`medium any_exposed_header: exposeHeaders: ["*"]`)),
		},
		"max age": {
			shop("maxAge: 2h"), shop("maxAge: 10m"), change("- maxAge: browsers remember preflights for 10m; before it was 2h"),
		},
		"timing and resources": {
			shop("timingAllowOrigin: false"), shop("timingAllowOrigin: true", "crossOriginResourcePolicy: SAME_SITE"),
			change("+ timingAllowOrigin: origins that may call may read detailed timings",
				"- crossOriginResourcePolicy: pages of the same site may load responses without CORS; before: which pages may load responses without CORS is what the service itself says"),
		},
		"private networks": {
			shop(), shop("privateNetwork: true"),
			change("+ privateNetwork: preflights for a private network succeed", risk("medium private_network: privateNetwork: true")),
		},
		"words of preflights": {
			shop(), shop("preflightStatus: 200", "preflightLists: ASKED"),
			change("~ preflight: preflights are answered with status 200; before it was 204", "~ preflight: preflight answers name only what was asked for"),
		},
		"strangers pass": {
			shop(), shop("onDisallowedOrigin: PASS", "navigations: PASS"),
			change("+ onDisallowedOrigin: requests from origins that may not call reach the service (onDisallowedOrigin: PASS)",
				"+ navigations: form posts that navigate, from origins that may not call reach the service (navigations: PASS)",
				risk("high disallowed_passes: onDisallowedOrigin: PASS"), risk("medium navigations_pass: navigations: PASS")),
		},
		"report only": {
			shop(), shop("enforcement: REPORT_ONLY"),
			[]string{
				"api.example", "policy shop (REPORT_ONLY)",
				"+ enforcement: every request reaches the service: the policy is REPORT_ONLY", "- enforcement: no CORS header is sent any more: the policy is REPORT_ONLY",
				risk("high enforcement_weakened: every request reaches the service: the policy is REPORT_ONLY"),
			},
		},
		"an exception": {
			shop("credentials: true"), shop("credentials: true", "dangerously: {publicSuffix: 'our own suffix, not yet listed'}"),
			change(risk("high exception_added: dangerously.publicSuffix: our own suffix, not yet listed")),
		},
		"a policy removed under a wider one": {
			shop("targets: [{hosts: ['*.example']}]", "origins: [https://a.example, https://b.example]") +
				policyText("narrow", "targets: [{hosts: [pay.example]}]", "origins: [https://a.example]"),
			shop("targets: [{hosts: ['*.example']}]", "origins: [https://a.example, https://b.example]"),
			[]string{
				"pay.example", "policy narrow before; now policy shop",
				"+ origins: 1 origin may call", "https://b.example",
				risk(`high guard_removed: no policy has the target "pay.example" any more, and the policy "shop" governs it`),
				`= there is no policy "narrow" any more; a route that names it in corsgate.policy would be refused`,
			},
		},
		"a policy removed": {
			everything + policyText("other", "targets: [{hosts: [b.example]}]", "origins: [https://a.example]"), everything,
			[]string{
				"b.example", "policy other before; no policy now",
				"- origins: 1 origin may not call any more", "https://a.example", "- methods: GET, HEAD, POST",
				`= there is no policy "other" any more; a route that names it in corsgate.policy would be refused`,
			},
		},
		"a policy that only routes name": {
			everything + policyText("named", "origins: [https://a.example]"), everything,
			[]string{
				"routes that name named", "policy named before; no policy now",
				"- origins: 1 origin may not call any more", "https://a.example", "- methods: GET, HEAD, POST",
			},
		},
		"the host decides before the path": {
			policyText("a", "targets: [{hosts: ['*'], paths: [/v1/*]}]", "origins: [https://a.example]") +
				policyText("b", "targets: [{hosts: [api.example], paths: [/v1/x]}]", "origins: [https://b.example]"),
			policyText("a", "targets: [{hosts: ['*'], paths: [/v1/*]}]", "origins: [https://a.example]") +
				policyText("b", "targets: [{hosts: [api.example]}]", "origins: [https://b.example]"),
			[]string{
				"api.example/v1/*", "policy a before; now policy b",
				"+ origins: 1 origin may call", "https://b.example", "- origins: 1 origin may not call any more", "https://a.example",
				"api.example", "no policy before; now policy b",
				"+ origins: 1 origin may call", "https://b.example", "+ methods: GET, HEAD, POST",
				`= "b" is written differently and means the same: targets`,
			},
		},
		"a temporary origin stays longer": {
			shop("temporaryOrigins: [{origin: https://t.example, until: '2030-01-01'}]"),
			shop("temporaryOrigins: [{origin: https://t.example, until: '2031-01-01'}]"),
			change("+ until: https://t.example may call until 2031-01-01; before it was until 2030-01-01"),
		},
		"a temporary origin goes earlier": {
			shop("temporaryOrigins: [{origin: https://t.example, until: '2031-01-01'}]"),
			shop("temporaryOrigins: [{origin: https://t.example, until: '2030-01-01'}]"),
			change("- until: https://t.example may call until 2030-01-01; before it was until 2031-01-01"),
		},
		"a temporary origin stays": {
			shop("temporaryOrigins: [{origin: https://t.example, until: '2030-01-01'}]"),
			shop("origins: [https://shop.example, https://t.example]"),
			change("+ until: https://t.example may call without an end; before it was until 2030-01-01"),
		},
		"an origin gets an end": {
			shop("origins: [https://shop.example, https://t.example]"),
			shop("temporaryOrigins: [{origin: https://t.example, until: '2030-01-01'}]"),
			change("- until: https://t.example may call until 2030-01-01 only; before there was no end"),
		},
		"a temporary origin that is over": {
			shop("temporaryOrigins: [{origin: https://t.example, until: '2020-01-01'}]"), shop(),
			[]string{`= "shop" is written differently and means the same: temporaryOrigins`},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := policy.Options{Now: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)}
			report := diff.Compare(sideOf(t, "old.yaml", test.before, options), sideOf(t, "new.yaml", test.after, options), diff.Options{})
			if d := cmp.Diff(test.want, lines(t, report)); d != "" {
				t.Errorf("report (-want +got):\n%s", d)
			}
			changed := slices.ContainsFunc(test.want, func(line string) bool { return strings.ContainsAny(line[:1], "+-~") })
			if (report.Meaning == diff.MeaningChanged) != changed {
				t.Errorf("meaning is %q", report.Meaning)
			}
		})
	}
}

// change is what a report says of the policy that most cases change.
func change(lines ...string) []string {
	return append([]string{"api.example", "policy shop"}, lines...)
}

// risk is a risk's line, with the reason that its kind gives.
func risk(text string) string {
	code, _, _ := strings.Cut(text, ":")
	for _, kind := range diff.RiskKinds() {
		if code == string(kind.Severity)+" "+string(kind.Code) {
			return "! " + text + "; " + kind.Reason
		}
	}
	return "no such risk: " + text
}

func TestNoPolicyPasses(t *testing.T) {
	t.Parallel()
	options := policy.Options{NoPolicy: policy.DispositionPass}
	keep := policyText("keep", "targets: [{hosts: [keep.example]}]", "origins: [https://a.example]")
	report := diff.Compare(sideOf(t, "old.yaml", keep+shop(), options), sideOf(t, "new.yaml", keep, options), diff.Options{})
	want := []string{
		"api.example", "policy shop before; no policy now",
		"+ enforcement: every request reaches the service: no policy governs it, and such requests pass",
		"- origins: 1 origin may not call any more", "https://shop.example", "- methods: GET, HEAD, POST",
		risk("high guard_removed: every request reaches the service: no policy governs it, and such requests pass"),
		`= there is no policy "shop" any more; a route that names it in corsgate.policy would be refused`,
	}
	if d := cmp.Diff(want, lines(t, report)); d != "" {
		t.Errorf("report (-want +got):\n%s", d)
	}
}

// What documents say is not taken for markup, nor for the end of a code span.
func TestMarkdownEscapes(t *testing.T) {
	t.Parallel()
	before := sideOf(t, "old.yaml", shop(), policy.Options{})
	after := sideOf(t, "new`_1.yaml", shop("originRegexes: ['https://a`b\\.example']", "requestHeaders: [X-A*_b]"), policy.Options{})
	var b bytes.Buffer
	if err := diff.Compare(before, after, diff.Options{}).WriteMarkdown(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"- `` /https://a`b\\.example/ `` (regular expression) — `` new`_1.yaml:6:19 ``\n", "**: x-a\\*\\_b — ``", "`origin_regex`: `` /https://a`b\\.example/ ``; "} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the comment lacks %q:\n%s", want, b.String())
		}
	}
}
