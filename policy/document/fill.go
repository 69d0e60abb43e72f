package document

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/spelling"
)

// message fills a message with the fields of a mapping, and returns where they
// stand.
func (r *reader) message(n *yaml.Node, m protoreflect.Message, at *path) policy.Place {
	place := r.place(markOf(n))
	place.Fields = make(map[string]*policy.Place, len(n.Content)/2)
	fields := m.Descriptor().Fields()
	below := at.field("") // One for all: nobody keeps it.
	for key, value := range pairs(n) {
		if !isKey(key) || place.Fields[key.Value] != nil {
			continue // Reported by structure.
		}
		below.name = key.Value
		fd := fields.ByJSONName(key.Value)
		if fd == nil {
			r.unknownField(key, m.Descriptor(), below)
			continue
		}
		place.Fields[key.Value] = r.keyed(key, value, m, fd, below)
	}
	return place
}

// keyed reads the value of a key. A text stands where it is written; a list or a
// mapping where its key is, which is where its reader looks for it.
func (r *reader) keyed(key, value *yaml.Node, m protoreflect.Message, fd protoreflect.FieldDescriptor, at *path) *policy.Place {
	if isNull(value) {
		place := r.place(markOf(key))
		r.null(key, at)
		return &place // A null that was left out has no place of its own.
	}
	place := r.value(value, m, fd, at)
	if value.Kind != yaml.ScalarNode {
		p := r.place(markOf(key))
		place.Line, place.Column = p.Line, p.Column
	}
	return &place
}

// value sets a field of a message, whatever the field's type.
func (r *reader) value(n *yaml.Node, m protoreflect.Message, fd protoreflect.FieldDescriptor, at *path) policy.Place {
	switch {
	case isRefused(n):
		return r.place(markOf(n))
	case fd.IsMap():
		return r.textMap(n, m.Mutable(fd).Map(), fd, at)
	case fd.IsList():
		return r.list(n, m.Mutable(fd).List(), fd, at)
	case isNull(n):
		r.null(n, at)
	case fd.Message() != nil:
		if n.Kind != yaml.MappingNode {
			r.wrongType(n, fd, at)
			break
		}
		return r.message(n, m.Mutable(fd).Message(), at)
	default:
		if v, ok := r.single(n, fd, at); ok {
			m.Set(fd, v)
		}
	}
	return r.place(markOf(n))
}

// manyTexts is how many texts make a list so long that its places are kept small.
const manyTexts = 64

// emptyMeansNone is the one list that says something where it is empty: that no
// policy may let any origin in.
const emptyMeansNone protoreflect.FullName = "corsgate.v1.AnyOriginRule.policies"

// list appends the elements of a sequence.
func (r *reader) list(n *yaml.Node, list protoreflect.List, fd protoreflect.FieldDescriptor, at *path) policy.Place {
	place := r.place(markOf(n))
	if n.Kind != yaml.SequenceNode {
		r.wrongType(n, fd, at)
		return place
	}
	if len(n.Content) == 0 && fd.FullName() != emptyMeansNone {
		r.add(markOf(n), policy.Problem{
			Code:   codeEmptyList,
			Field:  at.String(),
			Reason: "an empty list says nothing",
			Mend:   "leave it out, or list something",
		})
	}
	element := at.element(0) // One for all: nobody keeps it.
	if fd.Message() == nil && len(n.Content) >= manyTexts {
		place.Marks = make([]policy.Mark, len(n.Content))
		for i, item := range n.Content {
			element.index = i
			p := r.item(item, list, fd, element)
			place.Marks[i] = policy.Mark{Line: p.Line, Column: p.Column}
		}
		return place
	}
	place.Items = make([]policy.Place, len(n.Content))
	for i, item := range n.Content {
		element.index = i
		place.Items[i] = r.item(item, list, fd, element)
	}
	return place
}

