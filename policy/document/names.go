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
