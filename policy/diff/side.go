package diff

import (
	"slices"
	"strings"
	"time"

	"github.com/corsgate/corsgate/policy"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// A Side is the policies before or after a change: the set, and the documents
// that it was compiled from.
type Side struct {
	Set       *policy.Set
	Documents []policy.Document
	// Options is what the set was compiled with.
	Options policy.Options
}

// side is a Side made ready to be asked.
type side struct {
	Side

	policies map[string]*policyDoc
	sets     map[string]*originList
	targets  map[policy.TargetKey]struct{}
}

// policyDoc is a policy and the document that says it.
type policyDoc struct {
	policy *policy.Policy
	spec   *corsgatev1.CorsPolicySpec
	doc    *policy.Document
	keys   []policy.TargetKey
}

// emptied returns the policy as it is where a guardrail bars it: it lets nobody in.
func (p *policyDoc) emptied() *policyDoc {
	emptied := *p
	emptied.spec = &corsgatev1.CorsPolicySpec{Targets: p.spec.GetTargets(), Enforcement: p.spec.GetEnforcement()}
	return &emptied
}

func newSide(s Side) *side {
	out := &side{
		Side: s, policies: map[string]*policyDoc{}, sets: map[string]*originList{}, targets: map[policy.TargetKey]struct{}{},
	}
	compiled := map[string]*policy.Policy{}
	for _, p := range s.Set.Policies() {
		compiled[p.Name] = p
	}
	for i := range s.Documents {
		doc := &s.Documents[i]
		switch m := doc.Message.(type) {
		case *corsgatev1.CorsPolicy:
			if p := compiled[doc.Key().FullName()]; p != nil {
				entry := &policyDoc{policy: p, spec: p.Spec(), doc: doc, keys: p.TargetKeys()}
				out.policies[p.Name] = entry
				for _, key := range entry.keys {
					out.targets[key] = struct{}{}
				}
			}
		case *corsgatev1.CorsOriginSet:
			name := doc.Key().FullName()
			out.sets[name] = &originList{doc: doc, set: name, field: "origins", texts: m.GetSpec().GetOrigins()}
		}
	}
	return out
}

func (s *side) summary() Summary {
	return Summary{Revision: s.Set.Revision(), Policies: len(s.Set.Policies()), OriginSets: s.Set.OriginSets(), Guardrails: len(s.Set.Guardrails()), Barred: len(s.Set.Barred())}
}

// at returns where a field of the policy stands, or where its spec does if the
// document leaves it out.
func (p *policyDoc) at(field string) policy.Position {
	return position(p.doc, p.doc.Root.Field("spec").Field(field))
}

// atName returns where a name stands in a list of the policy, in any case, or
// where the list does.
func (p *policyDoc) atName(field string, list []string, name string) policy.Position {
	i := slices.IndexFunc(list, func(s string) bool { return strings.EqualFold(s, name) })
	if i < 0 {
		return p.at(field)
	}
	return position(p.doc, p.doc.Root.Field("spec").Field(field).Item(i))
}

func position(doc *policy.Document, place *policy.Place) policy.Position {
	at := policy.Position{File: doc.File}
	if place != nil {
		at.Line, at.Column = int(place.Line), int(place.Column)
	}
	return at
}

// originList is one list of origins of a document.
type originList struct {
	doc *policy.Document
	// set is the name of the origin set, and empty for a list of a policy.
	set   string
	field string
	texts []string
	// ends holds when each entry ends. It is nil where none does.
	ends []time.Time

	// What follows is made when first asked for, and serves all policies that
	// share the list.
	present map[string]struct{} // of texts
	wide    *[]entry
	news    map[*originList][]int // what older lists do not hold
}

func (l *originList) has(text string) bool {
	if l.present == nil {
		l.present = make(map[string]struct{}, len(l.texts))
		for _, t := range l.texts {
			l.present[t] = struct{}{}
		}
	}
	_, ok := l.present[text]
	return ok
}

func (l *originList) position(i int) policy.Position {
	place := l.doc.Root.Field("spec").Field(l.field).Item(i)
	if l.ends != nil {
		place = place.Field("origin")
	}
	return position(l.doc, place)
}

// wideEntries returns the entries that match more than one origin.
func (l *originList) wideEntries() []entry {
	if l.wide == nil {
		wide := []entry{}
		l.eachEntry(func(e entry) bool {
			if e.wide {
				wide = append(wide, e)
			}
			return true
		})
		l.wide = &wide
	}
	return *l.wide
}

// added returns the places in l of what older does not hold.
func (l *originList) added(older *originList) []int {
	if out, ok := l.news[older]; ok {
		return out
	}
	var out []int
	if !slices.Equal(l.texts, older.texts) {
		for i, text := range l.texts {
			if !older.has(text) {
				out = append(out, i)
			}
		}
	}
	if l.news == nil {
		l.news = map[*originList][]int{}
	}
	l.news[older] = out
	return out
}
