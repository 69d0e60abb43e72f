package policy_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/document"
)

// guardrail is a guardrail with the given lines below `spec`.
func guardrail(name, lines string) string {
	return "---\napiVersion: corsgate.dev/v1\nkind: CorsGuardrail\nmetadata: {name: " + name + "}\nspec:\n" + indented(lines)
}

// policyOf is a policy, named "name" or "namespace/name", with the given lines below
// `spec`.
func policyOf(name, lines string) string {
	return "---\napiVersion: corsgate.dev/v1\nkind: CorsPolicy\nmetadata: " + metadata(name) + "\nspec:\n" + indented(lines)
}

// setOf is an origin set.
func setOf(name string, origins ...string) string {
	return "---\napiVersion: corsgate.dev/v1\nkind: CorsOriginSet\nmetadata: " + metadata(name) + "\nspec:\n  origins: [" + strings.Join(origins, ", ") + "]\n"
}

func metadata(name string) string {
	if namespace, base, ok := strings.Cut(name, "/"); ok {
		return fmt.Sprintf("{name: %q, namespace: %q}", base, namespace)
	}
	return fmt.Sprintf("{name: %q}", name)
}

func indented(lines string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.Trim(lines, "\n") + "\n") {
		b.WriteString("  " + line)
	}
	return b.String()
}

// serving is how a set is compiled that serves.
var serving = policy.Options{Breaches: policy.BreachesBarred, Now: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)}

// barred names the policies of a set that are barred, each with the codes of what it
// does.
func barred(set *policy.Set) map[string]string {
	got := map[string]string{}
	for _, p := range set.Barred() {
		var codes []string
		for _, b := range p.Breaches() {
			codes = append(codes, strings.TrimPrefix(b.Code, "guardrail_"))
		}
		got[p.Name] = strings.Join(codes, " ")
	}
	return got
}

