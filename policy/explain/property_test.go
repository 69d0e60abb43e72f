package explain_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
	"github.com/corsgate/corsgate/policy/document"
	"github.com/corsgate/corsgate/policy/explain"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// What questions and policies are drawn from: little enough that they meet.
var (
	origins = []string{
		"https://shop.example", "https://a.shop.example", "https://shop.example:8443", "http://shop.example", "http://localhost:3000",
		"https://evil.example", "null", "https://Shop.example", "https://api.shop.example", "https://*.shop.example",
	}
	patterns = []string{
		"https://shop.example", "https://*.shop.example", "https://shop.example:*", "http://shop.example", "http://localhost:*",
		"null", "https://partner.example", "https://a*.shop.example",
	}
	urls = []string{
		"https://api.shop.example/v1/x", "https://api.shop.example/v1", "https://api.shop.example/v2/x?y=1", "http://api.shop.example/v1/x",
		"https://b.shop.example/", "https://c.api.shop.example/v1/x", "https://other.example/v1/x", "http://localhost:8080/v1/x", "wss://api.shop.example/v1/ws",
	}
	hosts   = []string{"api.shop.example", "*.shop.example", "*.api.shop.example", "localhost:8080", "*", "other.example"}
	paths   = []string{"/v1/*", "/v1/x", "/v2/*"}
	methods = []string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "patch", "delete", "OPTIONS", "TRACE", "QUERY"}
	names   = []string{"Content-Type", "X-Csrf-Token", "Authorization", "X-Trace", "Range"}
	exposed = []string{"X-Request-Id", "ETag", "Set-Cookie", "Content-Type"}
	fields  = []explain.Field{
		{Name: "Content-Type", Value: "application/json"},
		{Name: "Content-Type", Value: "text/plain"},
		{Name: "X-Csrf-Token", Value: "1"},
		{Name: "authorization", Value: "Bearer x"},
		{Name: "X-Trace", Value: ""},
		{Name: "Range", Value: "bytes=-5"},
		{Name: "Cookie", Value: "a=b"},
		{Name: "Accept", Value: "text/html"},
	}
)

func some(t *rapid.T, label string, from []string, least, most int) []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(from), least, most, rapid.ID[string]).Draw(t, label)
}

func drawSpec(t *rapid.T) *corsgatev1.CorsPolicySpec {
	spec := &corsgatev1.CorsPolicySpec{
		Origins:        some(t, "origins", patterns, 0, 3),
		ExcludeOrigins: some(t, "excludeOrigins", patterns[:2], 0, 1),
		Methods:        some(t, "methods", []string{"GET", "POST", "PUT", "PATCH", "DELETE", "*"}, 0, 3),
		RequestHeaders: some(t, "requestHeaders", append([]string{"*"}, names[:4]...), 0, 3),
		ExposeHeaders:  some(t, "exposeHeaders", []string{"*", "X-Request-Id", "ETag"}, 0, 2),
		Credentials:    rapid.Bool().Draw(t, "credentials"),
		MaxAge:         rapid.SampledFrom([]string{"", "0s", "600s", "2h"}).Draw(t, "maxAge"),
	}
	if rapid.IntRange(0, 3).Draw(t, "any") == 0 {
		spec.Origins = []string{"*"}
	} else if rapid.Bool().Draw(t, "sets") || len(spec.GetOrigins()) == 0 {
		spec.OriginSets = []string{"partners"}
	}
	rare := func(label string) bool { return rapid.IntRange(0, 5).Draw(t, label) == 0 }
	if rare("temporary") && spec.GetOrigins() == nil {
		spec.TemporaryOrigins = []*corsgatev1.TemporaryOrigin{{Origin: "https://shop.example", Until: "2001-01-01"}}
	}
	if rare("asked") {
		spec.PreflightLists = corsgatev1.PreflightLists_PREFLIGHT_LISTS_ASKED
	}
	if rare("pass") {
		spec.OnDisallowedOrigin = corsgatev1.Disposition_DISPOSITION_PASS
	}
	if rare("navigations") {
		spec.Navigations = corsgatev1.Disposition_DISPOSITION_PASS
	}
	if rare("enforcement") {
		spec.Enforcement = corsgatev1.Enforcement(rapid.Int32Range(0, 3).Draw(t, "enforcement word"))
	}
	for range rapid.IntRange(1, 2).Draw(t, "targets") {
		spec.Targets = append(spec.Targets, &corsgatev1.Target{Hosts: some(t, "hosts", hosts, 1, 2), Paths: some(t, "paths", paths, 0, 2)})
	}
	return spec
}

