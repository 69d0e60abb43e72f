package browser_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// The engine in package policy is held against two models that share nothing
// with it: what the documents say (world), and what browsers do (package
// browser). `go test -run Oracle -rapid.checks=100000` looks longer.

const serviceBody = "service"

// A gate stands in front of a service as a proxy does, and asks for a decision
// on each request.
type gate struct {
	t     *rapid.T
	world *world
	set   *policy.Set
	call  *call
	// decisions is one for each request, in order.
	decisions []policy.Decision
}

func (g *gate) serve(r browser.ServerRequest) browser.ServerResponse {
	request := g.translate(&r)
	asker := askerOf(request)
	says := g.world.says(&asker)
	d := g.set.Decide(request)
	g.decisions = append(g.decisions, d)
	if reaches := d.Action == policy.ActionForward; reaches != says.reaches {
		g.t.Fatalf("reaches the service: %v, the documents say %v\nrequest %+v\ndecision %s %s", reaches, says.reaches, request, d.Verdict, d.Reason)
	}
	response := browser.ServerResponse{Status: d.Status(), Body: d.Body()}
	if d.Action == policy.ActionForward {
		response = browser.ServerResponse{Status: 200, Headers: slices.Clone(g.call.service), Body: serviceBody}
		if g.call.request.Mode == browser.ModeWebSocket {
			response.Status = 101
		}
	}
	response.Headers = apply(response.Headers, d.Headers())
	g.checkStranger(request, &says, &response)
	return response
}

// checkStranger holds that nobody outside the allow list is ever named.
func (g *gate) checkStranger(r *policy.Request, says *says, response *browser.ServerResponse) {
	if says.notCORS || says.unenforced || says.origin || says.spec == nil && says.reaches {
		return
	}
	for _, h := range response.Headers {
		if h.Name == "access-control-allow-origin" && (h.Value == "*" || h.Value == r.Origin) {
			g.t.Fatalf("the stranger %s receives %s: %s\nspec %v", r.Origin, h.Name, h.Value, says.spec)
		}
	}
}

func (g *gate) translate(r *browser.ServerRequest) *policy.Request {
	scheme := map[string]string{"ws": "http", "wss": "https"}[r.URL.Scheme]
	if scheme == "" {
		scheme = r.URL.Scheme
	}
	if g.call.tlsEnded {
		scheme = "http"
	}
	return &policy.Request{
		Method: r.Method, Scheme: scheme, Host: r.URL.Host, Path: r.URL.RequestURI(), Origin: r.Get("origin"),
		RequestMethod: r.Get("access-control-request-method"), RequestHeaders: r.Get("access-control-request-headers"),
		FetchSite: r.Get("sec-fetch-site"), FetchMode: r.Get("sec-fetch-mode"), Upgrade: r.Get("upgrade"), RouteVaries: g.call.varies,
	}
}

func askerOf(r *policy.Request) asker {
	return asker{
		method: r.Method, scheme: r.Scheme, host: r.Host, path: r.Path, origin: r.Origin, site: r.FetchSite, mode: r.FetchMode,
		requestMethod: r.RequestMethod, requestHeaders: r.RequestHeaders, webSocket: r.Upgrade == "websocket",
	}
}

// apply adds a decision's headers to what the service sends, as a proxy does.
func apply(headers []browser.Header, decided []policy.Header) []browser.Header {
	for _, d := range decided {
		same := func(h browser.Header) bool { return strings.EqualFold(h.Name, d.Name) }
		if d.Write == policy.WriteReplace && !slices.ContainsFunc(headers, same) {
			continue
		}
		if d.Write != policy.WriteAppend {
			headers = slices.DeleteFunc(headers, same)
		}
		headers = append(headers, browser.Header{Name: d.Name, Value: d.Value})
	}
	return headers
}

var allEngines = []browser.Engine{browser.Standard, browser.Chrome, browser.Firefox, browser.Safari}

