package main

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// comment returns the comment before a part of the schema, without indentation.
// A part without one is an error: the comments are the documentation.
func comment(d protoreflect.Descriptor) (string, error) {
	text := d.ParentFile().SourceLocations().ByDescriptor(d).LeadingComments
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	text = strings.Join(lines, "\n")
	if text == "" {
		return "", fmt.Errorf("%s has no comment; is the descriptor set without source information?", d.FullName())
	}
	return text, nil
}

// firstSentence returns the first sentence of a comment on one line.
func firstSentence(text string) string {
	text = strings.ReplaceAll(text, "\n", " ")
	if first, _, more := strings.Cut(text, ". "); more {
		return first + "."
	}
	return text
}

// split parts a comment into what is said and, where it ends with an
// enumeration, the parts of that. An enumeration begins after a line that ends
// with a colon; its parts end with a semicolon at the end of a line.
func split(text string) (said string, parts []string) {
	said, list, ok := strings.Cut(text, ":\n")
	if !ok {
		return strings.ReplaceAll(text, "\n", " "), nil
	}
	for part := range strings.SplitSeq(list, ";\n") {
		part = strings.TrimPrefix(strings.ReplaceAll(part, "\n", " "), "or ")
		parts = append(parts, strings.TrimSuffix(part, "."))
	}
	return strings.ReplaceAll(said, "\n", " ") + ":", parts
}

// words returns the values of an enum as documents spell them, each with its
// comment, and the word that is meant where a document says none.
func words(ed protoreflect.EnumDescriptor) (names, docs []string, byDefault string, err error) {
	prefix := strings.TrimSuffix(string(ed.Values().ByNumber(0).Name()), "UNSPECIFIED")
	for i := range ed.Values().Len() {
		v := ed.Values().Get(i)
		doc, err := comment(v)
		if err != nil {
			return nil, nil, "", err
		}
		if v.Number() == 0 {
			_, byDefault, _ = strings.Cut(doc, "`")
			byDefault, _, _ = strings.Cut(byDefault, "`")
			continue
		}
		names = append(names, strings.TrimPrefix(string(v.Name()), prefix))
		docs = append(docs, strings.ReplaceAll(doc, "\n", " "))
	}
	return names, docs, byDefault, nil
}
