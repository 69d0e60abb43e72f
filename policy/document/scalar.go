package document

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/spelling"
)

// single reads one value of a field that is not a mapping. It reports whether
// there is one.
func (r *reader) single(n *yaml.Node, fd protoreflect.FieldDescriptor, at *path) (protoreflect.Value, bool) {
	if n.Kind != yaml.ScalarNode {
		r.wrongType(n, fd, at)
		return protoreflect.Value{}, false
	}
	switch fd.Kind() {
	case protoreflect.StringKind:
		return r.text(n, fd, at)
	case protoreflect.BoolKind:
		return r.boolean(n, fd, at)
	case protoreflect.EnumKind:
		return r.word(n, fd, at)
	case protoreflect.Int32Kind:
		v, ok := r.integer(n, fd, at, 32)
		return protoreflect.ValueOfInt32(int32(v)), ok //nolint:gosec // integer keeps within 32 bits.
	case protoreflect.Int64Kind:
		v, ok := r.integer(n, fd, at, 64)
		return protoreflect.ValueOfInt64(v), ok
	default:
		// A test holds the schema to the types above.
		r.wrongType(n, fd, at)
		return protoreflect.Value{}, false
	}
}

// text reads a text. Only what every YAML reader takes for a text is one.
func (r *reader) text(n *yaml.Node, fd protoreflect.FieldDescriptor, at *path) (protoreflect.Value, bool) {
	switch {
	case n.Tag != tagText:
		r.wrongType(n, fd, at)
	case n.Value == "":
		r.add(markOf(n), policy.Problem{
			Code:   codeEmptyText,
			Field:  at.String(),
			Reason: "an empty text says nothing",
			Mend:   orLeaveOut(at, "write something"),
		})
	case isPlain(n) && isOldBool(n.Value):
		r.add(markOf(n), policy.Problem{
			Code:   codeAmbiguousText,
			Field:  at.String(),
			Reason: fmt.Sprintf("without quotes, %s is a text to some YAML readers and a boolean to others", n.Value),
			Mend:   "write " + strconv.Quote(n.Value),
		})
	default:
		return protoreflect.ValueOfString(n.Value), true
	}
	return protoreflect.Value{}, false
}

// boolean reads true or false, in these words and no others.
func (r *reader) boolean(n *yaml.Node, fd protoreflect.FieldDescriptor, at *path) (protoreflect.Value, bool) {
	if n.Tag != tagBool || n.Value != "true" && n.Value != "false" {
		r.wrongType(n, fd, at)
		return protoreflect.Value{}, false
	}
	return protoreflect.ValueOfBool(n.Value == "true"), true
}

// word reads one of an enum's words.
func (r *reader) word(n *yaml.Node, fd protoreflect.FieldDescriptor, at *path) (protoreflect.Value, bool) {
	if n.Tag == tagText {
		if v := enumValue(fd.Enum(), n.Value); v != nil {
			return protoreflect.ValueOfEnum(v.Number()), true
		}
	}
	words := enumWords(fd.Enum())
	p := policy.Problem{
		Code:   codeUnknownWord,
		Field:  at.String(),
		Reason: fmt.Sprintf("%s is none of the words %s", quoted(n.Value), strings.Join(words, ", ")),
		Mend:   "write one of " + strings.Join(words, ", "),
	}
	if guess := spelling.Closest(strings.TrimPrefix(n.Value, enumPrefix(fd.Enum())), words); guess != "" {
		p.Mend = "write " + guess
	}
	if doc := fieldDoc(fd.FullName()); doc != "" {
		p.Mend += fmt.Sprintf(" (%s: %s)", fd.JSONName(), lowerFirst(strings.TrimSuffix(doc, ".")))
	}
	r.add(markOf(n), p)
	return protoreflect.Value{}, false
}

// integer reads a whole number in plain digits: 0x10, 0o17 and 1_000 are not
// the same to all readers.
func (r *reader) integer(n *yaml.Node, fd protoreflect.FieldDescriptor, at *path, bits int) (int64, bool) {
	if n.Tag == tagText || !isDigits(n.Value) {
		r.wrongType(n, fd, at)
		return 0, false
	}
	v, err := strconv.ParseInt(n.Value, 10, bits)
	if errors.Is(err, strconv.ErrRange) {
		limit := int64(1) << (bits - 1)
		r.add(markOf(n), policy.Problem{
			Code:   codeOutOfRange,
			Field:  at.String(),
			Reason: fmt.Sprintf("the number %s is out of range", shorten(n.Value)),
			Mend:   fmt.Sprintf("write a number from %d to %d", -limit, limit-1),
		})
		return 0, false
	}
	return v, err == nil
}

// isPlain reports whether a text was written without quotes.
func isPlain(n *yaml.Node) bool {
	const quotes = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	return n.Style&quotes == 0
}

// isOldBool reports whether a text is a boolean in YAML 1.1, which kubectl and
// many other readers still follow.
func isOldBool(s string) bool {
	if len(s) < len("no") || len(s) > len("off") {
		return false
	}
	if s != strings.ToLower(s) && s != strings.ToUpper(s) && s != strings.ToUpper(s[:1])+strings.ToLower(s[1:]) {
		return false
	}
	switch strings.ToLower(s) {
	case "yes", "no", "on", "off":
		return true
	default:
		return false
	}
}

// isDigits reports whether a text is a whole number as JSON writes it.
func isDigits(s string) bool {
	s = strings.TrimPrefix(s, "-")
	if s == "" || len(s) > 1 && s[0] == '0' {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
