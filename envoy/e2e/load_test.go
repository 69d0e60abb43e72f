package e2e_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// workers is how many clients ask at once while something happens to corsgate.
const workers = 4

// A load asks its questions again and again and keeps each different answer.
type load struct {
	stop chan struct{}
	wait sync.WaitGroup

	mu   sync.Mutex
	seen map[string][]answer // by the question's name
	asks int
	errs []error
}

// startLoad begins to ask, half of the workers over each protocol.
func startLoad(t *testing.T, h *house, questions map[string]question) *load {
	t.Helper()
	l := &load{stop: make(chan struct{}), seen: make(map[string][]answer)}
	for i := range workers {
		p := http1
		if i%2 == 1 {
			p = http2
		}
		c := h.client(t, p)
		l.wait.Go(func() { l.run(t.Context(), c, questions) })
	}
	return l
}

func (l *load) run(ctx context.Context, c *client, questions map[string]question) {
	for {
		for name, q := range questions {
			select {
			case <-l.stop:
				return
			default:
			}
			got, _, _, err := c.send(ctx, q)
			l.note(name, got, err)
		}
	}
}

func (l *load) note(name string, got answer, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asks++
	if err != nil {
		l.errs = append(l.errs, fmt.Errorf("asking %s: %w", name, err))
		return
	}
	for _, known := range l.seen[name] {
		if cmp.Equal(known, got) {
			return
		}
	}
	l.seen[name] = append(l.seen[name], got)
}

// asked is how many answers have come so far.
func (l *load) asked() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asks
}

// end stops asking, and fails for any answer that is none of those that may be.
// Each of those must have been seen.
func (l *load) end(t *testing.T, may map[string][]answer) {
	t.Helper()
	close(l.stop)
	l.wait.Wait()
	for _, err := range l.errs {
		t.Error(err)
	}
	for name, want := range may {
		for _, got := range l.seen[name] {
			if !contains(want, got) {
				t.Errorf("%s: an answer that nobody gave: %+v", name, got)
			}
		}
		for _, w := range want {
			if !contains(l.seen[name], w) {
				t.Errorf("%s: nobody saw %+v", name, w)
			}
		}
	}
	t.Logf("%d requests", l.asks)
}

func contains(all []answer, one answer) bool {
	for _, a := range all {
		if cmp.Equal(a, one) {
			return true
		}
	}
	return false
}

// TestRestartUnderLoad kills and starts corsgate again and again: no request is
// let through that it has not allowed, and it is asked again when it is back.
func TestRestartUnderLoad(t *testing.T) {
	t.Parallel()
	const restarts = 10
	h := build(t, plan{})
	l := startLoad(t, h, map[string]question{
		"allowed":             ask("GET", orders, "Origin", shop),
		"foreign":             ask("GET", orders, "Origin", foreign),
		"preflight":           preflight(orders, shop, "DELETE", ""),
		"a foreign preflight": preflight(orders, foreign, "GET", ""),
		"no Origin":           ask("GET", orders),
	})
	c := h.client(t, http1)
	allows := func(want answer) func() bool {
		return func() bool {
			got, _, _, err := c.send(t.Context(), ask("GET", orders, "Origin", shop))
			return err == nil && cmp.Equal(got, want)
		}
	}
	for i := range restarts {
		eventually(t, "Envoy to reach corsgate", allows(forwarded(storefront)))
		end := h.corsgate.Stop
		if i%2 == 1 {
			end = h.corsgate.Kill
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "Envoy to miss corsgate", allows(closed))
		more := l.asked() + workers*10
		eventually(t, "some requests to miss it too", func() bool { return l.asked() >= more })
		h.startCorsgate(t)
	}
	eventually(t, "Envoy to reach corsgate", allows(forwarded(storefront)))
	more := l.asked() + workers*10
	eventually(t, "some requests to reach it too", func() bool { return l.asked() >= more })

	l.end(t, map[string][]answer{
		"allowed":             {forwarded(storefront), closed},
		"foreign":             {answered(403, refused), closed},
		"preflight":           {answered(204, storefrontPreflight), closed},
		"a foreign preflight": {answered(403, refusedPreflight), closed},
		"no Origin":           {forwarded(fromService)},
	})
}

