package diff_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/diff"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// Whatever two sets decide differently the report names, as a gain or a loss of
// the part of all requests that it belongs to; where the report says that nothing
// has changed, nothing is decided differently.
func TestReportsNameWhatDecisionsShow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		before := drawWorld(t, nil)
		after := drawWorld(t, before)
		if rapid.IntRange(0, 3).Draw(t, "unrelated") == 0 {
			after = drawWorld(t, nil)
		}
		options := policy.Options{NoPolicy: rapid.SampledFrom([]policy.Disposition{policy.DispositionDeny, policy.DispositionPass}).Draw(t, "no policy"), Breaches: policy.BreachesBarred}
		from, to := before.compile(t, options), after.compile(t, options)
		report := diff.Compare(from, to, diff.Options{Examples: -1})
		checkOrigins(t, report, from.Set, to.Set)
		for range 25 {
			r := drawRequest(t)
			checkRequest(t, report, from.Set, to.Set, &r)
		}
	})
}

// checkOrigins asks both sets about each single origin that the report names.
func checkOrigins(t *rapid.T, report *diff.Report, before, after *policy.Set) {
	t.Helper()
	for _, change := range report.Changes {
		for _, item := range change.Items {
			for _, value := range item.Values {
				if item.Aspect != diff.AspectOrigins || strings.ContainsAny(value.Text, "*/[") && !slices.Contains(exactOrigins, value.Text) {
					continue
				}
				was, is := mayCall(before, change.Before, value.Text), mayCall(after, change.After, value.Text)
				if was != (item.Direction == diff.Loss) || is != (item.Direction == diff.Gain) {
					t.Fatalf("%s of %s, which may call before: %t, and after: %t", item.Direction, value.Text, was, is)
				}
			}
		}
	}
}

func mayCall(set *policy.Set, g *diff.Governor, origin string) bool {
	if g == nil {
		return false
	}
	d := set.Decide(&policy.Request{Method: "GET", Scheme: "https", Host: "api.example", Path: "/", Upgrade: "websocket", Origin: origin, PolicyName: g.Policy})
	return d.Verdict == policy.VerdictAllow
}

// checkRequest decides one request by both sets and looks for what differs.
func checkRequest(t *rapid.T, report *diff.Report, before, after *policy.Set, r *policy.Request) {
	t.Helper()
	was, is := before.Decide(r), after.Decide(r)
	if was.Verdict == is.Verdict && was.Status() == is.Status() && slices.Equal(was.Headers(), is.Headers()) {
		return
	}
	if r.PolicyName != "" && noted(report, r.PolicyName, &was, &is) {
		return
	}
	change := find(report, r, &was, &is)
	if change == nil {
		t.Fatalf("no change names %+v\nbefore %s\nafter  %s\nreport %+v", r, say(&was), say(&is), report.Changes)
	}
	better, worse := compareOutcomes(&was, &is)
	if better && !hasItem(change, diff.Gain) || worse && !hasItem(change, diff.Loss) || len(change.Items) == 0 {
		t.Fatalf("better %t, worse %t: %+v\nbefore %s\nafter  %s\nitems %+v", better, worse, r, say(&was), say(&is), change.Items)
	}
}

// noted reports whether the name of a policy with targets is gone or new, which
// the report does not take for a change.
func noted(report *diff.Report, name string, was, is *policy.Decision) bool {
	switch {
	case was.Policy != nil && is.Policy == nil && len(was.Policy.Spec().GetTargets()) > 0:
		return slices.ContainsFunc(report.Spelling, func(n diff.Note) bool { return strings.Contains(n.Text, strconv.Quote(name)) })
	case was.Policy == nil && is.Policy != nil:
		return len(is.Policy.Spec().GetTargets()) > 0
	}
	return false
}

func hasItem(c *diff.Change, d diff.Direction) bool {
	return slices.ContainsFunc(c.Items, func(i diff.Item) bool { return i.Direction == d })
}

func find(report *diff.Report, r *policy.Request, was, is *policy.Decision) *diff.Change {
	for i := range report.Changes {
		c := &report.Changes[i]
		if nameOf(c.Before) != decided(was) || nameOf(c.After) != decided(is) {
			continue
		}
		if r.PolicyName != "" && slices.Contains(c.Routes, r.PolicyName) {
			return c
		}
		if r.PolicyName == "" && slices.ContainsFunc(c.Targets, func(target string) bool { return matches(target, r) }) {
			return c
		}
	}
	return nil
}

