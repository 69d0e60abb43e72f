package kubernetes_test

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/source/kubernetes"
	"github.com/corsgate/corsgate/server"
)

// A replica is a running corsgate.
type replica struct {
	source *kubernetes.Source
	server *server.Server
	bound  server.Bound
	log    *logText
}

// A logText is what a replica logged.
type logText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// run runs a corsgate on the policies of a cluster, with the status writer, until the
// test ends or stop is called.
func run(tb testing.TB, of *kubernetes.Source, name string, options server.Options) (r *replica, stop func()) {
	tb.Helper()
	r = &replica{source: of, log: &logText{}}
	writer, err := kubernetes.NewStatusWriter(of, kubernetes.StatusOptions{Identity: name, Namespace: "corsgate"})
	must(tb, err)
	options.Listen = []string{"127.0.0.1:0"}
	options.Logger = slog.New(slog.NewTextHandler(r.log, nil))
	options.Loaded = writer.Report
	ready := make(chan server.Bound, 1)
	options.Ready = func(bound server.Bound) { ready <- bound }
	r.server, err = server.New(of, options)
	must(tb, err)
	ctx, cancel := context.WithCancel(tb.Context())
	var units sync.WaitGroup
	ended := make(chan struct{})
	units.Go(func() {
		defer close(ended)
		if err := r.server.Run(ctx); err != nil {
			tb.Errorf("%s ended: %v", name, err)
		}
	})
	units.Go(func() {
		if err := writer.Run(ctx); err != nil {
			tb.Errorf("the status writer of %s ended: %v", name, err)
		}
	})
	stop = sync.OnceFunc(func() {
		cancel()
		units.Wait()
	})
	tb.Cleanup(stop)
	select {
	case r.bound = <-ready:
	case <-ended:
		tb.Fatalf("%s did not start:\n%s", name, r.log)
	}
	return r, stop
}

// decide returns who may call a host, of some origins.
func (r *replica) decide(host, origin string) policy.Verdict {
	set := r.server.Policies().Status().Set
	if set == nil {
		return policy.VerdictDeny
	}
	d := set.Decide(&policy.Request{Method: "GET", Scheme: "https", Host: host, Path: "/", Origin: origin})
	return d.Verdict
}

// accepted returns the condition of an object, once it speaks of its latest
// generation.
func (c *cluster) accepted(tb testing.TB, object *unstructured.Unstructured) (status, reason, message string) {
	tb.Helper()
	got, err := c.resource(object).Get(tb.Context(), object.GetName(), metav1.GetOptions{})
	must(tb, err)
	conditions, _, _ := unstructured.NestedSlice(got.Object, "status", "conditions")
	for _, one := range conditions {
		m := one.(map[string]any)
		if m["type"] == "Accepted" && m["observedGeneration"] == got.GetGeneration() {
			return m["status"].(string), m["reason"].(string), m["message"].(string)
		}
	}
	return "", "", ""
}

// object makes an object.
func object(tb testing.TB, kind, namespace, name, spec string) *unstructured.Unstructured {
	tb.Helper()
	text := "apiVersion: corsgate.dev/v1\nkind: " + kind + "\nmetadata: {name: " + name
	if namespace != "" {
		text += ", namespace: " + namespace
	}
	return decode(tb, []byte(text+"}\nspec: "+spec+"\n"))[0]
}
