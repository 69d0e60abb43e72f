package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// introduction is what stands before the reference of policies.
//
//go:embed introduction.md
var introduction string

// testsIntroduction is what stands before the reference of tests.
//
//go:embed testing.md
var testsIntroduction string

// accessIntroduction is what stands before the reference of who may use the policy
// service.
//
//go:embed access.md
var accessIntroduction string

// markdown renders the reference of the documents.
func markdown(file protoreflect.FileDescriptor, introduction string) ([]byte, error) {
	p := &page{users: users(file)}
	p.b.WriteString(introduction)
	for i := range file.Messages().Len() {
		if md := file.Messages().Get(i); isKind(md) {
			p.kinds++
			if err := p.section(md, string(md.Name()), "", "##"); err != nil {
				return nil, err
			}
		}
	}
	// What several kinds share comes once, after them.
	for _, fd := range p.shared {
		if err := p.section(fd.Message(), "", fd.JSONName(), "##"); err != nil {
			return nil, err
		}
	}
	return p.b.Bytes(), nil
}

// isKind reports whether a message is a document of its own.
func isKind(md protoreflect.MessageDescriptor) bool {
	return md.Fields().ByJSONName("apiVersion") != nil
}

// isRequired reports whether a document must have a field: its envelope.
func isRequired(fd protoreflect.FieldDescriptor) bool {
	in := fd.ContainingMessage()
	return isKind(in) || in.Name() == "Metadata" && fd.Name() == "name"
}

// users counts the fields that hold each message.
func users(file protoreflect.FileDescriptor) map[protoreflect.FullName]int {
	n := make(map[protoreflect.FullName]int)
	for i := range file.Messages().Len() {
		fields := file.Messages().Get(i).Fields()
		for j := range fields.Len() {
			if md := fields.Get(j).Message(); md != nil {
				n[md.FullName()]++
			}
		}
	}
	return n
}

// A page is a reference that is being written.
type page struct {
	b     bytes.Buffer
	users map[protoreflect.FullName]int
	// kinds counts the kinds of documents on the page.
	kinds int
	// shared holds the fields whose messages belong to several kinds.
	shared []protoreflect.FieldDescriptor
}

// section writes a message: what it is, its fields, and the messages in them.
// The kind is that of the document it stands in, the path is where.
func (p *page) section(md protoreflect.MessageDescriptor, kind, path, heading string) error {
	doc, err := comment(md)
	if err != nil {
		return err
	}
	fmt.Fprintf(&p.b, "\n%s %s\n\n%s\n", heading, p.title(kind, path), wrap(anonymous(doc, md), ""))
	fields := md.Fields()
	for i := range fields.Len() {
		if err := p.field(fields.Get(i)); err != nil {
			return err
		}
	}
	for i := range fields.Len() {
		fd := fields.Get(i)
		switch {
		case fd.Message() == nil || fd.IsMap():
		case p.users[fd.Message().FullName()] > 1:
			p.share(fd)
		default:
			if err := p.section(fd.Message(), kind, below(path, fd), "###"); err != nil {
				return err
			}
		}
	}
	return nil
}

// title names a section, by the kind of document and the path within it.
func (p *page) title(kind, path string) string {
	switch {
	case path == "":
		return kind
	case kind == "" && p.kinds == 1:
		return "`" + path + "`"
	case kind == "":
		return "`" + path + "` of every document"
	default:
		return "`" + path + "` of a " + kind
	}
}

// anonymous drops the name of a message that documents never spell.
func anonymous(doc string, md protoreflect.MessageDescriptor) string {
	rest, ok := strings.CutPrefix(doc, string(md.Name())+" is ")
	if !ok || isKind(md) {
		return doc
	}
	return strings.ToUpper(rest[:1]) + rest[1:]
}

// share keeps a field's message for the end of the page.
func (p *page) share(fd protoreflect.FieldDescriptor) {
	for _, known := range p.shared {
		if known.Message().FullName() == fd.Message().FullName() {
			return
		}
	}
	p.shared = append(p.shared, fd)
}

// below returns the path of a field's message.
func below(path string, fd protoreflect.FieldDescriptor) string {
	if path != "" {
		path += "."
	}
	path += fd.JSONName()
	if fd.IsList() {
		path += "[]"
	}
	return path
}

// field writes an entry: name, type, documentation, words.
func (p *page) field(fd protoreflect.FieldDescriptor) error {
	doc, err := comment(fd)
	if err != nil {
		return err
	}
	what := typeOf(fd)
	if isRequired(fd) {
		what += ", required"
	}
	said, parts := split(doc)
	fmt.Fprintf(&p.b, "\n**`%s`** (%s)\\\n%s\n", fd.JSONName(), what, wrap(said, ""))
	if fd.Enum() != nil {
		return p.words(fd.Enum())
	}
	p.list(parts)
	return nil
}

// words writes the words of an enum.
func (p *page) words(ed protoreflect.EnumDescriptor) error {
	names, docs, byDefault, err := words(ed)
	if err != nil {
		return err
	}
	parts := make([]string, len(names))
	for i, name := range names {
		parts[i] = fmt.Sprintf("`%s`: %s", name, docs[i])
		if name == byDefault {
			parts[i] = fmt.Sprintf("`%s` (default): %s", name, docs[i])
		}
	}
	p.list(parts)
	return nil
}

func (p *page) list(parts []string) {
	if len(parts) == 0 {
		return
	}
	p.b.WriteString("\n")
	for _, part := range parts {
		fmt.Fprintf(&p.b, "- %s\n", wrap(part, "  "))
	}
}

// typeOf says what a field holds, in a document's words.
func typeOf(fd protoreflect.FieldDescriptor) string {
	switch {
	case fd.IsMap():
		return "texts by key"
	case fd.IsList():
		return "list of " + single(fd) + "s"
	default:
		return single(fd)
	}
}

func single(fd protoreflect.FieldDescriptor) string {
	switch {
	case fd.Message() != nil:
		return "mapping"
	case fd.Enum() != nil:
		return "word"
	case fd.Kind() == protoreflect.StringKind:
		return "text"
	case fd.Kind() == protoreflect.BoolKind:
		return "true or false"
	default:
		return "whole number"
	}
}

// wrap breaks a text into lines, so that a change shows as a small difference.
func wrap(text, indent string) string {
	const width = 100
	var b strings.Builder
	column := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case column+1+len(word) > width:
			b.WriteString("\n" + indent)
			column = len(indent)
		default:
			b.WriteString(" ")
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}
