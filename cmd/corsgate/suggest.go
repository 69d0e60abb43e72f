package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy/spelling"
)

// suggest returns "did you mean X?" for the nearest of the known names, or what
// else to say if none is near. What all names begin with counts for nothing.
func suggest(name, prefix string, known map[string]string, otherwise string) string {
	names := slices.Sorted(maps.Keys(known))
	for i := range names {
		names[i] = strings.TrimPrefix(names[i], prefix)
	}
	name = strings.TrimPrefix(name, prefix)
	best := spelling.Closest(name, names)
	if best == "" {
		// It may be nested where it should be one word.
		if i := slices.IndexFunc(names, func(known string) bool { return strings.HasPrefix(known, name+"-") }); i >= 0 {
			best = names[i]
		}
	}
	if best == "" {
		return otherwise
	}
	return fmt.Sprintf("did you mean %s%s?", prefix, best)
}
