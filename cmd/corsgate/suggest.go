package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxDistance is how many letters may differ for a name to be meant.
const maxDistance = 3

// suggest returns "did you mean X?" for the nearest of the known names, or what
// else to say if none is near.
func suggest(name string, known map[string]string, otherwise string) string {
	best, bestDistance := "", maxDistance+1
	for _, candidate := range slices.Sorted(maps.Keys(known)) {
		d := distance(name, candidate)
		if strings.HasPrefix(candidate, name+"-") {
			d = maxDistance // it is nested where it should be one word
		}
		if d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	if best == "" {
		return otherwise
	}
	return fmt.Sprintf("did you mean %s?", best)
}

// distance counts the letters to add, drop or change between two words
// (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
