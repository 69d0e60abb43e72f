package policy_test

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/corsgate/corsgate/policy"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// The model of a guardrail knows nothing of how policies are compiled. It looks at
// what a request is answered, or at each single thing that a policy lists, and says
// whether a guardrail forbids it.

// guardedOrigins are the origins that requests come from; the exact ones are what
// policies list by name.
var (
	guardedExact = []string{
		"https://x.example", "https://a.x.example", "https://b.a.x.example", "https://p-1.x.example", "https://p-2-eu.x.example", "https://a.x.example:8443",
		"http://a.x.example", "http://localhost:3000", "http://127.0.0.1", "https://y.example", "https://ax.example", "https://a.x.example.", "app://a.x.example", "null",
	}
	guardedWide = []string{
		"https://*.x.example", "https://*.a.x.example", "https://p-*.x.example", "https://*-eu.x.example", "https://*.x.example:*", "http://*.x.example", "http://localhost:*", "https://a.x.example:*",
	}
	guardedRegexes = []string{`https://p-[0-9]\.x\.example`, `https?://a\.x\.example`, `https://[xy]\.example`}
	guardedHosts   = []string{"api.example", "b.api.example", "*.api.example", "*.example", "*"}
	// hostsOfRequests has a host for each way in which guardedHosts can meet.
	hostsOfRequests = []string{"api.example", "b.api.example", "c.api.example", "c.b.api.example", "d.example", "other.test"}
	guardedMethods  = []string{"GET", "HEAD", "POST", "PUT", "DELETE"}
	guardedHeaders  = []string{"authorization", "content-type", "x-a", "x-b", "grpc-timeout"}
	guardedNames    = []string{"p", "shop/p", "pay/p"}
)

// matchesOrigin is what an entry of a list of origins means.
func matchesOrigin(entry, origin string) bool {
	if entry == "*" || entry == origin {
		return true
	}
	if !strings.Contains(entry, "*") || origin == "null" {
		return false
	}
	text := regexp.QuoteMeta(entry)
	text = strings.Replace(text, `://\*\.`, `://([a-z0-9_-]+\.)+`, 1)
	text = strings.TrimSuffix(text, `:\*`)
	if strings.HasSuffix(entry, ":*") {
		text += `(:[0-9]+)?`
	}
	text = strings.ReplaceAll(text, `\*`, `[a-z0-9-]+`)
	return regexp.MustCompile("^" + text + "$").MatchString(origin)
}

func matchesHost(pattern, host string) bool {
	if domain, ok := strings.CutPrefix(pattern, "*."); ok {
		return strings.HasSuffix(host, "."+domain)
	}
	return pattern == "*" || pattern == host
}

// reachOf says whether a guardrail reaches a policy: by its namespace, and by some
// host that both name.
func reachOf(g *corsgatev1.CorsGuardrailSpec, namespace string, p *corsgatev1.CorsPolicySpec) bool {
	if len(g.GetNamespaces()) > 0 && !slices.Contains(g.GetNamespaces(), namespace) {
		return false
	}
	if len(g.GetHosts()) == 0 || len(p.GetTargets()) == 0 {
		return true
	}
	return slices.ContainsFunc(hostsOfRequests, func(host string) bool {
		named := func(pattern string) bool { return matchesHost(pattern, host) }
		return slices.ContainsFunc(g.GetHosts(), named) && slices.ContainsFunc(p.GetTargets(), func(t *corsgatev1.Target) bool { return slices.ContainsFunc(t.GetHosts(), named) })
	})
}

// mayBeAny says whether a guardrail names a policy among those that may let any
// origin in.
func mayBeAny(g *corsgatev1.CorsGuardrailSpec, name string) bool {
	return slices.ContainsFunc(g.GetAnyOrigin().GetPolicies(), func(one string) bool {
		return one == name || strings.HasSuffix(one, "/*") && strings.HasPrefix(name, strings.TrimSuffix(one, "*"))
	})
}