// A browser shares the service's response if and only if the documents say so,
// and nothing that they forbid reaches the service.
func TestOracleShares(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w, set := genWorld(t)
		for range 3 {
			c := genCall(t)
			for _, engine := range allEngines {
				g := gate{t: t, world: w, set: set, call: &c}
				o := browser.Fetch(&c.request, g.serve, browser.Options{Engine: engine})
				g.checkOutcome(engine, &o)
			}
		}
	})
}

// whole is what the documents say of a call across origins as a whole, as though
// it needed no preflight. It reports false where they do not decide it.
func (g *gate) whole(engine browser.Engine) (says, bool) {
	r := &g.call.request
	if r.Mode != browser.ModeCORS || browser.OriginOf(r.URL) == r.Origin || browser.IsForbiddenMethod(method(r)) {
		return says{}, false
	}
	plain := browser.ServerRequest{Method: method(r), URL: r.URL, Headers: []browser.Header{{Name: "origin", Value: r.Origin}}}
	asker := askerOf(g.translate(&plain))
	asker.requestHeaders = asks(engine, r)
	s := g.world.says(&asker)
	// A page that differs from the API in its scheme alone may be taken for its
	// own: who ends TLS in front of us may not tell us.
	return s, !s.notCORS && !s.unenforced && s.spec != nil
}

func method(r *browser.Request) string { return browser.Normalize(r.Method) }

// asks is which headers an engine asks for: they do not agree on all values.
func asks(engine browser.Engine, r *browser.Request) string {
	question := browser.PreflightRequest(engine, r)
	return question.Get("access-control-request-headers")
}

func (g *gate) checkOutcome(engine browser.Engine, o *browser.Outcome) {
	s, ok := g.whole(engine)
	if !ok {
		return
	}
	r := &g.call.request
	credentials := r.Credentials != browser.CredentialsInclude || s.spec.GetCredentials()
	mayAsk := s.origin && credentials && s.headers
	shared := o.Shared() && o.Response.Body == serviceBody
	if want := mayAsk && s.method; shared != want {
		g.t.Fatalf("%s shares: %v, the documents say %v\ncall %+v\nspec %v\noutcome %+v", engine, shared, want, g.call, s.spec, o)
	}
	switch {
	case shared:
		g.checkShared(o, s.spec)
	case mayAsk && browser.IsSafelistedMethod(method(r)):
		// The script reads why.
		if !o.Shared() || o.Response.Status != 403 || !strings.Contains(o.Response.Body, `"method_not_allowed"`) {
			g.t.Fatalf("%s does not let the script read why: %+v", engine, o)
		}
	default:
		g.checkDiagnosis(engine, o, &s, credentials)
	}
}

// checkShared holds that a script sees exactly what the documents expose.
func (g *gate) checkShared(o *browser.Outcome, spec *corsgatev1.CorsPolicySpec) {
	exposed := exposes(spec)
	all := slices.Contains(exposed, "*") && g.call.request.Credentials != browser.CredentialsInclude
	var want, got []string
	for _, h := range o.Response.Headers {
		safe := h.Name == "content-type"
		if h.Name != "set-cookie" && (safe || all || slices.Contains(exposed, h.Name)) {
			want = append(want, h.Name)
		}
	}
	for _, h := range o.Headers {
		got = append(got, h.Name)
	}
	if !slices.Equal(got, want) {
		g.t.Fatalf("the script sees %q, the documents expose %q\nspec %v", got, want, spec)
	}
	checkResourcePolicy(g.t, o.Response.Headers, spec)
	timing := spec.GetTimingAllowOrigin()
	if spec.TimingAllowOrigin == nil {
		timing = slices.ContainsFunc(g.call.service, func(h browser.Header) bool { return h.Name == "timing-allow-origin" })
	}
	if o.Timing != timing {
		g.t.Fatalf("the page may read the timing: %v, the documents say %v", o.Timing, timing)
	}
}

