package policyservice

import (
	"cmp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy/document"
	"github.com/corsgate/corsgate/policy/spelling"
	"github.com/corsgate/corsgate/policy/store"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// The kinds that mean something here beyond their names.
const (
	kindPolicy    = "CorsPolicy"
	kindOriginSet = "CorsOriginSet"
)

// keyOf returns the key that a reference names.
func keyOf(ref *corsgatev1.DocumentRef) store.Key {
	return store.Key{Kind: ref.GetKind(), Namespace: ref.GetNamespace(), Name: ref.GetName()}
}

// refOf writes a key as the service sends it.
func refOf(key store.Key) *corsgatev1.DocumentRef {
	return &corsgatev1.DocumentRef{Kind: key.Kind, Namespace: key.Namespace, Name: key.Name}
}

// nameOf returns what people call a document: name, or namespace/name.
func nameOf(key store.Key) string {
	if key.Namespace == "" {
		return key.Name
	}
	return key.Namespace + "/" + key.Name
}

func compareKeys(a, b store.Key) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// checkRef says what is wrong with a reference.
func checkRef(field string, ref *corsgatev1.DocumentRef) error {
	if err := checkKind(field+".kind", ref.GetKind()); err != nil {
		return err
	}
	if ref.GetName() == "" {
		return invalid("%s.name is empty; name a document, as in {\"kind\": %q, \"name\": \"storefront\"}", field, ref.GetKind())
	}
	return nil
}

func checkKind(field, kind string) error {
	if slices.Contains(document.Kinds(), kind) {
		return nil
	}
	mend := "the kinds are " + strings.Join(document.Kinds(), ", ")
	if guess := spelling.Closest(kind, document.Kinds()); guess != "" {
		mend = "did you mean " + guess + "?"
	}
	return invalid("%s is %q, which is no kind of document; %s", field, kind, mend)
}
