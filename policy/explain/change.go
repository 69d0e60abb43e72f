package explain

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// maxRounds is how many kinds of changes one request can need: origin,
// navigations, method, headers, credentials, exposed headers.
const maxRounds = 8

// change finds the smallest change that allows a question, and tries it: each
// round mends what the policies, with the changes so far, refuse. It returns
// neither where none is wanted.
func (w *world) change(p *play) (*Change, *Note) {
	switch p.outcome() {
	case OutcomeAllowed:
		return nil, nil
	case OutcomeServiceDecides:
		return nil, w.whyUntouched(p)
	case OutcomeBlocked, OutcomePartial:
	}
	if p.decisive() == nil {
		return nil, neverSent(p)
	}
	d, refused := w.draft(p)
	if refused != nil {
		return nil, refused
	}
	set := w.set
	for range maxRounds {
		if refused := d.mend(p, set); refused != nil {
			return nil, refused
		}
		var problems policy.Problems
		docs := d.documents()
		if set, problems = policy.Compile(docs, w.options); set == nil {
			return nil, refusedBy(problems)
		}
		if note := w.guarded(set, d.doc.Key().FullName()); note != nil {
			return nil, note
		}
		if p = perform(set, p.question); p.outcome() == OutcomeAllowed {
			return d.finish(set, w.newWarnings(problems)), nil
		}
	}
	return nil, &Note{"no_change", "No change to the policy alone would let browsers share the response."}
}

// A draft is a policy with changes.
type draft struct {
	world *world
	// index is the policy's place among the documents, or behind them where it is
	// a new one.
	index int
	doc   policy.Document
	spec  *corsgatev1.CorsPolicySpec
	old   *corsgatev1.CorsPolicySpec
	fresh bool
	// nearest is the target that nearly matched, where the policy is new.
	nearest *Target
	// fields are those changed, in the order of the schema.
	origins, methods, headers, expose []string
	credentials, navigations          bool
}

// draft begins a change: of the policy that governs, or with a new one.
func (w *world) draft(p *play) (*draft, *Note) {
	s := p.decisive()
	by := s.decision.Policy
	if by == nil {
		return w.freshDraft(s)
	}
	for i := range w.docs {
		m, ok := w.docs[i].Message.(*corsgatev1.CorsPolicy)
		if !ok || w.docs[i].Key().FullName() != by.Name {
			continue
		}
		copied, ok := proto.Clone(m).(*corsgatev1.CorsPolicy)
		if !ok || copied.GetSpec() == nil {
			break
		}
		return &draft{
			world: w, index: i, spec: copied.GetSpec(), old: m.GetSpec(),
			doc: policy.Document{File: w.docs[i].File, Message: copied, Root: w.docs[i].Root},
		}, nil
	}
	return nil, &Note{"document_missing", "The document of the policy " + by.Name + " is not at hand, so no change can be tried."}
}

// freshDraft begins a policy of its own for a request that none governs: its one
// host and path, origin and method.
func (w *world) freshDraft(s *step) (*draft, *Note) {
	if s.wire.PolicyName != "" {
		return nil, &Note{"unknown_policy", fmt.Sprintf(
			"The route names the policy %s, which is not loaded. Load it, or correct the name on the route: no other policy governs such a route.", s.wire.PolicyName)}
	}
	switch {
	case s.wire.Origin == browser.OpaqueOrigin:
		return nil, nullNote(false)
	case !isSent(s.wire.Origin):
		return nil, malformedNote(s.wire.Origin)
	}
	where := spotOf(&s.wire)
	spec := &corsgatev1.CorsPolicySpec{
		Targets: []*corsgatev1.Target{{Hosts: []string{strings.ToLower(s.wire.Host)}, Paths: []string{where.path}}},
		Origins: []string{s.wire.Origin},
		Methods: []string{methodOf(s)},
	}
	message := &corsgatev1.CorsPolicy{
		ApiVersion: "corsgate.dev/v1", Kind: "CorsPolicy", Metadata: &corsgatev1.Metadata{Name: w.freshName(where.host)}, Spec: spec,
	}
	return &draft{world: w, index: len(w.docs), fresh: true, nearest: nearest(w.keys(), &where), spec: spec, doc: policy.Document{File: "new", Message: message}}, nil
}

