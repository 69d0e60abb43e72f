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

// readableTargets returns what can be read of a policy's targets. A field that nobody
// knows must not leave the hosts beside it to a wider policy.
func (e *entry) readableTargets(u *unstructured.Unstructured) []any {
	if u == nil {
		return nil
	}
	all, _, _ := unstructured.NestedFieldNoCopy(u.Object, "spec", "targets")
	list, _ := all.([]any)
	var readable []any
	for _, target := range list {
		if e.reads(target) {
			readable = append(readable, target)
			continue
		}
		fields, _ := target.(map[string]any)
		hosts, _ := e.readableTexts(fields, "hosts")
		paths, named := e.readableTexts(fields, "paths")
		rest := map[string]any{"hosts": hosts}
		if len(paths) > 0 {
			rest["paths"] = paths
		}
		if len(hosts) > 0 && (len(paths) > 0 || !named) {
			readable = append(readable, rest)
		}
	}
	return readable
}

// readableTexts returns what can be read of a list of a target's, and whether it is
// there.
func (e *entry) readableTexts(target map[string]any, field string) (texts []any, named bool) {
	value, named := target[field]
	list, _ := value.([]any)
	for _, text := range list {
		if e.reads(map[string]any{"hosts": []any{"*"}, field: []any{text}}) {
			texts = append(texts, text)
		}
	}
	return texts, named
}

// reads reports whether a policy with a target can be read.
func (e *entry) reads(target any) bool {
	_, ok := e.compose(map[string]any{"origins": []any{anybody}, "targets": []any{target}})
	return ok
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
