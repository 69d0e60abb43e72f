package source_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/corsgate/corsgate/policy/source"
	"github.com/corsgate/corsgate/policy/source/sourcetest"
)

// conformanceQuiet is well above what a file needs to rest.
const conformanceQuiet = 5 * source.Quiet

// TestConformance runs the suite on each way in which files come and go. No
// resync helps: each change must be seen by itself.
func TestConformance(t *testing.T) { // not parallel: the suite counts goroutines
	stores := []struct {
		name string
		make func(tb testing.TB, dir string) sourcetest.Store
		poll time.Duration
		// large is how many origins a set has here. Once is enough for a million.
		large int
	}{
		{name: "renamed into place", make: newRenaming, large: 1_000_000},
		{name: "written in place", make: newWriting},
		{name: "Kubernetes ConfigMap", make: newConfigMap},
		{name: "renamed into place, without inotify", make: newRenaming, poll: source.Quiet},
	}
	for _, store := range stores {
		t.Run(store.name, func(t *testing.T) { // not parallel: the suite counts goroutines
			sourcetest.Run(t, func(tb testing.TB) sourcetest.Fixture {
				tb.Helper()
				dir := tb.TempDir()
				file := source.NewFile([]string{dir}, source.FileOptions{Resync: time.Hour, Logger: slog.New(slog.DiscardHandler)})
				if store.poll > 0 {
					file.WithoutNotifier(errors.New("no inotify"), store.poll)
				}
				return sourcetest.Fixture{Source: file, Store: store.make(tb, dir), Quiet: conformanceQuiet + store.poll, Large: store.large}
			})
		})
	}
}

// broken is what no document can be read from.
const broken = "spec: [\n"

// A renaming writes files as careful editors do: aside, then renamed into place.
type renaming struct{ dir string }

func newRenaming(_ testing.TB, dir string) sourcetest.Store { return renaming{dir} }

func (s renaming) Put(tb testing.TB, name, text string) {
	tb.Helper()
	replace(tb, filepath.Join(s.dir, name+".yaml"), text)
}

func (s renaming) Break(tb testing.TB, name string) {
	tb.Helper()
	s.Put(tb, name, broken)
}

func (s renaming) Delete(tb testing.TB, name string) {
	tb.Helper()
	must(tb, os.Remove(filepath.Join(s.dir, name+".yaml")))
}

// A writing empties a file and then writes it in two steps.
type writing struct{ renaming }

func newWriting(_ testing.TB, dir string) sourcetest.Store { return writing{renaming{dir}} }

func (s writing) Put(tb testing.TB, name, text string) {
	tb.Helper()
	f, err := os.Create(filepath.Join(s.dir, name+".yaml"))
	must(tb, err)
	_, err = f.WriteString(text[:len(text)/2])
	must(tb, err)
	_, err = f.WriteString(text[len(text)/2:])
	must(tb, err)
	must(tb, f.Close())
}

func (s writing) Break(tb testing.TB, name string) {
	tb.Helper()
	s.Put(tb, name, broken)
}

// must ends the test on an error.
func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// write writes a file in place, and the folders above it.
func write(tb testing.TB, path, text string) {
	tb.Helper()
	must(tb, os.MkdirAll(filepath.Dir(path), 0o750))
	must(tb, os.WriteFile(path, []byte(text), 0o600))
}

// replace writes a file aside and renames it into place.
func replace(tb testing.TB, path, text string) {
	tb.Helper()
	aside := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".tmp")
	write(tb, aside, text)
	must(tb, os.Rename(aside, path))
}
