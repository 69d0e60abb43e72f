package explain

import (
	"errors"
	"slices"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// Policies are those that a question is put to.
type Policies struct {
	// Set decides.
	Set *policy.Set
	// Documents are what Set was compiled from, and Options how.
	Documents []policy.Document
	Options   policy.Options
}

// errInvalid is of documents that do not compile. Who has a set has none such.
var errInvalid = errors.New("there are no policies in force")

// Explain answers a question that [ParseQuestion] made.
func Explain(policies Policies, q Question) (*Explanation, error) {
	if policies.Set == nil {
		return nil, errInvalid
	}
	w := &world{set: policies.Set, docs: policies.Documents, options: policies.Options}
	// One policy that is barred must not keep changes to others from being tried.
	w.options.Breaches = policy.BreachesBarred
	p := perform(w.set, &q)
	e := &Explanation{
		Question: q, Revision: w.set.Revision(), Outcome: p.outcome(),
		Relation: relate(q.Origin, q.target), Governing: Governing{By: "none"},
		Browsers: []Browser{}, Notes: []Note{},
	}
	e.NeedsPreflight, e.Causes = q.causes()
	if s := p.decisive(); s != nil {
		e.Verdict, e.Reason = s.decision.Verdict.String(), s.decision.Reason.String()
		e.Governing = w.governing(s)
	}
	e.Preflight, e.Request = w.answer(p, p.preflight), w.answer(p, p.request)
	if e.Preflight != nil && e.Request != nil {
		e.Request.Sent = slices.ContainsFunc(p.outcomes, func(o outcome) bool {
			return slices.ContainsFunc(o.Exchanges, func(x browser.Exchange) bool { return !x.Preflight })
		})
	}
	if e.Outcome != OutcomeServiceDecides && isSent(q.Origin) {
		e.Browsers = w.browsers(p)
	}
	e.Change, e.NoChange = w.change(p)
	e.Notes = append(e.Notes, w.notes(p, e)...)
	e.Summary = summary(e, p)
	return e, nil
}

// isSent reports whether a browser can send an origin at all.
func isSent(origin string) bool {
	if origin == browser.OpaqueOrigin {
		return true
	}
	p, ok := policy.ParseOriginPattern(origin)
	return ok && !p.Wide() && p.String() == origin
}

// A world is the policies that a question is put to.
type world struct {
	set     *policy.Set
	docs    []policy.Document
	options policy.Options
}

// policyDocument finds a policy's document by its full name, or nil.
func (w *world) policyDocument(name string) *policy.Document {
	for i := range w.docs {
		if _, ok := w.docs[i].Message.(*corsgatev1.CorsPolicy); ok && w.docs[i].Key().FullName() == name {
			return &w.docs[i]
		}
	}
	return nil
}

// setDocument finds an origin set's document by its full name, or nil.
func (w *world) setDocument(name string) *policy.Document {
	for i := range w.docs {
		if _, ok := w.docs[i].Message.(*corsgatev1.CorsOriginSet); ok && w.docs[i].Key().FullName() == name {
			return &w.docs[i]
		}
	}
	return nil
}

// answer writes down what is answered to a step.
func (w *world) answer(p *play, s *step) *Answer {
	if s == nil {
		return nil
	}
	d := &s.decision
	a := &Answer{
		Sent: true, Method: s.sent.Method, URL: s.sent.URL.String(), RequestHeaders: []Field{},
		Kind: d.Kind.String(), Verdict: d.Verdict.String(), Reason: d.Reason.String(), Action: actionWord(d.Action),
		Status: d.Status(), Headers: []Header{}, Body: d.Body(), Rule: w.rule(p, s),
	}
	for _, h := range s.sent.Headers {
		if h.Name == "sec-fetch-site" && s.wire.FetchSite != "" {
			h.Value = s.wire.FetchSite
		}
		a.RequestHeaders = append(a.RequestHeaders, Field(h))
	}
	for _, h := range d.Headers() {
		a.Headers = append(a.Headers, Header{h.Name, h.Value, writeWord(h.Write)})
	}
	return a
}

func actionWord(a policy.Action) string {
	switch a {
	case policy.ActionAnswer:
		return "answer"
	case policy.ActionForward:
		return "forward"
	default:
		return "refuse"
	}
}

func writeWord(w policy.WriteMode) string {
	switch w {
	case policy.WriteAppend:
		return "append"
	case policy.WriteReplace:
		return "replace"
	default:
		return "set"
	}
}

// browsers writes down what the engines do that print.
func (w *world) browsers(p *play) []Browser {
	list := []Browser{}
	for i := range p.outcomes {
		o := &p.outcomes[i]
		if o.engine == browser.Standard {
			continue
		}
		b := Browser{Engine: o.engine.String(), Access: o.Access.String(), Unreadable: o.unreadable}
		if o.Access == browser.AccessBlocked {
			b.Failure = o.Block.Failure.String()
			b.Console, b.MDN = browser.Console(o.engine, &o.Block), o.Block.Failure.MDN()
		} else if p.preflight != nil {
			seconds := remembers(w.set, p.question, o.engine)
			b.RemembersSeconds = &seconds
		}
		list = append(list, b)
	}
	return list
}
