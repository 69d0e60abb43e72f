package document_test

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/document"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// TestSchemaIsReadable holds the schema to what the reader understands, so that
// nobody adds a field that no document can set.
func TestSchemaIsReadable(t *testing.T) {
	t.Parallel()
	for _, name := range document.Kinds() {
		md := corsgatev1.File_corsgate_v1_policy_proto.Messages().ByName(protoreflect.Name(name))
		if md == nil {
			t.Fatalf("the schema has no %s", name)
		}
		checkMessage(t, md, nil)
	}
	for _, name := range document.TestKinds() {
		md := corsgatev1.File_corsgate_v1_testing_proto.Messages().ByName(protoreflect.Name(name))
		if md == nil {
			t.Fatalf("the schema has no %s", name)
		}
		checkMessage(t, md, nil)
	}
	for _, name := range document.AccessKinds() {
		md := corsgatev1.File_corsgate_v1_access_proto.Messages().ByName(protoreflect.Name(name))
		if md == nil {
			t.Fatalf("the schema has no %s", name)
		}
		checkMessage(t, md, nil)
	}
}

func checkMessage(t *testing.T, md protoreflect.MessageDescriptor, above []protoreflect.FullName) {
	t.Helper()
	for _, up := range above {
		if up == md.FullName() {
			t.Fatalf("%s lies within itself; the reader's search for a field would not end", up)
		}
	}
	above = append(above, md.FullName())
	if n := md.Oneofs().Len(); n != 0 {
		for i := range n {
			if !md.Oneofs().Get(i).IsSynthetic() {
				t.Errorf("%s is a oneof, and the reader does not check that one field alone is set", md.Oneofs().Get(i).FullName())
			}
		}
	}
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		switch {
		case fd.IsMap():
			if fd.MapKey().Kind() != protoreflect.StringKind || fd.MapValue().Kind() != protoreflect.StringKind {
				t.Errorf("%s maps something else than texts to texts", fd.FullName())
			}
		case fd.Message() != nil:
			checkMessage(t, fd.Message(), above)
		case fd.Enum() != nil:
			if zero := fd.Enum().Values().ByNumber(0).Name(); !strings.HasSuffix(string(zero), "_UNSPECIFIED") {
				t.Errorf("%s: the zero value of its enum is %s, and words are told by the prefix before _UNSPECIFIED", fd.FullName(), zero)
			}
		default:
			switch fd.Kind() {
			case protoreflect.StringKind, protoreflect.BoolKind, protoreflect.Int32Kind, protoreflect.Int64Kind:
			default:
				t.Errorf("%s is of kind %s, which the reader does not know", fd.FullName(), fd.Kind())
			}
		}
	}
}

// TestReadEveryField writes a document with every field of the schema set and
// checks that each arrives where it should, and that each has its place.
func TestReadEveryField(t *testing.T) {
	t.Parallel()
	for _, name := range document.Kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kind, err := protoregistry.GlobalTypes.FindMessageByName("corsgate.v1." + protoreflect.FullName(name))
			if err != nil {
				t.Fatal(err)
			}
			want := kind.New()
			var yaml strings.Builder
			fill(&yaml, want, "")
			text := strings.NewReplacer("text-of-apiVersion", document.APIVersion, "text-of-kind", name).Replace(yaml.String())
			if name == "CorsGuardrail" { // it has no namespace
				text = strings.Replace(text, "  namespace: text-of-namespace\n", "", 1)
				metadata := want.Mutable(want.Descriptor().Fields().ByJSONName("metadata")).Message()
				metadata.Clear(metadata.Descriptor().Fields().ByJSONName("namespace"))
			}
			set(want, "apiVersion", document.APIVersion)
			set(want, "kind", name)

			docs, problems := document.Read("f", []byte(text))
			if len(problems) > 0 || len(docs) != 1 {
				t.Fatalf("%d documents, problems:\n%v\nin\n%s", len(docs), problems, text)
			}
			if diff := cmp.Diff(want.Interface(), docs[0].Message, protocmp.Transform()); diff != "" {
				t.Errorf("the message differs (-want +got):\n%s\nin\n%s", diff, text)
			}
			checkPlaces(t, want, docs[0].Root, name)
		})
	}
}

func set(m protoreflect.Message, field, text string) {
	m.Set(m.Descriptor().Fields().ByJSONName(field), protoreflect.ValueOfString(text))
}

