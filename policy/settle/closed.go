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

// soundTargets returns what is free of errors of a policy's targets: a host or a path
// that is wrong must not leave those beside it to a wider policy.
func soundTargets(m *corsgatev1.CorsPolicy) []*corsgatev1.Target {
	sound := func(target *corsgatev1.Target) bool {
		alone := &corsgatev1.CorsPolicy{
			Metadata: m.GetMetadata(),
			Spec:     &corsgatev1.CorsPolicySpec{Targets: []*corsgatev1.Target{target}, Origins: []string{nobody}},
		}
		_, problems := policy.Compile([]policy.Document{{Message: alone}}, policy.Options{})
		return len(problems.Errors()) == 0
	}
	var targets []*corsgatev1.Target
	for _, target := range m.GetSpec().GetTargets() {
		if sound(target) {
			targets = append(targets, target)
			continue
		}
		rest := &corsgatev1.Target{}
		for _, host := range target.GetHosts() {
			if sound(&corsgatev1.Target{Hosts: []string{host}}) {
				rest.Hosts = append(rest.Hosts, host)
			}
		}
		for _, path := range target.GetPaths() {
			if sound(&corsgatev1.Target{Hosts: []string{"*"}, Paths: []string{path}}) {
				rest.Paths = append(rest.Paths, path)
			}
		}
		if len(rest.GetHosts()) > 0 && (len(rest.GetPaths()) > 0 || len(target.GetPaths()) == 0) {
			targets = append(targets, rest)
		}
	}
	return targets
}

// without returns what stands in for a policy that cannot have some of its targets,
// since others have them. It reports false where nothing is left.
func without(closed policy.Document, taken map[policy.TargetKey]struct{}) (policy.Document, bool) {
	m, ok := closed.Message.(*corsgatev1.CorsPolicy)
	if !ok {
		return policy.Document{}, false
	}
	set, _ := policy.Compile([]policy.Document{closed}, policy.Options{})
	if set == nil {
		return policy.Document{}, false
	}
	var targets []*corsgatev1.Target
	for _, key := range set.Policies()[0].TargetKeys() {
		if _, is := taken[key]; !is {
			targets = append(targets, targetOf(key))
		}
	}
	closed.Message = &corsgatev1.CorsPolicy{
		ApiVersion: m.GetApiVersion(), Kind: m.GetKind(), Metadata: m.GetMetadata(),
		Spec: &corsgatev1.CorsPolicySpec{Targets: targets, Origins: []string{nobody}, Methods: []string{"GET"}},
	}
	return closed, len(targets) > 0
}

// targetOf writes a key as a policy does.
func targetOf(key policy.TargetKey) *corsgatev1.Target {
	host := key
	host.Path, host.Under = "", true
	target := &corsgatev1.Target{Hosts: []string{host.String()}}
	switch {
	case !key.Under:
		target.Paths = []string{key.Path}
	case key.Path != "":
		target.Paths = []string{key.Path + "/*"}
	}
	return target
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
