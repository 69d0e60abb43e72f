package source_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/corsgate/corsgate/policy/document"
	"github.com/corsgate/corsgate/policy/source"
	"github.com/corsgate/corsgate/policy/source/sourcetest"
)

// keep wraps a source, and fails the test if that cannot be.
func keep(tb testing.TB, src source.Source, path string) source.Source {
	tb.Helper()
	kept, err := source.Keep(src, path, source.KeepOptions{Logger: slog.New(slog.DiscardHandler)})
	must(tb, err)
	return kept
}

// snapshotPath is a file that is not there yet.
func snapshotPath(tb testing.TB) string {
	tb.Helper()
	return filepath.Join(tb.TempDir(), "snapshot")
}

// keeperOf returns the other half of what Keep returned.
func keeperOf(src source.Source) source.Keeper { return src.(source.Keeper) }

// save makes a file that holds what a source holds now.
func save(tb testing.TB, src source.Source, path string) source.Snapshot {
	tb.Helper()
	kept := keep(tb, src, path)
	s, err := kept.Load(context.Background())
	must(tb, err)
	keeperOf(kept).Good(s)
	ended, end := context.WithCancel(context.Background())
	end()
	must(tb, kept.Watch(ended, func(source.Snapshot) {})) // what is good is saved at its end
	if at, err := keeperOf(kept).Saved(); err != nil || at.IsZero() {
		tb.Fatalf("saved %v, %v", at, err)
	}
	return s
}

func TestKeepConformance(t *testing.T) { // not parallel: the suite counts goroutines
	t.Run("file", func(t *testing.T) {
		sourcetest.Run(t, func(tb testing.TB) sourcetest.Fixture {
			tb.Helper()
			file, store := newFolder(tb)
			return sourcetest.Fixture{Source: keep(tb, file, snapshotPath(tb)), Store: store, Quiet: conformanceQuiet}
		})
	})
	t.Run("memory", func(t *testing.T) {
		sourcetest.Run(t, func(tb testing.TB) sourcetest.Fixture {
			tb.Helper()
			m := newMemory("memory")
			return sourcetest.Fixture{Source: keep(tb, m, snapshotPath(tb)), Store: m, Quiet: source.Quiet}
		})
	})
}

// A snapshot file gives back what was put in, positions and all.
func TestKeepRoundTrip(t *testing.T) {
	t.Parallel()
	many := make([]string, 100)
	for i := range many {
		many[i] = fmt.Sprintf("https://tenant-%d.example", i)
	}
	m := newMemory("memory")
	m.Put(t, "shop", `
# A comment moves what follows.
apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata: {name: shop, namespace: web, labels: {team: shop}}
spec:
  targets: [{hosts: [api.example], paths: [/v1/*]}]
  origins:
    - https://shop.example
    - https://*.shop.example
  originSets: [tenants]
  temporaryOrigins: [{origin: "https://fair.example", until: "2099-01-01"}]
  preflightStatus: 200
  timingAllowOrigin: false
  maxAge: 0s
`)
	m.Put(t, "tenants", "apiVersion: corsgate.dev/v1\nkind: CorsOriginSet\nmetadata: {name: tenants, namespace: web}\nspec:\n  origins:\n    - "+
		strings.Join(many, "\n    - ")+"\n")
	m.Put(t, "inline", "apiVersion: corsgate.dev/v1\nkind: CorsPolicy\nmetadata: {name: inline}\nspec:\n  origins: ["+strings.Join(many, ", ")+"]\n")
	other := newMemory("other")
	other.Put(t, "shop", m.texts["shop"]) // hidden: a warning is kept, too
	both, path := source.Join(m, other), snapshotPath(t)
	created := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	m.created = func(name string) time.Time {
		if name == "shop" {
			return created
		}
		return time.Time{}
	}
	want := save(t, both, path)
	if len(want.Documents) == 0 || len(want.Problems) != 1 {
		t.Fatalf("%d documents, %v", len(want.Documents), want.Problems)
	}

	got, err := keeperOf(keep(t, both, path)).LastGood()
	must(t, err)
	if age := time.Since(got.AsOf); age < 0 || age > time.Minute {
		t.Errorf("it is as of %v", got.AsOf)
	}
	got.AsOf = time.Time{}
	for i := range got.Documents {
		texts := &got.Documents[i].Texts
		if *texts != "" && *texts != strings.Join(many, "\n")+"\n" {
			t.Errorf("the texts of %s are %q", got.Documents[i].File, *texts)
		}
		*texts = want.Documents[i].Texts // it may do without
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("snapshot (-want +got):\n%s", diff)
	}
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v", info.Mode())
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("beside it there are %v", entries)
	}
}

