package settle

import (
	"github.com/corsgate/corsgate/policy"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// nobody is an origin that no page has: the domain is reserved (RFC 2606).
const nobody = "https://corsgate.invalid"

// Closed returns what stands in for a document that cannot be in force: a policy of
// the same name and targets, or a set of the same name, that lets nobody call. It
// reports false for a guardrail.
func Closed(doc policy.Document) (policy.Document, bool) {
	closed := policy.Document{File: doc.File, Created: doc.Created}
	switch m := doc.Message.(type) {
	case *corsgatev1.CorsPolicy:
		closed.Message = &corsgatev1.CorsPolicy{
			ApiVersion: m.GetApiVersion(), Kind: m.GetKind(), Metadata: m.GetMetadata(),
			Spec: &corsgatev1.CorsPolicySpec{Targets: soundTargets(m), Origins: []string{nobody}, Methods: []string{"GET"}},
		}
	case *corsgatev1.CorsOriginSet:
		closed.Message = &corsgatev1.CorsOriginSet{
			ApiVersion: m.GetApiVersion(), Kind: m.GetKind(), Metadata: m.GetMetadata(),
			Spec: &corsgatev1.CorsOriginSetSpec{Origins: []string{nobody}},
		}
	default:
		return policy.Document{}, false
	}
	return closed, true
}

// soundTargets returns those of a policy's targets that are free of errors.
func soundTargets(m *corsgatev1.CorsPolicy) []*corsgatev1.Target {
	var sound []*corsgatev1.Target
	for _, target := range m.GetSpec().GetTargets() {
		alone := &corsgatev1.CorsPolicy{
			Metadata: m.GetMetadata(),
			Spec:     &corsgatev1.CorsPolicySpec{Targets: []*corsgatev1.Target{target}, Origins: []string{nobody}},
		}
		if _, problems := policy.Compile([]policy.Document{{Message: alone}}, policy.Options{}); len(problems.Errors()) == 0 {
			sound = append(sound, target)
		}
	}
	return sound
}

// IsClosed reports whether a document stands in for one that cannot be in force.
func IsClosed(doc *policy.Document) bool {
	var origins []string
	switch m := doc.Message.(type) {
	case *corsgatev1.CorsPolicy:
		origins = m.GetSpec().GetOrigins()
	case *corsgatev1.CorsOriginSet:
		origins = m.GetSpec().GetOrigins()
	}
	return len(origins) == 1 && origins[0] == nobody
}
