package document

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/spelling"
)

// The fields that every document has.
const (
	fieldAPIVersion = "apiVersion"
	fieldKind       = "kind"
	fieldMetadata   = "metadata"
	fieldName       = "name"
	fieldNamespace  = "namespace"
	fieldSpec       = "spec"
)

// document reads one document. It reports whether the document is free of
// errors.
func (r *reader) document(root *yaml.Node) (policy.Document, bool) {
	before := len(r.problems)
	r.anchors = make(map[string]bool)
	r.structure(root, nil, 1)
	if root.Kind != yaml.MappingNode {
		if !isRefused(root) {
			r.add(markOf(root), policy.Problem{
				Code:   codeNotAMapping,
				Reason: "a document is a mapping of fields, not " + found(root),
				Mend:   fmt.Sprintf("begin it with %s: %s", fieldAPIVersion, APIVersion),
			})
		}
		return policy.Document{}, false
	}
	r.version(root)
	message := r.kind(root)
	if message == nil {
		return policy.Document{}, false
	}
	place := r.message(root, message.ProtoReflect(), nil)
	r.required(root, message)
	doc := policy.Document{File: r.file, Message: message, Root: &place}
	return doc, len(r.problems) == before
}

// version checks apiVersion.
func (r *reader) version(root *yaml.Node) {
	_, value := lookup(root, fieldAPIVersion)
	if value == nil {
		r.missing(root, nil, fieldAPIVersion, fmt.Sprintf("write %s: %s", fieldAPIVersion, APIVersion))
		return
	}
	if !isWritten(value) || value.Value == APIVersion {
		return
	}
	r.add(markOf(value), policy.Problem{
		Code:   codeUnknownVersion,
		Field:  fieldAPIVersion,
		Reason: fmt.Sprintf("the version %s is not known", quoted(value.Value)),
		Mend:   "write " + APIVersion,
	})
}

// kind returns an empty message of the kind that the document says it is of.
// Where the kind is misspelt it is the one that must have been meant, so that
// what else is wrong shows too; where it cannot be told it is nil.
func (r *reader) kind(root *yaml.Node) proto.Message {
	key, value := lookup(root, fieldKind)
	switch {
	case value == nil:
		r.missing(root, nil, fieldKind, fmt.Sprintf("write %s: and one of %s", fieldKind, strings.Join(r.family.names(), ", ")))
		return nil
	case value.Kind != yaml.ScalarNode || !isWritten(value):
		// What is wrong with the value is the same for all kinds.
		m := r.family.kinds()[0].ProtoReflect().New()
		r.keyed(key, value, m, m.Descriptor().Fields().ByJSONName(fieldKind), (*path)(nil).field(fieldKind))
		return nil
	}
	name := value.Value
	for _, m := range r.family.kinds() {
		if name == kindOf(m) {
			return m.ProtoReflect().New().Interface()
		}
	}
	if r.family.isForeign(name) {
		r.add(markOf(value), r.family.foreign(name))
		return nil
	}
	guess := spelling.Closest(name, r.family.names())
	mend := "write one of them"
	if guess != "" {
		mend = "write " + guess
	}
	r.add(markOf(value), policy.Problem{
		Code:   codeUnknownKind,
		Field:  fieldKind,
		Reason: fmt.Sprintf("the kind %s is not known; the kinds are %s", quoted(name), strings.Join(r.family.names(), ", ")),
		Mend:   mend,
	})
	for _, m := range r.family.kinds() {
		if guess == kindOf(m) {
			return m.ProtoReflect().New().Interface()
		}
	}
	return nil
}

