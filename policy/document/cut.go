package document

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// A list of a million origins is the same line a million times, and a YAML parser
// spends microseconds on each. So most of such a list is cut out of its piece
// before the parser sees it, and read by hand: see reader.fast.

const (
	// fewestCut is the shortest stretch of a list that is worth cutting out.
	fewestCut = 256
	// shortestElement is the fewest bytes that an element takes: `"a",`.
	shortestElement = 4
)

// A cut is a stretch of a list's elements that is taken out of a piece. What is
// cut stands between two elements that are kept, in the form that scanner knows,
// and reads the same wherever it stands between two elements of such a list.
type cut struct {
	scanner

	text []byte
	// before is the mark of the element in front of the stretch, and at is where
	// the piece goes on behind it, both as they are once all is cut.
	before, at mark
	// from and to are where the stretch begins and ends in the whole piece.
	from, to mark
	// elements and size are how many there are, and the length of their texts.
	elements, size int
}

// A scanner reads the elements of lists in one of two forms: lines such as
// `- https://shop.example`, or texts in double quotes, each with a comma behind
// it. It knows texts that all readers take for such, without an escape or a
// character beyond ASCII, and stops at anything else.
type scanner struct {
	flow bool
	// indent is how many spaces stand in front of each dash.
	indent int
}

// next finds the first element at a place or behind it, with nothing but white
// space and comments in between. The element's text is data[begin:end], rest is
// what follows it up to the next element's place. It reports false where
// something else stands there, at e.start.
func (s scanner) next(data []byte, at int) (e element, ok bool) {
	if s.flow {
		return nextQuoted(data, at)
	}
	return s.nextLine(data, at)
}

// An element is what a scanner finds.
type element struct {
	start      int // where the element or its line begins
	mark       int // where its scalar begins, a quote included
	begin, end int // its text
	rest       int // what follows it
}

// nextLine finds an element of a block sequence.
func (s scanner) nextLine(data []byte, at int) (e element, ok bool) {
	for at < len(data) {
		e.start = at
		i := at
		for i < len(data) && data[i] == ' ' {
			i++
		}
		if rest, ok := endLine(data, i); ok && i < len(data) {
			at = rest
			continue
		}
		if i-at != s.indent || i+1 >= len(data) || data[i] != '-' || data[i+1] != ' ' {
			return e, false
		}
		for i++; i < len(data) && data[i] == ' '; {
			i++
		}
		e.mark = i
		if e.begin, e.end, i, ok = scanScalar(data, i); !ok {
			return e, false
		}
		j := i
		for j < len(data) && data[j] == ' ' {
			j++
		}
		if j == i && j < len(data) && data[j] == '#' {
			return e, false
		}
		e.rest, ok = endLine(data, j)
		return e, ok
	}
	e.start = at
	return e, false
}

// endLine skips a comment and a line break. It reports false where something else
// stands there.
func endLine(data []byte, i int) (rest int, ok bool) {
	if i < len(data) && data[i] == '#' {
		n := bytes.IndexByte(data[i:], '\n')
		if n < 0 {
			return len(data), true
		}
		return i + n + 1, true
	}
	if i+1 < len(data) && data[i] == '\r' {
		i++
	}
	switch {
	case i >= len(data):
		return i, true
	case data[i] == '\n':
		return i + 1, true
	default:
		return i, false
	}
}

// scanScalar finds a text that stands on a line, plain or in quotes.
func scanScalar(data []byte, i int) (begin, end, rest int, ok bool) {
	if i >= len(data) {
		return 0, 0, 0, false
	}
	if quote := data[i]; quote == '"' || quote == '\'' {
		begin, end = i+1, endOrigin(data, i+1)
		return begin, end, end + 1, end > begin && end < len(data) && data[end] == quote
	}
	// A letter, a colon that no space follows: neither a number nor a word that
	// YAML knows, nor a key.
	end = endOrigin(data, i)
	letter := data[i] | 0x20
	text := data[i:end]
	ok = letter >= 'a' && letter <= 'z' && text[len(text)-1] != ':' && bytes.Contains(text, []byte("://"))
	return i, end, end, ok
}

// nextQuoted finds an element of a flow sequence, with the comma behind it.
func nextQuoted(data []byte, at int) (e element, ok bool) {
	i := skipSpace(data, at)
	e.start = i
	if i >= len(data) || data[i] != '"' {
		return e, false
	}
	e = element{start: i, mark: i, begin: i + 1, end: endOrigin(data, i+1)}
	if e.end == e.begin || e.end+1 >= len(data) || data[e.end] != '"' || data[e.end+1] != ',' {
		return e, false
	}
	e.rest = e.end + 2
	return e, true
}

// skipSpace skips spaces and line breaks.
func skipSpace(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\r') {
		i++
	}
	return i
}

// endOrigin returns where a text ends that holds nothing but what origin patterns
// are made of.
func endOrigin(data []byte, i int) int {
	for i < len(data) && isOriginByte(data[i]) {
		i++
	}
	return i
}

// isOriginByte reports whether a byte may stand in an origin pattern.
func isOriginByte(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= '-' && c <= ':', c >= 'A' && c <= 'Z', c == '*', c == '_', c == '[', c == ']':
		return true // from - to : are . and / and the digits
	default:
		return false
	}
}

// A trimmer takes the long lists of origins out of a piece.
type trimmer struct {
	piece piece
	least int // the fewest elements that are worth it
	kept  []byte
	cuts  []cut
	// done is how much of the piece was copied or cut, and where is its end.
	done  int
	where mark
}