// forbidsOrigin says why a guardrail forbids a policy to let one origin in, or "".
func forbidsOrigin(g *corsgatev1.CorsGuardrailSpec, p *corsgatev1.CorsPolicySpec, name, origin string) string {
	scheme, host, _ := strings.Cut(origin, "://")
	host, _, _ = strings.Cut(host, ":")
	everyone := slices.Contains(p.GetOrigins(), "*")
	exempt := everyone && mayBeAny(g, name)
	within := func(suffix string) bool {
		return (scheme == "http" || scheme == "https") && (host == suffix || strings.HasSuffix(host, "."+suffix))
	}
	switch {
	case len(g.GetOriginSuffixes()) > 0 && !exempt && !slices.ContainsFunc(g.GetOriginSuffixes(), within):
		return "a suffix"
	case slices.ContainsFunc(g.GetForbiddenOrigins(), func(entry string) bool { return matchesOrigin(entry, origin) }):
		return "a forbidden origin"
	case g.GetNoPlainHttp() && !exempt && scheme == "http" && host != "localhost" && host != "127.0.0.1":
		return "plain http"
	case g.GetAnyOrigin() != nil && everyone && !exempt:
		return "any origin"
	case p.GetCredentials() && forbidsCookies(g, scheme):
		return "credentials"
	}
	return ""
}

// forbidsCookies says whether a guardrail forbids credentials from origins of a
// scheme.
func forbidsCookies(g *corsgatev1.CorsGuardrailSpec, scheme string) bool {
	return g.GetCredentials() == corsgatev1.GuardrailCredentials_GUARDRAIL_CREDENTIALS_NEVER ||
		g.GetCredentials() == corsgatev1.GuardrailCredentials_GUARDRAIL_CREDENTIALS_EXACT_HTTPS && scheme != "https"
}

// forbidsAnswer says what a guardrail forbids of what a caller was granted, or "".
func forbidsAnswer(g *corsgatev1.CorsGuardrailSpec, d *policy.Decision, r *policy.Request) string {
	granted := map[string]string{}
	for _, h := range d.Headers() {
		if h.Write != policy.WriteReplace {
			granted[h.Name] = h.Value
		}
	}
	lists := func(header, name string) bool {
		return slices.ContainsFunc(strings.Split(granted[header], ", "), func(one string) bool { return one == "*" || strings.EqualFold(one, name) })
	}
	method := r.Method
	if d.Kind == policy.KindPreflight {
		method = r.RequestMethod
	}
	if d.Kind != policy.KindWebSocket && slices.Contains(g.GetForbiddenMethods(), method) {
		return "the method " + method
	}
	for _, name := range g.GetForbiddenMethods() {
		if lists("access-control-allow-methods", name) {
			return "the method " + name + " in the list"
		}
	}
	for _, name := range g.GetForbiddenRequestHeaders() {
		if lists("access-control-allow-headers", name) || slices.Contains(strings.Split(r.RequestHeaders, ","), strings.ToLower(name)) {
			return "the request header " + name
		}
	}
	for _, name := range g.GetForbiddenExposeHeaders() {
		if lists("access-control-expose-headers", name) {
			return "the response header " + name
		}
	}
	if age, ok := granted["access-control-max-age"]; ok && g.GetMaxAge() != "" {
		seconds, _ := strconv.Atoi(age)
		if most, _ := time.ParseDuration(g.GetMaxAge()); time.Duration(seconds)*time.Second > most {
			return "max-age"
		}
	}
	return ""
}

func some(t *rapid.T, label string, from []string, low, high int) []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(from), low, high, rapid.ID[string]).Draw(t, label)
}

// oneIn draws true once in n times.
func oneIn(t *rapid.T, n int, label string) bool { return rapid.IntRange(1, n).Draw(t, label) == 1 }

