package source

import (
	"fmt"
	"reflect"

	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/store"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// keyOf returns what names a document. It is all that a source knows of one.
func keyOf(doc *policy.Document) store.Key {
	key := store.Key{Kind: string(doc.Message.ProtoReflect().Descriptor().Name())}
	if named, ok := doc.Message.(interface{ GetMetadata() *corsgatev1.Metadata }); ok {
		key.Namespace, key.Name = named.GetMetadata().GetNamespace(), named.GetMetadata().GetName()
	}
	return key
}

// position returns where a document is named.
func position(doc *policy.Document) policy.Position {
	at := policy.Position{File: doc.File}
	if place := doc.Root.Field("metadata").Field("name"); place != nil {
		at.Line, at.Column = int(place.Line), int(place.Column)
	}
	return at
}

func problemHidden(hidden, first *policy.Document) policy.Problem {
	return policy.Problem{
		Severity: policy.SeverityWarning,
		Code:     codeHidden,
		Position: position(hidden),
		Field:    "metadata.name",
		Reason:   fmt.Sprintf("%s is not in force: the one at %s comes from a source that is named before", keyOf(hidden), position(first)),
		Mend:     "remove one of them, or give it another name",
	}
}

// sameDocument reports whether two documents say the same at the same places.
func sameDocument(a, b policy.Document) bool {
	return a.File == b.File && a.Created.Equal(b.Created) &&
		(a.Message == b.Message || proto.Equal(a.Message, b.Message)) &&
		(a.Root == b.Root || reflect.DeepEqual(a.Root, b.Root))
}