// fill sets every field of a message, and writes the same as YAML.
func fill(b *strings.Builder, m protoreflect.Message, indent string) {
	for i, fields := 0, m.Descriptor().Fields(); i < fields.Len(); i++ {
		fd := fields.Get(i)
		fmt.Fprintf(b, "%s%s:", indent, fd.JSONName())
		switch {
		case fd.IsMap():
			b.WriteString(" {key: value}\n")
			m.Mutable(fd).Map().Set(protoreflect.ValueOfString("key").MapKey(), protoreflect.ValueOfString("value"))
		case fd.IsList() && fd.Message() != nil:
			fmt.Fprintf(b, "\n%s- # an element\n", indent)
			fill(b, m.Mutable(fd).List().AppendMutable().Message(), indent+"  ")
		case fd.IsList():
			v, text := sample(fd)
			fmt.Fprintf(b, " [%s]\n", text)
			m.Mutable(fd).List().Append(v)
		case fd.Message() != nil:
			b.WriteString("\n")
			fill(b, m.Mutable(fd).Message(), indent+"  ")
		default:
			v, text := sample(fd)
			fmt.Fprintf(b, " %s\n", text)
			m.Set(fd, v)
		}
	}
}

// sample returns a value of a field that is not its zero, and how it is written.
func sample(fd protoreflect.FieldDescriptor) (protoreflect.Value, string) {
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true), "true"
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(-42), "-42"
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(1 << 40), "1099511627776"
	case protoreflect.EnumKind:
		values := fd.Enum().Values()
		last := values.Get(values.Len() - 1)
		return protoreflect.ValueOfEnum(last.Number()), strings.TrimPrefix(string(last.Name()), screaming(string(fd.Enum().Name()))+"_")
	default:
		text := "text-of-" + fd.JSONName()
		return protoreflect.ValueOfString(text), text
	}
}

// screaming writes a name such as ResourcePolicy as RESOURCE_POLICY.
func screaming(name string) string {
	return strings.ToUpper(name[:1] + regexp.MustCompile("([A-Z])").ReplaceAllString(name[1:], "_$1"))
}

// checkPlaces checks that every field that is set has a place.
func checkPlaces(t *testing.T, m protoreflect.Message, p *policy.Place, at string) {
	t.Helper()
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		place, at := p.Fields[fd.JSONName()], at+"."+fd.JSONName()
		switch {
		case place == nil || place.Line < 1 || place.Column < 1:
			t.Errorf("%s has no place", at)
		case fd.IsMap():
			if place.Fields["key"] == nil {
				t.Errorf("%s: its entry has no place", at)
			}
		case fd.IsList() && len(place.Items) != 1:
			t.Errorf("%s has %d places for its element", at, len(place.Items))
		case fd.IsList() && fd.Message() != nil:
			checkPlaces(t, v.List().Get(0).Message(), &place.Items[0], at)
		case fd.Message() != nil && !fd.IsList():
			checkPlaces(t, v.Message(), place, at)
		}
		return true
	})
}

// TestReferenceIsComplete checks that the references have an entry for each field
// and word of the schema, once for each message.
func TestReferenceIsComplete(t *testing.T) {
	t.Parallel()
	checkReference(t, "docs/policy.md", messages(corsgatev1.File_corsgate_v1_policy_proto))
	metadata := (&corsgatev1.Metadata{}).ProtoReflect().Descriptor() // of the other file
	checkReference(t, "docs/testing.md", append(messages(corsgatev1.File_corsgate_v1_testing_proto), metadata))
	checkReference(t, "docs/access.md", append(messages(corsgatev1.File_corsgate_v1_access_proto), metadata))
}

func messages(file protoreflect.FileDescriptor) []protoreflect.MessageDescriptor {
	all := make([]protoreflect.MessageDescriptor, file.Messages().Len())
	for i := range all {
		all[i] = file.Messages().Get(i)
	}
	return all
}

func checkReference(t *testing.T, page string, messages []protoreflect.MessageDescriptor) {
	t.Helper()
	reference := read(t, "../../"+page)
	entries := make(map[string]int)
	for _, md := range messages {
		fields := md.Fields()
		for j := range fields.Len() {
			fd := fields.Get(j)
			entries[fmt.Sprintf("\n**`%s`** (", fd.JSONName())]++
			if fd.Enum() == nil {
				continue
			}
			for k := range fd.Enum().Values().Len() {
				v := string(fd.Enum().Values().Get(k).Name())
				prefix, _ := strings.CutSuffix(string(fd.Enum().Values().ByNumber(0).Name()), "UNSPECIFIED")
				if word := strings.TrimPrefix(v, prefix); word != "UNSPECIFIED" {
					entries["\n- `"+word+"`"]++
				}
			}
		}
	}
	for entry, want := range entries {
		if got := bytes.Count(reference, []byte(entry)); got != want {
			t.Errorf("%s has %d entries like %q, want %d; make it anew with proto/docgen", page, got, entry, want)
		}
	}
}