// What a guardrail forbids, and what it does not. Policies that are named ok… are
// within it.
func TestGuardrails(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		guardrail string
		others    []string // documents
		want      map[string]string
	}{
		"suffixes": {
			"originSuffixes: [shop.example, 10.0.0.1]",
			[]string{
				policyOf("ok-apex", "origins: [https://shop.example, http://shop.example:8080, https://*.shop.example, https://pr-*.a.shop.example:*]"),
				policyOf("ok-address", "origins: [https://10.0.0.1:8443]"),
				policyOf("ok-excluded", "origins: [https://shop.example, https://a.example]\nexcludeOrigins: [https://a.example]"),
				policyOf("ok-excluded-set", "originSets: [mixed]\nexcludeOrigins: [https://*.other.example]"),
				policyOf("ok-over", "origins: [https://shop.example]\ntemporaryOrigins: [{origin: https://a.example, until: \"2026-06-01\"}]"),
				policyOf("end", "origins: [https://myshop.example]"),
				policyOf("dot", "origins: [https://shop.example.]"),
				policyOf("scheme", "origins: [app://shop.example]"),
				policyOf("null", "origins: [\"null\"]"),
				policyOf("any", "origins: [\"*\"]"),
				policyOf("set", "originSets: [mixed]"),
				policyOf("set-in-part", "originSets: [mixed]\nexcludeOrigins: [https://a.other.example]"),
				policyOf("until", "origins: [https://shop.example]\ntemporaryOrigins: [{origin: https://a.example, until: \"2026-06-02\"}]"),
				policyOf("regex", "originRegexes: ['https://a\\.shop\\.example']"),
				setOf("mixed", "https://a.shop.example", "https://a.other.example", "https://b.other.example", "https://b.shop.example"),
			},
			map[string]string{
				"end": "origin_suffix", "dot": "origin_suffix", "scheme": "origin_suffix", "null": "origin_suffix", "any": "origin_suffix",
				"set": "origin_suffix", "set-in-part": "origin_suffix", "until": "origin_suffix", "regex": "origin_suffix",
			},
		},
		"forbidden origins": {
			"forbiddenOrigins: [https://old.shop.example, \"https://*.evil.example\", \"http://pr-*.shop.example:*\", \"null\"]",
			[]string{
				policyOf("ok", "origins: [https://shop.example, https://old.shop.example:8443, https://evil.example, app://a.evil.example, http://pr.shop.example]"),
				policyOf("ok-covered", "origins: [https://*.shop.example]\nexcludeOrigins: [https://old.shop.example]"),
				policyOf("ok-out", "origins: [https://a.evil.example]\nexcludeOrigins: [https://a.evil.example]"),
				policyOf("ok-any", "origins: [\"*\"]\nexcludeOrigins: [https://old.shop.example, https://*.evil.example, \"http://pr-*.shop.example:*\", \"null\"]"),
				policyOf("ok-regex", "originRegexes: ['https://a\\.shop\\.example']\nexcludeOrigins: [https://old.shop.example, https://*.evil.example, \"http://*.shop.example:*\"]"),
				policyOf("exact", "origins: [https://a.b.evil.example]"),
				policyOf("narrow", "origins: [https://*.b.evil.example]"),
				policyOf("wide", "origins: [https://*.shop.example]"),
				policyOf("glob", "origins: [\"http://*-1.shop.example\"]"),
				policyOf("null", "origins: [\"null\"]"),
				policyOf("any", "origins: [\"*\"]\nexcludeOrigins: [https://old.shop.example, https://*.evil.example, \"http://pr-*.shop.example:*\"]"),
				policyOf("regex", "originRegexes: ['https://a\\.shop\\.example']"),
				policyOf("set", "originSets: [others]\nexcludeOrigins: [https://c.evil.example]"),
				setOf("others", "https://a.shop.example", "https://*.b.evil.example"),
			},
			map[string]string{
				"exact": "forbidden_origin", "narrow": "forbidden_origin", "wide": "forbidden_origin", "glob": "forbidden_origin",
				"null": "forbidden_origin", "any": "forbidden_origin", "regex": "forbidden_origin", "set": "forbidden_origin",
			},
		},
		"credentials with exact https origins": {
			"credentials: EXACT_HTTPS",
			[]string{
				policyOf("ok", "origins: [https://shop.example, \"https://[::1]:8443\"]\ncredentials: true"),
				policyOf("ok-without", "origins: [https://*.shop.example, http://a.example, \"null\"]"),
				policyOf("wildcard", "origins: [https://*.shop.example]\ncredentials: true"),
				policyOf("port", "origins: [\"https://shop.example:*\"]\ncredentials: true"),
				policyOf("local", "origins: [http://localhost:3000]\ncredentials: true"),
				policyOf("app", "origins: [app://shop.example]\ncredentials: true"),
				policyOf("set", "originSets: [wide]\ncredentials: true"),
				policyOf("any", "origins: [\"*\"]\ncredentials: true\ndangerously: {anyOriginWithCredentials: it must be so}"),
				policyOf("regex", "originRegexes: ['https://a\\.shop\\.example']\ncredentials: true"),
				setOf("wide", "https://pr-*.shop.example"),
			},
			map[string]string{
				"wildcard": "credentials", "port": "credentials", "local": "credentials", "app": "credentials", "set": "credentials",
				"any": "credentials", "regex": "credentials",
			},
		},
		"no credentials": {
			"credentials: NEVER",
			[]string{policyOf("ok", "origins: [https://shop.example]"), policyOf("yes", "origins: [https://shop.example]\ncredentials: true")},
			map[string]string{"yes": "credentials"},
		},
		"no regular expressions": {
			"noOriginRegexes: true",
			[]string{policyOf("ok", "origins: [https://*.shop.example]"), policyOf("yes", "originRegexes: ['https://a\\.shop\\.example']")},
			map[string]string{"yes": "origin_regex"},
		},
		"no plain http": {
			"noPlainHttp: true",
			[]string{
				policyOf("ok", "origins: [https://shop.example, \"http://localhost:*\", http://127.0.0.1, http://a.localhost, app://shop.example, \"null\"]"),
				policyOf("ok-regex", "originRegexes: ['https://a\\.shop\\.example']"),
				policyOf("exact", "origins: [http://shop.example]"),
				policyOf("wildcard", "origins: [http://*.shop.example]"),
				policyOf("any", "origins: [\"*\"]"),
				policyOf("regex", "originRegexes: ['https?://a\\.shop\\.example']"),
			},
			map[string]string{"exact": "plain_http", "wildcard": "plain_http", "any": "plain_http", "regex": "plain_http"},
		},
		"no exceptions": {
			"noExceptions: true",
			[]string{policyOf("ok", "origins: [https://shop.example]"), policyOf("yes", "origins: [http://a.example]\ncredentials: true\ndangerously: {plainHttpWithCredentials: it must be so}")},
			map[string]string{"yes": "exception"},
		},
		"max age": {
			"maxAge: 10m",
			[]string{
				policyOf("ok", "origins: [https://shop.example]\nmaxAge: 600s"), policyOf("ok-none", "origins: [https://shop.example]"),
				policyOf("long", "origins: [https://shop.example]\nmaxAge: 601s"),
			},
			map[string]string{"long": "max_age"},
		},
		"no max age": {
			"maxAge: 0s",
			[]string{policyOf("ok", "origins: [https://shop.example]\nmaxAge: 0s"), policyOf("long", "origins: [https://shop.example]\nmaxAge: 1s")},
			map[string]string{"long": "max_age"},
		},
		"methods": {
			"forbiddenMethods: [DELETE, HEAD]",
			[]string{
				policyOf("ok", "origins: [https://shop.example]\nmethods: [POST, PUT]"),
				policyOf("listed", "origins: [https://shop.example]\nmethods: [DELETE]"),
				policyOf("any", "origins: [https://shop.example]\nmethods: [\"*\"]"),
				policyOf("get", "origins: [https://shop.example]\nmethods: [GET]"),
				policyOf("unsaid", "origins: [https://shop.example]"),
			},
			map[string]string{"listed": "method", "any": "method method", "get": "method", "unsaid": "method"},
		},
		"request headers": {
			"forbiddenRequestHeaders: [X-Internal, authorization, Tus-Resumable]",
			[]string{
				policyOf("ok", "origins: [https://shop.example]\nrequestHeaders: [Content-Type]\npresets: [grpc-web]"),
				policyOf("listed", "origins: [https://shop.example]\nrequestHeaders: [x-internal, Authorization]"),
				policyOf("any", "origins: [https://shop.example]\nrequestHeaders: [\"*\"]"), // not Authorization
				policyOf("preset", "origins: [https://shop.example]\npresets: [tus]"),
			},
			map[string]string{"listed": "request_header request_header", "any": "request_header request_header", "preset": "request_header"},
		},
		"exposed headers": {
			"forbiddenExposeHeaders: [X-Internal, Mcp-Session-Id]",
			[]string{
				policyOf("ok", "origins: [https://shop.example]\nexposeHeaders: [ETag]\npresets: [tus]"),
				policyOf("listed", "origins: [https://shop.example]\nexposeHeaders: [x-internal]"),
				policyOf("any", "origins: [https://shop.example]\nexposeHeaders: [\"*\"]"),
				policyOf("preset", "origins: [https://shop.example]\npresets: [mcp]"),
			},
			map[string]string{"listed": "expose_header", "any": "expose_header expose_header", "preset": "expose_header"},
		},
		"any origin": {
			"anyOrigin: {policies: [fonts, assets/*]}",
			[]string{
				policyOf("ok", "origins: [https://shop.example]"), policyOf("fonts", "origins: [\"*\"]"), policyOf("assets/images", "origins: [\"*\"]"),
				policyOf("other", "origins: [\"*\"]"), policyOf("other/fonts", "origins: [\"*\"]\nexcludeOrigins: [https://evil.example]"), policyOf("assets-2/images", "origins: [\"*\"]"),
			},
			map[string]string{"other": "any_origin", "other/fonts": "any_origin", "assets-2/images": "any_origin"},
		},
		"any origin in spite of the rest": {
			"anyOrigin: {policies: [fonts, mixed]}\noriginSuffixes: [shop.example]\nnoPlainHttp: true\nforbiddenOrigins: [https://evil.example]",
			[]string{
				policyOf("fonts", "origins: [\"*\"]\nexcludeOrigins: [https://evil.example]"), policyOf("mixed", "origins: [http://a.example]"),
				policyOf("other", "origins: [\"*\"]\nexcludeOrigins: [https://evil.example]"),
			},
			map[string]string{"mixed": "origin_suffix plain_http", "other": "any_origin origin_suffix plain_http"},
		},
		"nobody may let any origin in": {
			"anyOrigin: {policies: []}",
			[]string{policyOf("ok", "origins: [https://shop.example]"), policyOf("any", "origins: [\"*\"]")},
			map[string]string{"any": "any_origin"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := guardrail("house", test.guardrail) + strings.Join(test.others, "")
			set := compile(t, text, serving)
			if diff := cmp.Diff(test.want, barred(set)); diff != "" {
				t.Errorf("barred policies (-want +got):\n%s", diff)
			}
			docs, _ := document.Read("test.yaml", []byte(text))
			refused, problems := policy.Compile(docs, policy.Options{Now: serving.Now})
			if refused != nil {
				t.Error("where breaches are errors there is a set all the same")
			}
			var want int
			for _, p := range set.Barred() {
				want += len(p.Breaches())
			}
			if got := len(problems.Errors()); got != want {
				t.Errorf("%d errors, want the %d breaches:\n%v", got, want, problems.Errors())
			}
			for _, p := range problems.Errors() {
				if p.Guardrail != "house" || !strings.Contains(p.Reason, `"house" at test.yaml:`) || p.Mend == "" || p.Position.Line == 0 {
					t.Errorf("the breach does not say what it is of: %+v", p)
				}
			}
		})
	}
}