// drawPolicies draws policies that compile.
func drawPolicies(t *rapid.T) explain.Policies {
	docs := []policy.Document{{File: "set.yaml", Message: &corsgatev1.CorsOriginSet{
		Metadata: &corsgatev1.Metadata{Name: "partners"}, Spec: &corsgatev1.CorsOriginSetSpec{Origins: []string{"https://partner.example"}},
	}}}
	for i := range rapid.IntRange(1, 3).Draw(t, "policies") {
		name := fmt.Sprintf("p%d", i)
		docs = append(docs, policy.Document{
			File: name + ".yaml", Message: &corsgatev1.CorsPolicy{Metadata: &corsgatev1.Metadata{Name: name}, Spec: drawSpec(t)},
		})
	}
	options := policy.Options{}
	if rapid.IntRange(0, 7).Draw(t, "no policy") == 0 {
		options.NoPolicy = policy.DispositionPass
	}
	set, problems := policy.Compile(docs, options)
	if set == nil {
		// Drop what is refused until the rest compiles: a whole new draw would
		// make most draws fail.
		bad := map[string]bool{}
		for _, problem := range problems.Errors() {
			bad[problem.Position.File] = true
		}
		docs = slices.DeleteFunc(docs, func(d policy.Document) bool { return bad[d.File] })
		if set, _ = policy.Compile(docs, options); set == nil {
			t.Skip("no policy compiles")
		}
	}
	return explain.Policies{Set: set, Documents: docs, Options: options}
}

func drawQuestion(t *rapid.T) explain.Question {
	values := url.Values{
		"origin": {rapid.SampledFrom(origins).Draw(t, "origin")},
		"url":    {rapid.SampledFrom(urls).Draw(t, "url")},
		"method": {rapid.SampledFrom(methods).Draw(t, "method")},
	}
	if rapid.IntRange(0, 3).Draw(t, "other mode") == 0 {
		values.Set("mode", rapid.SampledFrom(explain.Modes()).Draw(t, "mode"))
	}
	for _, name := range []string{"credentials", "upload-listener", "stream", "preflighted"} {
		if rapid.IntRange(0, 2).Draw(t, name) == 0 {
			values.Set(name, "true")
		}
	}
	if rapid.IntRange(0, 9).Draw(t, "named") == 0 {
		values.Set("policy-name", rapid.SampledFrom([]string{"p0", "p1", "px"}).Draw(t, "policy-name"))
	}
	if rapid.IntRange(0, 9).Draw(t, "site") == 0 {
		values.Set("fetch-site", rapid.SampledFrom(explain.FetchSites()).Draw(t, "fetch-site"))
	}
	for range rapid.IntRange(0, 3).Draw(t, "headers") {
		f := rapid.SampledFrom(fields).Draw(t, "header")
		values.Add("header", f.Name+": "+f.Value)
	}
	if rapid.IntRange(0, 3).Draw(t, "reads") == 0 {
		values["read-header"] = some(t, "read-header", exposed, 1, 2)
	}
	q, err := explain.ParseQuestion(values)
	if err != nil {
		t.Skip(err)
	}
	return q
}

// wire makes the engine's request of what a browser is said to send.
func wire(q *explain.Question, a *explain.Answer) policy.Request {
	u, _ := url.Parse(a.URL)
	r := policy.Request{
		Method: a.Method, Scheme: strings.Replace(u.Scheme, "ws", "http", 1), Host: u.Host, Path: u.Path, PolicyName: q.PolicyName,
	}
	for _, h := range a.RequestHeaders {
		switch h.Name {
		case "origin":
			r.Origin = h.Value
		case "access-control-request-method":
			r.RequestMethod = h.Value
		case "access-control-request-headers":
			r.RequestHeaders = h.Value
		case "sec-fetch-site":
			r.FetchSite = h.Value
		case "sec-fetch-mode":
			r.FetchMode = h.Value
		case "upgrade":
			r.Upgrade = h.Value
		}
	}
	if q.FetchSite != "" {
		r.FetchSite = q.FetchSite
	}
	return r
}

