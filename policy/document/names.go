package document

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// fieldNames returns the names of a message's fields as documents spell them.
func fieldNames(md protoreflect.MessageDescriptor) []string {
	names := make([]string, md.Fields().Len())
	for i := range names {
		names[i] = md.Fields().Get(i).JSONName()
	}
	return names
}

// enumPrefix returns what the names of an enum's values begin with in the
// schema: "ON_ERROR_" for ON_ERROR_UNSPECIFIED.
func enumPrefix(ed protoreflect.EnumDescriptor) string {
	return strings.TrimSuffix(string(ed.Values().ByNumber(0).Name()), "UNSPECIFIED")
}

// enumWords returns the words of an enum as documents spell them. What stands
// for "not said" is not among them: whoever means it says nothing.
func enumWords(ed protoreflect.EnumDescriptor) []string {
	var words []string
	for i := range ed.Values().Len() {
		if v := ed.Values().Get(i); v.Number() != 0 {
			words = append(words, strings.TrimPrefix(string(v.Name()), enumPrefix(ed)))
		}
	}
	return words
}

// enumValue returns the value of an enum's word, or nil.
func enumValue(ed protoreflect.EnumDescriptor, word string) protoreflect.EnumValueDescriptor {
	v := ed.Values().ByName(protoreflect.Name(enumPrefix(ed) + word))
	if v == nil || v.Number() == 0 {
		return nil
	}
	return v
}

// homeOf returns the path of the mapping that a field belongs in, such as
// "spec.targets[]", or nothing where no kind has such a field.
func (f family) homeOf(name string) string {
	for _, m := range f.kinds() {
		if home, ok := findField(m.ProtoReflect().Descriptor(), name, nil); ok {
			return home
		}
	}
	return ""
}

// findField looks for a field in the messages below a message. The schema is
// not recursive.
func findField(md protoreflect.MessageDescriptor, name string, at []string) (string, bool) {
	if len(at) > 0 && md.Fields().ByJSONName(name) != nil {
		return strings.Join(at, "."), true
	}
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if fd.Message() == nil || fd.IsMap() {
			continue
		}
		step := fd.JSONName()
		if fd.IsList() {
			step += "[]"
		}
		if home, ok := findField(fd.Message(), name, append(slices.Clip(at), step)); ok {
			return home, true
		}
	}
	return "", false
}

// sameLetters reports whether two names differ only in case, dashes and
// underscores: origin_sets and originSets do.
func sameLetters(a, b string) bool { return letters(a) == letters(b) }

func letters(s string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(s))
}

// Closest returns the known name that a word must have been meant to be, or
// nothing where none is close.
func Closest(word string, known []string) string {
	const longest = 64 // No name is longer, and distance is quadratic.
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