// trim returns a piece without most of its long lists of origins, and what was
// cut out of it.
func trim(p piece, least int) (piece, []cut) {
	if bytes.Count(p.data, []byte("\r")) != bytes.Count(p.data, []byte("\r\n")) {
		return p, nil // A break of its own, as in files of another age.
	}
	t := trimmer{piece: p, least: least, where: mark{1, 1}}
	for at := 0; ; {
		i := bytes.Index(p.data[at:], []byte(fieldOrigins))
		if i < 0 {
			break
		}
		at = t.list(at + i + len(fieldOrigins))
	}
	if len(t.cuts) == 0 {
		return p, nil
	}
	t.keep(len(p.data))
	short := piece{data: t.kept, line: p.line}
	short.last = lastOf(t.kept)
	return short, t.cuts
}

// list looks at what follows the name of the field, and cuts. It returns where to
// look for the next.
func (t *trimmer) list(at int) int {
	data := t.piece.data
	i := at
	if i < len(data) && (data[i] == '"' || data[i] == '\'') {
		i++
	}
	if i >= len(data) || data[i] != ':' {
		return at
	}
	for i++; i < len(data) && data[i] == ' '; {
		i++
	}
	if i < len(data) && data[i] == '[' {
		return t.cutRuns(scanner{flow: true}, i+1)
	}
	i, ok := endLine(data, i)
	if !ok {
		return at
	}
	for {
		dash := i
		for dash < len(data) && data[dash] == ' ' {
			dash++
		}
		next, ok := endLine(data, dash)
		if !ok || next == len(data) {
			return t.cutRuns(scanner{indent: dash - i}, i)
		}
		i = next
	}
}

// cutRuns cuts a list. A line of a block sequence that the scanner does not know
// is left where it is, and what follows it may be cut again.
func (t *trimmer) cutRuns(s scanner, at int) int {
	for {
		at = t.cutRun(s, at)
		if s.flow || !s.goesOn(t.piece.data, at) {
			return at
		}
		n := bytes.IndexByte(t.piece.data[at:], '\n')
		if n < 0 {
			return at
		}
		at += n + 1
	}
}

// goesOn reports whether a line belongs to a sequence although it is no element
// that the scanner knows.
func (s scanner) goesOn(data []byte, at int) bool {
	i := at
	for i < len(data) && data[i] == ' ' {
		i++
	}
	return i-at > s.indent || i-at == s.indent && i < len(data) && data[i] == '-'
}

// cutRun cuts out what lies between the first element and the last of those that
// follow each other at a place, and returns where they end.
func (t *trimmer) cutRun(s scanner, at int) int {
	data := t.piece.data
	first, ok := s.next(data, at)
	if !ok {
		return first.start
	}
	c := cut{scanner: s}
	var second, last element
	for at = first.rest; ; at = last.rest {
		e, ok := s.next(data, at)
		if !ok {
			at = e.start
			break
		}
		if c.elements == 0 {
			second = e
		} else {
			c.size += last.end - last.begin
		}
		c.elements++
		last = e
	}
	if c.elements--; c.elements < t.least {
		return at
	}
	c.text = data[second.start:last.start]
	c.before = t.keep(first.mark)
	c.at = t.keep(second.start)
	c.from = t.where
	t.done, t.where = last.start, advance(t.where, c.text)
	c.to = t.where
	t.cuts = append(t.cuts, c)
	return at
}

// keep copies the piece up to a place, and returns where that is in the copy.
func (t *trimmer) keep(to int) mark {
	t.where = advance(t.where, t.piece.data[t.done:to])
	t.kept = append(t.kept, t.piece.data[t.done:to]...)
	t.done = to
	if len(t.cuts) == 0 {
		return t.where
	}
	last := t.cuts[len(t.cuts)-1]
	at := t.where
	if at.line == last.to.line {
		at.column += last.at.column - last.to.column
	}
	at.line += last.at.line - last.to.line
	return at
}

// whole returns where a mark in a trimmed piece is in the whole one.
func whole(m mark, cuts []cut) mark {
	for i := len(cuts) - 1; i >= 0; i-- {
		c := &cuts[i]
		if m.line < c.at.line || m.line == c.at.line && m.column < c.at.column {
			continue
		}
		if m.line == c.at.line {
			m.column += c.to.column - c.at.column
		}
		m.line += c.to.line - c.at.line
		return m
	}
	return m
}

// advance returns the mark behind a text that begins at a mark.
func advance(m mark, text []byte) mark {
	i := bytes.LastIndexByte(text, '\n')
	if i < 0 {
		return mark{m.line, m.column + utf8.RuneCount(text)}
	}
	return mark{m.line + bytes.Count(text, []byte("\n")), 1 + utf8.RuneCount(text[i+1:])}
}

// lastOf returns where a piece ends, as a cutter does.
func lastOf(data []byte) mark {
	line := 0
	var text []byte
	for len(data) > 0 {
		text, data = cutLine(data)
		line++
	}
	return mark{line, utf8.RuneCount(text) + 1}
}

// each calls f with each element that was cut, and its mark in the whole piece.
func (c *cut) each(b *strings.Builder, f func(at mark)) {
	// An element of a line is cut with its line, and one in quotes up to the next.
	lines, from, before := c.from.line, c.from.column, 0
	for at := 0; ; {
		e, ok := c.next(c.text, at)
		if !ok {
			return
		}
		if n := bytes.Count(c.text[before:e.mark], []byte("\n")); n > 0 {
			lines += n
			from = 1 - (bytes.LastIndexByte(c.text[:e.mark], '\n') + 1)
		}
		before = e.mark
		b.Write(c.text[e.begin:e.end])
		b.WriteByte('\n')
		f(mark{lines, from + e.mark})
		at = e.rest
	}
}