// checkResourcePolicy holds that the service's answer says which pages may embed
// it.
func checkResourcePolicy(t *rapid.T, headers []browser.Header, spec *corsgatev1.CorsPolicySpec) {
	want := map[corsgatev1.ResourcePolicy]string{
		corsgatev1.ResourcePolicy_RESOURCE_POLICY_SAME_ORIGIN:  "same-origin",
		corsgatev1.ResourcePolicy_RESOURCE_POLICY_SAME_SITE:    "same-site",
		corsgatev1.ResourcePolicy_RESOURCE_POLICY_CROSS_ORIGIN: "cross-origin",
	}[spec.GetCrossOriginResourcePolicy()]
	got := ""
	for _, h := range headers {
		if h.Name == "cross-origin-resource-policy" {
			got = h.Value
		}
	}
	if got != want {
		t.Fatalf("Cross-Origin-Resource-Policy is %q, the documents say %q", got, want)
	}
}

// checkDiagnosis holds that the browser names the culprit to those who may call.
func (g *gate) checkDiagnosis(engine browser.Engine, o *browser.Outcome, s *says, credentials bool) {
	why := o.Block.Failure
	if engine != browser.Standard && browser.Console(engine, &o.Block) == "" {
		g.t.Fatalf("%s prints nothing for %s", engine, why)
	}
	preflight := o.Exchanges[0].Preflight
	want := []browser.Failure{browser.FailureMissingAllowOrigin}
	switch {
	case s.origin && !credentials:
		want = []browser.Failure{browser.FailureAllowCredentials, browser.FailureWildcardWithCredentials}
	case s.origin && !s.method && !browser.IsSafelistedMethod(method(&g.call.request)):
		want = []browser.Failure{browser.FailureMethodNotAllowed}
		if engine == browser.Standard && (g.call.request.UploadListener || g.call.request.Stream) {
			return // it takes such a preflight for no question about the method
		}
	case s.origin:
		want = []browser.Failure{browser.FailureHeaderNotAllowed}
	case !preflight && s.reaches:
		// The service's own header is replaced by one that names nobody.
		want = append(want, browser.FailureAllowOriginMismatch)
	case preflight && engine == browser.Safari:
		want = []browser.Failure{browser.FailurePreflightStatus}
	}
	if !slices.Contains(want, why) {
		g.t.Fatalf("%s says %s, want %v\ncall %+v\nspec %v", engine, why, want, g.call, s.spec)
	}
}

// What a decision says of a preflight is what each browser makes of its answer.
func TestOraclePreflightVerdicts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w, set := genWorld(t)
		c := genCall(t)
		c.request.Mode = browser.ModeCORS
		g := gate{t: t, world: w, set: set, call: &c}
		s, ok := g.whole(browser.Standard)
		if !ok || c.request.Credentials == browser.CredentialsInclude && !s.spec.GetCredentials() {
			return
		}
		for i, engine := range allEngines {
			question := browser.PreflightRequest(engine, &c.request)
			response := g.serve(question)
			d := &g.decisions[i]
			if d.Kind != policy.KindPreflight {
				t.Fatalf("a preflight is taken for %s", d.Kind)
			}
			// A method that needs no permission gets it whatever the answer says;
			// the request itself is refused.
			want := d.Verdict == policy.VerdictAllow ||
				d.Reason == policy.ReasonMethodNotAllowed && browser.IsSafelistedMethod(method(&c.request)) &&
					allowsHeaders(s.spec, question.Get("access-control-request-headers"))
			if engine == browser.Standard && (c.request.UploadListener || c.request.Stream) && d.Reason == policy.ReasonMethodNotAllowed {
				continue
			}
			if why, value := browser.PreflightCheck(engine, &c.request, response); (why == browser.FailureNone) != want {
				t.Fatalf("the verdict is %s for %s, and %s says %s %q\ncall %+v\nspec %v\nanswer %+v",
					d.Verdict, d.Reason, engine, why, value, c, s.spec, response)
			}
		}
	})
}

