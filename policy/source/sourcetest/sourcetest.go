// Package sourcetest is what every source of policies must do, as one suite of
// tests: the same documents in a file, in a store and in a cluster must come
// and go in the same way.
package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/corsgate/corsgate/policy/source"
)

// A Store is the place that a source reads, as those see it who write policies.
// Its methods fail the test when they cannot do what they say.
type Store interface {
	// Put keeps a text under a name, which is a lower-case word, and replaces
	// what was there. The text is one document: JSON, which is YAML too.
	Put(tb testing.TB, name, text string)
	// Break puts something under a name that no document can be read from.
	Break(tb testing.TB, name string)
	// Delete removes what is kept under a name.
	Delete(tb testing.TB, name string)
}

// A Fixture is a source and the store that it reads.
type Fixture struct {
	Source source.Source
	Store  Store
	// Quiet is a time in which the source would deliver a change. The suite
	// waits for so long where nothing should come.
	Quiet time.Duration
	// Apart says that documents have authors who do not know of each other, so that
	// one that is broken must not keep the changes of others from coming: it is a
	// warning, and what it said last stays in its place, or else what lets nobody
	// call.
	Apart bool
	// Large is how many origins a set may have here: a million, or as many as fit
	// into what the store takes. Zero leaves large sets out.
	Large int
}

// A Factory makes a source that reads an empty store of its own. It cleans up
// with tb.Cleanup.
type Factory func(tb testing.TB) Fixture

// patience is how long anything may take that must happen.
const patience = 20 * time.Second

// A trial is one test of the suite.
type trial struct {
	*testing.T
	Fixture
}

// Run runs the suite. The sources that it makes must leave no goroutine behind,
// so neither it nor its test may run in parallel with others.
func Run(t *testing.T, factory Factory) {
	t.Helper()
	tests := []struct {
		name string
		test func(trial)
	}{
		{"names itself", trial.namesItself},
		{"loads all documents", trial.loads},
		{"loads what is broken as a problem", trial.loadBroken},
		{"does not load after the end", trial.loadEnded},
		{"watches a change", trial.change},
		{"watches a new document", trial.new},
		{"watches a deletion", trial.deletion},
		{"does not lose a change between load and watch", trial.changeBeforeWatch},
		{"begins with what is there where nothing was loaded", trial.watchAlone},
		{"ends at the last state of a burst", trial.burst},
		{"delivers what is broken, and its mending", trial.broken},
		{"keeps silent where nothing changed", trial.unchanged},
		{"is not disturbed by loading", trial.loadWhileWatching},
		{"keeps silent after the end", trial.end},
		{"goes on where the last watch ended", trial.watchAgain},
		{"says in time that the store cannot be reached", trial.loadCut},
		{"keeps what it has while the store is away, and misses nothing", trial.cut},
		{"misses nothing that the store does not remember", trial.forgotten},
		{"knows when it was in step last", trial.dated},
		{"takes a large set, and changes of it", trial.large},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { // not parallel: goroutines are counted
			before := goleak.IgnoreCurrent()
			t.Cleanup(func() { goleak.VerifyNone(t, before) }) // after the fixture's own
			test.test(trial{T: t, Fixture: factory(t)})
		})
	}
}

func (t trial) namesItself() {
	if t.Source.String() == "" {
		t.Error("the source has no name")
	}
}

func (t trial) loads() {
	t.put("one", "https://one.example")
	t.put("two", "https://two.example")
	got := t.load()
	t.expect(got, state{"one": "https://one.example", "two": "https://two.example"})
	if got.Files != 2 {
		t.Errorf("it was read from %d files, want 2", got.Files)
	}
}

func (t trial) loadBroken() {
	t.put("one", "https://one.example")
	t.Store.Break(t, "two")
	got := t.load()
	errs := got.Problems.Errors()
	if t.Apart {
		t.expectApart(got)
		errs = got.Problems
	}
	if len(errs) == 0 {
		t.Fatal("what is broken is no problem")
	}
	if errs[0].Position.File == "" || errs[0].Reason == "" || errs[0].Code == "" {
		t.Errorf("the problem lacks its file, reason or code: %#v", errs[0])
	}
}

func (t trial) loadEnded() {
	t.put("one", "https://one.example")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := t.Source.Load(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Load with an ended context returned %v, want %v", err, context.Canceled)
	}
}