func drawGuardrail(t *rapid.T) *corsgatev1.CorsGuardrailSpec {
	g := &corsgatev1.CorsGuardrailSpec{ForbiddenMethods: []string{"PATCH"}} // so that it forbids something
	if oneIn(t, 3, "namespaces") {
		g.Namespaces = some(t, "namespace", []string{"shop", "pay"}, 1, 2)
	}
	if oneIn(t, 3, "hosts") {
		g.Hosts = some(t, "host", guardedHosts, 1, 2)
	}
	if oneIn(t, 3, "suffixes") {
		g.OriginSuffixes = some(t, "suffix", []string{"x.example", "a.x.example", "y.example", "localhost"}, 1, 3)
	}
	if oneIn(t, 3, "forbidden") {
		g.ForbiddenOrigins = some(t, "forbidden origin", slices.Concat(guardedExact, guardedWide), 1, 3)
	}
	if oneIn(t, 3, "credentials") {
		g.Credentials = corsgatev1.GuardrailCredentials(rapid.Int32Range(1, 3).Draw(t, "level"))
	}
	g.NoOriginRegexes, g.NoPlainHttp, g.NoExceptions = oneIn(t, 6, "no regexes"), oneIn(t, 5, "no http"), oneIn(t, 6, "no exceptions")
	g.MaxAge = rapid.SampledFrom([]string{"", "", "", "5s", "1h"}).Draw(t, "max age")
	if oneIn(t, 4, "methods") {
		g.ForbiddenMethods = some(t, "method", guardedMethods, 1, 2)
	}
	if oneIn(t, 4, "headers") {
		g.ForbiddenRequestHeaders = some(t, "header", []string{"Authorization", "X-A", "Grpc-Timeout"}, 1, 2)
	}
	if oneIn(t, 4, "expose") {
		g.ForbiddenExposeHeaders = some(t, "exposed", []string{"X-E", "Grpc-Status"}, 1, 2)
	}
	if oneIn(t, 4, "any") {
		g.AnyOrigin = &corsgatev1.AnyOriginRule{Policies: some(t, "named", []string{"p", "shop/*", "pay/p"}, 0, 2)}
	}
	return g
}

// drawGuarded draws a policy. Where exact is true, it lists nothing but single origins,
// methods and headers.
func drawGuarded(t *rapid.T, exact bool) *corsgatev1.CorsPolicySpec {
	reason := "the property wants to see it"
	origins := guardedExact
	if !exact {
		origins = slices.Concat(guardedExact, guardedWide, guardedWide)
	}
	p := &corsgatev1.CorsPolicySpec{
		Origins:        some(t, "origin", origins, 1, 3),
		ExcludeOrigins: some(t, "excluded", slices.Concat(guardedExact, guardedWide), 0, 2),
		Credentials:    rapid.Bool().Draw(t, "with credentials"),
		MaxAge:         rapid.SampledFrom([]string{"", "0s", "5s", "10m", "2h"}).Draw(t, "age"),
		Methods:        some(t, "allowed method", guardedMethods, 0, 3),
		RequestHeaders: some(t, "allowed header", []string{"Authorization", "Content-Type", "x-a", "X-B"}, 0, 2),
		ExposeHeaders:  some(t, "exposed header", []string{"x-e", "X-F"}, 0, 2),
		OriginSets:     some(t, "set", []string{"/exact"}, 0, 1),
	}
	if p.GetCredentials() {
		p.Dangerously = &corsgatev1.Exceptions{AnyOriginWithCredentials: reason, PlainHttpWithCredentials: reason}
	}
	if oneIn(t, 2, "targets") {
		p.Targets = []*corsgatev1.Target{{Hosts: some(t, "target", guardedHosts, 1, 2)}}
	}
	for _, origin := range some(t, "temporary", guardedExact, 0, 1) {
		until := rapid.SampledFrom([]string{"2026-05-31", "2026-07-01"}).Draw(t, "until")
		p.TemporaryOrigins = []*corsgatev1.TemporaryOrigin{{Origin: origin, Until: until}}
	}
	if oneIn(t, 4, "presets") {
		p.Presets = []string{"grpc-web"}
	}
	if exact {
		return p
	}
	p.OriginSets = some(t, "any set", []string{"/exact", "/wide"}, 0, 2)
	if oneIn(t, 4, "any method") {
		p.Methods = append(p.Methods, "*")
	}
	if oneIn(t, 4, "any header") {
		p.RequestHeaders = append(p.RequestHeaders, "*")
	}
	if oneIn(t, 4, "any exposed") && !p.GetCredentials() {
		p.ExposeHeaders = append(p.ExposeHeaders, "*")
	}
	if oneIn(t, 4, "regex") {
		p.OriginRegexes = some(t, "expression", guardedRegexes, 1, 1)
	}
	if oneIn(t, 4, "any origin") {
		p.Origins, p.OriginSets, p.OriginRegexes, p.TemporaryOrigins = []string{"*"}, nil, nil, nil
	}
	return p
}

