package main

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// A screen is where people read.
type screen struct{ file *os.File }

// sayf writes a line of progress.
func (s screen) sayf(format string, args ...any) { s.write(fmt.Sprintf("· "+format+"\n", args...)) }

// write writes a text as it is. Nobody is left to tell if that fails.
func (s screen) write(text string) { _, _ = s.file.WriteString(text) }

// A style is how a piece of text looks on a terminal.
type style struct {
	bold bool
	code string
}

// The colours of the table (ECMA-48, section 8.3.117).
const (
	red   = "31"
	green = "32"
	dim   = "2"
)

// paint returns text in a style, where the table is to have colours.
func (t table) paint(s style, text string) string {
	code := s.code
	if s.bold {
		code = "1"
	}
	if !t.colour || code == "" || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// newTable returns a table for a screen: as wide as the terminal, or as $COLUMNS
// says, and in colour on a terminal that has not said NO_COLOR.
func newTable(to screen, at addresses) table {
	const plainWidth = 120
	width, colour := plainWidth, false
	if size, err := unix.IoctlGetWinsize(int(to.file.Fd()), unix.TIOCGWINSZ); err == nil {
		if size.Col > 0 {
			width = int(size.Col)
		}
		colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		width = n
	}
	return table{out: to.file, width: min(max(width, minWidth), maxWidth), colour: colour, at: at}
}
