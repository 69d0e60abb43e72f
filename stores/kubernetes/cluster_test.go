package kubernetes_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/corsgate/corsgate/stores/parts"
)

const (
	// patience is how long anything may take that must happen.
	patience = 30 * time.Second
	// pause lies between two looks at whether it has.
	pause = 20 * time.Millisecond
)

// manifests is where what a user applies lies.
const manifests = "../../deploy/kubernetes"

// A cluster is an API server, as its administrator sees it.
type cluster struct {
	*parts.Kubernetes

	client dynamic.Interface
}

// newCluster runs an API server in which the custom resources are defined.
func newCluster(tb testing.TB) *cluster {
	tb.Helper()
	c := bareCluster(tb)
	c.define(tb, nil)
	return c
}

// bareCluster runs an API server that knows nothing of corsgate.
func bareCluster(tb testing.TB) *cluster {
	tb.Helper()
	k := parts.StartKubernetes(tb)
	return &cluster{Kubernetes: k, client: client(tb, k.Config())}
}

func client(tb testing.TB, config *rest.Config) dynamic.Interface {
	tb.Helper()
	transport, err := rest.HTTPClientFor(config)
	must(tb, err)
	tb.Cleanup(func() { utilnet.CloseIdleConnectionsFor(transport.Transport) })
	made, err := dynamic.NewForConfigAndClient(config, transport)
	must(tb, err)
	return made
}

// define applies the custom resources, as they are or changed, and waits until they
// are served.
func (c *cluster) define(tb testing.TB, change func(crd *unstructured.Unstructured)) {
	tb.Helper()
	crds := readManifests(tb, filepath.Join(manifests, "crds.yaml"))
	for _, crd := range crds {
		if change != nil {
			change(crd)
		}
		c.apply(tb, crd)
	}
	for _, crd := range crds {
		eventually(tb, crd.GetName()+" is established", func() bool {
			got, err := c.resource(crd).Get(tb.Context(), crd.GetName(), metav1.GetOptions{})
			must(tb, err)
			conditions, _, _ := unstructured.NestedSlice(got.Object, "status", "conditions")
			for _, one := range conditions {
				if m := one.(map[string]any); m["type"] == "Established" && m["status"] == "True" {
					return true
				}
			}
			return false
		})
		group, _, _ := unstructured.NestedString(crd.Object, "spec", "group")
		plural, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "plural")
		eventually(tb, plural+" is served", func() bool {
			_, err := c.client.Resource(schema.GroupVersionResource{Group: group, Version: "v1", Resource: plural}).
				List(tb.Context(), metav1.ListOptions{})
			return err == nil
		})
	}
}

// apply applies an object as `kubectl apply --server-side` does.
func (c *cluster) apply(tb testing.TB, object *unstructured.Unstructured) {
	tb.Helper()
	if err := c.tryApply(tb.Context(), object); err != nil {
		tb.Fatalf("apply the %s %s: %v", object.GetKind(), object.GetName(), err)
	}
}

func (c *cluster) tryApply(ctx context.Context, object *unstructured.Unstructured) error {
	_, err := c.resource(object).Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: "kubectl", Force: true})
	return err
}

// applyText applies a text of YAML or JSON.
func (c *cluster) applyText(tb testing.TB, text string) {
	tb.Helper()
	for _, object := range decode(tb, []byte(text)) {
		c.apply(tb, object)
	}
}

// resource returns the client of an object's resource, in its namespace.
func (c *cluster) resource(object *unstructured.Unstructured) dynamic.ResourceInterface {
	return resource(c.client, object)
}

func resource(client dynamic.Interface, object *unstructured.Unstructured) dynamic.ResourceInterface {
	kind := object.GroupVersionKind()
	plural := strings.ToLower(kind.Kind)
	if stem, ok := strings.CutSuffix(plural, "y"); ok {
		plural = stem + "ies"
	} else {
		plural += "s"
	}
	of := client.Resource(kind.GroupVersion().WithResource(plural))
	if namespace := object.GetNamespace(); namespace != "" {
		return of.Namespace(namespace)
	}
	return of
}

// namespace makes a namespace.
func (c *cluster) namespace(tb testing.TB, name string) {
	tb.Helper()
	c.applyText(tb, `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"`+name+`"}}`)
}

// readManifests reads the objects of a file.
func readManifests(tb testing.TB, path string) []*unstructured.Unstructured {
	tb.Helper()
	data, err := os.ReadFile(path)
	must(tb, err)
	return decode(tb, data)
}

func decode(tb testing.TB, data []byte) []*unstructured.Unstructured {
	tb.Helper()
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096)
	for {
		object := &unstructured.Unstructured{}
		switch err := decoder.Decode(&object.Object); {
		case errors.Is(err, io.EOF):
			return objects
		case err != nil:
			tb.Fatalf("decode a manifest: %v", err)
		case len(object.Object) > 0:
			objects = append(objects, object)
		}
	}
}

// eventually waits until something is so.
func eventually(tb testing.TB, what string, is func() bool) {
	tb.Helper()
	began := time.Now()
	defer func() { tb.Logf("%s: %s", what, time.Since(began).Round(time.Millisecond)) }()
	bound := time.After(patience)
	for !is() {
		select {
		case <-time.After(pause):
		case <-bound:
			tb.Fatalf("it never came to be: %s", what)
		}
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
