package policy_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/document"
)

// compile makes a set of a YAML text and fails the test on any problem.
func compile(tb testing.TB, text string, opts policy.Options) *policy.Set {
	tb.Helper()
	docs, problems := document.Read("test.yaml", []byte(text))
	if len(problems) > 0 {
		tb.Fatalf("read the policy: %v", problems)
	}
	set, problems := policy.Compile(docs, opts)
	if len(problems.Errors()) > 0 {
		tb.Fatalf("compile the policy: %v", problems)
	}
	return set
}

// onePolicy is a policy for every host with the given lines below `spec`.
func onePolicy(lines string) string {
	var b strings.Builder
	b.WriteString("apiVersion: corsgate.dev/v1\nkind: CorsPolicy\nmetadata: {name: p}\nspec:\n  targets: [{hosts: [\"*\"]}]\n")
	for line := range strings.Lines(strings.Trim(lines, "\n") + "\n") {
		b.WriteString("  " + strings.TrimLeft(line, "\t"))
	}
	return b.String()
}

// A headers is "name: value" lines; a mode other than Set is written behind the
// name: `vary+` appends, `name?` replaces what is there.
type headers []string

func headersOf(d *policy.Decision) headers {
	var got headers
	for _, h := range d.Headers() {
		mode := map[policy.WriteMode]string{policy.WriteSet: "", policy.WriteAppend: "+", policy.WriteReplace: "?"}[h.Write]
		got = append(got, h.Name+mode+": "+h.Value)
	}
	return got
}

// Parts of answers that many cases share.
const (
	shop          = "https://shop.example"
	evil          = "https://evil.example"
	varyOrigin    = "vary: Origin"
	varyAppended  = "vary+: Origin"
	varyPreflight = "vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
	problemJSON   = "content-type: application/problem+json"
	noCredentials = "access-control-allow-credentials?: false"
	nothingMore   = "access-control-expose-headers?: Content-Type"
	allowShop     = "access-control-allow-origin: " + shop
	allowMethods  = "access-control-allow-methods: "
	allowHeaders  = "access-control-allow-headers: "
)

type want struct {
	verdict policy.Verdict
	action  policy.Action
	reason  policy.Reason
	status  int
	headers headers
}

type decisionCase struct {
	name    string
	request policy.Request
	want    want
}

// request fills in what most cases share.
func request(r policy.Request) *policy.Request {
	if r.Scheme == "" {
		r.Scheme = "https"
	}
	if r.Host == "" {
		r.Host = "api.shop.example"
	}
	if r.Path == "" {
		r.Path = "/v1/orders?q=1"
	}
	if r.Method == "" {
		r.Method = "GET"
	}
	return &r
}

func preflight(origin, method, names string) policy.Request {
	return policy.Request{Method: "OPTIONS", Origin: origin, RequestMethod: method, RequestHeaders: names}
}

// What callers get who may not call at all.
var (
	refused          = want{policy.VerdictDeny, policy.ActionRefuse, policy.ReasonOriginNotAllowed, 403, headers{varyOrigin, problemJSON}}
	refusedPreflight = want{policy.VerdictDeny, policy.ActionRefuse, policy.ReasonOriginNotAllowed, 403, headers{varyPreflight, problemJSON}}
	notCORS          = want{policy.VerdictPass, policy.ActionForward, policy.ReasonNoOrigin, 0, headers{varyAppended}}
	sameOrigin       = want{policy.VerdictPass, policy.ActionForward, policy.ReasonSameOrigin, 0, headers{varyAppended}}
)

// because is w for another reason.
func because(w want, why policy.Reason) want {
	w.reason = why
	return w
}

func allowed(h ...string) want {
	return want{policy.VerdictAllow, policy.ActionForward, policy.ReasonOriginAllowed, 0, h}
}

func answered(h ...string) want {
	return want{policy.VerdictAllow, policy.ActionAnswer, policy.ReasonOriginAllowed, 204, h}
}

