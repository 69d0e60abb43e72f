package source

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/corsgate/corsgate/policy"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// The documents of a snapshot file are their messages and their places: read again,
// they decide and are explained as they were. Long lists of origins stand apart
// from their messages, as one text, so that a million of them need no million
// strings. Numbers are varints, and texts have their lengths before them.
const (
	// manyOrigins is how long a list is that stands apart.
	manyOrigins = 64
	// maxPlaceDepth is deeper than any document.
	maxPlaceDepth = 64
	// fieldSpec is the field that holds all but the name of a document.
	fieldSpec protoreflect.Name = "spec"
)

// encodeSnapshot writes the documents and problems of a snapshot.
func encodeSnapshot(to *bufio.Writer, s *Snapshot) error {
	e := encoder{to: to}
	for i := range s.Problems {
		e.problem(&s.Problems[i])
	}
	for i := range s.Documents {
		if err := e.document(&s.Documents[i]); err != nil {
			return err
		}
	}
	return nil
}

// An encoder writes numbers and texts. The errors of its writer come again when
// that is flushed.
type encoder struct {
	to      *bufio.Writer
	scratch [binary.MaxVarintLen64]byte
}

func (e *encoder) number(n int64) {
	_, _ = e.to.Write(binary.AppendVarint(e.scratch[:0], n))
}

func (e *encoder) text(text string) {
	e.number(int64(len(text)))
	_, _ = e.to.WriteString(text)
}

// time writes a moment, or zero for none.
func (e *encoder) time(t time.Time) {
	if t.IsZero() {
		e.number(0)
		return
	}
	e.number(t.UnixNano())
}

func (e *encoder) problem(p *policy.Problem) {
	e.number(int64(p.Severity))
	e.number(int64(p.Position.Line))
	e.number(int64(p.Position.Column))
	for _, text := range [...]string{p.Code, p.Position.File, p.Field, p.Reason, p.Mend, p.Guardrail} {
		e.text(text)
	}
}

func (e *encoder) document(doc *policy.Document) error {
	message, origins := splitOrigins(doc.Message)
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	if err != nil {
		return fmt.Errorf("write the document at %s: %w", position(doc), err)
	}
	e.text(doc.File)
	e.time(doc.Created)
	e.text(string(message.ProtoReflect().Descriptor().FullName()))
	e.number(int64(len(data)))
	_, _ = e.to.Write(data)
	size := 0
	for _, origin := range origins {
		size += len(origin) + 1
	}
	e.number(int64(len(origins)))
	e.number(int64(size))
	for _, origin := range origins {
		_, _ = e.to.WriteString(origin)
		_ = e.to.WriteByte('\n')
	}
	e.root(doc.Root)
	return nil
}

func (e *encoder) root(p *policy.Place) {
	if p == nil {
		e.number(0)
		return
	}
	e.number(1)
	e.place(p)
}

func (e *encoder) place(p *policy.Place) {
	e.number(int64(p.Line))
	e.number(int64(p.Column))
	e.number(int64(len(p.Fields)))
	for _, name := range slices.Sorted(maps.Keys(p.Fields)) {
		e.text(name)
		e.root(p.Fields[name])
	}
	e.number(int64(len(p.Items)))
	for i := range p.Items {
		e.place(&p.Items[i])
	}
	e.number(int64(len(p.Marks)))
	var before policy.Mark // neighbours stand near each other
	for _, mark := range p.Marks {
		e.number(int64(mark.Line) - int64(before.Line))
		e.number(int64(mark.Column) - int64(before.Column))
		before = mark
	}
}

// splitOrigins takes a long list of origins out of a message, of which it returns a
// copy that shares the rest.
func splitOrigins(m proto.Message) (rest proto.Message, origins []string) {
	list := originsOf(m)
	if list == nil || len(*list) < manyOrigins || slices.ContainsFunc(*list, hasLineFeed) {
		return m, nil
	}
	from := m.ProtoReflect()
	to := from.New()
	share(to, from)
	spec := from.Descriptor().Fields().ByName(fieldSpec)
	part := to.NewField(spec).Message()
	share(part, from.Get(spec).Message())
	to.Set(spec, protoreflect.ValueOfMessage(part))
	rest = to.Interface()
	*originsOf(rest) = nil
	return rest, *list
}

func hasLineFeed(text string) bool { return strings.Contains(text, "\n") }

// share lets a message have the fields of another.
func share(to, from protoreflect.Message) {
	from.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		to.Set(field, value)
		return true
	})
	to.SetUnknown(from.GetUnknown())
}

// originsOf returns the origins of a document, or nil where it can have none.
func originsOf(m proto.Message) *[]string {
	switch m := m.(type) {
	case *corsgatev1.CorsPolicy:
		if m.GetSpec() != nil {
			return &m.GetSpec().Origins
		}
	case *corsgatev1.CorsOriginSet:
		if m.GetSpec() != nil {
			return &m.GetSpec().Origins
		}
	}
	return nil
}

