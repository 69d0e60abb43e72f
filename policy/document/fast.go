package document

import (
	"strings"

	"go.yaml.in/yaml/v4"
	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/policy"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// fieldOrigins is the list that is long where one is.
const fieldOrigins = "origins"

// fast reads a piece with long lists of origins, and reads most of those by hand.
// It reports false for a piece that it does not read: one without such a list,
// with a problem anywhere, or with anything that makes the lists other than they
// look. The parser then reads all of it, and says what there is to say.
func (r *reader) fast(p piece) (policy.Document, bool) {
	if r.hand.least == 0 || len(p.data) < r.hand.least*shortestElement {
		return policy.Document{}, false
	}
	short, cuts := trim(p, r.hand.least)
	if len(cuts) == 0 {
		return policy.Document{}, false
	}
	trial := &reader{file: r.file, family: r.family, piece: short, cuts: cuts, hand: r.hand}
	roots := trial.load(short)
	if len(roots) != 1 {
		return policy.Document{}, false
	}
	doc, ok := trial.document(roots[0])
	if !ok || len(trial.problems) > 0 {
		return policy.Document{}, false
	}
	return doc, trial.splice(&doc, roots[0])
}

// splice puts what was cut back into the document. It reports false where that is
// not the place that the cuts were made for.
func (r *reader) splice(doc *policy.Document, root *yaml.Node) bool {
	_, spec := lookup(root, fieldSpec)
	_, list := lookup(spec, fieldOrigins)
	into := originsOf(doc.Message)
	if list == nil || into == nil {
		return false
	}
	s := splicer{list: list, cuts: r.cuts}
	if !s.fits() {
		return false
	}
	place := doc.Root.Field(fieldSpec).Field(fieldOrigins)
	s.join(r, place)
	*into, doc.Texts = s.origins, s.texts.String()
	place.Items, place.Marks = nil, s.marks
	return true
}

// originsOf returns the origins of a document, or nil where its kind has none.
func originsOf(m proto.Message) *[]string {
	switch m := m.(type) {
	case *corsgatev1.CorsPolicy:
		return &m.GetSpec().Origins
	case *corsgatev1.CorsOriginSet:
		return &m.GetSpec().Origins
	default:
		return nil
	}
}

// A splicer joins what the parser read of a list with what was cut out of it.
type splicer struct {
	list *yaml.Node
	cuts []cut

	origins []string
	marks   []policy.Mark
	texts   strings.Builder
}

// fits reports whether each cut was made between two neighbours of the list, and
// counts what there is.
func (s *splicer) fits() bool {
	if s.list.Kind != yaml.SequenceNode {
		return false
	}
	flow := s.list.Style&yaml.FlowStyle != 0
	fitting, elements, size := 0, 0, 0
	for i, item := range s.list.Content {
		if !isPlainScalar(item) || strings.Contains(item.Value, "\n") {
			return false
		}
		elements, size = elements+1, size+len(item.Value)+1
		if fitting == len(s.cuts) || s.cuts[fitting].before != markOf(item) {
			continue
		}
		c := &s.cuts[fitting]
		if c.flow != flow || i+1 == len(s.list.Content) || !c.endsAt(markOf(s.list.Content[i+1])) {
			return false
		}
		elements, size = elements+c.elements, size+c.size+c.elements
		fitting++
	}
	s.origins = make([]string, 0, elements)
	s.marks = make([]policy.Mark, 0, elements)
	s.texts.Grow(size)
	return fitting == len(s.cuts)
}

// endsAt reports whether an element is the first one behind a cut.
func (c *cut) endsAt(next mark) bool {
	return next == c.at || !c.flow && next.line == c.at.line
}

// join gathers the elements and their marks, in their order.
func (s *splicer) join(r *reader, place *policy.Place) {
	next := 0
	for i, item := range s.list.Content {
		p := place.Item(i)
		s.marks = append(s.marks, policy.Mark{Line: p.Line, Column: p.Column})
		s.texts.WriteString(item.Value)
		s.texts.WriteByte('\n')
		if next < len(s.cuts) && s.cuts[next].before == markOf(item) {
			s.cuts[next].each(&s.texts, func(at mark) {
				//nolint:gosec // A file of MaxSize has fewer lines and columns than an int32 counts.
				s.marks = append(s.marks, policy.Mark{Line: int32(r.piece.line + at.line - 1), Column: int32(at.column)})
			})
			next++
		}
	}
	for rest := s.texts.String(); rest != ""; {
		var text string
		text, rest, _ = strings.Cut(rest, "\n")
		s.origins = append(s.origins, text)
	}
}