func nameOf(g *diff.Governor) string {
	if g == nil {
		return ""
	}
	return g.Policy
}

func decided(d *policy.Decision) string {
	if d.Policy == nil {
		return ""
	}
	return d.Policy.Name
}

// matches reports whether a target as the report writes it matches a request.
func matches(target string, r *policy.Request) bool {
	authority, path := target, "/*"
	if i := strings.IndexByte(target, '/'); i >= 0 {
		authority, path = target[:i], target[i:]
	}
	pattern, patternPort, _ := strings.Cut(authority, ":")
	host, port, _ := strings.Cut(r.Host, ":")
	if patternPort != "" && patternPort != port {
		return false
	}
	if domain, ok := strings.CutPrefix(pattern, "*."); ok {
		if !strings.HasSuffix(host, "."+domain) {
			return false
		}
	} else if pattern != "*" && pattern != host {
		return false
	}
	at, _, _ := strings.Cut(r.Path, "?")
	if under, ok := strings.CutSuffix(path, "/*"); ok {
		return at == under || strings.HasPrefix(at, under+"/")
	}
	return at == path
}

// compareOutcomes reports whether a caller gets more, and whether it gets less.
func compareOutcomes(was, is *policy.Decision) (better, worse bool) {
	note := func(before, after int) {
		better = better || after > before
		worse = worse || after < before
	}
	rank := map[policy.Verdict]int{policy.VerdictDeny: 0, policy.VerdictPass: 1, policy.VerdictAllow: 2}
	note(rank[was.Verdict], rank[is.Verdict])
	note(flag(was.Action == policy.ActionForward), flag(is.Action == policy.ActionForward))
	before, after := grantsOf(was), grantsOf(is)
	note(flag(before["access-control-allow-origin"] != ""), flag(after["access-control-allow-origin"] != ""))
	note(flag(before["access-control-allow-credentials"] == "true"), flag(after["access-control-allow-credentials"] == "true"))
	note(flag(before["access-control-allow-private-network"] != ""), flag(after["access-control-allow-private-network"] != ""))
	if was.Verdict == is.Verdict && was.Action == is.Action {
		lessAndMore(before["access-control-expose-headers"], after["access-control-expose-headers"], note)
		if was.Kind == policy.KindPreflight && was.Verdict == policy.VerdictAllow && was.Status() != 0 {
			note(seconds(before["access-control-max-age"]), seconds(after["access-control-max-age"]))
		}
	}
	if was.Action == policy.ActionForward && is.Action == policy.ActionForward && was.Kind != policy.KindWebSocket {
		note(timingRank(was), timingRank(is))
		note(resourceRank[before["cross-origin-resource-policy"]], resourceRank[after["cross-origin-resource-policy"]])
	}
	return better, worse
}

var resourceRank = map[string]int{"same-origin": -2, "same-site": -1, "": 0, "cross-origin": 1}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