// What a browser remembers of preflights changes no outcome.
func TestOracleCacheChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w, set := genWorld(t)
		c := genCall(t)
		caches := map[browser.Engine]*browser.Cache{}
		for _, engine := range allEngines {
			caches[engine] = browser.NewCache(engine)
		}
		now := time.Duration(0)
		for range 4 {
			next := genCall(t)
			c.request.Method, c.request.Headers, c.request.Credentials = next.request.Method, next.request.Headers, next.request.Credentials
			c.request.Mode = browser.ModeCORS
			now += draw(t, "later", []time.Duration{0, time.Second, time.Minute, time.Hour})
			for _, engine := range allEngines {
				g := gate{t: t, world: w, set: set, call: &c}
				fresh := browser.Fetch(&c.request, g.serve, browser.Options{Engine: engine})
				cached := browser.Fetch(&c.request, g.serve, browser.Options{Engine: engine, Cache: caches[engine], Now: now})
				if onlyMemoryCovers(engine, &fresh, &g) {
					continue
				}
				if fresh.Access != cached.Access || fresh.Block.Failure != cached.Block.Failure || fresh.Response.Body != cached.Response.Body {
					t.Fatalf("%s: %s, %s without a cache; %s, %s with it\ncall %+v", engine,
						fresh.Access, fresh.Block.Failure, cached.Access, cached.Block.Failure, c)
				}
			}
		}
	})
}

// onlyMemoryCovers says that a request is refused for what a browser cannot know
// from answers that it remembers: that there are too many names to ask for, or
// that a method by the name of the wildcard, which the gate refuses, is none that
// the wildcard covers.
func onlyMemoryCovers(engine browser.Engine, fresh *browser.Outcome, g *gate) bool {
	if fresh.Block.Failure == browser.FailureMethodNotAllowed && g.call.request.Method == "*" {
		return true
	}
	return fresh.Block.Failure == browser.FailureHeaderNotAllowed && strings.Count(asks(engine, &g.call.request), ",") >= 128
}

// genRequest draws a request that no browser need have sent.
func genRequest(t *rapid.T) *policy.Request {
	origin := genOrigin(t)
	if chance(t, "odd origin", 4) {
		origin = draw(t, "odd", []string{
			"", "*", "NULL", "null, null", origin + "/", origin + ", " + origin, origin + ".", strings.ToUpper(origin), origin + ":443", origin + ":0",
			"https://", "https://*.shop.example", "https://-a.shop.example", "https://a..shop.example", "https://.shop.example", "file://",
			"https://evil.example/.shop.example", "https://evil.example#.shop.example", "https://user@shop.example", "https://shop.example\x00",
			"https://1.2.3", "https://0x7f.1", "https://[::ffff:1.2.3.4]", "https://[::ffff:102:304]", "https://[0::1]", "https://" + strings.Repeat("a", 64) + ".shop.example",
			"https://" + strings.Repeat("a.", 120) + "shop.example", "https://" + strings.Repeat("a.", 121) + "shop.example", "shop.example", "//shop.example",
		})
	}
	r := &policy.Request{
		Method: draw(t, "method", methods), Scheme: draw(t, "scheme", []string{"https", "http"}), Host: draw(t, "host", requestHosts),
		Path: draw(t, "path", paths), Origin: origin,
		FetchSite:   draw(t, "site", []string{"", "", "cross-site", "same-site", "same-origin", "none", "x"}),
		FetchMode:   draw(t, "mode", []string{"", "cors", "navigate", "x"}),
		Upgrade:     draw(t, "upgrade", []string{"", "", "", "websocket"}),
		RouteVaries: rapid.Bool().Draw(t, "varies"),
	}
	r.PrivateNetwork = chance(t, "private network", 3)
	if chance(t, "preflight", 2) {
		r.Method, r.RequestMethod = "OPTIONS", draw(t, "requested", append([]string{"", "a b"}, methods...))
		r.RequestHeaders = strings.Join(some(t, "asked", headerNames, 5), draw(t, "separator", []string{",", ", ", " ,,\t", ";"}))
	}
	return r
}

