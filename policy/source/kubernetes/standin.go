package kubernetes

import (
	"encoding/json"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/settle"
)

// anybody is an origin that gives way to settle's.
const anybody = "https://example.com"

// standIn returns a document that lets nobody call, for an object that cannot be
// read and whose last good version is not known. Left out altogether, the object
// would leave its requests to a wider policy, which may let in whom it did not. It
// is nil for a guardrail: nothing is known of what it forbids.
func standIn(e *entry, u *unstructured.Unstructured) *policy.Document {
	if e.kind == kindGuardrail {
		return nil
	}
	spec := map[string]any{"origins": []any{anybody}}
	if targets := e.readableTargets(u); e.kind == kindPolicy && len(targets) > 0 {
		spec["targets"] = targets
	}
	doc, ok := e.compose(spec)
	if !ok {
		return nil
	}
	closed, _ := settle.Closed(*doc)
	closed.Created = e.created
	return &closed
}

// readableTargets returns those of a policy's targets that can be read.
func (e *entry) readableTargets(u *unstructured.Unstructured) []any {
	if u == nil {
		return nil
	}
	all, _, _ := unstructured.NestedFieldNoCopy(u.Object, "spec", "targets")
	list, _ := all.([]any)
	var readable []any
	for _, target := range list {
		if _, ok := e.compose(map[string]any{"origins": []any{anybody}, "targets": []any{target}}); ok {
			readable = append(readable, target)
		}
	}
	return readable
}

// compose reads a document of the entry's name that says something else.
func (e *entry) compose(spec map[string]any) (*policy.Document, bool) {
	metadata := map[string]any{"name": e.name}
	if e.namespace != "" {
		metadata["namespace"] = e.namespace
	}
	text, err := json.Marshal(map[string]any{"apiVersion": apiVersion, "kind": e.kind, "metadata": metadata, "spec": spec})
	if err != nil {
		return nil, false
	}
	doc, _ := readText(e.file, text)
	return doc, doc != nil
}