func seconds(text string) int {
	if text == "" {
		return 5
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return n
}

func timingRank(d *policy.Decision) int {
	for _, h := range d.Headers() {
		if h.Name == "timing-allow-origin" {
			return 1 - 2*flag(h.Write == policy.WriteReplace)
		}
	}
	return 0
}

// lessAndMore compares exposed headers as sets.
func lessAndMore(before, after string, note func(before, after int)) {
	was, is := strings.Split(before, ", "), strings.Split(after, ", ")
	for _, name := range slices.Concat(was, is) {
		if name == "" || name == "content-type" {
			continue
		}
		in := func(list []string) int { return flag(slices.Contains(list, name) || slices.Contains(list, "*")) }
		note(in(was), in(is))
	}
}

// grantsOf returns the headers that grant something.
func grantsOf(d *policy.Decision) map[string]string {
	out := map[string]string{}
	for _, h := range d.Headers() {
		if h.Write != policy.WriteReplace {
			out[h.Name] = h.Value
		}
	}
	return out
}

func say(d *policy.Decision) string {
	return fmt.Sprintf("%s %s %s %d %v", decided(d), d.Verdict, d.Reason, d.Status(), d.Headers())
}

// A world is documents by name, before they are spread over sides.
type world struct {
	guardrails []*corsgatev1.CorsGuardrail
	policies   []*corsgatev1.CorsPolicy
	sets       []*corsgatev1.CorsOriginSet
}

func (w *world) compile(t *rapid.T, options policy.Options) diff.Side {
	t.Helper()
	var docs []policy.Document
	for _, p := range w.policies {
		docs = append(docs, policy.Document{File: p.GetMetadata().GetName() + ".yaml", Message: p})
	}
	for _, g := range w.guardrails {
		docs = append(docs, policy.Document{File: "guardrails.yaml", Message: g})
	}
	for _, s := range w.sets {
		docs = append(docs, policy.Document{File: s.GetMetadata().GetName() + ".yaml", Message: s})
	}
	set, problems := policy.Compile(docs, options)
	if set == nil {
		t.Fatalf("compile: %v", problems.Errors())
	}
	return diff.Side{Set: set, Documents: docs, Options: options}
}

var (
	exactOrigins = []string{
		"https://a.x.example", "https://b.x.example", "https://x.example", "https://p-1.x.example", "https://p-21.x.example",
		"https://a.b.x.example", "https://a.x.example:8443", "https://a_b.x.example", "http://a.x.example", "https://[::1]", "app://a.x.example", "null",
	}
	wideOrigins = []string{
		"https://*.x.example", "https://*.b.x.example", "https://p-*.x.example", "https://p-*1.x.example", "https://*.p-*.x.example",
		"https://*.x.example:*", "https://*.x.example:8443", "https://a.x.example:*", "http://*.x.example",
	}
	otherOrigins = []string{
		"https://evil.example", "https://r7.x.example", "https://c.a.b.x.example", "https://z.p-1.x.example", "https://b.x.example:9000",
		"https://A.example", "https://x.example, https://y.example", "http://x.x.example",
	}
	targetHosts = []string{"api.example", "b.api.example", "*.api.example", "*.example", "*", "api.example:8443", "*.api.example:8443"}
	targetPaths = []string{"", "/v1/*", "/v1/x", "/v1/x/*"}
)

func drawOrigins(t *rapid.T, label string, low int) []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(slices.Concat(exactOrigins, wideOrigins)), low, 4, rapid.ID[string]).Draw(t, label)
}

// drawWorld draws documents, or changes to given ones.
func drawWorld(t *rapid.T, from *world) *world {
	w := &world{}
	for i := range 2 {
		set := &corsgatev1.CorsOriginSet{
			Metadata: &corsgatev1.Metadata{Name: "s" + strconv.Itoa(i)},
			Spec:     &corsgatev1.CorsOriginSetSpec{Origins: drawOrigins(t, "set", 1)},
		}
		if from != nil && rapid.Bool().Draw(t, "keep set") {
			set = proto.CloneOf(from.sets[i])
		}
		w.sets = append(w.sets, set)
	}
	for i := range 3 {
		p := &corsgatev1.CorsPolicy{Metadata: &corsgatev1.Metadata{Name: "p" + strconv.Itoa(i)}, Spec: &corsgatev1.CorsPolicySpec{}}
		if from == nil {
			for _, part := range parts {
				part(t, p.GetSpec())
			}
		} else {
			p.Spec = proto.CloneOf(from.policies[i].GetSpec())
			for range rapid.IntRange(0, 2).Draw(t, "edits") {
				rapid.SampledFrom(parts).Draw(t, "part")(t, p.GetSpec())
			}
			if rapid.IntRange(0, 5).Draw(t, "rename") == 0 {
				p.Metadata.Name = "q" + strconv.Itoa(i)
			}
		}
		mend(p.GetSpec())
		w.policies = append(w.policies, p)
	}
	w.drawTargets(t, from)
	w.drawGuardrails(t, from)
	return w
}