// generation is a policy that differs from its other generation in all that an
// answer shows.
const generation = `apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata:
  name: changing
spec:
  targets:
  - hosts: [api.shop.example]
  origins: [https://%[1]s.example]
  methods: [GET, %[2]s]
  requestHeaders: [X-%[1]s]
  exposeHeaders: [X-%[1]s]
  maxAge: %[3]ds
`

// TestReloadUnderLoad changes the policy again and again: each answer is the old
// policy's or the new one's, whole, and the access log's revision says which.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	const changes = 30
	dir := t.TempDir()
	texts := []string{
		fmt.Sprintf(generation, "old", "PUT", 60),
		fmt.Sprintf(generation, "new", "DELETE", 120),
	}
	writePolicy(t, dir, texts[0])
	h := build(t, plan{policies: dir})

	asks := make(map[string]question)
	may := make(map[string][]answer)
	for _, g := range []struct{ name, methods, age string }{{"old", "GET, PUT", "60"}, {"new", "DELETE, GET", "120"}} {
		origin := "https://" + g.name + ".example"
		asks[g.name] = ask("GET", orders, "Origin", origin)
		may[g.name] = []answer{answered(403, refused), forwarded(with(fromService,
			"access-control-allow-origin", origin, "access-control-expose-headers", "x-"+g.name))}
		asks[g.name+" preflight"] = preflight(orders, origin, "GET", "x-"+g.name)
		may[g.name+" preflight"] = []answer{answered(403, refusedPreflight), answered(204, headers{
			"vary":                          refusedPreflight["vary"],
			"access-control-allow-origin":   origin,
			"access-control-allow-methods":  g.methods,
			"access-control-allow-headers":  "x-" + g.name,
			"access-control-expose-headers": "x-" + g.name,
			"access-control-max-age":        g.age,
		})}
	}
	l := startLoad(t, h, asks)
	c := h.client(t, http1)
	for i := range changes {
		writePolicy(t, dir, texts[(i+1)%2])
		name := []string{"new", "old"}[i%2]
		eventually(t, "the policy to change", func() bool {
			got, _, _, err := c.send(t.Context(), asks[name])
			return err == nil && cmp.Equal(got, may[name][1])
		})
		if i == changes/2 {
			// A broken change must change nothing: the answers go on as before.
			writePolicy(t, dir, "kind: Nonsense\n")
			eventually(t, "corsgate to refuse the change", func() bool { return !h.report(t).LastReload.OK })
			more := l.asked() + workers*100
			eventually(t, "more requests", func() bool { return l.asked() >= more })
		}
	}
	l.end(t, may)
	expectOneAnswerPerRevision(t, h)
}

// writePolicy replaces the policy in one step, as a deployment would.
func writePolicy(t *testing.T, dir, text string) {
	t.Helper()
	fresh := filepath.Join(dir, ".fresh")
	if err := os.WriteFile(fresh, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(fresh, filepath.Join(dir, "policy.yaml")); err != nil {
		t.Fatal(err)
	}
}

// expectOneAnswerPerRevision reads the access log: whoever asked the same of the
// same revision got the same.
func expectOneAnswerPerRevision(t *testing.T, h *house) {
	t.Helper()
	type asked struct{ revision, origin, method string }
	type got struct {
		reason string
		status int
	}
	answers := make(map[asked]got)
	revisions := make(map[string]bool)
	eventually(t, "the access log to know both revisions", func() bool {
		for _, line := range h.accessLog(t) {
			revisions[line.Revision] = true
			a, g := asked{line.Revision, line.Origin, line.Method}, got{line.Reason, line.Status}
			if before, ok := answers[a]; ok && before != g {
				t.Errorf("%+v got both %+v and %+v", a, before, g)
			}
			answers[a] = g
		}
		return len(revisions) >= 2
	})
	if len(revisions) != 2 {
		t.Errorf("the access log knows the revisions %v, want two", revisions)
	}
}