// What can be wrong with documents whose checksum is right.
var (
	errEnds    = errors.New("it ends within a document")
	errTail    = errors.New("something follows the last document")
	errNumber  = errors.New("a number is out of its range")
	errTooDeep = errors.New("places lie within each other too deep")
)

// decodeSnapshot reads what encodeSnapshot wrote.
func decodeSnapshot(data []byte, head *snapshotHead) (Snapshot, error) {
	d := decoder{rest: data}
	s := Snapshot{Files: head.Files, Revision: head.Revision}
	for range d.bounded(head.Problems) {
		s.Problems = append(s.Problems, d.problem())
	}
	for range d.bounded(head.Documents) {
		s.Documents = append(s.Documents, d.document())
		if d.err != nil {
			return Snapshot{}, d.err
		}
	}
	switch {
	case d.err != nil:
		return Snapshot{}, d.err
	case len(d.rest) > 0:
		return Snapshot{}, errTail
	}
	return s, nil
}

// A decoder reads numbers and texts. After an error it reads zeros.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err, d.rest = err, nil
	}
}

func (d *decoder) number() int64 {
	n, length := binary.Varint(d.rest)
	if length <= 0 {
		d.fail(errEnds)
		return 0
	}
	d.rest = d.rest[length:]
	return n
}

// number32 reads a number of a place.
func (d *decoder) number32() int32 {
	n := d.number()
	if n != int64(int32(n)) { //nolint:gosec // whether it fits is what is asked
		d.fail(errNumber)
		return 0
	}
	return int32(n) //nolint:gosec // it fits
}

// count reads how many of something follow. Each takes a byte at least.
func (d *decoder) count() int { return d.bounded(int(d.number())) }

func (d *decoder) bounded(n int) int {
	if n < 0 || n > len(d.rest) {
		d.fail(errEnds)
		return 0
	}
	return n
}

func (d *decoder) bytes() []byte {
	n := d.count()
	data := d.rest[:n]
	d.rest = d.rest[n:]
	return data
}

func (d *decoder) text() string { return string(d.bytes()) }

func (d *decoder) time() time.Time {
	n := d.number()
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

func (d *decoder) problem() policy.Problem {
	var p policy.Problem
	p.Severity = policy.Severity(d.number() & 1)
	p.Position.Line, p.Position.Column = int(d.number32()), int(d.number32())
	for _, text := range [...]*string{&p.Code, &p.Position.File, &p.Field, &p.Reason, &p.Mend, &p.Guardrail} {
		*text = d.text()
	}
	return p
}

func (d *decoder) document() policy.Document {
	doc := policy.Document{File: d.text(), Created: d.time()}
	name := protoreflect.FullName(d.text())
	data := d.bytes()
	many := d.count()
	texts := d.text()
	doc.Root = d.root(0)
	if d.err != nil {
		return doc
	}
	kind, err := protoregistry.GlobalTypes.FindMessageByName(name)
	if err != nil {
		d.fail(fmt.Errorf("a document of the kind %q", name))
		return doc
	}
	doc.Message = kind.New().Interface()
	if err := proto.Unmarshal(data, doc.Message); err != nil {
		d.fail(fmt.Errorf("a document of %s: %w", doc.File, err))
		return doc
	}
	if many > 0 {
		d.join(&doc, many, texts)
	}
	return doc
}

// join puts origins back into the message. They share the memory of the texts.
func (d *decoder) join(doc *policy.Document, many int, texts string) {
	origins := make([]string, 0, many)
	for rest := texts; rest != ""; {
		var origin string
		origin, rest, _ = strings.Cut(rest, "\n")
		origins = append(origins, origin)
	}
	list := originsOf(doc.Message)
	if list == nil || len(*list) > 0 || len(origins) != many {
		d.fail(fmt.Errorf("origins of the document of %s: %w", doc.File, errNumber))
		return
	}
	*list, doc.Texts = origins, texts
}

func (d *decoder) root(depth int) *policy.Place {
	if d.number() == 0 {
		return nil
	}
	p := d.place(depth)
	return &p
}

func (d *decoder) place(depth int) policy.Place {
	p := policy.Place{Line: d.number32(), Column: d.number32()}
	if depth > maxPlaceDepth {
		d.fail(errTooDeep)
		return p
	}
	if n := d.count(); n > 0 {
		p.Fields = make(map[string]*policy.Place, n)
		for range n {
			name := d.text()
			p.Fields[name] = d.root(depth + 1)
		}
	}
	if n := d.count(); n > 0 {
		p.Items = make([]policy.Place, n)
		for i := range p.Items {
			p.Items[i] = d.place(depth + 1)
		}
	}
	if n := d.count(); n > 0 {
		p.Marks = make([]policy.Mark, n)
		var at policy.Mark
		for i := range p.Marks {
			at.Line, at.Column = at.Line+d.number32(), at.Column+d.number32()
			p.Marks[i] = at
		}
	}
	return p
}
