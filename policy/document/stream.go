package document

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/corsgate/corsgate/policy"
)

// A mark is a line and column within a piece, both from one; the column counts
// characters.
type mark struct {
	line, column int
}

// A piece is the part of a stream between two document markers. Pieces are
// loaded one by one, so that a document that is not YAML does not take its
// neighbours with it: a parser cannot go on after an error, and it reads ahead,
// so that it loses the document before the broken one too. A marker at the
// beginning of a line is never part of a text (YAML 1.2.2, section 9.1.2), which
// makes the cut safe.
type piece struct {
	data []byte
	// line is the number of its first line in the file, from one.
	line int
	// last is where it ends.
	last mark
}

// clamp moves a mark into the piece. Parsers report what is missing at the end
// of a text on the line after the last.
func (p piece) clamp(m mark) mark {
	switch {
	case m.line < 1:
		return mark{1, 1}
	case m.line > p.last.line:
		return p.last
	case m.line == p.last.line && m.column > p.last.column:
		return p.last
	case m.column < 1:
		return mark{m.line, 1}
	default:
		return m
	}
}

// split cuts a stream into pieces that hold more than comments. It reports what
// can be seen without parsing: a wrong encoding, characters that must not be
// there, and YAML directives.
func (r *reader) split(data []byte) []piece {
	if enc := foreignEncoding(data); enc != "" {
		r.piece = piece{line: 1, last: mark{1, 1}}
		r.add(mark{1, 1}, notUTF8("the file is "+enc+", not UTF-8"))
		return nil
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))

	c := cutter{r: r, piece: piece{line: 1}}
	for line := 1; len(data) > 0 && !r.full; line++ {
		text, rest := cutLine(data)
		c.take(data[:len(data)-len(rest)], text, line)
		data = rest
	}
	c.cut(0)
	return c.pieces
}

// A cutter gathers lines into pieces.
type cutter struct {
	r      *reader
	pieces []piece
	piece  piece
	// last is the last line of the piece, and lastLine its number.
	last     []byte
	lastLine int
	// full says that the piece holds more than comments.
	full bool
	// broken says that the piece holds what no parser should see.
	broken bool
}

// take adds a line, without its break in text and with it in whole.
func (c *cutter) take(whole, text []byte, line int) {
	switch {
	case isMarker(text, "---"):
		c.cut(line)
		c.full = len(bytes.TrimLeft(text[len("---"):], " \t")) > 0
	case isMarker(text, "..."):
		c.end(text, line)
		return
	case !c.full && len(text) > 0 && text[0] == '%':
		c.directive(text, line)
		c.cut(line + 1)
		return
	default:
		c.full = c.full || !isComment(text)
	}
	if len(c.piece.data) == 0 {
		c.piece.data = whole
	} else {
		// The lines of a piece lie side by side in the stream.
		c.piece.data = c.piece.data[:len(c.piece.data)+len(whole)]
	}
	c.last, c.lastLine = text, line
	c.check(text, line)
}

// cut ends the piece; the next one begins at a line.
func (c *cutter) cut(line int) {
	if c.full && !c.broken {
		c.piece.last = mark{c.lastLine - c.piece.line + 1, utf8.RuneCount(c.last) + 1}
		c.pieces = append(c.pieces, c.piece)
	}
	c.piece = piece{line: line}
	c.full, c.broken = false, false
}

// end takes a line that ends a document, "...".
func (c *cutter) end(text []byte, line int) {
	c.cut(line + 1)
	if isComment(text[len("..."):]) {
		return
	}
	c.r.piece = piece{line: line, last: mark{1, len(text)}}
	c.r.add(mark{1, 1}, policy.Problem{
		Code:   codeSyntax,
		Reason: "only a comment may follow the end of a document, ..., on its line",
		Mend:   "write --- to begin the next document",
	})
}

// directive reports a line such as "%YAML 1.2".
func (c *cutter) directive(text []byte, line int) {
	c.r.piece = piece{line: line, last: mark{1, len(text)}}
	c.r.add(mark{1, 1}, policy.Problem{
		Code:   codeDirective,
		Reason: fmt.Sprintf("a YAML directive, %s, has no place in a policy", quoted(string(text))),
		Mend:   "leave the line out",
	})
}