func diagnosed(why policy.Reason, h ...string) want {
	return want{policy.VerdictDeny, policy.ActionAnswer, why, 204, h}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	for _, tc := range decisionTables {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			set := compile(t, tc.policy, tc.options)
			if docs, _ := document.Read("test.yaml", []byte(tc.policy)); !tc.warns {
				if _, problems := policy.Compile(docs, tc.options); len(problems) > 0 {
					t.Errorf("warnings: %v", problems)
				}
			}
			for _, c := range tc.cases {
				t.Run(c.name, func(t *testing.T) {
					d := set.Decide(request(c.request))
					got := want{d.Verdict, d.Action, d.Reason, d.Status(), headersOf(&d)}
					if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(want{}), cmpopts.EquateEmpty()); diff != "" {
						t.Errorf("decision (-want +got):\n%s", diff)
					}
				})
			}
		})
	}
}

// An empty decision must never let anything through.
func TestZeroDecisionRefuses(t *testing.T) {
	t.Parallel()
	var d policy.Decision
	if d.Verdict.String() != "deny" || d.Action != policy.ActionRefuse || d.Status() != 403 || d.Headers() != nil {
		t.Errorf("the zero decision is %v, action %v, status %d, headers %v", d.Verdict, d.Action, d.Status(), d.Headers())
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	set := compile(t, `apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata: {name: shop}
spec:
  targets: [{hosts: [api.shop.example]}]
  origins:
    - https://shop.example
    - https://*.shop.example
  originSets: [partners]
  excludeOrigins: [https://old.shop.example]
  methods: [GET]
---
apiVersion: corsgate.dev/v1
kind: CorsOriginSet
metadata: {name: partners}
spec:
  origins:
    - https://partner.example
`, policy.Options{})
	for origin, want := range map[string]string{
		"https://shop.example":     `shop spec.origins[0] "https://shop.example" test.yaml:7:7`,
		"https://a.b.shop.example": `shop spec.origins[1] "https://*.shop.example" test.yaml:8:7`,
		"https://partner.example":  `partners spec.origins[0] "https://partner.example" test.yaml:18:7`,
		"https://old.shop.example": `shop spec.excludeOrigins[0] "https://old.shop.example" test.yaml:10:20`,
		"https://evil.example":     `shop spec.origins "" test.yaml:6:3`,
	} {
		d := set.Decide(request(policy.Request{Origin: origin}))
		rule, ok := d.Rule()
		got := rule.Document + " " + rule.Field + ` "` + rule.Text + `" ` + rule.Position.String()
		if !ok || got != want {
			t.Errorf("the rule for %s is\n%s, want\n%s", origin, got, want)
		}
	}
	denied := set.Decide(request(policy.Request{Origin: shop, Method: "PUT"}))
	rule, ok := denied.Rule()
	if !ok || rule.Field != "spec.methods" || rule.Position.String() != "test.yaml:11:3" {
		t.Errorf("the rule for PUT is %+v", rule)
	}
	wantBody := `{"title":"Forbidden","status":403,"detail":"The CORS policy shop does not let other origins use this method here. It allows: GET.","reason":"method_not_allowed"}` + "\n"
	if denied.Body() != wantBody {
		t.Errorf("the body for PUT is\n%s, want\n%s", denied.Body(), wantBody)
	}
}

// It counts the allocations of the whole process, so it runs alone.
func TestDecideDoesNotAllocate(t *testing.T) {
	set := compile(t, decisionTables[0].policy, policy.Options{})
	for _, c := range decisionTables[0].cases {
		r := request(c.request)
		var d policy.Decision
		buf := make([]byte, 0, 4096)
		decide := func() {
			d = set.Decide(r)
			buf = d.AppendPosition(d.AppendRule(buf[:0]))
			if a := d.Answer(); a != nil {
				for i := range a.Fields {
					buf = d.AppendValue(buf, &a.Fields[i])
				}
			}
		}
		if n := testing.AllocsPerRun(100, decide); n != 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
}
