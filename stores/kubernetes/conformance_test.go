package kubernetes_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/corsgate/corsgate/policy/source/kubernetes"
	"github.com/corsgate/corsgate/policy/source/sourcetest"
	"github.com/corsgate/corsgate/stores/parts"
)

// conformanceQuiet is well above what the source needs to deliver a change.
const conformanceQuiet = 500 * time.Millisecond

// TestConformance runs the suite that every source passes.
func TestConformance(t *testing.T) { // not parallel: the suite counts goroutines
	c := bareCluster(t)
	// What cannot be read gets past the schema of a cluster whose definitions are
	// those of another version of corsgate.
	c.define(t, keepUnknownFields)
	namespaces := 0
	sourcetest.Run(t, func(tb testing.TB) sourcetest.Fixture {
		tb.Helper()
		namespaces++
		namespace := fmt.Sprintf("team-%d", namespaces)
		c.namespace(tb, namespace)
		way := parts.NewLine(tb, strings.TrimPrefix(c.Address(), "https://"))
		config := c.Config()
		config.Host = "https://" + way.Address
		of := newSource(tb, kubernetes.Options{Config: config, Namespaces: []string{namespace}})
		return sourcetest.Fixture{Source: of, Store: objects{c, namespace, way}, Quiet: conformanceQuiet, Apart: true, Large: 40_000}
	})
}

// newSource makes a source whose connections end with the test.
func newSource(tb testing.TB, options kubernetes.Options) *kubernetes.Source {
	tb.Helper()
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	of, err := kubernetes.New(options)
	must(tb, err)
	tb.Cleanup(of.Close)
	return of
}

// keepUnknownFields lets a definition keep fields of a spec that it does not know.
func keepUnknownFields(crd *unstructured.Unstructured) {
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	for _, one := range versions {
		_ = unstructured.SetNestedField(one.(map[string]any), true,
			"schema", "openAPIV3Schema", "properties", "spec", "x-kubernetes-preserve-unknown-fields")
	}
	_ = unstructured.SetNestedSlice(crd.Object, versions, "spec", "versions")
}

// objects is a namespace, as its users see it.
type objects struct {
	*cluster

	namespace string
	way       *parts.Line
}

var _ sourcetest.Line = objects{}

// Cut implements sourcetest.Line. What is forgotten meanwhile is a matter of
// TestOutage: the suite would take an API server that starts anew for something that
// the source has left behind.
func (o objects) Cut(testing.TB) { o.way.Cut() }

// Mend implements sourcetest.Line.
func (o objects) Mend(testing.TB) { o.way.Mend() }

// Put implements sourcetest.Store.
func (o objects) Put(tb testing.TB, name, text string) {
	tb.Helper()
	object := decode(tb, []byte(text))[0]
	object.SetNamespace(o.namespace)
	if object.GetName() != name {
		tb.Fatalf("the document %s is to be kept as %s", object.GetName(), name)
	}
	o.apply(tb, object)
}

// Break implements sourcetest.Store.
func (o objects) Break(tb testing.TB, name string) {
	tb.Helper()
	object := decode(tb, []byte(sourcetest.Document(name, "https://broken.example")))[0]
	object.SetNamespace(o.namespace)
	must(tb, unstructured.SetNestedField(object.Object, "yes", "spec", "unheardOf"))
	o.apply(tb, object)
}

// Delete implements sourcetest.Store.
func (o objects) Delete(tb testing.TB, name string) {
	tb.Helper()
	object := decode(tb, []byte(sourcetest.Document(name, "https://gone.example")))[0]
	object.SetNamespace(o.namespace)
	must(tb, o.resource(object).Delete(tb.Context(), name, metav1.DeleteOptions{}))
}
