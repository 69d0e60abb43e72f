package policy

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// Options is what a set depends on besides its documents.
type Options struct {
	// NoPolicy is what becomes of cross-origin requests that no policy governs.
	NoPolicy Disposition
}

// Compile makes a set of documents. Where any problem is an error the set is
// nil. All problems are reported at once, ordered by position.
func Compile(docs []Document, opts Options) (*Set, Problems) {
	c := compiler{
		set: &Set{
			byName:   map[string]*Policy{},
			targets:  targetIndex{exact: map[string]*hostTargets{}, below: map[string]*hostTargets{}},
			refusals: prepareRefusals(),
			noPolicy: opts.NoPolicy,
		},
		originSets: map[string]*originSet{},
	}
	if opts.NoPolicy == DispositionDeny {
		c.set.ungovernedNotCORS[0] = &answer{fields: []field{{name: headerVary, value: varyOrigin, write: WriteAppend}}}
	}
	ordered := orderDocuments(docs)
	for _, doc := range ordered {
		if m, ok := doc.Message.(*corsgatev1.CorsOriginSet); ok {
			c.addOriginSet(doc, m)
		}
	}
	for _, doc := range ordered {
		if m, ok := doc.Message.(*corsgatev1.CorsPolicy); ok {
			c.addPolicy(doc, m)
		}
	}
	c.warnUnusedSets()
	c.problems.Sort()
	if len(c.problems.Errors()) > 0 {
		return nil, c.problems
	}
	c.set.revision = revisionOf(ordered)
	return c.set, c.problems
}

// orderDocuments makes the outcome independent of the order in which documents
// come: by name, and where two have one name by position.
func orderDocuments(docs []Document) []*Document {
	ordered := make([]*Document, len(docs))
	for i := range docs {
		ordered[i] = &docs[i]
	}
	slices.SortStableFunc(ordered, func(a, b *Document) int {
		pa, pb := a.at(a.Root), b.at(b.Root)
		return cmp.Or(
			cmp.Compare(documentName(a), documentName(b)),
			cmp.Compare(pa.File, pb.File),
			cmp.Compare(pa.Line, pb.Line),
		)
	})
	return ordered
}

// revisionLength is how many bytes of the hash name a revision.
const revisionLength = 6

func revisionOf(docs []*Document) string {
	h := sha256.New()
	for _, doc := range docs {
		data, err := proto.MarshalOptions{Deterministic: true}.Marshal(doc.Message)
		if err != nil {
			data = []byte(err.Error()) // a text that is not UTF-8: still a content
		}
		h.Write(fmt.Appendf(nil, "%s %d\n", doc.Message.ProtoReflect().Descriptor().FullName(), len(data)))
		h.Write(data)
	}
	return hex.EncodeToString(h.Sum(nil)[:revisionLength])
}

// A compiler collects what Compile makes and finds.
type compiler struct {
	set        *Set
	originSets map[string]*originSet
	problems   Problems
}

// An originSet is one compiled CorsOriginSet.
type originSet struct {
	doc   *Document
	index originIndex
	used  bool
}

// report notes a problem of a part of a document.
func (c *compiler) report(doc *Document, at *Place, severity Severity, path string, f *fault) {
	c.problems = append(c.problems, Problem{
		Severity: severity, Code: f.code, Position: doc.at(at), Field: path, Reason: f.reason, Mend: f.mend,
	})
}

func (c *compiler) addOriginSet(doc *Document, m *corsgatev1.CorsOriginSet) {
	name := m.GetMetadata().GetName()
	if first, ok := c.originSets[name]; ok {
		c.reportTwin(doc, first.doc, "origin set", name)
		return
	}
	c.set.originSets++
	set := &originSet{doc: doc, index: newOriginIndex(doc, partOrigins, len(m.GetSpec().GetOrigins()))}
	c.originSets[name] = set
	if len(m.GetSpec().GetOrigins()) == 0 {
		c.report(doc, doc.Root.Field("spec"), SeverityError, "spec.origins", &fault{
			"origins_missing", "the set has no origin", "list its origins, or remove the set",
		})
	}
	c.addOrigins(&set.index, m.GetSpec().GetOrigins(), false)
}

func (c *compiler) reportTwin(doc, first *Document, kind, name string) {
	c.report(doc, doc.Root.Field("metadata").Field("name"), SeverityError, "metadata.name", &fault{
		"name_duplicate",
		fmt.Sprintf("the %s %q is there already, at %s", kind, name, first.at(first.Root.Field("metadata").Field("name"))),
		"give one of them another name",
	})
}

// addOrigins indexes a list of patterns and reports what is wrong with them.
func (c *compiler) addOrigins(index *originIndex, list []string, anyAllowed bool) {
	name := partNames[index.part]
	place := index.doc.Root.Field("spec").Field(name)
	for i, text := range list {
		path := fmt.Sprintf("spec.%s[%d]", name, i)
		p, f := parsePattern(text)
		if f == nil && p.form == patternAny && !anyAllowed {
			f = &fault{"origin_any", "\"*\" is not an origin of a list like this", "write \"*\" alone in a policy's origins"}
		}
		if f != nil {
			c.report(index.doc, place.Item(i), SeverityError, path, f)
			continue
		}
		if twin, ok := index.add(p, int32(i)); ok {
			c.report(index.doc, place.Item(i), SeverityWarning, path, &fault{
				"origin_duplicate", fmt.Sprintf("%q is listed already, at %s", text, index.doc.at(place.Item(int(twin)))), "remove one of them",
			})
		}
	}
}

func (c *compiler) warnUnusedSets() {
	for _, set := range c.originSets {
		if !set.used {
			name := set.doc.Root.Field("metadata").Field("name")
			c.report(set.doc, name, SeverityWarning, "metadata.name", &fault{
				"origin_set_unused", fmt.Sprintf("no policy names the origin set %q", documentName(set.doc)), "name it in a policy's originSets, or remove it",
			})
		}
	}
}

// nearest returns the candidate that a misspelled name most likely means, as the
// end of a sentence, or all of them.
func nearest(name string, candidates []string) string {
	best, distance := "", len(name)/2+1
	for _, c := range candidates {
		if d := editDistance(name, c); d < distance {
			best, distance = c, d
		}
	}
	switch {
	case best != "":
		return "did you mean " + quote(best) + "?"
	case len(candidates) == 0:
		return ""
	}
	return "known are " + strings.Join(candidates, ", ")
}

// editDistance is Levenshtein's.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
