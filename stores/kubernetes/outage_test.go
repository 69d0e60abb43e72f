package kubernetes_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/corsgate/corsgate/policy/source"
	"github.com/corsgate/corsgate/policy/source/kubernetes"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
	"github.com/corsgate/corsgate/stores/parts"
)

// A following is what a source delivered.
type following struct {
	mu     sync.Mutex
	count  int
	latest source.Snapshot
}

// follow watches a source until the test ends.
func follow(tb testing.TB, of source.Source) *following {
	tb.Helper()
	f := &following{}
	ctx, cancel := context.WithCancel(tb.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := of.Watch(ctx, f.take); err != nil {
			tb.Errorf("Watch returned %v", err)
		}
	}()
	tb.Cleanup(func() {
		cancel()
		<-ended
	})
	return f
}

func (f *following) take(s source.Snapshot) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count, f.latest = f.count+1, s
}

func (f *following) get() (int, source.Snapshot) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count, f.latest
}

// origins returns the origins of each policy of a snapshot.
func origins(s source.Snapshot) map[string]string {
	got := map[string]string{}
	for _, d := range s.Documents {
		if p, ok := d.Message.(*corsgatev1.CorsPolicy); ok {
			got[p.GetMetadata().GetName()] = strings.Join(p.GetSpec().GetOrigins(), " ")
		}
	}
	return got
}

// TestOutage cuts the way to the cluster. Meanwhile policies change, come and go, the
// history of all that is compacted, and the API server starts anew, so that the watch
// has expired when the way is mended.
func TestOutage(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.namespace(t, "shop")
	put := func(name, origin string) {
		c.apply(t, object(t, "CorsPolicy", "shop", name, fmt.Sprintf(`{targets: [{hosts: [%s.example]}], origins: [%q]}`, name, origin)))
	}
	want := map[string]string{}
	for i := range 10 {
		name := fmt.Sprintf("p%d", i)
		want[name] = "https://shop.example"
		put(name, want[name])
	}
	way := parts.NewLine(t, strings.TrimPrefix(c.Address(), "https://"))
	config := c.Config()
	config.Host = "https://" + way.Address
	log := &logText{}
	of := newSource(t, kubernetes.Options{Config: config, Logger: slog.New(slog.NewTextHandler(log, nil))})
	first, err := of.Load(t.Context())
	must(t, err)
	if got := origins(first); !maps.Equal(got, want) || first.Revision == 0 {
		t.Fatalf("at revision %d the policies are %v, want %v", first.Revision, got, want)
	}
	f := follow(t, of)
	put("p0", "https://new.example")
	want["p0"] = "https://new.example"
	eventually(t, "a change is delivered", func() bool {
		_, s := f.get()
		return maps.Equal(origins(s), want)
	})

	way.Cut()
	eventually(t, "the log says so", func() bool { return strings.Contains(log.String(), "the cluster cannot be reached") })
	before, _ := f.get()
	inStep := of.InStep()
	put("p1", "https://newer.example")
	want["p1"] = "https://newer.example"
	put("p10", "https://added.example")
	want["p10"] = "https://added.example"
	p2 := object(t, "CorsPolicy", "shop", "p2", "{}")
	must(t, c.resource(p2).Delete(t.Context(), "p2", metav1.DeleteOptions{}))
	delete(want, "p2")
	c.compact(t)
	c.Stop()
	c.Start()
	if after, s := f.get(); after != before || len(s.Problems) > 0 || !of.InStep().Equal(inStep) || inStep.IsZero() {
		t.Errorf("without a cluster, %d snapshots came, the last with the problems %v, in step at %v and then at %v", after-before, s.Problems, inStep, of.InStep())
	}

	way.Mend()
	eventually(t, "all that happened meanwhile is delivered", func() bool {
		_, s := f.get()
		return maps.Equal(origins(s), want) && len(s.Problems) == 0
	})
	eventually(t, "it is in step again", func() bool { return of.InStep().After(inStep) })
	// What did not change is what it was: all but p0, p1 and p2.
	_, last := f.get()
	if shared := countShared(first, last); shared != 7 {
		t.Errorf("%d policies are what they were, want 7", shared)
	}

	// A right that is taken away is said, and what was read stays.
	t.Run("resources that are gone", func(t *testing.T) {
		for _, crd := range readManifests(t, manifests+"/crds.yaml") {
			if crd.GetName() == "corsguardrails.corsgate.dev" {
				must(t, c.resource(crd).Delete(t.Context(), crd.GetName(), metav1.DeleteOptions{}))
			}
		}
		way.Cut()
		way.Mend()
		eventually(t, "it says that a resource is not defined", func() bool {
			_, s := f.get()
			errs := s.Problems.Errors()
			return len(errs) == 1 && errs[0].Code == "crd_missing" && maps.Equal(origins(s), want)
		})
		c.define(t, nil)
		eventually(t, "and that it is again", func() bool {
			_, s := f.get()
			return len(s.Problems) == 0 && maps.Equal(origins(s), want)
		})
	})
}

// compact removes all history from the cluster's etcd.
func (c *cluster) compact(tb testing.TB) {
	tb.Helper()
	etcd, err := clientv3.New(clientv3.Config{Endpoints: []string{c.Etcd()}})
	must(tb, err)
	defer func() { must(tb, etcd.Close()) }()
	now, err := etcd.Get(tb.Context(), "x")
	must(tb, err)
	_, err = etcd.Compact(tb.Context(), now.Header.GetRevision())
	must(tb, err)
}
