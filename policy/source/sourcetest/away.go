package sourcetest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/corsgate/corsgate/policy/source"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// A Line is a Store whose source can be cut off from it, as by a network that fails.
// The store itself can be written meanwhile.
type Line interface {
	Store

	// Cut ends the source's connections and lets none be made.
	Cut(tb testing.TB)
	// Mend lets them be made again.
	Mend(tb testing.TB)
}

// A Forgetful Line can drop what it remembers of the past, so that a source that
// was cut off cannot be told what it has missed, as after an hour.
type Forgetful interface {
	Line

	// Forget drops it.
	Forget(tb testing.TB)
}

// line returns the store as a line, and skips the test where it is none.
func (t trial) line() Line {
	t.Helper()
	line, ok := t.Store.(Line)
	if !ok {
		t.Skip("nothing lies between the source and its store")
	}
	return line
}

// loadCut holds that a source that cannot reach its store says so in time, and does
// not take that for a store that is empty.
func (t trial) loadCut() {
	line := t.line()
	t.put("one", "https://one.example")
	line.Cut(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got, err := t.Source.Load(ctx)
	if err == nil {
		t.Errorf("Load of what cannot be reached returned %d documents and no error", len(got.Documents))
	}
	if ctx.Err() != nil {
		t.Error("Load did not give up by itself")
	}
	line.Mend(t)
	t.await(func() bool {
		got, err = t.Source.Load(t.Context())
		return err == nil
	})
	t.expect(got, state{"one": "https://one.example"})
}

// cut holds that what is in force stays while the store cannot be reached, and that
// nothing of what happened meanwhile is missed.
func (t trial) cut() {
	line := t.line()
	t.put("one", "https://one.example")
	t.put("two", "https://two.example")
	t.load()
	w := t.watch()
	t.put("one", "https://new.example")
	w.await(state{"one": "https://new.example", "two": "https://two.example"})
	line.Cut(t)
	before := w.count()
	t.put("one", "https://newer.example")
	t.Store.Delete(t, "two")
	t.put("three", "https://three.example")
	w.quiet()
	if n := w.count(); n != before {
		t.Errorf("%d snapshots were delivered while the store could not be reached, the last of them %v", n-before, stateOf(t, w.latest()))
	}
	line.Mend(t)
	w.await(state{"one": "https://newer.example", "three": "https://three.example"})
	t.put("three", "https://last.example")
	w.await(state{"one": "https://newer.example", "three": "https://last.example"})
}

// forgotten is cut where the store cannot say what happened meanwhile.
func (t trial) forgotten() {
	store, ok := t.Store.(Forgetful)
	if !ok {
		t.Skip("the store remembers nothing anyway")
	}
	t.put("one", "https://one.example")
	t.put("two", "https://two.example")
	t.load()
	w := t.watch()
	t.put("one", "https://new.example")
	w.await(state{"one": "https://new.example", "two": "https://two.example"})
	store.Cut(t)
	for i := range 20 {
		t.put("one", fmt.Sprintf("https://n%d.example", i))
	}
	t.Store.Delete(t, "two")
	t.put("three", "https://three.example")
	store.Forget(t)
	store.Mend(t)
	w.await(state{"one": "https://n19.example", "three": "https://three.example"})
	t.put("three", "https://last.example")
	w.await(state{"one": "https://n19.example", "three": "https://last.example"})
}

// dated holds that a source knows since when it has not been in step.
func (t trial) dated() {
	line := t.line()
	dated, ok := t.Source.(source.Dated)
	if !ok {
		t.Fatal("a source that can be cut off does not know how fresh it is")
	}
	if at := dated.InStep(); !at.IsZero() {
		t.Errorf("before anything was read the source says that it was in step at %v", at)
	}
	began := time.Now()
	t.put("one", "https://one.example")
	t.load()
	w := t.watch()
	t.put("one", "https://new.example")
	w.await(state{"one": "https://new.example"})
	t.await(func() bool { return dated.InStep().After(began) })
	line.Cut(t)
	cut := time.Now()
	w.quiet()
	if at := dated.InStep(); at.After(cut) {
		t.Errorf("a source that was cut off at %v says that it was in step at %v", cut, at)
	}
	line.Mend(t)
	t.await(func() bool { return dated.InStep().After(cut) })
}

// await waits until something is so.
func (t trial) await(is func() bool) {
	t.Helper()
	for bound := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(bound) {
			t.Fatal("it did not come in time")
		}
	}
}

// OriginSet returns the text of a set.
func OriginSet(name string, origins []string) string {
	return fmt.Sprintf(`{
  "apiVersion": "corsgate.dev/v1",
  "kind": "CorsOriginSet",
  "metadata": {"name": %q},
  "spec": {"origins": [
"%s"
]}
}
`, name, strings.Join(origins, "\",\n\""))
}

// large holds that a large set comes whole, and so do changes of one of its origins.
func (t trial) large() {
	if t.Large == 0 {
		t.Skip("the store holds no large sets")
	}
	origins := make([]string, 0, t.Large)
	for i := range t.Large {
		origins = append(origins, fmt.Sprintf("https://customer-%d.example", i))
	}
	t.Store.Put(t, "large", OriginSet("large", origins))
	expectOrigins(t, t.load(), origins)
	w := t.watch()
	for _, change := range []func(){
		func() { origins = append(origins, "https://one-more.example") },
		func() { origins = append(origins[:t.Large/2], origins[t.Large/2+1:]...) },
	} {
		change()
		t.Store.Put(t, "large", OriginSet("large", origins))
		w.awaitThat(fmt.Sprintf("a set of %d origins", len(origins)), func(s source.Snapshot) bool {
			return len(originsOf(s)) == len(origins) && originsOf(s)[len(origins)-1] == origins[len(origins)-1]
		})
		expectOrigins(t, w.latest(), origins)
	}
}

func originsOf(s source.Snapshot) []string {
	for _, d := range s.Documents {
		if set, ok := d.Message.(*corsgatev1.CorsOriginSet); ok {
			return set.GetSpec().GetOrigins()
		}
	}
	return nil
}

func expectOrigins(t trial, s source.Snapshot, want []string) {
	t.Helper()
	if errs := s.Problems.Errors(); len(errs) > 0 {
		t.Fatalf("there are problems:\n%v", errs)
	}
	got := originsOf(s)
	if len(got) != len(want) {
		t.Fatalf("the set has %d origins, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("origin %d is %s, want %s", i, got[i], want[i])
		}
	}
}