// item appends one element of a sequence.
func (r *reader) item(n *yaml.Node, list protoreflect.List, fd protoreflect.FieldDescriptor, at *path) policy.Place {
	switch {
	case isRefused(n):
	case isNull(n) || isWritten(n) && n.Value == "":
		r.emptyItem(n, at)
	case fd.Message() != nil && n.Kind == yaml.MappingNode:
		return r.message(n, list.AppendMutable().Message(), at)
	case fd.Message() != nil:
		r.wrongType(n, fd, at)
	default:
		if v, ok := r.single(n, fd, at); ok {
			list.Append(v)
		}
	}
	return r.place(markOf(n))
}

// emptyItem reports an element that says nothing. The origin "null" is easily
// written as one.
func (r *reader) emptyItem(n *yaml.Node, at *path) {
	p := policy.Problem{
		Code:   codeEmptyItem,
		Field:  at.String(),
		Reason: "an element of the list is empty",
		Mend:   "delete it, or write what it should say",
	}
	if n.Value != "" {
		p.Reason = "without quotes, " + n.Value + " is nothing in YAML"
		p.Mend = "write " + quoted(n.Value) + " if the text is meant, or delete it"
	}
	r.add(markOf(n), p)
}

// textMap sets the entries of a field that maps texts to texts. An entry may be
// empty: what the entries mean is not for us to say.
func (r *reader) textMap(n *yaml.Node, entries protoreflect.Map, fd protoreflect.FieldDescriptor, at *path) policy.Place {
	place := r.place(markOf(n))
	if n.Kind != yaml.MappingNode {
		r.wrongType(n, fd, at)
		return place
	}
	place.Fields = make(map[string]*policy.Place, len(n.Content)/2)
	for key, value := range pairs(n) {
		if !isKey(key) || place.Fields[key.Value] != nil {
			continue
		}
		below := at.field(key.Value)
		k, ok := r.single(key, fd.MapKey(), below)
		entry := r.place(markOf(value))
		place.Fields[key.Value] = &entry
		switch {
		case isRefused(value):
		case isNull(value):
			r.null(key, below)
		case isWritten(value) && value.Value == "" && ok:
			entries.Set(k.MapKey(), protoreflect.ValueOfString(""))
		default:
			if v, fine := r.single(value, fd.MapValue(), below); fine && ok {
				entries.Set(k.MapKey(), v)
			}
		}
	}
	return place
}

// null reports a field without a value.
func (r *reader) null(n *yaml.Node, at *path) {
	r.add(markOf(n), policy.Problem{
		Code:   codeNullValue,
		Field:  at.String(),
		Reason: "has no value",
		Mend:   orLeaveOut(at, "give it one"),
	})
}

// orLeaveOut adds to a mend that the field may be left out, unless every
// document has it.
func orLeaveOut(at *path, mend string) string {
	if isEnvelope(at) {
		return mend
	}
	return "leave it out, or " + mend
}

// unknownField reports a key that the schema does not have.
func (r *reader) unknownField(key *yaml.Node, in protoreflect.MessageDescriptor, at *path) {
	names := fieldNames(in)
	p := policy.Problem{
		Code:   codeUnknownField,
		Field:  at.String(),
		Reason: fmt.Sprintf("%s is not a field of %s", quoted(key.Value), holder(at)),
	}
	home := r.family.homeOf(key.Value)
	switch guess := spelling.Closest(key.Value, names); {
	case guess != "" && spelling.Same(guess, key.Value):
		p.Mend = "it is spelt " + guess
	case home != "":
		p.Mend = "it belongs under " + home
	case guess != "":
		p.Mend = "did you mean " + guess + "?"
	default:
		p.Mend = "the fields are " + strings.Join(names, ", ")
	}
	r.add(markOf(key), p)
}

// holder names what a path's last part lies in.
func holder(at *path) string {
	if at.up == nil {
		return "a document"
	}
	return at.up.String()
}

// isKey reports whether a key can be the name of a field.
func isKey(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Tag != tagMerge && !isRefused(n)
}

// isNull reports whether a node is a null, said or left out.
func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Tag == tagNull && !isTagged(n)
}