// drawGuardrails draws guardrails that bar some of the policies.
func (w *world) drawGuardrails(t *rapid.T, from *world) {
	if from != nil && rapid.Bool().Draw(t, "keep guardrails") {
		w.guardrails = from.guardrails
		return
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "guardrails") {
		g := &corsgatev1.CorsGuardrailSpec{ForbiddenMethods: []string{"PATCH"}}
		rapid.SampledFrom([]func(){
			func() { g.OriginSuffixes = []string{"x.example"} },
			func() { g.ForbiddenOrigins = []string{"https://*.b.x.example", "null"} },
			func() { g.Credentials = corsgatev1.GuardrailCredentials_GUARDRAIL_CREDENTIALS_EXACT_HTTPS },
			func() { g.NoPlainHttp = true },
			func() { g.ForbiddenMethods = []string{"DELETE"} },
			func() { g.ForbiddenRequestHeaders = []string{"X-B"} },
			func() { g.Hosts, g.ForbiddenMethods = []string{"b.api.example"}, []string{"POST"} },
		}).Draw(t, "rule")()
		w.guardrails = append(w.guardrails, &corsgatev1.CorsGuardrail{Metadata: &corsgatev1.Metadata{Name: "g" + strconv.Itoa(i)}, Spec: g})
	}
}

// parts each draw one part of a policy.
var parts = []func(*rapid.T, *corsgatev1.CorsPolicySpec){
	func(t *rapid.T, s *corsgatev1.CorsPolicySpec) {
		s.Origins = drawOrigins(t, "origins", 1)
		if rapid.IntRange(0, 4).Draw(t, "any") == 0 {
			s.Origins = []string{"*"}
		}
	},
	func(t *rapid.T, s *corsgatev1.CorsPolicySpec) {
		s.OriginSets = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"s0", "s1"}), 0, 2, rapid.ID[string]).Draw(t, "sets")
	},
	func(t *rapid.T, s *corsgatev1.CorsPolicySpec) {
		s.ExcludeOrigins = rapid.SliceOfNDistinct(rapid.SampledFrom(slices.Concat(exactOrigins, wideOrigins)), 0, 2, rapid.ID[string]).Draw(t, "excluded")
	},
	func(t *rapid.T, s *corsgatev1.CorsPolicySpec) {
		s.OriginRegexes = rapid.SliceOfN(rapid.SampledFrom([]string{`https://r[0-9]\.x\.example`, `https://[ab]\.x\.example`}), 0, 1).Draw(t, "regexes")
	},
	func(t *rapid.T, s *corsgatev1.CorsPolicySpec) {
		s.Methods = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"GET", "HEAD", "POST", "DELETE", "*"}), 0, 3, rapid.ID[string]).Draw(t, "methods")
	},
	func(t *rapid.T, s *corsgatev1.CorsPolicySpec) {
		s.RequestHeaders = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"Authorization", "X-A", "X-B", "Accept", "*"}), 0, 3, rapid.ID[string]).Draw(t, "headers")
	},
	func(t *rapid.T, s *corsgatev1.CorsPolicySpec) {
		s.Presets = rapid.SliceOfN(rapid.SampledFrom([]string{"grpc-web", "tus"}), 0, 1).Draw(t, "presets")
	},
	func(t *rapid.T, s *corsgatev1.CorsPolicySpec) {
		s.ExposeHeaders = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"X-E", "X-F", "Content-Type", "*"}), 0, 2, rapid.ID[string]).Draw(t, "expose")
	},
	func(t *rapid.T, s *corsgatev1.CorsPolicySpec) { s.Credentials = rapid.Bool().Draw(t, "credentials") },
	func(t *rapid.T, s *corsgatev1.CorsPolicySpec) {
		s.MaxAge = rapid.SampledFrom([]string{"", "0s", "5s", "60m", "1h"}).Draw(t, "max age")
	},
	func(t *rapid.T, s *corsgatev1.CorsPolicySpec) {
		s.PreflightStatus = rapid.SampledFrom([]*int32{nil, new(int32(200)), new(int32(204))}).Draw(t, "status")
	},
	func(t *rapid.T, s *corsgatev1.CorsPolicySpec) {
		s.TimingAllowOrigin = rapid.SampledFrom([]*bool{nil, new(false), new(true)}).Draw(t, "timing")
	},
	func(t *rapid.T, s *corsgatev1.CorsPolicySpec) {
		s.OnDisallowedOrigin = corsgatev1.Disposition(rapid.Int32Range(0, 2).Draw(t, "disallowed"))
	},
	func(t *rapid.T, s *corsgatev1.CorsPolicySpec) {
		s.Navigations = corsgatev1.Disposition(rapid.Int32Range(0, 2).Draw(t, "navigations"))
	},
	func(t *rapid.T, s *corsgatev1.CorsPolicySpec) {
		s.Enforcement = corsgatev1.Enforcement(rapid.SampledFrom([]int32{0, 0, 0, 1, 2, 3}).Draw(t, "enforcement"))
	},
	func(t *rapid.T, s *corsgatev1.CorsPolicySpec) {
		s.CrossOriginResourcePolicy = corsgatev1.ResourcePolicy(rapid.Int32Range(0, 3).Draw(t, "resource"))
	},
	func(t *rapid.T, s *corsgatev1.CorsPolicySpec) { s.PrivateNetwork = rapid.Bool().Draw(t, "private") },
	func(t *rapid.T, s *corsgatev1.CorsPolicySpec) {
		s.PreflightLists = corsgatev1.PreflightLists(rapid.Int32Range(0, 2).Draw(t, "lists"))
	},
	func(t *rapid.T, s *corsgatev1.CorsPolicySpec) {
		s.TemporaryOrigins = nil
		for _, origin := range rapid.SliceOfNDistinct(rapid.SampledFrom(exactOrigins[:4]), 0, 1, rapid.ID[string]).Draw(t, "temporary") {
			s.TemporaryOrigins = append(s.TemporaryOrigins, &corsgatev1.TemporaryOrigin{Origin: origin, Until: "2030-01-01"})
		}
	},
}

