package document_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

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

// TestReferenceIsComplete checks that the reference has an entry for each field
// and word of the schema, once for each message.
func TestReferenceIsComplete(t *testing.T) {
	t.Parallel()
	reference := read(t, "../../docs/policy.md")
	file := corsgatev1.File_corsgate_v1_policy_proto
	entries := make(map[string]int)
	for i := range file.Messages().Len() {
		fields := file.Messages().Get(i).Fields()
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
			t.Errorf("docs/policy.md has %d entries like %q, want %d; make it anew with proto/docgen", got, entry, want)
		}
	}
}
