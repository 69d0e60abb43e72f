package policyservice

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/document"
	"github.com/corsgate/corsgate/policy/store"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// The codes of what the service finds itself.
const (
	codeElsewhere  = "document_elsewhere"
	codeHidden     = "document_hidden"
	codeNoPolicies = "no_policies"
	// codeSetUnknown is policy.Compile's.
	codeSetUnknown = "origin_set_unknown"
)

// others returns the documents in force that come from other sources than the
// store, by their keys.
func (s *Service) others(states ...*store.State) map[store.Key]policy.Document {
	prefix := placeOf(states)
	others := map[store.Key]policy.Document{}
	for _, doc := range s.options.InForce().Documents {
		if prefix == "" || !strings.HasPrefix(doc.File, prefix) {
			others[doc.Key()] = doc
		}
	}
	return others
}

// placeOf returns what the positions of a store's documents begin with, see
// store.New. It is empty where there is no document to learn it from.
func placeOf(states []*store.State) string {
	for _, state := range states {
		docs, _ := state.Documents()
		for i := range docs {
			if place, _, ok := strings.Cut(docs[i].File, ":"); ok {
				return place + ":"
			}
		}
	}
	return ""
}

// compose returns what all sources would hold together if the store held a state.
// A document that another source holds too is that one's.
func compose(state *store.State, others, written map[store.Key]policy.Document) []policy.Document {
	stored, _ := state.Documents()
	all := make([]policy.Document, 0, len(stored)+len(others))
	for i := range stored {
		key := stored[i].Key()
		if _, hidden := others[key]; hidden {
			continue
		}
		doc := stored[i]
		if as, ok := written[key]; ok {
			doc = as
		}
		all = append(all, doc)
	}
	for _, doc := range others {
		all = append(all, doc)
	}
	slices.SortFunc(all, func(a, b policy.Document) int { return compareKeys(a.Key(), b.Key()) })
	return all
}

// written returns the documents of texts as their writer knows them, with positions
// in the writer's files. What is wrong with them is for the store to say, which
// reads them too.
func written(files []store.Text) map[store.Key]policy.Document {
	docs := map[store.Key]policy.Document{}
	for _, file := range files {
		read, _ := document.Read(file.File, []byte(file.Data))
		for _, doc := range read {
			docs[doc.Key()] = doc
		}
	}
	return docs
}

// validate compiles what would be in force after a change. Without errors it
// returns the set; warnings may be among the problems in any case.
func (s *Service) validate(d *draft) (*policy.Set, policy.Problems) {
	options := s.compileOptions()
	set, problems := policy.Compile(d.after, options)
	if set == nil && s.breachesStood(d, problems.Errors()) {
		options.Breaches = policy.BreachesBarred
		set, problems = policy.Compile(d.after, options)
	}
	problems = append(problems, d.elsewhere()...)
	if set != nil && len(set.Policies()) == 0 {
		problems = append(problems, policy.Problem{
			Severity: policy.SeverityWarning, Code: codeNoPolicies,
			Reason: "there is no CorsPolicy any more, and every cross-origin request is treated as one that no policy governs",
			Mend:   "write one",
		})
	}
	problems.Sort()
	return set, problems
}

// breachesStood reports whether all that is wrong is what guardrails forbid and
// policies did before the change. Those are barred already, and must not keep
// others from changing theirs.
func (s *Service) breachesStood(d *draft, wrong policy.Problems) bool {
	_, before := policy.Compile(d.before, s.compileOptions())
	stood := make(map[string]struct{}, len(before))
	for i := range before {
		stood[before[i].Error()] = struct{}{}
	}
	for i := range wrong {
		if _, ok := stood[wrong[i].Error()]; !ok || !strings.HasPrefix(wrong[i].Code, breachCode) {
			return false
		}
	}
	return true
}

// breachCode begins the codes of what a policy does that a guardrail forbids.
const breachCode = "guardrail_"

// compileOptions are those for looking at policies before they come into force:
// whatever breaches a guardrail is an error.
func (s *Service) compileOptions() policy.Options {
	return policy.Options{NoPolicy: s.options.Policy.NoPolicy, Now: s.options.Now(), Previous: s.options.InForce().Set}
}

// elsewhere says which documents of the change another source holds. A new one is
// an error: it would do nothing, or take the place of the other without a word.
func (d *draft) elsewhere() policy.Problems {
	var problems policy.Problems
	for i := range d.entry.Changes {
		key := d.entry.Changes[i].Key
		other, ok := d.others[key]
		if !ok {
			continue
		}
		at := policy.Position{}
		if doc, ok := d.written[key]; ok {
			at = namedAt(&doc)
		}
		p := policy.Problem{
			Severity: policy.SeverityWarning, Code: codeHidden, Position: at, Field: "metadata.name",
			Reason: fmt.Sprintf("%s is not in force as it stands here: the one at %s hides it", key, namedAt(&other)),
			Mend:   "remove one of them, or give it another name",
		}
		if _, known := d.head.Record(key); !known {
			p.Severity, p.Code = policy.SeverityError, codeElsewhere
			p.Reason = fmt.Sprintf("%s comes from another source already, at %s", key, namedAt(&other))
			p.Mend = "change it there, or give this one another name"
		}
		problems = append(problems, p)
	}
	return problems
}

// explainRemoved says of origin sets that are missing because the change removes
// them what that means: to whoever looks, they are there.
func (d *draft) explainRemoved(problems policy.Problems) {
	for i := range d.entry.Changes {
		key := d.entry.Changes[i].Key
		if _, there := d.head.Record(key); key.Kind != kindOriginSet || !there {
			continue
		}
		name := strconv.Quote(nameOf(key))
		for j := range problems {
			if p := &problems[j]; p.Code == codeSetUnknown && strings.HasSuffix(p.Reason, " "+name) {
				p.Reason = "the policy names the origin set " + name + ", which would be gone"
				p.Mend = "take it out of the policy before, or in the same change"
			}
		}
	}
}

// namedAt returns where a document is named.
func namedAt(doc *policy.Document) policy.Position {
	at := policy.Position{File: doc.File}
	if place := doc.Root.Field("metadata").Field("name"); place != nil {
		at.Line, at.Column = int(place.Line), int(place.Column)
	}
	return at
}

// warnings returns those of the problems that the change brought, or that are of
// what it wrote: what was odd before is not the caller's concern.
func (d *draft) warnings(problems, before policy.Problems) []*corsgatev1.Finding {
	old := make(map[string]struct{}, len(before))
	for i := range before {
		old[before[i].Error()] = struct{}{}
	}
	files := map[string]struct{}{}
	for _, text := range d.change.Put {
		files[text.File] = struct{}{}
	}
	var brought policy.Problems
	for i := range problems {
		_, known := old[problems[i].Error()]
		_, mine := files[problems[i].Position.File]
		if problems[i].Severity == policy.SeverityWarning && (mine || !known) && len(brought) < maxFindings {
			brought = append(brought, problems[i])
		}
	}
	return findingsOf(brought)
}
