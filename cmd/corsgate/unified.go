package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const (
	// diffContext is how many equal lines stand around a difference.
	diffContext = 3
	// diffEffort bounds the search for the smallest difference. Texts that differ
	// in more lines are shown as one replaced by the other, where they differ.
	diffEffort = 2000
)

// An edit is a line of the old text, the new one, or both.
type edit struct {
	mark byte // ' ', '-' or '+'
	line string
}

// unified returns how two texts differ, as a unified diff. It is empty where they
// do not.
func unified(oldName, newName, before, after string) string {
	if before == after {
		return ""
	}
	edits := diffLines(splitLines(before), splitLines(after))
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s\n+++ %s\n", oldName, newName)
	oldLine, newLine := 1, 1
	for at := 0; at < len(edits); {
		begin, end := nextHunk(edits, at)
		for _, e := range edits[at:begin] {
			oldLine, newLine = oldLine+old(e), newLine+fresh(e)
		}
		oldCount, newCount := 0, 0
		for _, e := range edits[begin:end] {
			oldCount, newCount = oldCount+old(e), newCount+fresh(e)
		}
		if begin == end {
			break
		}
		fmt.Fprintf(&b, "@@ -%s +%s @@\n", span(oldLine, oldCount), span(newLine, newCount))
		for _, e := range edits[begin:end] {
			fmt.Fprintf(&b, "%c%s\n", e.mark, e.line)
		}
		oldLine, newLine, at = oldLine+oldCount, newLine+newCount, end
	}
	return b.String()
}

// splitLines splits a text into lines.
func splitLines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

func old(e edit) int {
	if e.mark == '+' {
		return 0
	}
	return 1
}

func fresh(e edit) int {
	if e.mark == '-' {
		return 0
	}
	return 1
}

// span writes where a hunk stands, as patch wants it: an empty one stands behind
// the line before it.
func span(line, count int) string {
	switch count {
	case 0:
		return fmt.Sprintf("%d,0", line-1)
	case 1:
		return strconv.Itoa(line)
	}
	return fmt.Sprintf("%d,%d", line, count)
}

// nextHunk returns the next stretch of differences with the lines around it.
func nextHunk(edits []edit, at int) (begin, end int) {
	differs := func(e edit) bool { return e.mark != ' ' }
	first := slices.IndexFunc(edits[at:], differs)
	if first < 0 {
		return len(edits), len(edits)
	}
	begin = max(at, at+first-diffContext)
	last := at + first
	for i := last; i < len(edits) && i-last <= 2*diffContext; i++ {
		if differs(edits[i]) {
			last = i
		}
	}
	return begin, min(len(edits), last+1+diffContext)
}

// diffLines returns the edits that lead from one text to the other.
func diffLines(before, after []string) []edit {
	head := 0
	for head < len(before) && head < len(after) && before[head] == after[head] {
		head++
	}
	tail := 0
	for tail < len(before)-head && tail < len(after)-head && before[len(before)-1-tail] == after[len(after)-1-tail] {
		tail++
	}
	edits := make([]edit, 0, len(before)+len(after))
	for _, line := range before[:head] {
		edits = append(edits, edit{' ', line})
	}
	edits = append(edits, shortest(before[head:len(before)-tail], after[head:len(after)-tail])...)
	for _, line := range before[len(before)-tail:] {
		edits = append(edits, edit{' ', line})
	}
	return edits
}

// shortest finds a shortest way from one text to the other (Myers, "An O(ND)
// Difference Algorithm and Its Variations", 1986): reached[k] is how far into
// before one gets on the diagonal k with so many steps.
func shortest(before, after []string) []edit {
	limit := min(len(before)+len(after), diffEffort)
	offset := limit + 1
	reached := make([]int, 2*limit+3)
	var trace [][]int
	for steps := 0; steps <= limit; steps++ {
		trace = append(trace, slices.Clone(reached[offset-steps-1:offset+steps+2]))
		for k := -steps; k <= steps; k += 2 {
			x := reached[offset+k-1] + 1
			if k == -steps || k != steps && reached[offset+k-1] < reached[offset+k+1] {
				x = reached[offset+k+1]
			}
			for x < len(before) && x-k < len(after) && before[x] == after[x-k] {
				x++
			}
			reached[offset+k] = x
			if x >= len(before) && x-k >= len(after) {
				return retrace(before, after, trace)
			}
		}
	}
	return replaced(before, after)
}

// retrace goes back the way that was found.
func retrace(before, after []string, trace [][]int) []edit {
	var edits []edit
	x, y := len(before), len(after)
	for steps, at := range slices.Backward(trace) {
		reached := func(k int) int { return at[steps+1+k] }
		k := x - y
		from := k - 1
		if k == -steps || k != steps && reached(k-1) < reached(k+1) {
			from = k + 1
		}
		fromX := reached(from)
		fromY := fromX - from
		if steps == 0 {
			fromX, fromY = 0, 0
		}
		for x > fromX && y > fromY {
			x, y = x-1, y-1
			edits = append(edits, edit{' ', before[x]})
		}
		if steps == 0 {
			break
		}
		if x == fromX {
			y--
			edits = append(edits, edit{'+', after[y]})
		} else {
			x--
			edits = append(edits, edit{'-', before[x]})
		}
	}
	slices.Reverse(edits)
	return edits
}

func replaced(before, after []string) []edit {
	edits := make([]edit, 0, len(before)+len(after))
	for _, line := range before {
		edits = append(edits, edit{'-', line})
	}
	for _, line := range after {
		edits = append(edits, edit{'+', line})
	}
	return edits
}