// Whatever comes, the verdict is what the documents say.
func TestOracleVerdicts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w, set := genWorld(t)
		for range 4 {
			r := genRequest(t)
			asker := askerOf(r)
			asker.webSocket = r.Method == http.MethodGet && r.Upgrade != ""
			s := w.says(&asker)
			d := set.Decide(r)
			if got := d.Action == policy.ActionForward; got != s.reaches {
				t.Fatalf("reaches the service: %v, the documents say %v\nrequest %+v\ndecision %s %s\nspec %v", got, s.reaches, r, d.Verdict, d.Reason, s.spec)
			}
			if want := s.wants(&asker); d.Verdict != want {
				t.Fatalf("the verdict is %s for %s, the documents say %s\nrequest %+v\nspec %v", d.Verdict, d.Reason, want, r, s.spec)
			}
			g := gate{t: t, world: w, set: set, call: &call{}}
			g.checkStranger(r, &s, &browser.ServerResponse{Headers: apply(nil, d.Headers())})
			checkControl(t, &d)
			checkPrivateNetwork(t, r, &s, &d)
		}
	})
}

// wants is the verdict that the documents ask for.
func (s *says) wants(a *asker) policy.Verdict {
	switch {
	case s.notCORS, s.spec == nil && s.reaches, s.spec.GetEnforcement() == corsgatev1.Enforcement_ENFORCEMENT_DISABLED:
		return policy.VerdictPass
	case s.spec == nil:
		return policy.VerdictDeny
	case s.origin && (a.webSocket || s.method && (!s.preflight || s.headers)):
		return policy.VerdictAllow
	case !s.origin && !s.preflight && !a.webSocket && s.passes(a):
		return policy.VerdictPass
	}
	return policy.VerdictDeny
}

func (s *says) passes(a *asker) bool {
	if a.mode == "navigate" && wellFormed(a.origin) {
		return s.spec.GetNavigations() == corsgatev1.Disposition_DISPOSITION_PASS
	}
	return s.spec.GetOnDisallowedOrigin() == corsgatev1.Disposition_DISPOSITION_PASS
}

// checkControl holds that no header carries a control byte, an empty value or
// stands twice.
func checkControl(t *rapid.T, d *policy.Decision) {
	seen := map[string]bool{}
	for _, h := range d.Headers() {
		if seen[h.Name] || h.Value == "" || strings.ContainsFunc(h.Value, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
			t.Fatalf("the header %s: %q", h.Name, h.Value)
		}
		seen[h.Name] = true
	}
}

// checkPrivateNetwork holds that only those who are allowed get into a private
// network, and only where a policy says so.
func checkPrivateNetwork(t *rapid.T, r *policy.Request, s *says, d *policy.Decision) {
	got := slices.ContainsFunc(d.Headers(), func(h policy.Header) bool { return h.Name == "access-control-allow-private-network" })
	want := s.preflight && r.PrivateNetwork && s.spec.GetPrivateNetwork() && d.Verdict == policy.VerdictAllow && !s.unenforced
	if got != want {
		t.Fatalf("let into a private network: %v, want %v\nrequest %+v\nspec %v", got, want, r, s.spec)
	}
}

// Decisions do not depend on the order of documents, nor of any list in them.
func TestOracleOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w, set := genWorld(t)
		other := w.clone()
		other.policies = rapid.Permutation(other.policies).Draw(t, "policies")
		other.sets = rapid.Permutation(other.sets).Draw(t, "sets")
		for _, p := range other.policies {
			for _, list := range []*[]string{
				&p.Spec.Origins, &p.Spec.OriginSets, &p.Spec.ExcludeOrigins, &p.Spec.Methods, &p.Spec.RequestHeaders, &p.Spec.Presets, &p.Spec.ExposeHeaders,
			} {
				*list = rapid.Permutation(*list).Draw(t, "list")
			}
			p.Spec.Targets = rapid.Permutation(p.GetSpec().GetTargets()).Draw(t, "targets")
		}
		shuffled, problems := other.compile()
		if shuffled == nil {
			t.Fatalf("refused in another order: %v", problems)
		}
		for range 4 {
			r := genRequest(t)
			a, b := set.Decide(r), shuffled.Decide(r)
			if !sameDecision(&a, &b) {
				t.Fatalf("%s %s %v in one order, %s %s %v in the other\nrequest %+v", a.Verdict, a.Reason, a.Headers(), b.Verdict, b.Reason, b.Headers(), r)
			}
		}
	})
}

