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
}

// A Factory makes a source that reads an empty store of its own. It cleans up
// with tb.Cleanup.
type Factory func(tb testing.TB) Fixture

// patience is how long anything may take that must happen.
const patience = 20 * time.Second

// Run runs the suite. The sources that it makes must leave no goroutine behind,
// so neither it nor its test may run in parallel with others.
func Run(t *testing.T, factory Factory) {
	t.Helper()
	tests := []struct {
		name string
		test func(t *testing.T, fix Fixture)
	}{
		{"names itself", testString},
		{"loads all documents", testLoad},
		{"loads what is broken as a problem", testLoadBroken},
		{"does not load after the end", testLoadEnded},
		{"watches a change", testChange},
		{"watches a new document", testNew},
		{"watches a deletion", testDeletion},
		{"does not lose a change between load and watch", testChangeBeforeWatch},
		{"begins with what is there where nothing was loaded", testWatchAlone},
		{"ends at the last state of a burst", testBurst},
		{"delivers what is broken, and its mending", testBroken},
		{"keeps silent where nothing changed", testUnchanged},
		{"is not disturbed by loading", testLoadWhileWatching},
		{"keeps silent after the end", testEnd},
		{"goes on where the last watch ended", testWatchAgain},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { //nolint:paralleltest // goroutines are counted
			before := goleak.IgnoreCurrent()
			t.Cleanup(func() { goleak.VerifyNone(t, before) }) // after the fixture's own
			test.test(t, factory(t))
		})
	}
}

func testString(t *testing.T, fix Fixture) {
	if fix.Source.String() == "" {
		t.Error("the source has no name")
	}
}

func testLoad(t *testing.T, fix Fixture) {
	put(t, fix, "one", "https://one.example")
	put(t, fix, "two", "https://two.example")
	got := load(t, fix)
	expect(t, got, state{"one": "https://one.example", "two": "https://two.example"})
	if got.Files != 2 {
		t.Errorf("it was read from %d files, want 2", got.Files)
	}
}

func testLoadBroken(t *testing.T, fix Fixture) {
	put(t, fix, "one", "https://one.example")
	fix.Store.Break(t, "two")
	got := load(t, fix)
	errs := got.Problems.Errors()
	if len(errs) == 0 {
		t.Fatal("what is broken is no problem")
	}
	if errs[0].Position.File == "" || errs[0].Reason == "" || errs[0].Code == "" {
		t.Errorf("the problem lacks its file, reason or code: %#v", errs[0])
	}
}

func testLoadEnded(t *testing.T, fix Fixture) {
	put(t, fix, "one", "https://one.example")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := fix.Source.Load(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Load with an ended context returned %v, want %v", err, context.Canceled)
	}
}

func testChange(t *testing.T, fix Fixture) {
	put(t, fix, "one", "https://old.example")
	load(t, fix)
	w := watch(t, fix)
	put(t, fix, "one", "https://new.example")
	w.await(state{"one": "https://new.example"})
	put(t, fix, "one", "https://newer.example")
	w.await(state{"one": "https://newer.example"})
}

func testNew(t *testing.T, fix Fixture) {
	put(t, fix, "one", "https://one.example")
	load(t, fix)
	w := watch(t, fix)
	put(t, fix, "two", "https://two.example")
	w.await(state{"one": "https://one.example", "two": "https://two.example"})
}

func testDeletion(t *testing.T, fix Fixture) {
	put(t, fix, "one", "https://one.example")
	put(t, fix, "two", "https://two.example")
	load(t, fix)
	w := watch(t, fix)
	fix.Store.Delete(t, "one")
	w.await(state{"two": "https://two.example"})
	put(t, fix, "one", "https://one.example")
	w.await(state{"one": "https://one.example", "two": "https://two.example"})
}

func testChangeBeforeWatch(t *testing.T, fix Fixture) {
	put(t, fix, "one", "https://old.example")
	load(t, fix)
	put(t, fix, "one", "https://new.example")
	watch(t, fix).await(state{"one": "https://new.example"})
}

func testWatchAlone(t *testing.T, fix Fixture) {
	put(t, fix, "one", "https://one.example")
	watch(t, fix).await(state{"one": "https://one.example"})
}

func testBurst(t *testing.T, fix Fixture) {
	const changes = 200
	put(t, fix, "one", "https://old.example")
	load(t, fix)
	w := watch(t, fix)
	for i := range changes {
		put(t, fix, "one", fmt.Sprintf("https://n%d.example", i))
	}
	last := state{"one": fmt.Sprintf("https://n%d.example", changes-1)}
	w.await(last)
	w.quiet()
	expect(t, w.latest(), last)
}

func testBroken(t *testing.T, fix Fixture) {
	put(t, fix, "one", "https://one.example")
	put(t, fix, "two", "https://two.example")
	load(t, fix)
	w := watch(t, fix)
	fix.Store.Break(t, "two")
	w.awaitErrors()
	put(t, fix, "two", "https://mended.example")
	w.await(state{"one": "https://one.example", "two": "https://mended.example"})
	// To what it was before, too: that differs from the last that was delivered.
	fix.Store.Break(t, "two")
	w.awaitErrors()
	put(t, fix, "two", "https://mended.example")
	w.await(state{"one": "https://one.example", "two": "https://mended.example"})
}

func testUnchanged(t *testing.T, fix Fixture) {
	put(t, fix, "one", "https://one.example")
	load(t, fix)
	w := watch(t, fix)
	w.quiet()
	put(t, fix, "one", "https://one.example")
	w.quiet()
	if n := w.count(); n != 0 {
		t.Errorf("%d snapshots were delivered though nothing changed, the last of them %v", n, stateOf(t, w.latest()))
	}
	put(t, fix, "one", "https://new.example")
	w.await(state{"one": "https://new.example"})
}

func testLoadWhileWatching(t *testing.T, fix Fixture) {
	put(t, fix, "one", "https://old.example")
	load(t, fix)
	w := watch(t, fix)
	put(t, fix, "one", "https://new.example")
	w.await(state{"one": "https://new.example"}) // now it has surely begun
	put(t, fix, "one", "https://newer.example")
	load(t, fix)
	w.await(state{"one": "https://newer.example"})
}

func testEnd(t *testing.T, fix Fixture) {
	put(t, fix, "one", "https://old.example")
	load(t, fix)
	w := watch(t, fix)
	put(t, fix, "one", "https://new.example")
	w.await(state{"one": "https://new.example"})
	w.end()
	before := w.count()
	put(t, fix, "one", "https://newer.example")
	w.quiet()
	if n := w.count(); n != before {
		t.Errorf("%d snapshots were delivered after Watch returned", n-before)
	}
}

func testWatchAgain(t *testing.T, fix Fixture) {
	put(t, fix, "one", "https://old.example")
	load(t, fix)
	first := watch(t, fix)
	put(t, fix, "one", "https://new.example")
	first.await(state{"one": "https://new.example"})
	first.end()

	second := watch(t, fix)
	second.quiet()
	if n := second.count(); n != 0 {
		t.Errorf("%d snapshots were delivered that an earlier Watch had delivered", n)
	}
	second.end()

	put(t, fix, "one", "https://newest.example")
	watch(t, fix).await(state{"one": "https://newest.example"})
}