func TestKeepStandsIn(t *testing.T) {
	t.Parallel()
	m, path := newMemory("memory"), snapshotPath(t)
	m.Put(t, "one", sourcetest.Document("one", "https://one.example"))
	m.fail(errDown)

	first := keep(t, m, path)
	if _, err := first.Load(t.Context()); !errors.Is(err, errDown) || !strings.Contains(err.Error(), "there is no snapshot at "+path) {
		t.Errorf("without a file, Load returned %v", err)
	}
	m.fail(nil)
	save(t, m, path)

	m.fail(errDown)
	m.Put(t, "two", sourcetest.Document("two", "https://two.example"))
	kept := keep(t, m, path)
	s, err := kept.Load(t.Context())
	if err != nil || s.AsOf.IsZero() || !slices.Equal(origins(s), []string{"memory/one"}) {
		t.Fatalf("Load returned %v as of %v, %v", origins(s), s.AsOf, err)
	}
	if got := kept.(source.Dated).InStep(); !got.Equal(s.AsOf) {
		t.Errorf("it was in step at %v, want %v", got, s.AsOf)
	}
	keeperOf(kept).Good(s)
	got := watchJoined(t, kept)
	back := time.Now()
	m.set(func() { m.down, m.inStep = nil, back })
	if s := <-got; !s.AsOf.IsZero() || !slices.Equal(origins(s), []string{"memory/one", "memory/two"}) {
		t.Errorf("when the source was back, %v as of %v was delivered", origins(s), s.AsOf)
	}
	if got := kept.(source.Dated).InStep(); !got.Equal(back) {
		t.Errorf("it was in step at %v, want %v", got, back)
	}
	// Now what is in force is newer than the file.
	m.fail(errDown)
	if s, err := kept.Load(t.Context()); !errors.Is(err, errDown) {
		t.Errorf("once something was good, Load returned %v, %v", origins(s), err)
	}
}

// A silent source is one that never answers.
type silent struct{ *memory }

func (silent) Load(ctx context.Context) (source.Snapshot, error) {
	<-ctx.Done()
	return source.Snapshot{}, fmt.Errorf("wait for an answer: %w", ctx.Err())
}

func TestKeepPatience(t *testing.T) {
	m, path := newMemory("memory"), snapshotPath(t)
	m.Put(t, "one", sourcetest.Document("one", "https://one.example"))
	save(t, m, path)
	synctest.Test(t, func(t *testing.T) {
		kept := keep(t, silent{newMemory("memory")}, path)
		began := time.Now()
		if s, err := kept.Load(t.Context()); err != nil || len(s.Documents) != 1 {
			t.Errorf("Load returned %v, %v", origins(s), err)
		}
		if took := time.Since(began); took != 8*time.Second {
			t.Errorf("it took %v", took)
		}
		must(t, os.Remove(path))
		_, err := kept.Load(t.Context())
		if !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), "it did not answer within 8s: ") {
			t.Errorf("without a file, Load returned %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := kept.Load(ctx); err == nil || strings.Contains(err.Error(), path) {
			t.Errorf("with an ended context, Load returned %v", err)
		}
	})
}

