package sourcetest

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/corsgate/corsgate/policy/source"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// A state is what a snapshot without errors says: the origins of each policy, by
// the policy's name.
type state map[string]string

// Document returns the text of a policy with one origin.
func Document(name, origin string) string {
	return fmt.Sprintf(`{
  "apiVersion": "corsgate.dev/v1",
  "kind": "CorsPolicy",
  "metadata": {"name": %q},
  "spec": {"targets": [{"hosts": [%q]}], "origins": [%q], "methods": ["GET"]}
}
`, name, name+".api.example", origin)
}

func put(tb testing.TB, fix Fixture, name, origin string) {
	tb.Helper()
	fix.Store.Put(tb, name, Document(name, origin))
}

func load(tb testing.TB, fix Fixture) source.Snapshot {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	s, err := fix.Source.Load(ctx)
	if err != nil {
		tb.Fatalf("Load: %v", err)
	}
	return s
}

func stateOf(tb testing.TB, s source.Snapshot) state {
	tb.Helper()
	got := state{}
	for _, d := range s.Documents {
		p, ok := d.Message.(*corsgatev1.CorsPolicy)
		if !ok {
			tb.Fatalf("a document is a %T, want a CorsPolicy", d.Message)
		}
		got[p.GetMetadata().GetName()] = strings.Join(p.GetSpec().GetOrigins(), " ")
	}
	return got
}

func expect(tb testing.TB, s source.Snapshot, want state) {
	tb.Helper()
	if got := stateOf(tb, s); !maps.Equal(got, want) {
		tb.Errorf("the documents are %v, want %v", got, want)
	}
	if errs := s.Problems.Errors(); len(errs) > 0 {
		tb.Errorf("there are problems:\n%v", errs)
	}
}

// A watching is one call of Watch and what it delivered.
type watching struct {
	tb     testing.TB
	fix    Fixture
	cancel context.CancelFunc
	ended  chan struct{} // closed when Watch has returned

	inside atomic.Int32
	news   chan struct{} // holds an element when something was delivered

	mu        sync.Mutex
	delivered []source.Snapshot
}

// watch begins to watch. The watching ends with the test.
func watch(tb testing.TB, fix Fixture) *watching {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	w := &watching{tb: tb, fix: fix, cancel: cancel, ended: make(chan struct{}), news: make(chan struct{}, 1)}
	go func() {
		defer close(w.ended)
		if err := fix.Source.Watch(ctx, w.onChange); err != nil {
			tb.Errorf("Watch returned %v, want nil", err)
		}
	}()
	tb.Cleanup(w.end)
	return w
}

func (w *watching) onChange(s source.Snapshot) {
	if w.inside.Add(1) > 1 {
		w.tb.Error("calls of onChange overlap")
	}
	defer w.inside.Add(-1)
	w.mu.Lock()
	w.delivered = append(w.delivered, s)
	w.mu.Unlock()
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// end ends the watching and waits until Watch has returned.
func (w *watching) end() {
	w.tb.Helper()
	w.cancel()
	select {
	case <-w.ended:
	case <-time.After(patience):
		w.tb.Fatal("Watch did not return when its context ended")
	}
}

func (w *watching) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.delivered)
}

// latest returns what was delivered last.
func (w *watching) latest() source.Snapshot {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.delivered) == 0 {
		return source.Snapshot{}
	}
	return w.delivered[len(w.delivered)-1]
}

// await waits until what was delivered last is some state.
func (w *watching) await(want state) {
	w.tb.Helper()
	w.awaitThat(fmt.Sprint(want), func(s source.Snapshot) bool {
		return len(s.Problems.Errors()) == 0 && maps.Equal(stateOf(w.tb, s), want)
	})
}

// awaitErrors waits until what was delivered last must not be used.
func (w *watching) awaitErrors() {
	w.tb.Helper()
	w.awaitThat("a snapshot with errors", func(s source.Snapshot) bool { return len(s.Problems.Errors()) > 0 })
}

func (w *watching) awaitThat(what string, is func(source.Snapshot) bool) {
	w.tb.Helper()
	bound := time.After(patience)
	for {
		if w.count() > 0 && is(w.latest()) {
			return
		}
		select {
		case <-w.news:
		case <-bound:
			s := w.latest()
			w.tb.Fatalf("after %d snapshots the last is %v with problems %q, want %s",
				w.count(), stateOf(w.tb, s), s.Problems.Error(), what)
		}
	}
}

// quiet waits for as long as the source may need to deliver a change.
func (w *watching) quiet() { time.Sleep(w.fix.Quiet) }