// checkAnswer holds an answer against Decide's.
func checkAnswer(t *rapid.T, set *policy.Set, q *explain.Question, a *explain.Answer) {
	if a == nil {
		return
	}
	r := wire(q, a)
	d := set.Decide(&r)
	if a.Verdict != d.Verdict.String() || a.Reason != d.Reason.String() || a.Kind != d.Kind.String() || a.Status != d.Status() || a.Body != d.Body() {
		t.Fatalf("explained as %s %s %s %d, decided as %s %s %s %d", a.Kind, a.Verdict, a.Reason, a.Status, d.Kind, d.Verdict, d.Reason, d.Status())
	}
	headers := []explain.Header{}
	for _, h := range d.Headers() {
		headers = append(headers, explain.Header{Name: h.Name, Value: h.Value, Write: [...]string{"set", "append", "replace"}[h.Write]})
	}
	if diff := cmp.Diff(headers, a.Headers); diff != "" {
		t.Fatalf("headers (-decided +explained):\n%s", diff)
	}
	rule, ok := d.Rule()
	if ok != (a.Rule != nil) || ok && (rule.Field != a.Rule.Field || rule.Document != a.Rule.Document) {
		t.Fatalf("rule %+v, decided by %+v", a.Rule, rule)
	}
}

// checkGoverning holds the target that is named against the policy that decides,
// which the engine finds in another way.
func checkGoverning(t *rapid.T, set *policy.Set, e *explain.Explanation) {
	a := e.Request
	if a == nil {
		return
	}
	r := wire(&e.Question, a)
	by, g := set.Decide(&r).Policy, &e.Governing
	switch {
	case by == nil && e.Question.PolicyName == "":
		if g.By != "none" || g.Target != nil {
			t.Fatalf("nothing governs, explained as %+v", g)
		}
	case by == nil:
		if g.By != "route" {
			t.Fatalf("the route names a policy, explained as %+v", g)
		}
	case g.Policy != by.Name, g.By == "target" && (g.Target == nil || g.Target.Policy != by.Name):
		t.Fatalf("%s governs, explained as %+v", by.Name, g)
	}
}

// serve answers a request as corsgate and a service behind it do.
func serve(set *policy.Set, q *explain.Question, sent browser.ServerRequest) (policy.Decision, browser.ServerResponse) {
	a := explain.Answer{Method: sent.Method, URL: sent.URL.String()}
	for _, h := range sent.Headers {
		a.RequestHeaders = append(a.RequestHeaders, explain.Field(h))
	}
	request := wire(q, &a)
	d := set.Decide(&request)
	response := browser.ServerResponse{Status: d.Status()}
	if response.Status == 0 {
		response.Status = 200
		if q.Mode == "websocket" {
			response.Status = 101
		}
	}
	for _, h := range d.Headers() {
		if h.Write != policy.WriteReplace {
			response.Headers = append(response.Headers, browser.Header{Name: h.Name, Value: h.Value})
		}
	}
	if d.Action == policy.ActionForward {
		for _, name := range q.ReadHeaders {
			response.Headers = append(response.Headers, browser.Header{Name: name, Value: "1"})
		}
	}
	return d, response
}

