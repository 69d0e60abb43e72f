package kubernetes_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/source"
	"github.com/corsgate/corsgate/policy/source/kubernetes"
	"github.com/corsgate/corsgate/server"
)

// writeCertificate writes a certificate for 127.0.0.1 that signs itself, and its key.
func writeCertificate(tb testing.TB, dir string, serial int64) (certPEM []byte) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(tb, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "corsgate-webhook"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"corsgate-webhook.corsgate.svc"},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(tb, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	must(tb, err)
	certPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	must(tb, os.WriteFile(filepath.Join(dir, "tls.crt"), certPEM, 0o600))
	must(tb, os.WriteFile(filepath.Join(dir, "tls.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
	return certPEM
}

// admit applies deploy/kubernetes/webhook.yaml, with an address of this machine in
// place of a service's, since there is no network of services here.
func (c *cluster) admit(tb testing.TB, address string, caPEM []byte) {
	tb.Helper()
	for _, object := range readManifests(tb, filepath.Join(manifests, "webhook.yaml")) {
		if object.GetKind() != "ValidatingWebhookConfiguration" {
			continue // of cert-manager
		}
		hooks, _, _ := unstructured.NestedSlice(object.Object, "webhooks")
		for _, hook := range hooks {
			path, _, _ := unstructured.NestedString(hook.(map[string]any), "clientConfig", "service", "path")
			hook.(map[string]any)["clientConfig"] = map[string]any{
				"url": "https://" + address + path, "caBundle": base64.StdEncoding.EncodeToString(caPEM),
			}
		}
		must(tb, unstructured.SetNestedSlice(object.Object, hooks, "webhooks"))
		c.apply(tb, object)
	}
}

// A warned collects the warnings that a client is shown.
type warned struct {
	mu    sync.Mutex
	lines []string
}

// HandleWarningHeader implements rest.WarningHandler.
func (w *warned) HandleWarningHeader(_ int, _, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, text)
}

func (w *warned) take() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := strings.Join(w.lines, "\n")
	w.lines = nil
	return text
}

// webhookOptions is how a replica answers the webhook of the cluster that it reads.
func webhookOptions(of *kubernetes.Source, dir string) server.Options {
	return server.Options{MayBeEmpty: true, Webhook: server.WebhookOptions{
		Address: "127.0.0.1:0",
		TLS:     server.TLSOptions{CertFile: filepath.Join(dir, "tls.crt"), KeyFile: filepath.Join(dir, "tls.key")},
		Fresh:   of.Documents, Ours: kubernetes.Ours,
	}}
}

// TestWebhook applies objects through a real API server that asks a running corsgate.
func TestWebhook(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	for _, namespace := range []string{"corsgate", "shop", "books"} {
		c.namespace(t, namespace)
	}
	dir := t.TempDir()
	ca := writeCertificate(t, dir, 1)
	of := newSource(t, kubernetes.Options{Config: c.Config()})
	// There is no policy yet.
	r, stop := run(t, of, "one", webhookOptions(of, dir))
	c.admit(t, r.bound.Webhook.String(), ca)
	c.apply(t, object(t, "CorsPolicy", "shop", "storefront", `{targets: [{hosts: [api.shop.example]}], origins: ["https://shop.example"]}`))

	warnings := &warned{}
	config := c.Config()
	config.WarningHandler = warnings
	team := client(t, config)
	apply := func(o *unstructured.Unstructured) string {
		_, err := resource(team, o).Apply(t.Context(), o.GetName(), o, metav1.ApplyOptions{FieldManager: "kubectl", Force: true})
		return text(err)
	}
	// It takes a moment until an API server has heard of its webhooks.
	tie := object(t, "CorsPolicy", "books", "probe", `{targets: [{hosts: [api.shop.example]}], origins: ["https://books.example"]}`)
	eventually(t, "the webhook is asked", func() bool {
		_, err := resource(team, tie).Apply(t.Context(), "probe", tie, metav1.ApplyOptions{FieldManager: "kubectl", Force: true, DryRun: []string{"All"}})
		return err != nil
	})

	for _, test := range []struct {
		name          string
		object        *unstructured.Unstructured
		want          string // in the error; empty, it is taken
		wantWarning   string
		wantNoWarning bool
		// soon says that the next object follows at once.
		soon bool
	}{
		{
			name: "a good policy", wantNoWarning: true,
			object: object(t, "CorsPolicy", "books", "catalogue", `{targets: [{hosts: [catalogue.books.example]}], origins: ["https://books.example"]}`),
		},
		{
			name:   "a target of another team",
			object: tie,
			want: `admission webhook "policies.corsgate.dev" denied the request: ` +
				`kubernetes:CorsPolicy/shop/storefront: spec.targets[0].hosts[0]: the policy "books/probe"`,
		},
		{
			name:   "what only corsgate knows",
			object: object(t, "CorsPolicy", "books", "orders", `{targets: [{hosts: [orders.books.example]}], origins: ["https://*.co.uk", "https://Books.example"], originSets: [partners]}`),
			want:   `denied the request: spec.originSets[0]: there is no origin set "books/partners" [origin_set_unknown]` + "\n" + `spec.origins[0]: `,
		},
		{
			name: "warnings are shown", wantWarning: `spec.originRegexes[0]: a regular expression is easily wider than it looks`,
			object: object(t, "CorsPolicy", "books", "previews", `{targets: [{hosts: [previews.books.example]}], originRegexes: ['https://pr-[0-9]+\.books\.example']}`),
		},
		{
			name: "a set", soon: true, wantWarning: `no policy names the origin set "books/partners"`,
			object: object(t, "CorsOriginSet", "books", "partners", `{origins: ["https://partner.example"]}`),
		},
		{
			name: "right after it a policy that names it", wantNoWarning: true,
			object: object(t, "CorsPolicy", "books", "orders", `{targets: [{hosts: [orders.books.example]}], originSets: [partners]}`),
		},
		{
			name: "a guardrail says whom it bars", wantWarning: `kubernetes:CorsPolicy/books/orders: spec.originSets[0]: the origin set "books/partners" holds an origin`,
			object: object(t, "CorsGuardrail", "", "house", `{originSuffixes: [books.example], namespaces: [books]}`),
		},
		{
			name:   "what a guardrail forbids",
			object: object(t, "CorsPolicy", "books", "wide", `{targets: [{hosts: [wide.books.example]}], origins: ["https://evil.example"]}`),
			want:   `spec.origins[0]: "https://evil.example" lies outside of the domains that the guardrail "house"`,
		},
		{
			name: "others are not held up by what is barred", wantNoWarning: true,
			object: object(t, "CorsPolicy", "shop", "cart", `{targets: [{hosts: [cart.shop.example]}], origins: ["https://shop.example"]}`),
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			warnings.take()
			said := apply(test.object)
			shown := warnings.take()
			if said == "" && !test.soon {
				// What is judged next is judged among it.
				eventually(t, "it is in force", func() bool {
					accepted, _, _ := c.accepted(t, test.object)
					return accepted != ""
				})
			}
			switch {
			case test.want == "" && said != "":
				t.Errorf("it was refused: %s", said)
			case test.want != "" && !strings.Contains(said, test.want):
				t.Errorf("it said\n %q, which lacks\n %q", said, test.want)
			}
			if test.want == "" && (test.wantNoWarning && shown != "" || !strings.Contains(shown, test.wantWarning)) {
				t.Errorf("the warnings are %q, want %q", shown, test.wantWarning)
			}
		})
	}

	t.Run("a set that is still named is not removed", func(t *testing.T) {
		partners := object(t, "CorsOriginSet", "books", "partners", `{origins: ["https://partner.example"]}`)
		err := resource(team, partners).Delete(t.Context(), "partners", metav1.DeleteOptions{})
		want := `admission webhook "removals.corsgate.dev" denied the request: the object is still needed:` + "\n" +
			`kubernetes:CorsPolicy/books/orders: spec.originSets[0]: there is no origin set "books/partners"`
		if !strings.Contains(text(err), want) {
			t.Errorf("removing it returned %q, want %q", text(err), want)
		}
		orders := object(t, "CorsPolicy", "books", "orders", "{}")
		must(t, resource(team, orders).Delete(t.Context(), "orders", metav1.DeleteOptions{}))
		must(t, resource(team, partners).Delete(t.Context(), "partners", metav1.DeleteOptions{}))
	})
	t.Run("a certificate that is renewed is used", func(t *testing.T) {
		c.admit(t, r.bound.Webhook.String(), append(writeCertificate(t, dir, 2), ca...))
		if said := apply(object(t, "CorsPolicy", "shop", "cart", `{targets: [{hosts: [cart.shop.example]}], origins: ["https://new.shop.example"]}`)); said != "" {
			t.Errorf("it was refused: %s", said)
		}
	})
	t.Run("without corsgate nothing gets in unjudged, and removals go on", func(t *testing.T) {
		stop()
		said := apply(object(t, "CorsPolicy", "shop", "cart", `{targets: [{hosts: [cart.shop.example]}], origins: ["https://newer.shop.example"]}`))
		if !strings.Contains(said, `failed calling webhook "policies.corsgate.dev"`) {
			t.Errorf("it said %q", said)
		}
		must(t, resource(team, object(t, "CorsPolicy", "shop", "cart", "{}")).Delete(t.Context(), "cart", metav1.DeleteOptions{}))
	})
	if r.decide("api.shop.example", "https://shop.example") != policy.VerdictAllow {
		t.Error("what was in force before is not")
	}
}