// The order of documents alone does not even change the revision.
func TestOracleRevision(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w, set := genWorld(t)
		other := w.clone()
		other.policies = rapid.Permutation(other.policies).Draw(t, "policies")
		other.sets = rapid.Permutation(other.sets).Draw(t, "sets")
		if shuffled, _ := other.compile(); shuffled.Revision() != set.Revision() {
			t.Fatalf("the revision is %s in one order and %s in the other", set.Revision(), shuffled.Revision())
		}
		changed := w.clone()
		changed.policies[0].Spec.PreflightStatus = new(changed.policies[0].GetSpec().GetPreflightStatus()%99 + 200 + 1)
		if set2, _ := changed.compile(); set2 != nil && set2.Revision() == set.Revision() {
			t.Fatal("a change leaves the revision as it was")
		}
	})
}

func sameDecision(a, b *policy.Decision) bool {
	if a.Verdict != b.Verdict || a.Reason != b.Reason || a.Action != b.Action || a.Kind != b.Kind || a.Status() != b.Status() || a.Body() != b.Body() {
		return false
	}
	return (a.Policy == nil) == (b.Policy == nil) && (a.Policy == nil || a.Policy.Name == b.Policy.Name) && slices.Equal(a.Headers(), b.Headers())
}

// Another origin in a list takes nothing from anybody, and another excluded one
// gives nothing.
func TestOracleMonotone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w, before := genWorld(t)
		exclude := rapid.Bool().Draw(t, "exclude")
		other := w.clone()
		spec := other.policies[rapid.IntRange(0, len(other.policies)-1).Draw(t, "policy")].GetSpec()
		switch pattern := genPattern(t); {
		case exclude:
			spec.ExcludeOrigins = append(spec.ExcludeOrigins, pattern)
		case spec.GetOrigins()[0] == "*":
			return // stands alone
		default:
			spec.Origins = append(spec.Origins, pattern)
		}
		after, problems := other.compile()
		if after == nil {
			t.Skipf("refused: %v", problems.Errors())
		}
		for range 6 {
			r := genRequest(t)
			a, b := before.Decide(r), after.Decide(r)
			if exclude {
				a, b = b, a
			}
			if a.Verdict == policy.VerdictAllow && b.Verdict != policy.VerdictAllow {
				t.Fatalf("with fewer origins allowed, with more %s for %s (excluded: %v)\nrequest %+v\nspec %v", b.Verdict, b.Reason, exclude, r, spec)
			}
		}
	})
}

// A request that is redirected from one API to another arrives without its
// page's origin, and is decided as such. So does its preflight, but in Firefox.
func TestOracleRedirects(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w, set := genWorld(t)
		c := genCall(t)
		c.request.Mode, c.request.Stream = browser.ModeCORS, false
		to := "https://" + draw(t, "to", requestHosts) + draw(t, "to path", paths)
		target, err := url.Parse(to)
		if err != nil {
			t.Fatalf("parse a URL: %v", err)
		}
		for _, engine := range allEngines {
			g := gate{t: t, world: w, set: set, call: &c}
			redirected := false
			o := browser.Fetch(&c.request, func(r browser.ServerRequest) browser.ServerResponse {
				response := g.serve(r)
				if !redirected && response.Body == serviceBody && r.Method != http.MethodOptions {
					redirected = true
					response.Status, response.Headers = 307, append(response.Headers, browser.Header{Name: "location", Value: to})
				}
				return response
			}, browser.Options{Engine: engine})
			last := o.Exchanges
			if len(last) < 2 || !redirected || last[len(last)-1].Request.URL.String() != to {
				continue
			}
			if engine == browser.Firefox && last[len(last)-1].Preflight {
				continue // It asks for the page, and then hides it.
			}
			first, second := browser.OriginOf(c.request.URL), browser.OriginOf(target)
			origin := last[len(last)-1].Request.Get("origin")
			if first != second && first != c.request.Origin && origin != browser.OpaqueOrigin {
				t.Fatalf("from %s to %s %s sends the origin %s", first, second, engine, origin)
			}
		}
	})
}
