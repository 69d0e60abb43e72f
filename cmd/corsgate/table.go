package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// The bounds of cells, in characters, so that tables fit a terminal. JSON has the
// whole.
const (
	whoWidth    = 20
	whatWidth   = 60
	whyWidth    = 40
	columnSpace = 2
	// none stands where there is nothing to say.
	none = "-"
)

// A table is lines for people, in columns.
type table struct {
	heads []string
	// right are the columns of numbers.
	right []int
	rows  [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// write writes the head and the rows. The last column is as wide as it is.
func (t *table) write(to io.Writer) error {
	widths := make([]int, len(t.heads))
	for _, row := range slices.Concat([][]string{t.heads}, t.rows) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b bytes.Buffer
	for _, row := range slices.Concat([][]string{t.heads}, t.rows) {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if slices.Contains(t.right, i) {
				line.WriteString(pad + cell)
			} else {
				line.WriteString(cell + pad)
			}
			line.WriteString(strings.Repeat(" ", columnSpace))
		}
		b.WriteString(strings.TrimRight(line.String(), " "))
		b.WriteByte('\n')
	}
	if _, err := to.Write(b.Bytes()); err != nil {
		return fmt.Errorf("writing the table: %w", err)
	}
	return nil
}

// sanitize returns a text without what could move a terminal's cursor: others
// have written it.
func sanitize(text string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\n':
			return c
		case c == '\t' || unicode.Is(unicode.Zs, c):
			return ' '
		case unicode.IsGraphic(c):
			return c
		}
		return utf8.RuneError
	}, text)
}

// cell returns a text on one line of at most so many characters.
func cell(text string, width int) string {
	text = strings.Join(strings.Fields(sanitize(text)), " ")
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:width-1]) + "…"
}

// orNone returns a dash for nothing.
func orNone(text string) string {
	if text == "" {
		return none
	}
	return text
}

const (
	day = 24 * time.Hour
	// fewDays is how long ago something may be for its date to matter less than
	// how long ago it is.
	fewDays = 30 * day
)

// ago says how long ago a moment is, for people.
func ago(now time.Time, at *timestamppb.Timestamp) string {
	if at == nil {
		return none
	}
	moment := at.AsTime()
	past := now.Sub(moment)
	switch {
	case past < 0 && past > -time.Minute: // clocks differ
		return "0s ago"
	case past < 0 || past >= fewDays:
		return moment.Local().Format(time.DateOnly) //nolint:gosmopolitan // people look at their own clock
	case past < time.Minute:
		return strconv.Itoa(int(past.Seconds())) + "s ago"
	case past < time.Hour:
		return strconv.Itoa(int(past.Minutes())) + "m ago"
	case past < day:
		return strconv.Itoa(int(past.Hours())) + "h ago"
	}
	return strconv.Itoa(int(past/day)) + "d ago"
}

// stamp returns a moment for programs, and for people who compare.
func stamp(at *timestamppb.Timestamp) string {
	if at == nil {
		return ""
	}
	return at.AsTime().UTC().Format(time.RFC3339)
}

// lagText says how long something lags, for people.
func lagText(lag time.Duration) string {
	switch {
	case lag < time.Second:
		return lag.Round(time.Millisecond).String()
	case lag < time.Minute:
		return lag.Round(100 * time.Millisecond).String()
	}
	return lag.Round(time.Second).String()
}

// thousands writes a number with its thousands apart.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