// mend makes a policy one that compiles.
func mend(s *corsgatev1.CorsPolicySpec) {
	if slices.Contains(s.GetOrigins(), "*") {
		s.OriginSets, s.OriginRegexes, s.TemporaryOrigins = nil, nil, nil
	}
	if s.GetCredentials() {
		s.ExposeHeaders = slices.DeleteFunc(s.GetExposeHeaders(), func(h string) bool { return h == "*" })
	}
	reason := "the property wants to see it"
	s.Dangerously = &corsgatev1.Exceptions{AnyOriginWithCredentials: reason, PlainHttpWithCredentials: reason}
}

// drawTargets gives each host and path to one policy or to none.
func (w *world) drawTargets(t *rapid.T, from *world) {
	if from != nil && rapid.Bool().Draw(t, "keep targets") {
		return // they came with the policies
	}
	for _, p := range w.policies {
		p.Spec.Targets = nil
	}
	for _, host := range targetHosts {
		for _, path := range targetPaths {
			owner := rapid.SampledFrom([]int{-1, -1, -1, 0, 1, 2}).Draw(t, "owner")
			if owner < 0 {
				continue
			}
			target := &corsgatev1.Target{Hosts: []string{host}}
			if path != "" {
				target.Paths = []string{path}
			}
			w.policies[owner].Spec.Targets = append(w.policies[owner].Spec.Targets, target)
		}
	}
}

func drawRequest(t *rapid.T) policy.Request {
	r := policy.Request{
		Scheme: "https",
		Host:   rapid.SampledFrom([]string{"api.example", "b.api.example", "c.b.api.example", "y.example", "api.example:8443", "b.api.example:8443", "api.example:9", "other.test"}).Draw(t, "host"),
		Path:   rapid.SampledFrom([]string{"/", "/v1", "/v1/", "/v1/x", "/v1/x/y", "/v1/y?q", "/v2"}).Draw(t, "path"),
		Origin: rapid.SampledFrom(slices.Concat(exactOrigins, otherOrigins)).Draw(t, "origin"),
		Method: rapid.SampledFrom([]string{"GET", "HEAD", "POST", "DELETE", "PUT"}).Draw(t, "method"),

		PolicyName:  rapid.SampledFrom([]string{"", "", "", "p0", "p1", "q0", "gone"}).Draw(t, "policy name"),
		RouteVaries: rapid.Bool().Draw(t, "route varies"),
	}
	switch rapid.IntRange(0, 5).Draw(t, "kind") {
	case 0:
		r.FetchMode = "navigate"
	case 1:
		r.Method, r.Upgrade = "GET", "websocket"
	case 2, 3:
		r.RequestMethod, r.Method = r.Method, "OPTIONS"
		r.RequestHeaders = rapid.SampledFrom([]string{"", "x-a", "x-a,x-b", "authorization", "accept,x-http-method-override"}).Draw(t, "asked")
		r.PrivateNetwork = rapid.Bool().Draw(t, "private")
	}
	return r
}
