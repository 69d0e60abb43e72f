// Package spelling finds what a misspelled name was meant to be, for error texts
// that ask "did you mean …?".
package spelling

import "strings"

// longest bounds what is compared: no name is longer, and the comparison is
// quadratic.
const longest = 64

// Closest returns the known name that a word must have been meant to be, or
// nothing where none is close. Case, dashes and underscores do not count.
func Closest(word string, known []string) string {
	word = letters(word)
	if len(word) > longest {
		return ""
	}
	best, least := "", len(word)/3+2
	for _, name := range known {
		if d := distance(word, letters(name)); d < least && d < len(name)/2+1 {
			best, least = name, d
		}
	}
	return best
}

// ClosestName is Closest for names that may have a namespace before them: what is
// called the same in one other namespace, or in none, is meant before all else.
func ClosestName(name string, known []string) string {
	namesake, namesakes := "", 0
	for _, other := range known {
		if last(other) == last(name) {
			namesake = other
			namesakes++
		}
	}
	if namesakes == 1 {
		return namesake
	}
	return Closest(name, known)
}

// last returns a name without its namespace.
func last(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }

// Same reports whether two names differ only in case, dashes and underscores:
// origin_sets and originSets do.
func Same(a, b string) bool { return letters(a) == letters(b) }

func letters(s string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(s))
}

// distance counts the letters to insert, delete, replace or swap with their
// neighbour that make one word of another (optimal string alignment).
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
