package document

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/corsgate/corsgate/policy"
)

// wrongType reports a value of another type than the schema's.
func (r *reader) wrongType(n *yaml.Node, fd protoreflect.FieldDescriptor, at *path) {
	// An element of a list is told of the list's elements, not of the list.
	element := at.item && fd.IsList()
	r.add(markOf(n), policy.Problem{
		Code:   codeWrongType,
		Field:  at.String(),
		Reason: fmt.Sprintf("wants %s, found %s", wants(fd, element), found(n)),
		Mend:   mend(n, fd, element),
	})
}

// wants says what a field holds.
func wants(fd protoreflect.FieldDescriptor, element bool) string {
	switch {
	case fd.IsMap():
		return "a mapping of texts to texts"
	case fd.IsList() && !element:
		return "a list of " + plural(fd)
	case fd.Message() != nil:
		return "a mapping of fields"
	}
	switch fd.Kind() {
	case protoreflect.StringKind:
		return "a text"
	case protoreflect.BoolKind:
		return "true or false"
	case protoreflect.EnumKind:
		return "one of " + strings.Join(enumWords(fd.Enum()), ", ")
	default:
		return "a whole number"
	}
}

// someFields names the first fields of a message.
func someFields(md protoreflect.MessageDescriptor) string {
	const some = 2
	names := fieldNames(md)
	return strings.Join(names[:min(some, len(names))], " and ")
}

// plural says what a list holds.
func plural(fd protoreflect.FieldDescriptor) string {
	switch {
	case fd.Message() != nil:
		return "mappings"
	case fd.Kind() == protoreflect.StringKind:
		return "texts"
	case fd.Kind() == protoreflect.EnumKind:
		return "words"
	default:
		return "numbers"
	}
}

// found says what a node is.
func found(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	switch n.Tag {
	case tagNull:
		return "nothing"
	case tagBool:
		return "the boolean " + shorten(n.Value)
	case tagInt, tagFloat:
		return "the number " + shorten(n.Value)
	case tagDate:
		return "the date " + shorten(n.Value)
	default:
		return "the text " + quoted(n.Value)
	}
}

// mend shows how to write what the field wants.
func mend(n *yaml.Node, fd protoreflect.FieldDescriptor, element bool) string {
	switch {
	case fd.IsMap() || fd.Message() != nil && (element || !fd.IsList()):
		return mendMapping(n, fd)
	case fd.IsList() && !element:
		return mendList(n, fd)
	case n.Kind == yaml.SequenceNode && len(n.Content) == 1 && n.Content[0].Kind == yaml.ScalarNode:
		return "write " + flow(n.Content[0]) + " without the brackets"
	case n.Kind == yaml.MappingNode && fd.Kind() == protoreflect.StringKind:
		return `write a text; one that holds ": " stands in quotes`
	case n.Kind != yaml.ScalarNode:
		return "write " + wants(fd, element)
	}
	switch fd.Kind() {
	case protoreflect.StringKind:
		return mendText(n, fd)
	case protoreflect.BoolKind:
		return mendBool(n)
	default:
		return mendInteger(n)
	}
}

func mendMapping(n *yaml.Node, fd protoreflect.FieldDescriptor) string {
	switch {
	case fd.IsMap():
		return "write a key, a colon and a text on each line below " + fd.JSONName()
	case n.Kind == yaml.SequenceNode:
		return "write the fields without dashes"
	case n.Kind == yaml.ScalarNode && fd.Message().Fields().ByJSONName(beforeColon(n.Value)) != nil:
		return "write a space after " + beforeColon(n.Value) + ":"
	default:
		return "write its fields, such as " + someFields(fd.Message())
	}
}

// beforeColon returns what stands before a colon that no space follows, and
// that therefore ends no key.
func beforeColon(s string) string {
	name, _, ok := strings.Cut(s, ":")
	if !ok {
		return ""
	}
	return name
}

func mendList(n *yaml.Node, fd protoreflect.FieldDescriptor) string {
	switch {
	case n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle != 0 && fd.Message() == nil:
		return "write [ ] instead of { }"
	case n.Kind == yaml.MappingNode:
		return "begin each element with a dash and a space"
	case isPlain(n) && strings.HasPrefix(n.Value, "-"):
		return "write a space after the dash"
	case fd.Message() != nil:
		return "begin each element with a dash and write its fields, such as " + someFields(fd.Message())
	default:
		return fmt.Sprintf("write %s: [%s]", fd.JSONName(), flow(n))
	}
}

// mendText quotes what is not a text without quotes. A number where a duration
// is wanted is one of seconds.
func mendText(n *yaml.Node, fd protoreflect.FieldDescriptor) string {
	value := n.Value
	if n.Tag == tagInt && strings.Contains(fieldDoc(fd.FullName()), "duration") {
		value += "s"
	}
	return "write " + strconv.Quote(value)
}

func mendBool(n *yaml.Node) string {
	switch strings.ToLower(n.Value) {
	case "true", "yes", "on", "1":
		return "write true"
	case "false", "no", "off", "0":
		return "write false"
	default:
		return "write true or false"
	}
}

func mendInteger(n *yaml.Node) string {
	if isDigits(n.Value) {
		return "write " + n.Value + " without quotes"
	}
	plain := strings.ReplaceAll(n.Value, "_", "")
	if v, err := strconv.ParseInt(plain, 0, 64); err == nil {
		return fmt.Sprintf("write %d", v)
	}
	if v, err := strconv.ParseFloat(plain, 64); err == nil && v == math.Trunc(v) && math.Abs(v) < 1<<53 {
		return fmt.Sprintf("write %.0f", v)
	}
	return "write it in digits"
}

// flow writes a scalar as an element of a list in brackets.
func flow(n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode && isSafe(n.Value) && (n.Tag == tagText && isPlain(n) || n.Tag == tagBool) {
		return n.Value
	}
	return quoted(n.Value)
}

// isSafe reports whether a text means the same within brackets as without.
func isSafe(s string) bool {
	return s != "" && len(s) <= maxQuoted && !strings.ContainsAny(s, ",[]{}#\"'\n") && !strings.Contains(s, ": ")
}

// maxQuoted is how much of a text an error repeats.
const maxQuoted = 60

// quoted puts a text in double quotes, on one line, and cuts it short. Quotes
// keep what a document says apart from what we say.
func quoted(s string) string { return strconv.Quote(shorten(s)) }

// shorten cuts off what is too long to repeat.
func shorten(s string) string {
	if len(s) <= maxQuoted {
		return s
	}
	n := 0
	for i := range s {
		if n++; n == maxQuoted {
			return s[:i] + "…"
		}
	}
	return s
}

func lowerFirst(s string) string {
	if len(s) > 1 && s[1] >= 'a' && s[1] <= 'z' {
		return strings.ToLower(s[:1]) + s[1:]
	}
	return s
}
