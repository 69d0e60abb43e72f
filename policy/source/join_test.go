package source_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/corsgate/corsgate/policy/source"
	"github.com/corsgate/corsgate/policy/source/sourcetest"
)

// A spread is a store whose documents are in several stores, by their names.
type spread []sourcetest.Store

func (s spread) of(name string) sourcetest.Store { return s[int(name[len(name)-1])%len(s)] }

func (s spread) Put(tb testing.TB, name, text string) { tb.Helper(); s.of(name).Put(tb, name, text) }
func (s spread) Break(tb testing.TB, name string)     { tb.Helper(); s.of(name).Break(tb, name) }
func (s spread) Delete(tb testing.TB, name string)    { tb.Helper(); s.of(name).Delete(tb, name) }

// newFolder returns a source of one folder, and the store that it reads.
func newFolder(tb testing.TB) (*source.File, sourcetest.Store) {
	tb.Helper()
	dir := tb.TempDir()
	file := source.NewFile([]string{dir}, source.FileOptions{Resync: time.Hour, Logger: slog.New(slog.DiscardHandler)})
	return file, newRenaming(tb, dir)
}

func TestMemoryConformance(t *testing.T) { // not parallel: the suite counts goroutines
	sourcetest.Run(t, func(testing.TB) sourcetest.Fixture {
		m := newMemory("memory")
		return sourcetest.Fixture{Source: m, Store: m, Quiet: source.Quiet}
	})
}

func TestJoinConformance(t *testing.T) { // not parallel: the suite counts goroutines
	t.Run("all in the first", func(t *testing.T) {
		sourcetest.Run(t, func(tb testing.TB) sourcetest.Fixture {
			tb.Helper()
			file, store := newFolder(tb)
			return sourcetest.Fixture{Source: source.Join(file, newMemory("memory")), Store: store, Quiet: conformanceQuiet}
		})
	})
	t.Run("all in the second", func(t *testing.T) {
		sourcetest.Run(t, func(tb testing.TB) sourcetest.Fixture {
			tb.Helper()
			file, store := newFolder(tb)
			return sourcetest.Fixture{Source: source.Join(newMemory("memory"), file), Store: store, Quiet: conformanceQuiet}
		})
	})
	t.Run("in all", func(t *testing.T) {
		sourcetest.Run(t, func(testing.TB) sourcetest.Fixture {
			a, b, c := newMemory("a"), newMemory("b"), newMemory("c")
			return sourcetest.Fixture{Source: source.Join(a, source.Join(b, c)), Store: spread{a, b, c}, Quiet: source.Quiet}
		})
	})
}

func TestJoinOfOneIsThatOne(t *testing.T) {
	t.Parallel()
	m := newMemory("memory")
	if got := source.Join(m); got != source.Source(m) {
		t.Errorf("got %v", got)
	}
}

// origins returns the origins of the policies of a snapshot, by their names.
func origins(s source.Snapshot) []string {
	var all []string
	for _, doc := range s.Documents {
		all = append(all, doc.File)
	}
	return all
}

func TestJoinFirstWins(t *testing.T) {
	t.Parallel()
	a, b, c := newMemory("a"), newMemory("b"), newMemory("c")
	joined := source.Join(a, b, c)
	if got := joined.String(); got != "a, then b, then c" {
		t.Errorf("the name is %q", got)
	}
	named := func(namespace string) string {
		return strings.Replace(sourcetest.Document("shop", "https://n.example"), `"name": "shop"`, `"name": "shop", "namespace": "`+namespace+`"`, 1)
	}
	const set = `{"apiVersion": "corsgate.dev/v1", "kind": "CorsOriginSet", "metadata": {"name": "shop"}, "spec": {"origins": ["https://s.example"]}}`
	b.Put(t, "shop", sourcetest.Document("shop", "https://b.example"))
	b.Put(t, "namespaced", named("one"))
	c.Put(t, "shop", sourcetest.Document("shop", "https://c.example"))
	c.Put(t, "set", set)
	c.Put(t, "namespaced", named("two"))
	got, err := joined.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"b/namespaced", "b/shop", "c/namespaced", "c/set"}; !slices.Equal(origins(got), want) {
		t.Errorf("documents of %q, want %q", origins(got), want)
	}
	want := `c/shop:4:24: warning: metadata.name: CorsPolicy shop is not in force: the one at b/shop:4:24 comes from a source that is named before; remove one of them, or give it another name [document_hidden]`
	if got.Problems.Error() != want {
		t.Errorf("problems:\n%s\nwant:\n%s", got.Problems.Error(), want)
	}
	if got.Files != 5 || got.Revision != 2 {
		t.Errorf("%d files at revision %d, want 5 at 2: that of the first that counts", got.Files, got.Revision)
	}

	// Where both in question are in one source, the compiler has to say it.
	c.Delete(t, "shop")
	b.Put(t, "twin", sourcetest.Document("shop", "https://b.example"))
	if got, err = joined.Load(t.Context()); err != nil || len(got.Documents) != 5 || len(got.Problems) != 0 {
		t.Errorf("%d documents, problems %v, error %v", len(got.Documents), got.Problems, err)
	}
	a.Put(t, "shop", sourcetest.Document("shop", "https://a.example"))
	if got, err = joined.Load(t.Context()); err != nil || len(got.Problems) != 2 || !slices.Contains(origins(got), "a/shop") {
		t.Errorf("documents of %q, problems %v, error %v", origins(got), got.Problems, err)
	}
}