// TestWebhookBeforeLoading asks a corsgate that knows nothing yet.
func TestWebhookBeforeLoading(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.namespace(t, "shop")
	dir := t.TempDir()
	ca := writeCertificate(t, dir, 1)
	// The source never answers, as one whose cluster is slow.
	of := newSource(t, kubernetes.Options{Config: c.Config()})
	options := webhookOptions(of, dir)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	options.Webhook.Address = listener.Addr().String()
	must(t, listener.Close())
	options.Listen = []string{"127.0.0.1:0"}
	instance, err := server.New(silent{of}, options)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- instance.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
	}()
	c.admit(t, options.Webhook.Address, ca)
	o := object(t, "CorsPolicy", "shop", "storefront", `{targets: [{hosts: [api.shop.example]}], origins: ["https://shop.example"]}`)
	var said string
	eventually(t, "the webhook is asked", func() bool {
		_, err := resource(c.client, o).Apply(t.Context(), "storefront", o, metav1.ApplyOptions{FieldManager: "kubectl", DryRun: []string{"All"}})
		said = text(err)
		return strings.Contains(said, "denied")
	})
	if want := "corsgate cannot judge the change: it has not loaded any policies yet; try again in a moment, or see its log"; !strings.Contains(said, want) {
		t.Errorf("it said %q, want %q", said, want)
	}
}

// A silent source is never done with loading.
type silent struct{ *kubernetes.Source }

// Load waits until ctx ends.
func (silent) Load(ctx context.Context) (s source.Snapshot, err error) {
	<-ctx.Done()
	return s, ctx.Err()
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

var _ rest.WarningHandler = (*warned)(nil)
