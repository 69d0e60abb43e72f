package kubernetes_test

import (
	"path/filepath"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/corsgate/corsgate/policy/source/kubernetes"
	"github.com/corsgate/corsgate/server"
)

// token returns a token of a service account, as a pod has one.
func (c *cluster) token(tb testing.TB, namespace, account string) string {
	tb.Helper()
	request := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": map[string]any{"name": account},
		"spec": map[string]any{"audiences": []any{}},
	}}
	answer, err := c.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}).
		Namespace(namespace).Create(tb.Context(), request, metav1.CreateOptions{}, "token")
	must(tb, err)
	token, _, _ := unstructured.NestedString(answer.Object, "status", "token")
	if token == "" {
		tb.Fatal("the API server gave no token")
	}
	return token
}

// TestRights runs corsgate with exactly the rights that deploy/kubernetes/rbac.yaml
// gives it.
func TestRights(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	for _, object := range readManifests(t, filepath.Join(manifests, "rbac.yaml")) {
		c.apply(t, object)
	}
	c.namespace(t, "shop")
	storefront := object(t, "CorsPolicy", "shop", "storefront", `{targets: [{hosts: [api.shop.example]}], origins: ["https://shop.example"]}`)
	house := object(t, "CorsGuardrail", "", "house", `{noPlainHttp: true}`)
	partners := object(t, "CorsOriginSet", "shop", "partners", `{origins: ["https://partner.example"]}`)
	for _, one := range []*unstructured.Unstructured{storefront, house, partners} {
		c.apply(t, one)
	}
	config := c.ConfigOf(c.token(t, "corsgate", "corsgate"))
	r, _ := run(t, newSource(t, kubernetes.Options{Config: config}), "one", server.Options{})
	for _, one := range []*unstructured.Unstructured{storefront, house, partners} {
		eventually(t, one.GetName()+" is accepted", func() bool {
			accepted, _, _ := c.accepted(t, one)
			return accepted == "True"
		})
	}
	if strings.Contains(r.log.String(), "forbidden") {
		t.Errorf("something is forbidden to it:\n%s", r.log)
	}
	// And no more than that.
	account := client(t, config)
	for what, err := range map[string]error{
		"change a policy": func() error {
			_, err := resource(account, storefront).Apply(t.Context(), "storefront", storefront, metav1.ApplyOptions{FieldManager: "x", Force: true})
			return err
		}(),
		"read a secret": func() error {
			_, err := account.Resource(schema.GroupVersionResource{Version: "v1", Resource: "secrets"}).Namespace("corsgate").List(t.Context(), metav1.ListOptions{})
			return err
		}(),
		"take another lease": func() error {
			_, err := account.Resource(schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}).
				Namespace("corsgate").Get(t.Context(), "another", metav1.GetOptions{})
			return err
		}(),
	} {
		if !apierrors.IsForbidden(err) {
			t.Errorf("it may %s: %v", what, err)
		}
	}
}

// TestNoAccess is about what keeps corsgate from reading a cluster, and what it says.
func TestNoAccess(t *testing.T) {
	t.Parallel()
	c := bareCluster(t)
	c.namespace(t, "shop")
	expect := func(options kubernetes.Options, wants ...string) {
		t.Helper()
		s, err := newSource(t, options).Load(t.Context())
		must(t, err)
		said := s.Problems.Errors().Error()
		for _, want := range wants {
			if !strings.Contains(said, want) {
				t.Errorf("it said\n%s\nwhich lacks\n%s", said, want)
			}
		}
	}
	expect(kubernetes.Options{Config: c.Config()},
		"kubernetes:CorsPolicy: the cluster has no resource corspolicies.corsgate.dev of version v1; "+
			"define it with: kubectl apply --server-side -f deploy/kubernetes/crds.yaml [crd_missing]",
		"kubernetes:CorsGuardrail: the cluster has no resource corsguardrails.corsgate.dev of version v1")
	c.define(t, nil)
	c.applyText(t, "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: stranger, namespace: shop}\n")
	stranger := c.ConfigOf(c.token(t, "shop", "stranger"))
	expect(kubernetes.Options{Config: stranger},
		"kubernetes:CorsPolicy: corsgate may not get, list and watch corspolicies.corsgate.dev in all namespaces: ",
		`User "system:serviceaccount:shop:stranger" cannot list resource "corspolicies" in API group "corsgate.dev" at the cluster scope; `+
			"bind its account to the role with: kubectl apply -f deploy/kubernetes/rbac.yaml [access_forbidden]",
		"kubernetes:CorsGuardrail: corsgate may not get, list and watch corsguardrails.corsgate.dev in the cluster: ")
	expect(kubernetes.Options{Config: stranger, Namespaces: []string{"shop"}}, "corspolicies.corsgate.dev in the namespace shop: ")
	expect(kubernetes.Options{Config: c.ConfigOf("nonsense")}, "kubernetes:CorsPolicy: the cluster does not know who corsgate is: ", "[access_unauthorized]")

	of := newSource(t, kubernetes.Options{Config: c.Config()})
	c.Stop()
	if _, err := of.Load(t.Context()); err == nil || !strings.Contains(err.Error(), "read corspolicies from kubernetes:https://127.0.0.1:") ||
		!strings.Contains(err.Error(), "connection refused") {
		t.Errorf("without a cluster, Load returned %v", err)
	}
}