func TestJoinLoadsAllOrNothing(t *testing.T) {
	t.Parallel()
	a, b := newMemory("a"), newMemory("b")
	a.Put(t, "one", sourcetest.Document("one", "https://one.example"))
	b.Put(t, "two", sourcetest.Document("two", "https://two.example"))
	b.fail(errDown)
	joined := source.Join(a, b)
	if s, err := joined.Load(t.Context()); !errors.Is(err, errDown) || !strings.Contains(err.Error(), "load b: ") || len(s.Documents) > 0 {
		t.Fatalf("Load returned %v, %v", origins(s), err)
	}
	// Half the sources are not enough for a Watch either, and the other half makes
	// it whole.
	got := watchJoined(t, joined)
	a.Put(t, "one", sourcetest.Document("one", "https://other.example"))
	b.fail(nil)
	s := <-got
	if want := []string{"a/one", "b/two"}; !slices.Equal(origins(s), want) {
		t.Errorf("the first delivery has documents of %q, want %q", origins(s), want)
	}
	// Lost later, a source counts with what it held last.
	b.fail(errDown)
	a.Delete(t, "one")
	for s = range got {
		if slices.Equal(origins(s), []string{"b/two"}) {
			return
		}
	}
}

// watchJoined watches until the test ends.
func watchJoined(t *testing.T, src source.Source) <-chan source.Snapshot {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	got, ended := make(chan source.Snapshot), make(chan error, 1)
	go func() {
		ended <- src.Watch(ctx, func(s source.Snapshot) {
			select {
			case got <- s:
			case <-ctx.Done():
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Watch returned %v", err)
		}
	})
	return got
}

func TestJoinDeliversABurstAsOne(t *testing.T) {
	t.Parallel()
	a, b := newMemory("a"), newMemory("b")
	joined := source.Join(a, b)
	if _, err := joined.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := watchJoined(t, joined)
	a.Put(t, "one", sourcetest.Document("one", "https://one.example"))
	// Until it is taken, everything that comes waits for one delivery.
	const changes = 100
	for i := range changes {
		b.Put(t, "two", sourcetest.Document("two", "https://two"+strings.Repeat("o", i%20+1)+".example"))
	}
	deliveries := 0
	for s := range got {
		deliveries++
		if len(s.Documents) == 2 && s.Revision == 1 && strings.Contains(s.Documents[1].Message.(interface{ String() string }).String(), "https://two"+strings.Repeat("o", 20)+".example") {
			break
		}
	}
	if deliveries > changes/2 {
		t.Errorf("%d changes came as %d deliveries", changes, deliveries)
	}
}

func TestJoinWatchEndsWithOneSource(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	a, b := newMemory("a"), newMemory("b")
	joined := source.Join(a, b)
	b.end(errDown)
	if err := joined.Watch(t.Context(), func(source.Snapshot) {}); !errors.Is(err, errDown) || !strings.Contains(err.Error(), "watch b: ") {
		t.Errorf("Watch returned %v", err)
	}
}

// A Load beside a Watch leaves open which of their readings a source takes for its
// latest. Nothing may be lost by that, even if the Watch ends then.
func TestJoinLoadBesideWatch(t *testing.T) {
	t.Parallel()
	a, b := newMemory("a"), newMemory("b")
	joined := source.Join(a, b)
	if _, err := joined.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	loaded, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- joined.Watch(ctx, func(source.Snapshot) { <-loaded })
	}()
	a.Put(t, "one", sourcetest.Document("one", "https://one.example"))
	a.Put(t, "two", sourcetest.Document("two", "https://two.example"))
	last, err := joined.Load(t.Context())
	if err != nil || len(last.Documents) != 2 {
		t.Fatalf("Load returned %d documents, %v", len(last.Documents), err)
	}
	cancel()
	close(loaded)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	a.Delete(t, "one")
	if s := <-watchJoined(t, joined); !slices.Equal(origins(s), []string{"a/two"}) {
		t.Errorf("delivered %q", origins(s))
	}
}

// A plain source is always in step, and has no part in how fresh the whole is.
func TestJoinInStep(t *testing.T) {
	t.Parallel()
	plain, _ := newFolder(t)
	if _, ok := source.Join(plain, plain).(source.Dated); ok {
		t.Error("two sources that are always in step are dated together")
	}
	a, b := newMemory("a"), newMemory("b")
	joined, ok := source.Join(plain, a, b).(source.Dated)
	if !ok {
		t.Fatal("two dated sources are not dated together")
	}
	early, late := time.Unix(1, 0), time.Unix(2, 0)
	for _, test := range []struct{ a, b, want time.Time }{
		{late, early, early}, {early, late, early}, {time.Time{}, late, time.Time{}}, {late, time.Time{}, time.Time{}},
	} {
		a.set(func() { a.inStep = test.a })
		b.set(func() { b.inStep = test.b })
		if got := joined.InStep(); !got.Equal(test.want) {
			t.Errorf("of %v and %v it is %v, want %v", test.a, test.b, got, test.want)
		}
	}
}
