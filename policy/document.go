package policy

import (
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"
)

// A Document is one parsed policy document, with the places its parts came from.
type Document struct {
	// File names where the document came from: a path as the user gave it, or
	// the key of a store.
	File string
	// Message is a *corsgatev1.CorsPolicy, a *corsgatev1.CorsOriginSet or a
	// *corsgatev1.CorsGuardrail.
	Message proto.Message
	// Texts may hold the message's origins once more, each followed by a line
	// feed. Where it does, and shares their memory, a set needs no copy of them.
	Texts string
	// Root is where the document and its parts stand in File. It may be nil.
	Root *Place
	// Created, unless zero, is when the document was created, in a source whose
	// documents have authors who do not know of each other. Such a document is the
	// only one of its File, and stands apart: see package settle.
	Created time.Time
}

// at returns the position of a place within the document.
func (d *Document) at(p *Place) Position {
	pos := Position{File: d.File}
	if p != nil {
		pos.Line, pos.Column = int(p.Line), int(p.Column)
	}
	return pos
}

// A Place is where a part of a document stands, and where its own parts do.
type Place struct {
	// Line and Column count from one; Column counts characters, not bytes.
	Line, Column int32
	// Fields holds the parts of a mapping, by the name that the document uses.
	Fields map[string]*Place
	// Items holds the parts of a list, unless Marks does.
	Items []Place
	// Marks holds the parts of a long list of texts, which have none of their own.
	Marks []Mark
}

// A Mark is where a text stands.
type Mark struct {
	// Line and Column count as those of a Place do.
	Line, Column int32
}

// Len returns how many parts of a list have a place.
func (p *Place) Len() int {
	if p == nil {
		return 0
	}
	return max(len(p.Items), len(p.Marks))
}

// Field returns the place of a part of a mapping, or p itself where the document
// does not mention that part: an error about what is missing points at what
// should hold it.
func (p *Place) Field(name string) *Place {
	if p == nil {
		return nil
	}
	if field := p.Fields[name]; field != nil {
		return field
	}
	return p
}

// Item returns the place of a list's element, or p itself where there is none.
func (p *Place) Item(i int) *Place {
	switch {
	case p == nil || i < 0 || i >= p.Len():
		return p
	case len(p.Marks) > 0:
		return &Place{Line: p.Marks[i].Line, Column: p.Marks[i].Column}
	default:
		return &p.Items[i]
	}
}

// A Position is a place in a named file. Line and Column count from one; zero
// means unknown.
type Position struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

// String returns "file:line:col", or as much of it as is known.
func (p Position) String() string { return string(p.appendTo(nil)) }

func (p Position) appendTo(dst []byte) []byte {
	dst = append(dst, p.File...)
	if p.Line > 0 {
		dst = strconv.AppendInt(append(dst, ':'), int64(p.Line), 10)
		if p.Column > 0 {
			dst = strconv.AppendInt(append(dst, ':'), int64(p.Column), 10)
		}
	}
	return dst
}