// A guarded world is guardrails and one policy.
type guardedWorld struct {
	guardrails []*corsgatev1.CorsGuardrailSpec
	name       string
	namespace  string
	policy     *corsgatev1.CorsPolicySpec
	sets       map[string][]string
	docs       []policy.Document
}

func drawGuardedWorld(t *rapid.T, exact bool) *guardedWorld {
	w := &guardedWorld{name: rapid.SampledFrom(guardedNames).Draw(t, "name"), policy: drawGuarded(t, exact)}
	base := w.name
	if namespace, rest, ok := strings.Cut(w.name, "/"); ok {
		w.namespace, base = namespace, rest
	}
	w.sets = map[string][]string{"/exact": some(t, "in the set", guardedExact, 1, 3), "/wide": some(t, "in the wide set", guardedWide, 1, 2)}
	w.docs = []policy.Document{{File: "p", Message: &corsgatev1.CorsPolicy{Metadata: &corsgatev1.Metadata{Name: base, Namespace: w.namespace}, Spec: w.policy}}}
	for name, origins := range w.sets {
		w.docs = append(w.docs, policy.Document{File: name, Message: &corsgatev1.CorsOriginSet{
			Metadata: &corsgatev1.Metadata{Name: name[1:]}, Spec: &corsgatev1.CorsOriginSetSpec{Origins: origins},
		}})
	}
	for i := range rapid.IntRange(1, 2).Draw(t, "guardrails") {
		g := drawGuardrail(t)
		w.guardrails = append(w.guardrails, g)
		w.docs = append(w.docs, policy.Document{File: "g", Message: &corsgatev1.CorsGuardrail{Metadata: &corsgatev1.Metadata{Name: "g" + strconv.Itoa(i)}, Spec: g}})
	}
	return w
}

// compile returns the set that serves, and its policy.
func (w *guardedWorld) compile(t *rapid.T) (*policy.Set, *policy.Policy) {
	t.Helper()
	set, problems := policy.Compile(w.docs, serving)
	if set == nil {
		t.Fatalf("compile: %v", problems.Errors())
	}
	strict, _ := policy.Compile(w.docs, policy.Options{Now: serving.Now})
	if (strict == nil) != (len(set.Barred()) > 0) {
		t.Fatalf("barred are %v, and where breaches are errors the set is %v", barred(set), strict)
	}
	return set, set.Policies()[0]
}

func (w *guardedWorld) inReach() []*corsgatev1.CorsGuardrailSpec {
	var reach []*corsgatev1.CorsGuardrailSpec
	for _, g := range w.guardrails {
		if reachOf(g, w.namespace, w.policy) {
			reach = append(reach, g)
		}
	}
	return reach
}

