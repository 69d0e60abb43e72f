package kubernetes

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/settle"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// object decodes an object as a client does.
func object(tb testing.TB, text string) *unstructured.Unstructured {
	tb.Helper()
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON([]byte(text)); err != nil {
		tb.Fatal(err)
	}
	return u
}

const storefront = `{
  "apiVersion": "corsgate.dev/v1", "kind": "CorsPolicy",
  "metadata": {
    "name": "storefront", "namespace": "shop", "uid": "1234", "resourceVersion": "77", "generation": 3,
    "creationTimestamp": "2026-01-02T03:04:05Z", "finalizers": ["x"], "ownerReferences": [{"kind": "App"}],
    "managedFields": [{"manager": "kubectl"}], "labels": {"team": "shop"},
    "annotations": {"why": "<because & so>", "kubectl.kubernetes.io/last-applied-configuration": "{}"}
  },
  "spec": {"targets": [{"hosts": ["api.shop.example"]}], "origins": ["https://shop.example"], "preflightStatus": 200},
  "status": {"observedGeneration": 2, "hosts": 1, "conditions": [{"type": "Other"},
    {"type": "Accepted", "status": "False", "reason": "r", "message": "m", "lastTransitionTime": "2026-01-02T03:04:06Z"}]}
}`

func TestRead(t *testing.T) {
	t.Parallel()
	e := read(resources()[0], object(t, storefront), nil)
	if len(e.problems) > 0 || e.file != "kubernetes:CorsPolicy/shop/storefront" || e.revision != 77 || e.generation != 3 {
		t.Fatalf("the entry is %+v", e)
	}
	m := e.document.Message.(*corsgatev1.CorsPolicy)
	if got := m.GetMetadata(); got.GetNamespace() != "shop" || len(got.GetAnnotations()) != 1 || got.GetAnnotations()["why"] != "<because & so>" ||
		got.GetLabels()["team"] != "shop" || m.GetSpec().GetPreflightStatus() != 200 {
		t.Errorf("the document is %v", m)
	}
	if want := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC); !e.document.Created.Equal(want) || !Ours(e.document) {
		t.Errorf("it was created at %v, want %v", e.document.Created, want)
	}
	if want := (status{accepted: "False", reason: "r", message: "m", generation: 2, hosts: 1}); e.status != want || e.since != "2026-01-02T03:04:06Z" {
		t.Errorf("its status is %+v since %s, want %+v", e.status, e.since, want)
	}
}

// What an object said last stays, whatever comes after it, until it can be read.
func TestReadAgain(t *testing.T) {
	t.Parallel()
	good := object(t, storefront)
	first := read(resources()[0], good, nil)
	if again := read(resources()[0], object(t, strings.Replace(storefront, `"77"`, `"78"`, 1)), first); again.document != first.document {
		t.Error("what did not change was read anew")
	}
	broken := object(t, strings.Replace(storefront, `"origins"`, `"origin"`, 1))
	second := read(resources()[0], broken, first)
	third := read(resources()[0], broken, second)
	for _, e := range []*entry{second, third} {
		problems := problemsOf(e)
		if e.document != first.document || len(problems) < 2 || len(problems.Errors()) > 0 || problems[0].Code != settle.CodeSetAside ||
			!strings.Contains(problems.Error(), `warning: spec.origin: "origin" is not a field of spec`) {
			t.Errorf("after a change that cannot be read: %v\n%v", e.document, problems)
		}
	}
	if mended := read(resources()[0], good, third); len(mended.problems) > 0 || mended.kept {
		t.Errorf("what was mended has the problems %v", mended.problems)
	}
}

// What could never be read keeps its targets and lets nobody call.
func TestReadNever(t *testing.T) {
	t.Parallel()
	broken := `{"apiVersion": "corsgate.dev/v1", "kind": "CorsPolicy", "metadata": {"name": "p", "namespace": "shop", "uid": "1"},
	  "spec": {"targets": [{"hosts": ["api.shop.example"]}, {"hosts": 7}, {"hosts": ["www.shop.example", 7], "path": []},
	    {"hosts": ["cart.shop.example"], "paths": ["/", 7]}, {"hosts": ["x.shop.example"], "paths": [7]}], "origins": ["https://shop.example"]}}`
	e := read(resources()[0], object(t, broken), nil)
	if e.document == nil || !settle.IsClosed(e.document) {
		t.Fatalf("in its place stands %v", e.document)
	}
	set, problems := policy.Compile([]policy.Document{*e.document}, policy.Options{})
	if set == nil {
		t.Fatal(problems)
	}
	for _, host := range []string{"api.shop.example", "www.shop.example", "cart.shop.example"} {
		for _, origin := range []string{"https://shop.example", "https://other.example", "null"} {
			d := set.Decide(&policy.Request{Method: "GET", Scheme: "https", Host: host, Path: "/", Origin: origin})
			if d.Verdict != policy.VerdictDeny || d.Policy == nil || d.Policy.Name != "shop/p" {
				t.Errorf("%s from %s: %v by %v", host, origin, d.Verdict, d.Policy)
			}
		}
	}
	guardrail := `{"apiVersion": "corsgate.dev/v1", "kind": "CorsGuardrail", "metadata": {"name": "house", "uid": "2"}, "spec": {"noHTTP": true}}`
	e = read(resources()[2], object(t, guardrail), nil)
	if problems := problemsOf(e); e.document != nil || len(problems.Errors()) != len(problems) {
		t.Errorf("of a guardrail that cannot be read there is %v, and the problems\n%v", e.document, problems)
	}
}

func TestSame(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(string) string
		want   bool
	}{
		"nothing":      {func(s string) string { return s }, true},
		"the status":   {func(s string) string { return strings.Replace(s, `"False"`, `"True"`, 1) }, true},
		"a finalizer":  {func(s string) string { return strings.Replace(s, `["x"]`, `["x", "y"]`, 1) }, true},
		"a label":      {func(s string) string { return strings.Replace(s, `"team": "shop"`, `"team": "books"`, 1) }, false},
		"the spec":     {func(s string) string { return strings.Replace(s, "https://shop", "https://new", 1) }, false},
		"a stray part": {func(s string) string { return strings.Replace(s, `"spec":`, `"spek": {}, "spec":`, 1) }, false},
	} {
		if got := Same(object(t, storefront).Object, object(t, c.change(storefront)).Object); got != c.want {
			t.Errorf("%s: the same is %t, want %t", name, got, c.want)
		}
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, []byte("clusters: 7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		options Options
		want    string
	}{
		"no such file":   {Options{Kubeconfig: "missing.yaml"}, "cannot read policies from Kubernetes: the kubeconfig missing.yaml cannot be used ("},
		"no kubeconfig":  {Options{Kubeconfig: file}, "cannot be used ("},
		"no certificate": {Options{Config: &rest.Config{Host: "https://k", TLSClientConfig: rest.TLSClientConfig{CAFile: "missing.pem"}}}, "the credentials for the cluster cannot be used ("},
		"no address":     {Options{Config: &rest.Config{Host: "https://k:port"}}, `"https://k:port" is not the address of a cluster (`},
	} {
		_, err := New(c.options)
		if _, ok := errors.AsType[*ConnectError](err); !ok || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
