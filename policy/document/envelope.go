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
	fieldSpec       = "spec"
)

// maxName is the length of the longest name in bytes.
const maxName = 253

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
	r.required(root)
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
		m := r.family.kinds()[0].ProtoReflect()
		r.keyed(key, value, m, m.Descriptor().Fields().ByJSONName(fieldKind), (*path)(nil).field(fieldKind))
		return nil
	}
	name := value.Value
	if r.family.isForeign(name) {
		r.add(markOf(value), r.family.foreign(name))
		return nil
	}
	for _, m := range r.family.kinds() {
		if name == kindOf(m) {
			return m
		}
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
			return m
		}
	}
	return nil
}

// required checks that the document has a name and says something.
func (r *reader) required(root *yaml.Node) {
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
	case isWritten(name) && name.Value != "" && !isName(name.Value):
		r.badName(name, at.field(fieldName))
	}
}

func (r *reader) badName(name *yaml.Node, at *path) {
	p := policy.Problem{
		Code:   codeBadName,
		Field:  at.String(),
		Reason: quoted(name.Value) + " is not a name: lower-case letters, digits, - and . with a letter or digit at both ends",
	}
	if len(name.Value) > maxName {
		p.Reason = fmt.Sprintf("the name has %d characters, and %d are the limit", len(name.Value), maxName)
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

// isName reports whether a text is a DNS subdomain, RFC 1123: what Kubernetes
// lets an object be called.
func isName(s string) bool {
	if len(s) > maxName {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
				return false
			}
		}
	}
	return true
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
	if s = strings.Trim(s, "-."); isName(s) {
		return s
	}
	return ""
}
