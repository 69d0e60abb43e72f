package kubernetes_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/source/kubernetes"
	"github.com/corsgate/corsgate/server"
)

// TestStatus runs two replicas without a webhook: one of them says on each object
// whether it is in force, and when that one ends the other does.
func TestStatus(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	for _, namespace := range []string{"corsgate", "shop", "books"} {
		c.namespace(t, namespace)
	}
	storefront := object(t, "CorsPolicy", "shop", "storefront", `{targets: [{hosts: [api.shop.example, www.shop.example]}], origins: ["https://shop.example"]}`)
	c.apply(t, storefront)
	one, stopOne := run(t, newSource(t, kubernetes.Options{Config: c.Config()}), "one", server.Options{})
	two, _ := run(t, newSource(t, kubernetes.Options{Config: c.Config()}), "two", server.Options{})

	expect := func(object *unstructured.Unstructured, status, reason, message string) {
		t.Helper()
		var s, r, m string
		defer func() {
			if t.Failed() {
				t.Logf("%s is %s %s: %s\n%s\n%s", object.GetName(), s, r, m, one.log, two.log)
			}
		}()
		eventually(t, object.GetName()+" is accepted: "+status+" "+reason, func() bool {
			s, r, m = c.accepted(t, object)
			return s == status && r == reason
		})
		if !strings.Contains(m, message) {
			t.Errorf("%s: the message is %q, which lacks %q", object.GetName(), m, message)
		}
	}
	expect(storefront, "True", "in_force", "in force")
	got, err := c.resource(storefront).Get(t.Context(), "storefront", metav1.GetOptions{})
	must(t, err)
	status := got.Object["status"].(map[string]any)
	if status["hosts"] != int64(2) || status["origins"] != int64(1) || status["revision"] != one.server.Policies().Status().Set.Revision() {
		t.Errorf("the status is %v", status)
	}

	// One team's mistakes do not hold up the others.
	orders := object(t, "CorsPolicy", "books", "orders", `{targets: [{hosts: [orders.books.example]}], originSets: [partners]}`)
	thief := object(t, "CorsPolicy", "books", "a-thief", `{targets: [{hosts: [api.shop.example]}], origins: ["https://books.example"]}`)
	c.apply(t, orders)
	c.apply(t, thief)
	expect(orders, "False", "origin_set_unknown", `there is no origin set "books/partners"`)
	expect(thief, "False", "target_tie", "api.shop.example")
	must(t, unstructured.SetNestedStringSlice(storefront.Object, []string{"https://new.shop.example"}, "spec", "origins"))
	c.apply(t, storefront)
	expect(storefront, "True", "in_force", "in force")
	for _, r := range []*replica{one, two} {
		eventually(t, "the change is in force", func() bool {
			return r.decide("api.shop.example", "https://new.shop.example") == policy.VerdictAllow
		})
		if r.decide("api.shop.example", "https://books.example") == policy.VerdictAllow {
			t.Error("the target went to who came later")
		}
	}

	// The other replica takes over, and what is mended shows.
	stopOne()
	stopped := two.log.String()
	partners := object(t, "CorsOriginSet", "books", "partners", `{origins: ["https://partner.example", "https://partner.example"]}`)
	c.apply(t, partners)
	expect(orders, "True", "in_force", "in force")
	expect(partners, "True", "in_force", "origin_duplicate")
	if strings.Contains(stopped, "this replica writes") && strings.Contains(one.log.String(), "this replica writes") {
		t.Error("both replicas wrote at the same time")
	}

	// A guardrail bars a policy, which is said of the policy.
	house := object(t, "CorsGuardrail", "", "house", `{originSuffixes: [shop.example], namespaces: [books]}`)
	c.apply(t, house)
	expect(house, "True", "in_force", "in force")
	expect(orders, "False", "guardrail_origin_suffix", "partner.example")

	// What somebody else writes into the status does not stay.
	patch := []byte(`{"status":{"conditions":[{"type":"Accepted","status":"True","reason":"lie","message":"lie","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`)
	_, err = c.resource(orders).Patch(t.Context(), "orders", "application/merge-patch+json", patch, metav1.PatchOptions{FieldManager: "liar"}, "status")
	must(t, err)
	expect(orders, "False", "guardrail_origin_suffix", "partner.example")

	t.Run("columns", func(t *testing.T) { c.columns(t) })
	t.Run("quiet", func(t *testing.T) { c.restsAfterwards(t, two, storefront) })
}

// columns asks for what `kubectl get` shows.
func (c *cluster) columns(t *testing.T) {
	t.Helper()
	client, err := rest.HTTPClientFor(c.Config())
	must(t, err)
	defer utilnet.CloseIdleConnectionsFor(client.Transport)
	for _, test := range []struct{ resource, want string }{
		{"namespaces/shop/corspolicies", "NAME=storefront HOST=api.shop.example HOSTS=2 ORIGINS=1 CREDENTIALS= ENFORCEMENT= ACCEPTED=True REASON=in_force"},
		{"namespaces/books/corspolicies", "NAME=a-thief HOST=api.shop.example HOSTS=1 ORIGINS=1 CREDENTIALS= ENFORCEMENT= ACCEPTED=False REASON=target_tie"},
		{"namespaces/books/corsoriginsets", "NAME=partners ORIGINS=2 ACCEPTED=True REASON=in_force"},
		{"corsguardrails", "NAME=house CREDENTIALS= ACCEPTED=True REASON=in_force"},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.Address()+"/apis/corsgate.dev/v1/"+test.resource, nil)
		must(t, err)
		request.Header.Set("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
		response, err := client.Do(request)
		must(t, err)
		defer response.Body.Close()
		var table metav1.Table
		must(t, json.NewDecoder(response.Body).Decode(&table))
		var cells []string
		for i, column := range table.ColumnDefinitions {
			value, _ := table.Rows[0].Cells[i].(string)
			if number, ok := table.Rows[0].Cells[i].(float64); ok {
				value = string(rune('0' + int(number)))
			}
			if column.Name != "Age" {
				cells = append(cells, strings.ToUpper(column.Name)+"="+value)
			}
		}
		if got := strings.Join(cells, " "); got != test.want {
			t.Errorf("kubectl get %s shows\n %s, want\n %s", test.resource, got, test.want)
		}
	}
}

// restsAfterwards expects that no object is written whose status is as it should be.
func (c *cluster) restsAfterwards(t *testing.T, r *replica, quiet *unstructured.Unstructured) {
	t.Helper()
	before, err := c.resource(quiet).Get(t.Context(), quiet.GetName(), metav1.GetOptions{})
	must(t, err)
	another := object(t, "CorsPolicy", "books", "another", `{targets: [{hosts: [another.books.example]}], origins: ["https://shop.example"]}`)
	c.apply(t, another)
	eventually(t, "another policy is accepted", func() bool {
		accepted, _, _ := c.accepted(t, another)
		return accepted == "True"
	})
	after, err := c.resource(quiet).Get(t.Context(), quiet.GetName(), metav1.GetOptions{})
	must(t, err)
	if before.GetResourceVersion() != after.GetResourceVersion() {
		t.Errorf("%s was written again though nothing changed:\n%s", quiet.GetName(), r.log)
	}
}
