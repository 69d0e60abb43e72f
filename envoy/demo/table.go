package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

const (
	minWidth = 60
	maxWidth = 180
	// decisionWidth is how wide a terminal must be for the decision to stand in
	// the row itself and not under it.
	decisionWidth = 118
	// gap lies between two columns.
	gap = 2
)

// A table prints results: for each an aligned line, and under it, in full, what
// script saw and what the console said.
type table struct {
	out    io.Writer
	width  int
	colour bool
	at     addresses
}

// columns are the widths of the table's columns: mark, from, call, expected,
// browser. The decision, where it fits, takes what it needs.
func (t table) columns() [5]int {
	call := 0
	for _, c := range calls() {
		call = max(call, utf8.RuneCountInString(c.Title))
	}
	return [5]int{1, len("evil"), call, len("let through"), len("let through")}
}

// render writes the whole table and returns how many rows are not as expected.
func (t table) render(results []Result) (wrong int) {
	t.line(style{bold: true}, "", "FROM", "CALL", "EXPECTED", "BROWSER", t.wide("CORSGATE"))
	last := ""
	for _, r := range results {
		if last != "" && last != r.Call.ID {
			t.put("")
		}
		last = r.Call.ID
		if differences := r.Wrong(t.at); len(differences) > 0 {
			wrong++
			t.row(r, "✗", style{code: red})
			for _, d := range differences {
				t.detail("wrong", d, style{code: red})
			}
			continue
		}
		t.row(r, "✓", style{code: green})
	}
	return wrong
}

// companion is what Chromium writes beside each CORS error. It says nothing, so
// the table leaves it out.
const companion = loadFailed

func (t table) row(r Result, mark string, markStyle style) {
	from, _, _ := strings.Cut(r.Page, ".")
	decision := ""
	if r.Logged {
		decision = r.Got.Decision.String()
	}
	t.line(markStyle, mark, from, r.Call.Title, passage(r.Want.Through), passage(r.Got.Through), t.wide(decision))
	if decision != "" && t.wide(decision) == "" {
		t.detail("corsgate", decision, style{})
	}
	t.detail("script saw", r.Got.Saw, style{})
	for _, text := range r.Got.Console {
		if text != companion || len(r.Got.Console) == 1 {
			t.detail("console", text, style{code: dim})
		}
	}
}

// wide returns text where the terminal has room for the last column.
func (t table) wide(text string) string {
	if t.width < decisionWidth {
		return ""
	}
	return text
}

// line writes one row. The style is that of the mark, or of a line without one.
func (t table) line(s style, mark string, cells ...string) {
	widths := t.columns()
	var b strings.Builder
	for i, cell := range append([]string{mark}, cells...) {
		text := cell
		if i < len(widths) {
			text += strings.Repeat(" ", widths[i]-min(widths[i], utf8.RuneCountInString(cell))+gap)
		}
		if i == 0 || mark == "" {
			text = t.paint(s, text)
		}
		b.WriteString(text)
	}
	t.put(strings.TrimRight(b.String(), " "))
}

// detail writes a named text under a row, wrapped to the terminal's width.
func (t table) detail(name, text string, s style) {
	const nameWidth = len("script saw")
	indent := t.columns()[0] + gap + t.columns()[1] + gap
	room := t.width - indent - nameWidth - gap
	for _, line := range wrap(text, room) {
		label := fmt.Sprintf("%*s%-*s%*s", indent, "", nameWidth, name, gap, "")
		t.put(t.paint(style{code: dim}, label) + t.paint(s, line))
		name = ""
	}
}

// put writes a line. Nobody is left to tell if that fails.
func (t table) put(line string) { _, _ = io.WriteString(t.out, line+"\n") }

// wrap breaks text into lines of at most width characters, between words where
// it can. Nothing is cut off.
func wrap(text string, width int) []string {
	var lines []string
	for paragraph := range strings.SplitSeq(text, "\n") {
		line := ""
		for word := range strings.FieldsSeq(paragraph) {
			if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
				lines, line = append(lines, line), ""
			}
			if line != "" {
				line += " "
			}
			line += word
			for utf8.RuneCountInString(line) > width {
				runes := []rune(line)
				lines, line = append(lines, string(runes[:width])), string(runes[width:])
			}
		}
		lines = append(lines, line)
	}
	return lines
}