func TestKeepSavesBurstsOnce(t *testing.T) {
	path := snapshotPath(t)
	synctest.Test(t, func(t *testing.T) {
		m := newMemory("memory")
		kept := keep(t, m, path)
		s, err := kept.Load(t.Context())
		must(t, err)
		keeperOf(kept).Good(s)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- kept.Watch(ctx, keeperOf(kept).Good) }()
		const changes = 1000
		saves, last := 0, time.Time{}
		for i := range changes {
			m.Put(t, "one", sourcetest.Document("one", fmt.Sprintf("https://n%d.example", i)))
			time.Sleep(10 * time.Millisecond)
			if at, err := keeperOf(kept).Saved(); err != nil {
				t.Error(err)
			} else if !at.Equal(last) {
				saves, last = saves+1, at
			}
		}
		if saves < 9 || saves > 11 { // one a second
			t.Errorf("%d changes in ten seconds were saved %d times", changes, saves)
		}
		time.Sleep(2 * time.Second)
		if s, err := keeperOf(kept).LastGood(); err != nil || s.Revision != changes {
			t.Errorf("the file is at revision %d, %v, want %d", s.Revision, err, changes)
		}
		// What comes within the pause is saved at the end.
		m.Put(t, "one", sourcetest.Document("one", "https://last.example"))
		synctest.Wait()
		m.Put(t, "one", sourcetest.Document("one", "https://very-last.example"))
		synctest.Wait()
		cancel()
		must(t, <-ended)
		if s, err := keeperOf(kept).LastGood(); err != nil || s.Revision != changes+2 {
			t.Errorf("the file is at revision %d, %v, want %d", s.Revision, err, changes+2)
		}
	})
}

func TestKeepSaysHowLongItWasInStep(t *testing.T) {
	path := snapshotPath(t)
	synctest.Test(t, func(t *testing.T) {
		m := newMemory("memory")
		m.Put(t, "one", sourcetest.Document("one", "https://one.example"))
		kept := keep(t, m, path)
		s, err := kept.Load(t.Context())
		must(t, err)
		keeperOf(kept).Good(s)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- kept.Watch(ctx, func(s source.Snapshot) {
				if len(s.Problems) == 0 {
					keeperOf(kept).Good(s)
				}
			})
		}()
		asOf := func() time.Time {
			t.Helper()
			s, err := keeperOf(keep(t, m, path)).LastGood()
			must(t, err)
			return s.AsOf
		}
		inStep := func() time.Time {
			now := time.Now()
			m.set(func() { m.inStep = now })
			time.Sleep(11 * time.Second)
			return now.UTC().Truncate(time.Second)
		}
		time.Sleep(time.Hour)
		if want := inStep(); !asOf().Equal(want) {
			t.Errorf("the file is as of %v, want %v", asOf(), want)
		}
		// What the source holds is not what the file holds any more.
		last := m.inStep.UTC()
		m.Break(t, "two")
		time.Sleep(time.Minute)
		inStep()
		if got := asOf(); got.After(last) {
			t.Errorf("the file is as of %v, though another state came at %v", got, last)
		}
		m.Delete(t, "two")
		if want := inStep(); asOf().Before(want) {
			t.Errorf("the file is as of %v, want %v", asOf(), want)
		}
		cancel()
		must(t, <-ended)
	})
}

func TestKeepTriesAgainToSave(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "folder")
	must(t, os.Mkdir(folder, 0o700))
	path := filepath.Join(folder, "snapshot")
	log := &bytes.Buffer{}
	synctest.Test(t, func(t *testing.T) {
		m := newMemory("memory")
		kept, err := source.Keep(m, path, source.KeepOptions{Logger: slog.New(slog.NewTextHandler(log, nil))})
		must(t, err)
		must(t, os.Remove(folder))
		s, err := kept.Load(t.Context())
		must(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- kept.Watch(ctx, func(source.Snapshot) {}) }()
		keeperOf(kept).Good(s)
		time.Sleep(time.Minute)
		want := "the snapshot " + path + " cannot be written: there is no folder " + folder + "; make the folder, or name another file"
		if _, err := keeperOf(kept).Saved(); err == nil || err.Error() != want {
			t.Errorf("saved: %v, want %s", err, want)
		}
		must(t, os.Mkdir(folder, 0o700))
		time.Sleep(time.Minute)
		if at, err := keeperOf(kept).Saved(); err != nil || at.IsZero() {
			t.Errorf("saved %v, %v", at, err)
		}
		cancel()
		must(t, <-ended)
	})
	if n := strings.Count(log.String(), "could not be saved"); n != 1 {
		t.Errorf("the log says %d times that it cannot be saved, want once:\n%s", n, log)
	}
}