func (t trial) change() {
	t.put("one", "https://old.example")
	t.load()
	w := t.watch()
	t.put("one", "https://new.example")
	w.await(state{"one": "https://new.example"})
	t.put("one", "https://newer.example")
	w.await(state{"one": "https://newer.example"})
}

func (t trial) new() {
	t.put("one", "https://one.example")
	t.load()
	w := t.watch()
	t.put("two", "https://two.example")
	w.await(state{"one": "https://one.example", "two": "https://two.example"})
}

func (t trial) deletion() {
	t.put("one", "https://one.example")
	t.put("two", "https://two.example")
	t.load()
	w := t.watch()
	t.Store.Delete(t, "one")
	w.await(state{"two": "https://two.example"})
	t.put("one", "https://one.example")
	w.await(state{"one": "https://one.example", "two": "https://two.example"})
}

func (t trial) changeBeforeWatch() {
	t.put("one", "https://old.example")
	t.load()
	t.put("one", "https://new.example")
	t.watch().await(state{"one": "https://new.example"})
}

func (t trial) watchAlone() {
	t.put("one", "https://one.example")
	t.watch().await(state{"one": "https://one.example"})
}

func (t trial) burst() {
	const changes = 200
	t.put("one", "https://old.example")
	t.load()
	w := t.watch()
	for i := range changes {
		t.put("one", fmt.Sprintf("https://n%d.example", i))
	}
	last := state{"one": fmt.Sprintf("https://n%d.example", changes-1)}
	w.await(last)
	w.quiet()
	t.expect(w.latest(), last)
}

func (t trial) broken() {
	t.put("one", "https://one.example")
	t.put("two", "https://two.example")
	t.load()
	w := t.watch()
	t.Store.Break(t, "two")
	w.awaitBroken(state{"one": "https://one.example", "two": "https://two.example"})
	if t.Apart {
		t.put("one", "https://new.example")
		w.awaitBroken(state{"one": "https://new.example", "two": "https://two.example"})
		t.put("one", "https://one.example")
		w.awaitBroken(state{"one": "https://one.example", "two": "https://two.example"})
	}
	t.put("two", "https://mended.example")
	w.await(state{"one": "https://one.example", "two": "https://mended.example"})
	// To what it was before, too: that differs from the last that was delivered.
	t.Store.Break(t, "two")
	w.awaitBroken(state{"one": "https://one.example", "two": "https://mended.example"})
	t.put("two", "https://mended.example")
	w.await(state{"one": "https://one.example", "two": "https://mended.example"})
}

func (t trial) unchanged() {
	t.put("one", "https://one.example")
	t.load()
	w := t.watch()
	w.quiet()
	t.put("one", "https://one.example")
	w.quiet()
	if n := w.count(); n != 0 {
		t.Errorf("%d snapshots were delivered though nothing changed, the last of them %v", n, stateOf(t, w.latest()))
	}
	t.put("one", "https://new.example")
	w.await(state{"one": "https://new.example"})
}

func (t trial) loadWhileWatching() {
	t.put("one", "https://old.example")
	t.load()
	w := t.watch()
	t.put("one", "https://new.example")
	w.await(state{"one": "https://new.example"}) // now it has surely begun
	t.put("one", "https://newer.example")
	t.load()
	w.await(state{"one": "https://newer.example"})
}

func (t trial) end() {
	t.put("one", "https://old.example")
	t.load()
	w := t.watch()
	t.put("one", "https://new.example")
	w.await(state{"one": "https://new.example"})
	w.end()
	before := w.count()
	t.put("one", "https://newer.example")
	w.quiet()
	if n := w.count(); n != before {
		t.Errorf("%d snapshots were delivered after Watch returned", n-before)
	}
}

func (t trial) watchAgain() {
	t.put("one", "https://old.example")
	t.load()
	first := t.watch()
	t.put("one", "https://new.example")
	first.await(state{"one": "https://new.example"})
	first.end()

	second := t.watch()
	second.quiet()
	if n := second.count(); n != 0 {
		t.Errorf("%d snapshots were delivered that an earlier Watch had delivered", n)
	}
	second.end()

	t.put("one", "https://newest.example")
	t.watch().await(state{"one": "https://newest.example"})
}
