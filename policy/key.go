package policy

import (
	"strings"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// Limits of names. They are those of Kubernetes: a name is a DNS subdomain and a
// namespace a DNS label (RFC 1123).
const (
	// MaxName is the length of the longest name in bytes.
	MaxName = 253
	// MaxNamespace is the length of the longest namespace in bytes.
	MaxNamespace = maxLabelLength
)

// kindGuardrail is the kind of guardrails.
const kindGuardrail = "CorsGuardrail"

// A Key names a document: no two documents of a set have the same.
type Key struct {
	// Kind is the document's kind, such as "CorsPolicy".
	Kind string `json:"kind"`
	// Namespace is empty where the document has none.
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

// FullName is what the document is called: "shop/storefront", or "storefront"
// where there is no namespace.
func (k Key) FullName() string { return FullName(k.Namespace, k.Name) }

// String returns the kind and the full name, such as "CorsPolicy shop/storefront".
func (k Key) String() string { return k.Kind + " " + k.FullName() }

// FullName is what the document of a name in a namespace is called. The namespace
// may be empty.
func FullName(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}

// OriginSetName is the full name of the origin set that a policy in a namespace
// names in `originSets`: "partners" is of its own namespace, "shop/partners" of
// another, and "/partners" of none.
func OriginSetName(namespace, reference string) string {
	if other, name, ok := strings.Cut(reference, "/"); ok {
		return FullName(other, name)
	}
	return FullName(namespace, reference)
}

// Key returns what names the document. It is the zero Key for a message of another
// kind than the policies'.
func (d *Document) Key() Key {
	var kind string
	var metadata *corsgatev1.Metadata
	switch m := d.Message.(type) {
	case *corsgatev1.CorsPolicy:
		kind, metadata = "CorsPolicy", m.GetMetadata()
	case *corsgatev1.CorsOriginSet:
		kind, metadata = "CorsOriginSet", m.GetMetadata()
	case *corsgatev1.CorsGuardrail:
		kind, metadata = kindGuardrail, m.GetMetadata()
	default:
		return Key{}
	}
	return Key{Kind: kind, Namespace: metadata.GetNamespace(), Name: metadata.GetName()}
}

// IsName reports whether a text can be the name of a document.
func IsName(s string) bool {
	if len(s) > MaxName {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if !isNameLabel(label) {
			return false
		}
	}
	return true
}

// IsNamespace reports whether a text can be a namespace.
func IsNamespace(s string) bool { return len(s) <= MaxNamespace && isNameLabel(s) }

func isNameLabel(s string) bool {
	for i := range len(s) {
		if !isLabelByte(s[i]) {
			return false
		}
	}
	return s != "" && s[0] != '-' && s[len(s)-1] != '-'
}