// required checks that the document has a name, where it may a namespace, and says
// something.
func (r *reader) required(root *yaml.Node, message proto.Message) {
	if _, spec := lookup(root, fieldSpec); spec == nil {
		r.missing(root, nil, fieldSpec, "write spec: and its fields below it")
	}
	_, metadata := lookup(root, fieldMetadata)
	if metadata == nil {
		r.missing(root, nil, fieldMetadata, "write metadata: and name: below it")
		return
	}
	if metadata.Kind != yaml.MappingNode || isRefused(metadata) {
		return
	}
	at := (*path)(nil).field(fieldMetadata)
	_, name := lookup(metadata, fieldName)
	switch {
	case name == nil:
		r.missing(metadata, at, fieldName, "write name: and a name of its own")
	case isWritten(name) && name.Value != "" && !policy.IsName(name.Value):
		r.badName(name, at.field(fieldName))
	}
	r.namespace(metadata, message, at)
}

// namespace checks that a namespace is one, and that the kind has any.
func (r *reader) namespace(metadata *yaml.Node, message proto.Message, at *path) {
	key, value := lookup(metadata, fieldNamespace)
	if key == nil {
		return
	}
	at = at.field(fieldNamespace)
	switch {
	case !hasNamespace(message):
		r.add(markOf(key), policy.Problem{
			Code:   codeNamespaceMisplaced,
			Field:  at.String(),
			Reason: fmt.Sprintf("a %s has no namespace", kindOf(message)),
			Mend:   "leave it out",
		})
	case isWritten(value) && value.Value != "" && !policy.IsNamespace(value.Value):
		r.badNamespace(value, at)
	}
}

func (r *reader) badNamespace(value *yaml.Node, at *path) {
	p := policy.Problem{
		Code:   codeBadNamespace,
		Field:  at.String(),
		Reason: quoted(value.Value) + " is not a namespace: lower-case letters, digits and - with a letter or digit at both ends",
	}
	better := strings.ReplaceAll(asName(value.Value), ".", "-")
	if len(value.Value) > policy.MaxNamespace {
		p.Reason = fmt.Sprintf("the namespace has %d characters, and %d are the limit", len(value.Value), policy.MaxNamespace)
		p.Mend = "shorten it"
	} else if policy.IsNamespace(better) {
		p.Mend = "write " + better
	}
	r.add(markOf(value), p)
}

func (r *reader) badName(name *yaml.Node, at *path) {
	p := policy.Problem{
		Code:   codeBadName,
		Field:  at.String(),
		Reason: quoted(name.Value) + " is not a name: lower-case letters, digits, - and . with a letter or digit at both ends",
	}
	if len(name.Value) > policy.MaxName {
		p.Reason = fmt.Sprintf("the name has %d characters, and %d are the limit", len(name.Value), policy.MaxName)
		p.Mend = "shorten it"
	} else if better := asName(name.Value); better != "" {
		p.Mend = "write " + better
	}
	r.add(markOf(name), p)
}

// missing reports a field that a mapping must have.
func (r *reader) missing(in *yaml.Node, at *path, name, mend string) {
	r.add(markOf(in), policy.Problem{
		Code:   codeMissingField,
		Field:  at.field(name).String(),
		Reason: "is missing",
		Mend:   mend,
	})
}

// isEnvelope reports whether a path leads to a field that every document has.
func isEnvelope(at *path) bool {
	switch at.String() {
	case fieldAPIVersion, fieldKind, fieldMetadata, fieldSpec, fieldMetadata + "." + fieldName:
		return true
	default:
		return false
	}
}

// lookup returns a mapping's key and its value, or nil.
func lookup(n *yaml.Node, name string) (key, value *yaml.Node) {
	for key, value := range pairs(n) {
		if isKey(key) && key.Value == name {
			return key, value
		}
	}
	return nil, nil
}

// isWritten reports whether a node is a text that can be judged by what it says.
func isWritten(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Tag == tagText && !isTagged(n)
}

// asName returns the name that is closest to a text, or nothing.
func asName(s string) string {
	s = strings.Map(func(c rune) rune {
		switch {
		case c == ' ', c == '_', c == '/':
			return '-'
		case c < ' ', c > '~':
			return -1
		default:
			return c
		}
	}, strings.ToLower(strings.TrimSpace(s)))
	if s = strings.Trim(s, "-."); policy.IsName(s) {
		return s
	}
	return ""
}
