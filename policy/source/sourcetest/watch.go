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

func (t trial) put(name, origin string) {
	t.Helper()
	t.Store.Put(t, name, Document(name, origin))
}

func (t trial) load() source.Snapshot {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := t.Source.Load(ctx)
	if err != nil {
		t.Fatalf("Load: %v", err)
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

func (t trial) expect(s source.Snapshot, want state) {
	t.Helper()
	if got := stateOf(t, s); !maps.Equal(got, want) {
		t.Errorf("the documents are %v, want %v", got, want)
	}
	if errs := s.Problems.Errors(); len(errs) > 0 {
		t.Errorf("there are problems:\n%v", errs)
	}
}

// A watching is one call of Watch and what it delivered.
type watching struct {
	t      trial
	cancel context.CancelFunc
	ended  chan struct{} // closed when Watch has returned

	inside atomic.Int32
	news   chan struct{} // holds an element when something was delivered

	mu        sync.Mutex
	delivered []source.Snapshot
}

// watch begins to watch. The watching ends with the test.
func (t trial) watch() *watching {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &watching{t: t, cancel: cancel, ended: make(chan struct{}), news: make(chan struct{}, 1)}
	go func() {
		defer close(w.ended)
		if err := t.Source.Watch(ctx, w.onChange); err != nil {
			t.Errorf("Watch returned %v, want nil", err)
		}
	}()
	t.Cleanup(w.end)
	return w
}

func (w *watching) onChange(s source.Snapshot) {
	if w.inside.Add(1) > 1 {
		w.t.Error("calls of onChange overlap")
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
	w.t.Helper()
	w.cancel()
	select {
	case <-w.ended:
	case <-time.After(patience):
		w.t.Fatal("Watch did not return when its context ended")
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
	w.t.Helper()
	w.awaitThat(fmt.Sprint(want), func(s source.Snapshot) bool {
		return len(s.Problems.Errors()) == 0 && maps.Equal(stateOf(w.t, s), want)
	})
}

// awaitBroken waits until what was delivered last says that something is broken:
// as a snapshot that must not be used or, where documents stand apart, as one in
// which the last good version of what is broken stays.
func (w *watching) awaitBroken(apart state) {
	w.t.Helper()
	if !w.t.Apart {
		w.awaitThat("a snapshot with errors", func(s source.Snapshot) bool { return len(s.Problems.Errors()) > 0 })
		return
	}
	w.awaitThat("a warning, and "+fmt.Sprint(apart), func(s source.Snapshot) bool {
		return len(s.Problems.Errors()) == 0 && len(s.Problems) > 0 && maps.Equal(stateOf(w.t, s), apart)
	})
}

// expectApart expects that what is broken keeps nothing else from being used, and
// lets nobody call.
func (t trial) expectApart(s source.Snapshot) {
	t.Helper()
	if errs := s.Problems.Errors(); len(errs) > 0 {
		t.Errorf("what is broken keeps the rest from being used:\n%v", errs)
	}
	got := stateOf(t, s)
	if got["one"] != "https://one.example" {
		t.Errorf("the documents are %v, which lack what is not broken", got)
	}
	if broken, ok := got["two"]; ok && broken != nobody {
		t.Errorf("what is broken lets %q call", broken)
	}
}

// nobody is the origin that stands in for none.
const nobody = "https://corsgate.invalid"

func (w *watching) awaitThat(what string, is func(source.Snapshot) bool) {
	w.t.Helper()
	bound := time.After(patience)
	for {
		if w.count() > 0 && is(w.latest()) {
			return
		}
		select {
		case <-w.news:
		case <-bound:
			s := w.latest()
			w.t.Fatalf("after %d snapshots the last is %v with problems %q, want %s",
				w.count(), stateOf(w.t, s), s.Problems.Error(), what)
		}
	}
}

// quiet waits for as long as the source may need to deliver a change.
func (w *watching) quiet() { time.Sleep(w.t.Quiet) }