// check reports the first character of a piece that must not be in it.
func (c *cutter) check(text []byte, line int) {
	if c.broken || printable(text) == len(text) {
		return
	}
	column := 0
	for i := 0; i < len(text); {
		char, size := rune(text[i]), 1
		if char >= utf8.RuneSelf {
			char, size = utf8.DecodeRune(text[i:])
		}
		i += size
		column++
		var p policy.Problem
		switch {
		case char == utf8.RuneError && size == 1:
			p = notUTF8(fmt.Sprintf("the byte 0x%02X is not UTF-8", text[i-1]))
		case isHidden(char):
			p = policy.Problem{
				Code:   codeHiddenCharacter,
				Reason: fmt.Sprintf("the character %U cannot be seen, and readers disagree on what it does", char),
				Mend:   "delete it, or write it in double quotes as " + escape(char),
			}
		default:
			continue
		}
		c.broken = true
		c.r.piece = piece{line: line, last: mark{1, column}}
		c.r.add(mark{1, column}, p)
		return
	}
}

// printable returns how many bytes of printable ASCII a text begins with. It
// looks at eight at a time: files are long, and hold little else.
func printable(text []byte) int {
	const (
		word  = 8
		ones  = 0x0101010101010101
		highs = 0x80 * ones
	)
	n := 0
	for ; len(text)-n >= word; n += word {
		b := binary.LittleEndian.Uint64(text[n:])
		control := ^((b | highs) - ' '*ones) // the high bit of a byte below the space
		del := b&^highs + ones               // the high bit of 0x7f
		if (b|control|del)&highs != 0 {
			break
		}
	}
	for n < len(text) && text[n] >= ' ' && text[n] <= '~' {
		n++
	}
	return n
}

// cutLine splits off the first line and drops its break: LF, CR or CR LF.
func cutLine(data []byte) (text, rest []byte) {
	i := 0
	for {
		i += printable(data[i:])
		if i == len(data) {
			return data, nil
		}
		if data[i] == '\n' || data[i] == '\r' {
			break
		}
		i++
	}
	if data[i] == '\r' && i+1 < len(data) && data[i+1] == '\n' {
		return data[:i], data[i+2:]
	}
	return data[:i], data[i+1:]
}

// isMarker reports whether a line is a document marker.
func isMarker(text []byte, marker string) bool {
	rest, ok := bytes.CutPrefix(text, []byte(marker))
	return ok && (len(rest) == 0 || rest[0] == ' ' || rest[0] == '\t')
}

// isComment reports whether a line holds nothing but a comment, if that.
func isComment(text []byte) bool {
	text = bytes.TrimLeft(text, " \t")
	return len(text) == 0 || text[0] == '#'
}

// foreignEncoding names an encoding other than UTF-8 that a stream begins with.
func foreignEncoding(data []byte) string {
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		return "UTF-16"
	case bytes.HasPrefix(data, []byte("\x1f\x8b")):
		return "compressed with gzip"
	default:
		return ""
	}
}

// isHidden reports whether a character must not stand unescaped in a policy:
// controls, line breaks that editors do not show as such (YAML 1.1 has them,
// 1.2 has not), byte order marks, and those that turn the order of what is
// shown (Trojan Source, CVE-2021-42574).
func isHidden(c rune) bool {
	switch {
	case c == '\t':
		return false
	case c < utf8.RuneSelf:
		return c < ' ' || c == 0x7f
	case c == '\u2028', c == '\u2029', c == '\ufeff', c == '\ufffe', c == '\uffff':
		return true
	case c >= '\u202a' && c <= '\u202e', c >= '\u2066' && c <= '\u2069':
		return true
	default:
		return unicode.IsControl(c)
	}
}

// escape writes a character as YAML and JSON both do within double quotes.
func escape(c rune) string {
	return fmt.Sprintf(`\u%04X`, c)
}

func notUTF8(reason string) policy.Problem {
	return policy.Problem{Code: codeNotUTF8, Reason: reason, Mend: "save the file as UTF-8"}
}

func tooMany() policy.Problem {
	return policy.Problem{
		Code:   codeTooMany,
		Reason: fmt.Sprintf("the file has more than %d problems, and its rest was not read", MaxProblems),
		Mend:   "begin with the problems above",
	}
}

func tooLarge(file string, size int) policy.Problem {
	return policy.Problem{
		Code:     codeTooLarge,
		Position: policy.Position{File: file, Line: 1, Column: 1},
		Reason:   fmt.Sprintf("the file has %d bytes, and %d are the limit", size, MaxSize),
		Mend:     "split it into several files",
	}
}