// What is wrong with a file is said, and nothing of it is used.
func TestKeepRefusesBadFiles(t *testing.T) {
	t.Parallel()
	m, path := newMemory("memory"), snapshotPath(t)
	m.Put(t, "one", sourcetest.Document("one", "https://one.example"))
	save(t, m, path)
	good, err := os.ReadFile(path)
	must(t, err)
	changed := func(old, with string) []byte {
		t.Helper()
		if !bytes.Contains(good, []byte(old)) {
			t.Fatalf("the file does not hold %q", old)
		}
		return bytes.Replace(good, []byte(old), []byte(with), 1)
	}
	const replace = "start while the source can be reached, which replaces the file"
	for name, test := range map[string]struct {
		content []byte
		want    string
	}{
		"cut short":             {good[:len(good)-10], fmt.Sprintf("is cut short: it holds %d of %d bytes; ", len(good)-10-bodyBegin(good), len(good)-bodyBegin(good)) + replace},
		"cut off in its head":   {good[:40], "is cut short; " + replace},
		"damaged":               {changed("one.example", "two.example"), "is damaged: its checksum is another; " + replace},
		"longer":                {append(slices.Clip(good), "x"...), "is damaged: its checksum is another; " + replace},
		"a damaged checksum":    {changed("sha256 ", "sha255 "), "is damaged: its checksum cannot be read; " + replace},
		"of a later corsgate":   {changed("snapshot 1", "snapshot 2"), `has the format "2", and this corsgate reads 1; start the corsgate that wrote it, or ` + replace},
		"of another source":     {source.Resealed(changed(`"source":"memory"`, `"source":"etcd a"`)), "is of etcd a, and policies come from memory now; " + replace + ", or name the sources as before"},
		"of a kind to come":     {source.Resealed(changed("v1.CorsPolicy", "v1.CorsPoliky")), `holds what this corsgate does not know: a document of the kind "corsgate.v1.CorsPoliky"; start the corsgate that wrote it, or ` + replace},
		"with something behind": {source.Resealed(append(slices.Clip(good), 0)), "holds what this corsgate does not know: something follows the last document; start the corsgate that wrote it, or " + replace},
		"without its documents": {source.Resealed(good[:len(good)-10]), "holds what this corsgate does not know: it ends within a document; start the corsgate that wrote it, or " + replace},
		"with a strange head":   {source.Resealed(changed(`"documents":1`, `"documents":"`)), "has a head that cannot be read: invalid character 'p' after object key:value pair; " + replace},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := snapshotPath(t)
			must(t, os.WriteFile(path, test.content, 0o600))
			down := newMemory("memory")
			down.fail(errDown)
			s, err := keep(t, down, path).Load(t.Context())
			if want := "the network is down; the snapshot " + path + " " + test.want; err == nil || err.Error() != want {
				t.Errorf("Load returned\n%v\nwant\n%s", err, want)
			}
			if !errors.Is(err, errDown) || len(s.Documents) > 0 {
				t.Errorf("it has %d documents, and the error is %v", len(s.Documents), err)
			}
		})
	}

	// A torn time is not worth losing the policies.
	must(t, os.WriteFile(path, changed("in step 2", "in step 1"), 0o600))
	s, err := keeperOf(keep(t, m, path)).LastGood()
	if err != nil || s.AsOf.Year() < 2026 || len(s.Documents) != 1 {
		t.Errorf("with a torn time, LastGood returned %v as of %v, %v", origins(s), s.AsOf, err)
	}
}