// shared plays a question in every engine, in front of a service that knows
// nothing of CORS, without any of the code under test.
func shared(set *policy.Set, q *explain.Question) bool {
	u, _ := url.Parse(q.URL)
	r := &browser.Request{
		Origin: q.Origin, URL: u, Method: q.Method, UploadListener: q.UploadListener || q.Preflighted, Stream: q.Stream,
	}
	want := browser.AccessReadable
	switch q.Mode {
	case "no-cors":
		r.Mode, want = browser.ModeNoCORS, browser.AccessOpaque
	case "navigate":
		r.Mode, want = browser.ModeNavigate, browser.AccessOpaque
	case "websocket":
		r.Mode, r.Method = browser.ModeWebSocket, "GET"
	}
	if q.Credentials {
		r.Credentials = browser.CredentialsInclude
	}
	for _, f := range q.Headers {
		r.Headers = append(r.Headers, browser.Header(f))
	}
	denied := false
	server := func(sent browser.ServerRequest) browser.ServerResponse {
		d, response := serve(set, q, sent)
		denied = denied || d.Verdict == policy.VerdictDeny
		return response
	}
	for _, engine := range append(browser.Engines(), browser.Standard) {
		o := browser.Fetch(r, server, browser.Options{Engine: engine})
		if denied || o.Access < want {
			return false
		}
		for _, name := range q.ReadHeaders {
			visible := slices.ContainsFunc(o.Headers, func(h browser.Header) bool { return strings.EqualFold(h.Name, name) })
			if o.Access == browser.AccessReadable && q.Mode != "websocket" && !visible {
				return false
			}
		}
	}
	return true
}

// apply makes a change to documents as its words say, field by field.
func apply(t *rapid.T, policies explain.Policies, c *explain.Change) *policy.Set {
	docs := slices.Clone(policies.Documents)
	if c.NewDocument != "" {
		added, problems := document.Read("new.yaml", []byte(c.NewDocument))
		if len(problems) > 0 || len(added) != 1 {
			t.Fatalf("the new document cannot be read: %v\n%s", problems, c.NewDocument)
		}
		docs = append(docs, added...)
	}
	for i := range docs {
		m, ok := docs[i].Message.(*corsgatev1.CorsPolicy)
		if !ok || m.GetMetadata().GetName() != c.Policy || c.NewDocument != "" {
			continue
		}
		m = proto.Clone(m).(*corsgatev1.CorsPolicy)
		docs[i].Message = m
		for _, e := range c.Edits {
			switch e.Field + " " + e.Set {
			case "spec.origins ":
				m.Spec.Origins = append(m.Spec.Origins, e.Add...)
			case "spec.methods ":
				m.Spec.Methods = append(m.Spec.Methods, e.Add...)
			case "spec.requestHeaders ":
				m.Spec.RequestHeaders = append(m.Spec.RequestHeaders, e.Add...)
			case "spec.exposeHeaders ":
				m.Spec.ExposeHeaders = append(m.Spec.ExposeHeaders, e.Add...)
			case "spec.credentials true":
				m.Spec.Credentials = true
			case "spec.navigations PASS":
				m.Spec.Navigations = corsgatev1.Disposition_DISPOSITION_PASS
			default:
				t.Fatalf("unknown edit %+v", e)
			}
		}
	}
	set, problems := policy.Compile(docs, policies.Options)
	if set == nil {
		t.Fatalf("the change does not compile: %v", problems)
	}
	if set.Revision() != c.Revision {
		t.Fatalf("the change makes revision %s, not %s", set.Revision(), c.Revision)
	}
	return set
}

// Explanations say what Decide decides and what the model of browsers does, and
// changes that are offered work.
func TestExplainAgreesWithDecide(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		policies, q := drawPolicies(t), drawQuestion(t)
		e, err := explain.Explain(policies, q)
		if err != nil {
			t.Fatal(err)
		}
		checkAnswer(t, policies.Set, &q, e.Preflight)
		checkAnswer(t, policies.Set, &q, e.Request)
		checkGoverning(t, policies.Set, e)
		allowed := e.Outcome == explain.OutcomeAllowed
		switch {
		case e.Outcome != explain.OutcomeServiceDecides && allowed != shared(policies.Set, &q):
			t.Fatalf("outcome %s, shared %v", e.Outcome, !allowed)
		case allowed && (e.Change != nil || e.NoChange != nil):
			t.Fatalf("it is allowed, and a change is offered: %+v %+v", e.Change, e.NoChange)
		case !allowed && (e.Change == nil) == (e.NoChange == nil):
			t.Fatalf("neither a change, nor why there is none: %+v %+v", e.Change, e.NoChange)
		}
		if e.Change != nil && !shared(apply(t, policies, e.Change), &q) {
			t.Fatalf("the change does not help: %+v", e.Change)
		}
		if e.Summary == "" || strings.Contains(e.Summary, "unknown") && e.Reason != "unknown_policy" {
			t.Fatalf("summary %q", e.Summary)
		}
	})
}
