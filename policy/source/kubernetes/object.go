package kubernetes

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/document"
)

// scheme begins the name of a file that is an object of a cluster.
const scheme = "kubernetes:"

// lastApplied is the annotation in which kubectl keeps the object once more. It is
// no part of the document.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// FileName returns what an object is called in positions, where other sources have
// the name of a file: "kubernetes:CorsPolicy/shop/storefront", or
// "kubernetes:CorsGuardrail/house" for an object without a namespace. Positions
// have no lines, since an object has none; the field says where.
func FileName(kind, namespace, name string) string {
	if namespace == "" {
		return scheme + kind + "/" + name
	}
	return scheme + kind + "/" + namespace + "/" + name
}

// Ours reports whether a document comes from a cluster.
func Ours(doc *policy.Document) bool { return strings.HasPrefix(doc.File, scheme) }

// Read returns the document that an object is. The object is as the API has it,
// decoded from JSON. Only its name, namespace, labels, annotations and spec count;
// whatever else stands beside them is refused, but for what Kubernetes itself keeps
// in each object. The document is nil where there is any problem.
func Read(object map[string]any) (*policy.Document, policy.Problems) {
	u := unstructured.Unstructured{Object: object}
	file := FileName(u.GetKind(), u.GetNamespace(), u.GetName())
	text, err := documentText(&u)
	if err != nil {
		return nil, policy.Problems{problemText(file, err)}
	}
	doc, problems := readText(file, text)
	if doc != nil {
		doc.Created = u.GetCreationTimestamp().Time
	}
	return doc, problems
}

// Same reports whether two objects are the same document: they differ in nothing but
// what Kubernetes itself keeps in them.
func Same(a, b map[string]any) bool {
	first, errFirst := documentText(&unstructured.Unstructured{Object: a})
	second, errSecond := documentText(&unstructured.Unstructured{Object: b})
	return errFirst == nil && errSecond == nil && bytes.Equal(first, second)
}

// readText reads the text of an object.
func readText(file string, text []byte) (*policy.Document, policy.Problems) {
	docs, problems := document.Read(file, text)
	for i := range problems {
		problems[i].Position = policy.Position{File: file}
	}
	if len(problems) > 0 || len(docs) != 1 {
		return nil, problems
	}
	// The lines and columns are those of a text that nobody wrote.
	docs[0].Root = nil
	return &docs[0], nil
}

// documentText returns an object as the document that it is. Equal objects have
// equal texts.
func documentText(u *unstructured.Unstructured) ([]byte, error) {
	metadata := map[string]any{"name": u.GetName()}
	if namespace := u.GetNamespace(); namespace != "" {
		metadata["namespace"] = namespace
	}
	if labels := u.GetLabels(); len(labels) > 0 {
		metadata["labels"] = labels
	}
	annotations := u.GetAnnotations()
	delete(annotations, lastApplied) // it is a copy
	if len(annotations) > 0 {
		metadata["annotations"] = annotations
	}
	whole := make(map[string]any, len(u.Object))
	for field, value := range u.Object {
		switch field {
		case "status":
		case "metadata":
			whole[field] = metadata
		default:
			whole[field] = value
		}
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(whole); err != nil {
		return nil, fmt.Errorf("write the object as JSON: %w", err)
	}
	return text.Bytes(), nil
}

// An entry is one object of the cluster, as it was read. It is immutable.
type entry struct {
	resource

	uid        string
	namespace  string
	name       string
	file       string
	generation int64
	created    time.Time
	// revision is the number of the change that the object includes last.
	revision int64
	// digest is of the object's text.
	digest [sha256.Size]byte
	// document is what the object says. Where it cannot be read, it is what the
	// object said last, or what stands in for it; for a guardrail that nothing may
	// stand in for it is nil.
	document *policy.Document
	// kept says that the document is what the object said last.
	kept bool
	// problems is what reading the object found: with any, it cannot be read.
	problems policy.Problems
	// status is what the object's status says, and since when.
	status status
	since  string
}

// read makes an entry of an object. What was known of the object before, unless
// nil, gives it the document where the text is the same, or cannot be read.
func read(of resource, u *unstructured.Unstructured, before *entry) *entry {
	e := &entry{
		resource:   of,
		uid:        string(u.GetUID()),
		namespace:  u.GetNamespace(),
		name:       u.GetName(),
		generation: u.GetGeneration(),
		created:    u.GetCreationTimestamp().Time,
		revision:   revisionOf(u.GetResourceVersion()),
	}
	e.status, e.since = statusOf(u)
	e.file = FileName(of.kind, e.namespace, e.name)
	text, err := documentText(u)
	if err != nil {
		e.problems = policy.Problems{problemText(e.file, err)}
		e.withoutText(nil, before)
		return e
	}
	e.digest = sha256.Sum256(text)
	if before != nil && before.digest == e.digest {
		e.document, e.kept, e.problems = before.document, before.kept, before.problems
		return e
	}
	if e.document, e.problems = readText(e.file, text); e.document == nil {
		e.withoutText(u, before)
		return e
	}
	e.document.Created = e.created
	return e
}

// withoutText finds what is in force in place of an object that cannot be read.
func (e *entry) withoutText(u *unstructured.Unstructured, before *entry) {
	if before != nil && before.document != nil && (before.kept || len(before.problems) == 0) {
		e.document, e.kept = before.document, true
		return
	}
	e.document = standIn(e, u)
}