// Which policies a guardrail reaches.
func TestGuardrailReach(t *testing.T) {
	t.Parallel()
	policies := policyOf("plain", "origins: [https://a.example]\ntargets: [{hosts: [api.shop.example]}]") +
		policyOf("shop/below", "origins: [https://a.example]\ntargets: [{hosts: [\"*.api.shop.example\"], paths: [/v1/*]}, {hosts: [pay.example]}]") +
		policyOf("shop/port", "origins: [https://a.example]\ntargets: [{hosts: [\"API.shop.example:8443\"]}]") +
		policyOf("pay/any", "origins: [https://a.example]\ntargets: [{hosts: [\"*\"]}]") +
		policyOf("pay/routes", "origins: [https://a.example]")
	for lines, want := range map[string]string{
		"":                                        "pay/any pay/routes plain shop/below shop/port",
		"namespaces: [shop]":                      "shop/below shop/port",
		"namespaces: [shop, pay]":                 "pay/any pay/routes shop/below shop/port",
		"hosts: [api.shop.example]":               "pay/any pay/routes plain shop/port",
		"hosts: [\"api.shop.example:443\"]":       "pay/any pay/routes plain",
		"hosts: [\"*.shop.example\"]":             "pay/any pay/routes plain shop/below shop/port",
		"hosts: [\"*.b.api.shop.example\"]":       "pay/any pay/routes shop/below",
		"hosts: [x.api.shop.example]":             "pay/any pay/routes shop/below",
		"hosts: [\"*\"]":                          "pay/any pay/routes plain shop/below shop/port",
		"hosts: [\"*:8443\"]":                     "",
		"hosts: [PAY.example]":                    "pay/any pay/routes shop/below",
		"hosts: [shop.example]":                   "pay/any pay/routes",
		"hosts: [pay.example]\nnamespaces: [pay]": "pay/any pay/routes",
	} {
		if strings.Contains(lines, "*:") {
			continue // no host has this form
		}
		set := compile(t, guardrail("house", lines+"\nnoPlainHttp: true")+policies, serving)
		var got []string
		for _, p := range set.Guardrails()[0].Reach() {
			got = append(got, p.Name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q reaches %q, want %q", lines, got, want)
		}
	}
}

// What callers get from a policy that a guardrail bars.
func TestBarredPolicyRefuses(t *testing.T) {
	t.Parallel()
	const lines = "origins: [https://shop.example, http://a.example]\nonDisallowedOrigin: PASS\nnavigations: PASS\ncrossOriginResourcePolicy: CROSS_ORIGIN\ntimingAllowOrigin: true\n"
	set := compile(t, guardrail("house", "noPlainHttp: true")+
		policyOf("barred", lines+"targets: [{hosts: [api.shop.example]}]")+
		policyOf("report", lines+"enforcement: REPORT_ONLY\ntargets: [{hosts: [report.shop.example]}]")+
		policyOf("off", lines+"enforcement: DISABLED\ntargets: [{hosts: [off.shop.example]}]")+
		policyOf("public", "origins: [\"*\"]\ntargets: [{hosts: [public.shop.example]}]")+
		policyOf("fine", "origins: [https://shop.example]\ntargets: [{hosts: [fine.shop.example]}]"), serving)
	barredRefusal, barredPreflight := because(refused, policy.ReasonGuardrail), because(refusedPreflight, policy.ReasonGuardrail)
	reported := want{policy.VerdictDeny, policy.ActionForward, policy.ReasonGuardrail, 0, nil}
	for _, tc := range []decisionCase{
		{"no origin", policy.Request{}, notCORS},
		{"its own origin", policy.Request{Origin: "https://api.shop.example"}, sameOrigin},
		{"no origin, at a policy for all", policy.Request{Host: "public.shop.example"}, notCORS},
		{"a listed origin", policy.Request{Origin: shop}, barredRefusal},
		{"a listed origin, as the browser says", policy.Request{Origin: shop, FetchSite: "same-site"}, barredRefusal},
		{"a stranger, who would pass", policy.Request{Origin: evil}, barredRefusal},
		{"null", policy.Request{Origin: "null"}, barredRefusal},
		{"a malformed origin", policy.Request{Origin: "https://a.example/"}, barredRefusal},
		{"a form post that navigates", policy.Request{Origin: shop, Method: "POST", FetchMode: "navigate"}, barredRefusal},
		{"a preflight", preflight(shop, "GET", "x-a"), barredPreflight},
		{"a handshake", policy.Request{Origin: shop, Upgrade: "websocket"}, barredRefusal},
		{"any origin", policy.Request{Host: "public.shop.example", Origin: evil}, barredRefusal},
		{"a malformed origin, at a policy for all", policy.Request{Host: "public.shop.example", Origin: "a, b"}, barredRefusal},
		{"a route that names it", policy.Request{Host: "fine.shop.example", PolicyName: "barred", Origin: shop}, barredRefusal},
		{"reported", policy.Request{Host: "report.shop.example", Origin: shop}, reported},
		{"a preflight that is reported", policy.Request{Host: "report.shop.example", Method: "OPTIONS", Origin: shop, RequestMethod: "GET"}, reported},
		{"no origin, where it is reported", policy.Request{Host: "report.shop.example"}, want{policy.VerdictPass, policy.ActionForward, policy.ReasonNoOrigin, 0, nil}},
		{"switched off", policy.Request{Host: "off.shop.example", Origin: shop}, want{policy.VerdictPass, policy.ActionForward, policy.ReasonDisabled, 0, nil}},
		{"another policy", policy.Request{Host: "fine.shop.example", Origin: shop}, allowed(allowShop, noCredentials, nothingMore, varyAppended)},
	} {
		d := set.Decide(request(tc.request))
		got := want{d.Verdict, d.Action, d.Reason, d.Status(), headersOf(&d)}
		if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(want{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
		if d.Reason != policy.ReasonGuardrail || d.Policy.Name == "public" {
			continue
		}
		if rule, ok := d.Rule(); !ok || rule.Field != "spec.origins[1]" || rule.Text != "http://a.example" || rule.Document != d.Policy.Name {
			t.Errorf("%s: the rule is %+v, %t", tc.name, rule, ok)
		}
	}
	want := map[string]string{"barred": "plain_http", "off": "plain_http", "public": "plain_http", "report": "plain_http"}
	if diff := cmp.Diff(want, barred(set)); diff != "" {
		t.Errorf("barred policies (-want +got):\n%s", diff)
	}
}

// The warning of a barred policy says what becomes of it, and what is kept with the
// policy does not.
func TestBreachSaysItsEffect(t *testing.T) {
	t.Parallel()
	const effect = ". Until that is mended, the policy refuses every cross-origin request"
	for enforcement, want := range map[string]bool{"ENFORCE": true, "REPORT_ONLY": false, "DISABLED": false} {
		docs, _ := document.Read("test.yaml", []byte(guardrail("house", "noPlainHttp: true")+policyOf("a", "origins: [http://a.example]\nenforcement: "+enforcement)))
		set, problems := policy.Compile(docs, serving)
		if len(problems) != 1 || problems[0].Severity != policy.SeverityWarning || strings.HasSuffix(problems[0].Reason, effect) != want {
			t.Errorf("%s: problems are %v", enforcement, problems)
		}
		if got := set.Barred()[0].Breaches(); len(got) != 1 || strings.Contains(got[0].Reason, effect) {
			t.Errorf("%s: breaches are %v", enforcement, got)
		}
	}
}

// A guardrail that is itself wrong bars nobody: the documents are refused.
func TestFaultyGuardrail(t *testing.T) {
	t.Parallel()
	docs, _ := document.Read("test.yaml", []byte(guardrail("house", "originSuffixes: [\"*.shop.example\"]")+policyOf("a", "origins: [https://a.example]")))
	set, problems := policy.Compile(docs, serving)
	if set != nil || len(problems) != 1 || problems[0].Code != "guardrail_suffix_invalid" {
		t.Errorf("the set is %v, problems are %v", set, problems)
	}
}

// Every guardrail in reach holds, and each says so.
func TestSeveralGuardrails(t *testing.T) {
	t.Parallel()
	set := compile(t, guardrail("b", "noPlainHttp: true")+guardrail("a", "originSuffixes: [shop.example]")+policyOf("p", "origins: [http://a.example]"), serving)
	var got []string
	for _, b := range set.Barred()[0].Breaches() {
		got = append(got, b.Guardrail+" "+b.Code)
	}
	if diff := cmp.Diff([]string{"a guardrail_origin_suffix", "b guardrail_plain_http"}, got); diff != "" {
		t.Errorf("breaches (-want +got):\n%s", diff)
	}
}

// A list of many strangers does not become a list of as many problems.
func TestManyBreachesAreCut(t *testing.T) {
	t.Parallel()
	origins := make([]string, 1000)
	for i := range origins {
		origins[i] = fmt.Sprintf("http://a%d.example", i)
	}
	set := compile(t, guardrail("house", "noPlainHttp: true")+policyOf("p", "origins: ["+strings.Join(origins, ", ")+"]"), serving)
	breaches := set.Barred()[0].Breaches()
	if len(breaches) != 20 || !strings.HasSuffix(breaches[19].Reason, "(it may not be the last of the list)") {
		t.Errorf("%d breaches, the last of which is %v", len(breaches), breaches[len(breaches)-1])
	}
}

// In whatever order the documents come, the same is said of them.
func TestGuardrailsInAnyOrder(t *testing.T) {
	t.Parallel()
	docs, _ := document.Read("test.yaml", []byte(
		guardrail("a", "originSuffixes: [shop.example]\nanyOrigin: {policies: [shop/fonts]}")+guardrail("b", "namespaces: [shop]\nforbiddenMethods: [DELETE]\nforbiddenOrigins: [https://old.shop.example]")+
			policyOf("shop/fonts", "origins: [\"*\"]\nmethods: [\"*\"]")+policyOf("fonts", "origins: [\"*\"]")+policyOf("shop/p", "originSets: [s, /s]")+policyOf("p", "originSets: [s]")+
			setOf("s", "https://a.example", "https://a.shop.example")+setOf("shop/s", "https://old.shop.example")))
	first, problems := policy.Compile(docs, serving)
	if len(first.Barred()) != 4 {
		t.Fatalf("barred are %v", barred(first))
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		random.Shuffle(len(docs), func(i, j int) { docs[i], docs[j] = docs[j], docs[i] })
		set, again := policy.Compile(docs, serving)
		if diff := cmp.Diff(problems, again); diff != "" {
			t.Fatalf("problems (-want +got):\n%s", diff)
		}
		if set.Revision() != first.Revision() || cmp.Diff(barred(first), barred(set)) != "" {
			t.Fatalf("revision %s and %s, barred %v and %v", first.Revision(), set.Revision(), barred(first), barred(set))
		}
	}
}

// A name stands for a document in its namespace.
func TestNamespaces(t *testing.T) {
	t.Parallel()
	set := compile(t, policyOf("api", "originSets: [partners]\ntargets: [{hosts: [api.example]}]")+
		policyOf("shop/api", "originSets: [partners]\ntargets: [{hosts: [api.shop.example]}]")+
		policyOf("pay/api", "originSets: [shop/partners, /partners]\ntargets: [{hosts: [api.pay.example]}]")+
		setOf("partners", "https://a.example")+setOf("shop/partners", "https://b.example"), policy.Options{})
	var names []string
	for _, p := range set.Policies() {
		names = append(names, p.Namespace+": "+p.Name)
	}
	if diff := cmp.Diff([]string{": api", "pay: pay/api", "shop: shop/api"}, names); diff != "" {
		t.Errorf("policies (-want +got):\n%s", diff)
	}
	for _, test := range []struct{ host, route, origin, policy, document string }{
		{"api.example", "", "https://a.example", "api", "partners"},
		{"api.shop.example", "", "https://b.example", "shop/api", "shop/partners"},
		{"api.pay.example", "", "https://b.example", "pay/api", "shop/partners"},
		{"api.pay.example", "", "https://a.example", "pay/api", "partners"},
		{"other.example", "shop/api", "https://b.example", "shop/api", "shop/partners"},
		{"other.example", "api", "https://a.example", "api", "partners"},
	} {
		d := set.Decide(request(policy.Request{Host: test.host, PolicyName: test.route, Origin: test.origin}))
		rule, _ := d.Rule()
		if d.Verdict != policy.VerdictAllow || d.Policy.Name != test.policy || rule.Document != test.document {
			t.Errorf("%+v: %s by %+v, whose rule is %+v", test, d.Verdict, d.Policy, rule)
		}
	}
	for _, test := range []struct {
		host, route, origin string
		reason              policy.Reason
	}{
		{"api.example", "", "https://b.example", policy.ReasonOriginNotAllowed},
		{"api.shop.example", "", "https://a.example", policy.ReasonOriginNotAllowed},
		{"api.shop.example", "/api", "https://a.example", policy.ReasonUnknownPolicy},
		{"api.shop.example", "other/api", "https://a.example", policy.ReasonUnknownPolicy},
	} {
		if d := set.Decide(request(policy.Request{Host: test.host, PolicyName: test.route, Origin: test.origin})); d.Reason != test.reason {
			t.Errorf("%+v: %s", test, d.Reason)
		}
	}
	moved := compile(t, policyOf("a/api", "origins: [https://a.example]"), policy.Options{})
	if other := compile(t, policyOf("b/api", "origins: [https://a.example]"), policy.Options{}); other.Revision() == moved.Revision() {
		t.Error("the revision does not tell namespaces apart")
	}
}

// It counts the allocations of the whole process, so it runs alone.
func TestBarredDecideDoesNotAllocate(t *testing.T) {
	for name, lines := range map[string]string{
		"a list":     "origins: [https://shop.example, http://a.example]",
		"a field":    "origins: [https://shop.example]\nmaxAge: 3h",
		"temporary":  "temporaryOrigins: [{origin: http://a.example, until: \"2027-01-01\"}]",
		"exceptions": "origins: [https://shop.example]\ndangerously: {publicSuffix: it must be so}",
	} {
		set := compile(t, guardrail("house", "noPlainHttp: true\nmaxAge: 2h\nnoExceptions: true")+policyOf("p", lines+"\ntargets: [{hosts: [\"*\"]}]"), serving)
		for _, r := range []policy.Request{{Origin: shop}, {Origin: shop, FetchSite: "cross-site"}, preflight(shop, "GET", "x-a"), {}} {
			ask := request(r)
			buf := make([]byte, 0, 4096)
			if n := testing.AllocsPerRun(100, func() {
				d := set.Decide(ask)
				buf = d.AppendPosition(d.AppendRule(buf[:0]))
			}); n != 0 {
				t.Errorf("%s: %v allocations", name, n)
			}
		}
	}
}