// No request that a policy allows is outside of what the guardrails in whose reach it
// is allow; and a policy that is barred allows none.
func TestGuardrailsHold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := drawGuardedWorld(t, false)
		set, p := w.compile(t)
		reach := w.inReach()
		for range 30 {
			r := policy.Request{
				Scheme: "https", Host: rapid.SampledFrom(hostsOfRequests).Draw(t, "request host"), Path: "/", PolicyName: w.name,
				Method: rapid.SampledFrom(append(guardedMethods, "PATCH", "PURGE")).Draw(t, "request method"),
				Origin: rapid.SampledFrom(append(guardedExact, "https://evil.example", "https://z.a.x.example", "https://p-9.x.example", "http://z.x.example")).Draw(t, "request origin"),
			}
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0, 1:
				r.RequestMethod, r.Method = r.Method, "OPTIONS"
				r.RequestHeaders = strings.Join(some(t, "asked", guardedHeaders, 0, 3), ",")
			case 2:
				r.Method, r.Upgrade = "GET", "websocket"
			}
			d := set.Decide(&r)
			if p.Barred() {
				if d.Reason != policy.ReasonGuardrail || d.Verdict != policy.VerdictDeny || d.Action != policy.ActionRefuse {
					t.Fatalf("the policy is barred, and %+v gets %s for %s", r, d.Verdict, d.Reason)
				}
				continue
			}
			if d.Verdict != policy.VerdictAllow {
				continue
			}
			for _, g := range reach {
				if why := forbidsOrigin(g, w.policy, w.name, r.Origin); why != "" {
					t.Fatalf("%s of %v is forbidden, and it may call %v", why, g, w.policy)
				}
				if why := forbidsAnswer(g, &d, &r); why != "" {
					t.Fatalf("%s is forbidden by %v, and %+v gets %v", why, g, r, d.Headers())
				}
			}
		}
	})
}

// A policy that lists single origins, methods and headers is barred if, and only if,
// one of those is forbidden.
func TestGuardrailsBarNobodyElse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := drawGuardedWorld(t, true)
		_, p := w.compile(t)
		var why []string
		for _, g := range w.inReach() {
			why = append(why, w.forbidden(g)...)
		}
		if p.Barred() != (len(why) > 0) {
			t.Fatalf("barred: %t, by %v; what is forbidden: %q\npolicy %v\nguardrails %v\nsets %v", p.Barred(), p.Breaches(), why, w.policy, w.guardrails, w.sets)
		}
	})
}

// forbidden says what a policy that lists nothing but single things does and a
// guardrail forbids.
func (w *guardedWorld) forbidden(g *corsgatev1.CorsGuardrailSpec) (why []string) {
	p := w.policy
	origins := slices.Clone(p.GetOrigins())
	for _, name := range p.GetOriginSets() {
		origins = append(origins, w.sets[name]...)
	}
	for _, entry := range p.GetTemporaryOrigins() {
		if entry.GetUntil() > "2026-06-01" {
			origins = append(origins, entry.GetOrigin())
		}
	}
	for _, origin := range origins {
		excluded := slices.ContainsFunc(p.GetExcludeOrigins(), func(entry string) bool { return matchesOrigin(entry, origin) })
		if reason := forbidsOrigin(g, p, w.name, origin); reason != "" && !excluded {
			why = append(why, reason+" of "+origin)
		}
	}
	if p.GetCredentials() && g.GetCredentials() == corsgatev1.GuardrailCredentials_GUARDRAIL_CREDENTIALS_NEVER {
		why = append(why, "credentials")
	}
	if g.GetNoExceptions() && p.GetDangerously() != nil {
		why = append(why, "exceptions")
	}
	if g.GetMaxAge() != "" && p.GetMaxAge() != "" {
		most, _ := time.ParseDuration(g.GetMaxAge())
		if age, _ := time.ParseDuration(p.GetMaxAge()); age > most {
			why = append(why, "max-age")
		}
	}
	methods := slices.Clone(p.GetMethods())
	if len(methods) == 0 {
		methods = []string{"GET", "POST"}
	}
	if slices.Contains(methods, "GET") {
		methods = append(methods, "HEAD")
	}
	request, expose := slices.Clone(p.GetRequestHeaders()), slices.Clone(p.GetExposeHeaders())
	if len(p.GetPresets()) > 0 { // grpc-web
		request, expose = append(request, "grpc-timeout"), append(expose, "grpc-status")
	}
	for _, pair := range [][2][]string{
		{methods, g.GetForbiddenMethods()}, {request, g.GetForbiddenRequestHeaders()}, {expose, g.GetForbiddenExposeHeaders()},
	} {
		for _, name := range pair[1] {
			if slices.ContainsFunc(pair[0], func(one string) bool { return strings.EqualFold(one, name) }) {
				why = append(why, name)
			}
		}
	}
	return why
}
