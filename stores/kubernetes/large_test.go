package kubernetes_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/source"
	"github.com/corsgate/corsgate/policy/source/kubernetes"
)

// writers is how many objects are written at a time.
const writers = 8

// create makes many objects.
func (c *cluster) create(tb testing.TB, n int, one func(i int) *unstructured.Unstructured) {
	tb.Helper()
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := w; i < n; i += writers {
				o := one(i)
				if _, err := c.resource(o).Create(tb.Context(), o, metav1.CreateOptions{}); err != nil {
					tb.Errorf("create %s: %v", o.GetName(), err)
					return
				}
			}
		})
	}
	group.Wait()
	if tb.Failed() {
		tb.FailNow()
	}
}

// TestManyPolicies keeps 10,000 policies in a cluster.
func TestManyPolicies(t *testing.T) {
	t.Parallel()
	const policies = 10_000
	c := newCluster(t)
	c.namespace(t, "shop")
	put := func(i int, origin string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "corsgate.dev/v1", "kind": "CorsPolicy",
			"metadata": map[string]any{"namespace": "shop", "name": fmt.Sprintf("p%d", i)},
			"spec": map[string]any{
				"targets": []any{map[string]any{"hosts": []any{fmt.Sprintf("h%d.shop.example", i)}}}, "origins": []any{origin},
			},
		}}
	}
	began := time.Now()
	c.create(t, policies, func(i int) *unstructured.Unstructured { return put(i, "https://shop.example") })
	t.Logf("created within %s", time.Since(began))
	of := newSource(t, kubernetes.Options{Config: c.Config()})
	began = time.Now()
	first, err := of.Load(t.Context())
	must(t, err)
	t.Logf("loaded within %s", time.Since(began))
	if len(first.Documents) != policies || first.Files != policies || len(first.Problems) > 0 {
		t.Fatalf("%d documents of %d objects, and the problems %v", len(first.Documents), first.Files, first.Problems)
	}
	f := follow(t, of)
	for _, origin := range []string{"https://new.example", "https://newer.example"} {
		began = time.Now()
		c.apply(t, put(4711, origin))
		eventually(t, "a change is delivered", func() bool {
			_, s := f.get()
			return origins(s)["p4711"] == origin
		})
		t.Logf("a change was delivered within %s", time.Since(began))
	}
	_, last := f.get()
	if shared := countShared(first, last); shared != policies-1 {
		t.Errorf("%d documents are what they were, want all but one", shared)
	}
}

// countShared counts the documents that two snapshots share.
func countShared(a, b source.Snapshot) int {
	before := map[string]any{}
	for _, d := range a.Documents {
		before[d.File] = d.Message
	}
	n := 0
	for _, d := range b.Documents {
		if before[d.File] == d.Message {
			n++
		}
	}
	return n
}

// TestMillionOrigins keeps a million origins in a cluster: no object holds them, and
// several sets do.
func TestMillionOrigins(t *testing.T) {
	t.Parallel()
	const sets, each = 25, 40_000
	c := newCluster(t)
	c.namespace(t, "saas")
	origin := func(set, i int) string { return fmt.Sprintf("https://c%d-%d.example", set, i) }
	names := make([]any, sets)
	c.create(t, sets, func(set int) *unstructured.Unstructured {
		list := make([]any, each)
		for i := range list {
			list[i] = origin(set, i)
		}
		names[set] = fmt.Sprintf("customers-%d", set)
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "corsgate.dev/v1", "kind": "CorsOriginSet",
			"metadata": map[string]any{"namespace": "saas", "name": names[set]}, "spec": map[string]any{"origins": list},
		}}
	})
	portal := object(t, "CorsPolicy", "saas", "portal", `{targets: [{hosts: [portal.saas.example]}], originSets: [x]}`)
	must(t, unstructured.SetNestedSlice(portal.Object, names, "spec", "originSets"))
	c.apply(t, portal)
	of := newSource(t, kubernetes.Options{Config: c.Config()})
	s, err := of.Load(t.Context())
	must(t, err)
	set, problems := policy.Compile(s.Documents, policy.Options{})
	if len(problems) > 0 || len(s.Problems) > 0 {
		t.Fatalf("%v\n%v", s.Problems, problems)
	}
	for _, test := range []struct {
		origin string
		want   policy.Verdict
	}{
		{origin(0, 0), policy.VerdictAllow},
		{origin(sets-1, each-1), policy.VerdictAllow},
		{origin(12, 12345), policy.VerdictAllow},
		{origin(sets, 0), policy.VerdictDeny},
	} {
		d := set.Decide(&policy.Request{Method: "GET", Scheme: "https", Host: "portal.saas.example", Path: "/", Origin: test.origin})
		if d.Verdict != test.want {
			t.Errorf("%s: %v, want %v", test.origin, d.Verdict, test.want)
		}
	}
}

// TestTooLarge is about objects that no cluster keeps, and what its API server says.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.namespace(t, "saas")
	set := func(n int, suffix string) error {
		list := make([]any, n)
		for i := range list {
			list[i] = fmt.Sprintf("https://c%d%s.example", i, suffix)
		}
		o := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "corsgate.dev/v1", "kind": "CorsOriginSet",
			"metadata": map[string]any{"namespace": "saas", "name": "large"}, "spec": map[string]any{"origins": list},
		}}
		_, err := c.resource(o).Create(t.Context(), o, metav1.CreateOptions{})
		return err
	}
	for _, test := range []struct {
		name   string
		n      int
		suffix string
		want   string
	}{
		{"too many origins", 70_000, "", "spec.origins: Too many: 70000: must have at most 65536 items"},
		{"above 1.5 MiB", 60_000, "-xyz", "etcdserver: request is too large"},
		{"50 MB", 60_000, strings.Repeat("-0123456789", 75), "Request entity too large: limit is 3145728"},
	} {
		if err := set(test.n, test.suffix); !strings.Contains(text(err), test.want) {
			t.Errorf("%s: it said %q, want %q", test.name, text(err), test.want)
		}
	}
}