// bodyBegin is where the fourth line of a file begins.
func bodyBegin(file []byte) int {
	lines := bytes.SplitAfterN(file, []byte("\n"), 4)
	return len(file) - len(lines[3])
}

// Every cut and every changed byte is either noticed or without effect.
func TestKeepNoticesAnyDamage(t *testing.T) {
	t.Parallel()
	m, path := newMemory("memory"), snapshotPath(t)
	m.Put(t, "one", sourcetest.Document("one", "https://one.example"))
	want := save(t, m, path)
	good, err := os.ReadFile(path)
	must(t, err)
	kept := keeperOf(keep(t, m, path))
	for i := range good {
		for _, bad := range [][]byte{good[:i], slices.Concat(good[:i], []byte{good[i] ^ 1}, good[i+1:])} {
			must(t, os.WriteFile(path, bad, 0o600))
			s, err := kept.LastGood()
			s.AsOf = time.Time{}
			if err == nil && !cmp.Equal(want, s, protocmp.Transform()) {
				t.Fatalf("damage at byte %d was not noticed", i)
			}
			if refusal := (*source.SnapshotError)(nil); err != nil && !errors.As(err, &refusal) {
				t.Fatalf("damage at byte %d: %v", i, err)
			}
		}
	}
}

func TestKeepLeavesOtherFilesAlone(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	other := filepath.Join(folder, "policies.yaml")
	write(t, other, "apiVersion: corsgate.dev/v1\n")
	for path, want := range map[string]string{
		other:                               "is a file of another sort, and is left alone; name another file",
		folder:                              "is a folder; name another file",
		filepath.Join(folder, "no", "file"): "cannot be written: there is no folder " + filepath.Join(folder, "no") + "; make the folder, or name another file",
	} {
		_, err := source.Keep(newMemory("memory"), path, source.KeepOptions{})
		if err == nil || err.Error() != "the snapshot "+path+" "+want {
			t.Errorf("Keep returned %v, want %s", err, want)
		}
	}
	if _, err := source.Keep(newMemory("memory"), "", source.KeepOptions{}); err == nil {
		t.Error("a file without a name will do")
	}
	// Nor is one replaced that came later.
	path := filepath.Join(folder, "snapshot")
	kept := keep(t, newMemory("memory"), path)
	write(t, path, "precious\n")
	keeperOf(kept).Good(source.Snapshot{})
	ended, end := context.WithCancel(t.Context())
	end()
	must(t, kept.Watch(ended, func(source.Snapshot) {}))
	if _, err := keeperOf(kept).Saved(); err == nil || !strings.Contains(err.Error(), "is left alone") {
		t.Errorf("saved: %v", err)
	}
	if content, _ := os.ReadFile(path); string(content) != "precious\n" {
		t.Errorf("the file holds %q", content)
	}
}

// BenchmarkKeep saves and reads a set of many origins.
func BenchmarkKeep(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf("https://tenant-%07d.shop.example", i)
		}
		docs, problems := document.Read("tenants.yaml", []byte("apiVersion: corsgate.dev/v1\nkind: CorsOriginSet\nmetadata: {name: tenants}\nspec:\n  origins:\n    - "+
			strings.Join(list, "\n    - ")+"\n"))
		if len(problems) > 0 {
			b.Fatal(problems)
		}
		kept := keep(b, newMemory("memory"), snapshotPath(b))
		b.Run(fmt.Sprintf("origins=%d/save", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				size, err := source.SaveNow(kept, source.Snapshot{Documents: docs})
				must(b, err)
				b.ReportMetric(float64(size)/float64(n), "bytes/origin")
			}
		})
		b.Run(fmt.Sprintf("origins=%d/read", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s, err := keeperOf(kept).LastGood()
				must(b, err)
				if len(s.Documents) != 1 || len(s.Documents[0].Texts) == 0 {
					b.Fatal("it holds something else")
				}
			}
		})
	}
}