// freshName makes a name that no document has.
func (w *world) freshName(host string) string {
	name := strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' {
			return r
		}
		return '-'
	}, host), "-.")
	for n := 1; ; n++ {
		candidate := name
		if n > 1 {
			candidate = fmt.Sprintf("%s-%d", name, n)
		}
		if w.policyDocument(candidate) == nil {
			return candidate
		}
	}
}

// documents are all, with the draft in its place.
func (d *draft) documents() []policy.Document {
	docs := slices.Clone(d.world.docs)
	if d.index == len(docs) {
		return append(docs, d.doc)
	}
	docs[d.index] = d.doc
	return docs
}

// mend changes what keeps the question from being allowed, or says why that
// cannot be.
func (d *draft) mend(p *play, set *policy.Set) *Note {
	s := p.decisive()
	if s == nil {
		return neverSent(p)
	}
	switch s.decision.Reason {
	case policy.ReasonOriginNotAllowed:
		d.origins = append(d.origins, s.wire.Origin)
		d.spec.Origins = append(d.spec.Origins, s.wire.Origin)
	case policy.ReasonCrossSiteNavigation:
		d.navigations = true
		d.spec.Navigations = corsgatev1.Disposition_DISPOSITION_PASS
	case policy.ReasonMethodNotAllowed:
		return d.addMethod(methodOf(s))
	case policy.ReasonHeaderNotAllowed:
		refused := p.refusedHeaders(set)
		d.headers = append(d.headers, refused...)
		d.spec.RequestHeaders = append(d.spec.RequestHeaders, refused...)
	case policy.ReasonNoPolicy:
		if !d.fresh {
			return &Note{"no_policy", "No policy governs the request."}
		}
	default:
		if note := hopeless(s); note != nil {
			return note
		}
		return d.widen(p)
	}
	return nil
}

// addMethod allows a method beside those that are allowed already, which may be
// the ones that an empty list stands for.
func (d *draft) addMethod(method string) *Note {
	if upper := strings.ToUpper(method); upper != method && upper == "PATCH" {
		return &Note{"method_case", fmt.Sprintf("Methods are case-sensitive, and browsers send %q as the script wrote it. Write \"PATCH\" in the script.", method)}
	}
	added := []string{method}
	if len(d.spec.GetMethods()) == 0 {
		added = []string{"GET", "HEAD", "POST", method}
	}
	d.methods, d.spec.Methods = append(d.methods, added...), append(d.spec.Methods, added...)
	return nil
}

// widen mends what browsers hold against an answer that allows.
func (d *draft) widen(p *play) *Note {
	block, blocked := p.blocked()
	switch {
	case blocked && (block.Failure == browser.FailureWildcardWithCredentials || block.Failure == browser.FailureAllowCredentials):
		d.credentials, d.spec.Credentials = true, true
		return nil
	case blocked:
		return &Note{"no_change", "Browsers block it for a reason that no policy changes: " + failureText(block.Failure) + "."}
	}
	for i := range p.outcomes {
		for _, name := range p.outcomes[i].unreadable {
			if !slices.Contains(d.expose, name) {
				d.expose = append(d.expose, name)
				d.spec.ExposeHeaders = append(d.spec.ExposeHeaders, name)
			}
		}
	}
	return nil
}

// finish writes down a change that works.
func (d *draft) finish(set *policy.Set, warnings []Note) *Change {
	name := d.doc.Key().FullName()
	c := &Change{Policy: name, Edits: []Edit{}, Revision: set.Revision()}
	if d.fresh {
		c.NewDocument = d.yaml()
	} else {
		c.Edits = d.edits()
	}
	c.Consequences = append(d.consequences(), warnings...)
	return c
}

// newWarnings are those of the problems that the documents do not have already.
func (w *world) newWarnings(problems policy.Problems) []Note {
	_, before := policy.Compile(w.docs, w.options)
	known := map[string]bool{}
	for i := range before {
		known[before[i].Code+before[i].Reason] = true
	}
	var notes []Note
	for _, problem := range problems.Warnings() {
		if !known[problem.Code+problem.Reason] {
			notes = append(notes, Note{problem.Code, sentence(problem.Reason) + " (" + problem.Field + ")"})
		}
	}
	return notes
}
