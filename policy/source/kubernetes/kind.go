package kubernetes

import (
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/corsgate/corsgate/policy/document"
)

// group and version are those of the custom resources. Together they are the
// apiVersion of documents.
const (
	group   = "corsgate.dev"
	version = "v1"
)

// The kinds of documents, which are the kinds of the custom resources.
const (
	kindPolicy    = "CorsPolicy"
	kindOriginSet = "CorsOriginSet"
	kindGuardrail = "CorsGuardrail"
)

// A resource is one custom resource.
type resource struct {
	kind string
	// name is the plural, by which the API knows it.
	name string
	// clusterWide says that its objects have no namespace.
	clusterWide bool
}

// resources returns all of them in the order in which they are listed: who
// creates a set before the policy that names it, and removes it after that, is
// never seen with the policy alone.
func resources() []resource {
	return []resource{
		{kind: kindPolicy, name: "corspolicies"},
		{kind: kindOriginSet, name: "corsoriginsets"},
		{kind: kindGuardrail, name: "corsguardrails", clusterWide: true},
	}
}

// id returns the resource as clients name it.
func (r resource) id() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: group, Version: version, Resource: r.name}
}

// A place is where objects are listed and watched: a resource, in one namespace or
// in all.
type place struct {
	resource

	// namespace is empty for all of them.
	namespace string
}

// places returns where to look: all namespaces where none is named.
func places(namespaces []string) []place {
	var all []place
	for _, one := range resources() {
		if one.clusterWide || len(namespaces) == 0 {
			all = append(all, place{resource: one})
			continue
		}
		for _, namespace := range namespaces {
			all = append(all, place{resource: one, namespace: namespace})
		}
	}
	return all
}

// apiVersion is what objects and documents call their version.
const apiVersion = document.APIVersion
