package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// A result is how the tests ended on one version of Envoy.
type result struct {
	version string
	passed  bool
	// ended is "pass", "fail" or "skip" by the test's name.
	ended map[string]string
}

// writeTable writes a Markdown table: a group of tests a row, a version a column.
func writeTable(out io.Writer, results []result) error {
	groups := make(map[string]bool)
	var head, rule strings.Builder
	head.WriteString("| tests |")
	rule.WriteString("| --- |")
	for _, r := range results {
		fmt.Fprintf(&head, " %s |", r.version)
		rule.WriteString(" --- |")
		for name := range r.ended {
			groups[name] = true
		}
	}
	lines := []string{head.String(), rule.String()}
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		cells := []string{title(name)}
		for _, r := range results {
			cells = append(cells, cell(r.ended[name]))
		}
		lines = append(lines, "| "+strings.Join(cells, " | ")+" |")
	}
	if _, err := fmt.Fprintln(out, strings.Join(lines, "\n")); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	return nil
}

// cell is what the table shows of a test's end. A test that did not end, because
// the program did, has not passed.
func cell(ended string) string {
	switch ended {
	case "pass":
		return "pass"
	case "skip":
		return "skipped"
	default:
		return "**FAIL**"
	}
}

// title turns a test's name into words: TestErrorReplies is "error replies".
func title(name string) string {
	var words strings.Builder
	letters := []rune(strings.TrimPrefix(name, "Test"))
	for i, letter := range letters {
		// A capital begins a word, unless it goes on with an abbreviation.
		begins := unicode.IsUpper(letter) && i > 0 &&
			(!unicode.IsUpper(letters[i-1]) || i+1 < len(letters) && unicode.IsLower(letters[i+1]))
		if begins {
			words.WriteByte(' ')
		}
		words.WriteRune(unicode.ToLower(letter))
	}
	return words.String()
}
