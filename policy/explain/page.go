package explain

import (
	"io"
	"strings"
	"unicode/utf8"
)

// A Style is how text is written for people.
type Style struct {
	// Colour says that the text goes to a terminal that shows colours.
	Colour bool
}

// lineWidth is where prose is wrapped.
const lineWidth = 88

// A paint is how a line is coloured, as ANSI escape codes.
type paint string

const (
	plain paint = ""
	bold  paint = "1"
	dim   paint = "2"
	red   paint = "31"
	green paint = "32"
)

// A page is text under way: headings, and paragraphs below them.
type page struct {
	text  strings.Builder
	style Style
}

// write hands the page over.
func (p *page) write(to io.Writer) error {
	_, err := io.WriteString(to, p.text.String())
	return err
}

// line writes one line as it is.
func (p *page) line(indent int, how paint, text string) {
	if text == "" {
		p.text.WriteByte('\n')
		return
	}
	p.text.WriteString(strings.Repeat(" ", indent))
	if how != plain && p.style.Colour {
		text = "\x1b[" + string(how) + "m" + text + "\x1b[0m"
	}
	p.text.WriteString(text)
	p.text.WriteByte('\n')
}

// lines writes several as they are.
func (p *page) lines(indent int, how paint, text string) {
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		p.line(indent, how, line)
	}
}

// heading begins a part.
func (p *page) heading(text string) {
	p.line(0, plain, "")
	p.line(0, bold, text)
}

// prose writes a paragraph, wrapped.
func (p *page) prose(indent int, how paint, text string) { p.hanging(indent, indent, how, text) }

// item writes an element of a list, wrapped behind its dash.
func (p *page) item(indent int, text string) { p.hanging(indent, indent+2, plain, "- "+text) }

// hanging writes a paragraph whose first line is indented otherwise.
func (p *page) hanging(first, rest int, how paint, text string) {
	indent, line, width := first, "", 0
	for word := range strings.FieldsSeq(text) {
		size := utf8.RuneCountInString(word)
		if line != "" && indent+width+1+size > lineWidth {
			p.line(indent, how, line)
			indent, line, width = rest, "", 0
		}
		if line != "" {
			line, width = line+" ", width+1
		}
		line, width = line+word, width+size
	}
	if line != "" {
		p.line(indent, how, line)
	}
}
