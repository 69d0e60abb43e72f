package source_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/source"
	"github.com/corsgate/corsgate/policy/source/sourcetest"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// noResync is so long that no resync helps a test.
const noResync = time.Hour

// filesOf returns the files that a snapshot's documents came from.
func filesOf(s source.Snapshot) []string {
	var files []string
	for _, d := range s.Documents {
		files = append(files, d.File)
	}
	return files
}

func TestLoadFindsFiles(t *testing.T) { // not parallel: changes the working folder
	tests := []struct {
		name  string
		make  func(tb testing.TB, dir string)
		paths []string
		want  []string
	}{
		{
			name: "folder and below", paths: []string{"policies"},
			make: func(tb testing.TB, dir string) {
				tb.Helper()
				for _, path := range []string{
					"b.yaml", "a.yml", "c.json", "below/d.yaml", "below/deeper/e.yaml", "folder.yaml/f.yaml",
					".g.yaml", ".hidden/h.yaml", "i_test.yaml", "j_test.yml", "k_test.json", "l.txt", "m.yaml~", "n.YAML", "yaml",
				} {
					putPolicy(tb, dir, "policies/"+path)
				}
			},
			want: []string{
				"policies/a.yml", "policies/b.yaml", "policies/below/d.yaml", "policies/below/deeper/e.yaml",
				"policies/c.json", "policies/folder.yaml/f.yaml",
			},
		},
		{
			name: "named files whatever their names", paths: []string{"b_test.yaml", ".a.yaml", "./c", "../" + "TOP" + "/d.txt"},
			make: func(tb testing.TB, dir string) {
				tb.Helper()
				for _, path := range []string{".a.yaml", "b_test.yaml", "c", "d.txt"} {
					putPolicy(tb, dir, path)
				}
			},
			want: []string{"b_test.yaml", ".a.yaml", "./c", "../TOP/d.txt"},
		},
		{
			name: "folder with a slash and dots", paths: []string{"./policies/"},
			make: func(tb testing.TB, dir string) { tb.Helper(); putPolicy(tb, dir, "policies/a.yaml") },
			want: []string{"policies/a.yaml"},
		},
		{
			name: "files that look the same from outside", paths: []string{"policies", "link.yaml", "other.yaml"},
			make: func(tb testing.TB, dir string) {
				tb.Helper()
				for _, path := range []string{"policies/a.yaml", "policies/b.yaml", "policies/c.yaml"} {
					putPolicy(tb, dir, path)
					must(tb, os.Chtimes(filepath.Join(dir, path), time.Time{}, time.Unix(1_700_000_000, 0)))
				}
				link(tb, "policies/a.yaml", dir, "link.yaml")
				link(tb, "policies/c.yaml", dir, "other.yaml")
			},
			want: []string{"policies/a.yaml", "policies/b.yaml", "policies/c.yaml"},
		},
		{
			name: "one file by several ways", paths: []string{"policies", "policies/a.yaml", "ABS/policies/a.yaml", "link.yaml", "hard.yaml", "policies"},
			make: func(tb testing.TB, dir string) {
				tb.Helper()
				putPolicy(tb, dir, "policies/a.yaml")
				link(tb, "a.yaml", dir, "policies/b.yaml")
				link(tb, "policies/a.yaml", dir, "link.yaml")
				must(tb, os.Link(filepath.Join(dir, "policies/a.yaml"), filepath.Join(dir, "hard.yaml")))
			},
			want: []string{"policies/a.yaml"},
		},
		{
			name: "path that is a link to a folder", paths: []string{"current/policies"},
			make: func(tb testing.TB, dir string) {
				tb.Helper()
				putPolicy(tb, dir, "v1/policies/a.yaml")
				link(tb, filepath.Join(dir, "v1"), dir, "current")
			},
			want: []string{"current/policies/a.yaml"},
		},
		{
			name: "ConfigMap with folders", paths: []string{"policies"},
			make: func(tb testing.TB, dir string) {
				tb.Helper()
				must(tb, os.Mkdir(filepath.Join(dir, "policies"), 0o750))
				m := &configMap{dir: filepath.Join(dir, "policies"), files: map[string]string{
					"a.yaml": sourcetest.Document("a", "https://a.example"), "shop/b.yaml": sourcetest.Document("b", "https://b.example"),
				}}
				m.swap(tb)
			},
			want: []string{"policies/a.yaml", "policies/shop/b.yaml"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { // not parallel: changes the working folder
			dir := t.TempDir()
			t.Chdir(dir)
			test.make(t, dir)
			named := strings.NewReplacer("ABS", dir, "TOP", filepath.Base(dir))
			var paths, want []string
			for _, path := range test.paths {
				paths = append(paths, named.Replace(path))
			}
			for _, path := range test.want {
				want = append(want, named.Replace(path))
			}
			snapshot, err := newFile(paths...).Load(t.Context())
			must(t, err)
			if got := filesOf(snapshot); !slices.Equal(got, want) {
				t.Errorf("the documents came from %q, want %q", got, want)
			}
			if snapshot.Files != len(want) {
				t.Errorf("it was read from %d files, want %d", snapshot.Files, len(want))
			}
			if len(snapshot.Problems) > 0 {
				t.Errorf("there are problems:\n%v", snapshot.Problems)
			}
		})
	}
}

func TestFileString(t *testing.T) {
	t.Parallel()
	if got, want := newFile("policies/", "/etc/more.yaml").String(), "policies/, /etc/more.yaml"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
}

// TestLoadIsOfOneMoment swaps a ConfigMap without pause: no snapshot may hold
// files of two versions.
func TestLoadIsOfOneMoment(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	m := &configMap{dir: dir, files: map[string]string{}}
	swap := func(origin string) {
		for _, name := range []string{"a", "b", "c", "d"} {
			m.files[name+".yaml"] = sourcetest.Document(name, origin)
		}
		m.swap(t)
	}
	swap("https://first.example")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for i := 0; ctx.Err() == nil; i++ {
			swap("https://" + []string{"even", "odd"}[i%2] + ".example")
		}
	}()
	defer func() { cancel(); <-ended }()

	file := newFile(dir)
	for range 200 {
		snapshot, err := file.Load(t.Context())
		must(t, err)
		if len(snapshot.Problems) == 1 && snapshot.Problems[0].Code == "files_changing" {
			continue
		}
		if len(snapshot.Problems) > 0 {
			t.Fatalf("there are problems:\n%v", snapshot.Problems)
		}
		origins := map[string]bool{}
		for _, d := range snapshot.Documents {
			origins[originOf(t, d)] = true
		}
		if len(origins) != 1 || len(snapshot.Documents) != 4 {
			t.Fatalf("%d documents of several moments: %v", len(snapshot.Documents), origins)
		}
	}
}

func TestLoadGivesUpOnFilesThatNeverRest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "a.yaml")
	text := sourcetest.Document("a", "https://a.example")
	write(t, path, text)
	file := newFile(dir)
	file.AfterList(func() {
		text += " "
		write(t, path, text)
	})
	snapshot, err := file.Load(t.Context())
	must(t, err)
	const want = "DIR: the files kept changing while they were read; " +
		"write each file under another name and rename it into place [files_changing]"
	if got := strings.ReplaceAll(snapshot.Problems.Error(), dir, "DIR"); got != want {
		t.Errorf("the problems are\n%s\nwant\n%s", got, want)
	}
}

func TestLoadReadsAgainWhatChangedMeanwhile(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// change happens after the files were listed and before they are read.
		change func(dir string)
		want   []string
	}{
		{
			"file added",
			func(dir string) { putPolicy(t, dir, "b.yaml") },
			[]string{"a.yaml https://a.example", "b.yaml https://b.example"},
		},
		{
			"file replaced by one of the same size",
			func(dir string) { replace(t, dir+"/a.yaml", sourcetest.Document("a", "https://b.example")) },
			[]string{"a.yaml https://b.example"},
		},
		{
			"file replaced by a pipe, which must not block",
			func(dir string) { must(t, os.Remove(dir+"/a.yaml")); pipe(t, dir, "a.yaml") },
			[]string{"path_kind"},
		},
		{
			"folder removed",
			func(dir string) { must(t, os.RemoveAll(dir)) },
			[]string{"path_missing"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			putPolicy(t, dir, "a.yaml")
			file := newFile(dir)
			var once sync.Once
			file.AfterList(func() { once.Do(func() { test.change(dir) }) })
			snapshot, err := file.Load(t.Context())
			must(t, err)
			if got := contents(t, snapshot); !slices.Equal(got, test.want) {
				t.Errorf("the snapshot is %q, want %q", got, test.want)
			}
		})
	}
}

func TestLoadEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := newFile(t.TempDir()).Load(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("Load returned %v, want %v", err, context.Canceled)
	}
	if got, want := err.Error(), "read the policies: context canceled"; got != want {
		t.Errorf("the error is %q, want %q", got, want)
	}
}

// TestParsesOnlyWhatChanged keeps a small change beside a large set of origins
// quick.
func TestParsesOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	putPolicy(t, dir, "a.yaml")
	putPolicy(t, dir, "b.yaml")
	file := newFile(dir)
	var parsed []string
	file.OnParse(func(path string, _ []byte) { parsed = append(parsed, filepath.Base(path)) })
	load := func(want ...string) {
		t.Helper()
		parsed = nil
		snapshot, err := file.Load(t.Context())
		must(t, err)
		slices.Sort(parsed)
		if !slices.Equal(parsed, want) || len(snapshot.Documents) != 2 {
			t.Errorf("%q were parsed and %d documents found, want %q and 2", parsed, len(snapshot.Documents), want)
		}
	}
	load("a.yaml", "b.yaml")
	load()
	write(t, filepath.Join(dir, "b.yaml"), sourcetest.Document("b", "https://new.example"))
	load("b.yaml")
}

// The memory of a large file is used again for the next one, and what was read
// before is none the worse.
func TestLargeFilesShareMemory(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "origins.yaml")
	large := func(turn int) []string {
		origins := make([]string, 50_000)
		for i := range origins {
			origins[i] = fmt.Sprintf("https://tenant-%d-%d.example", i, turn)
		}
		return origins
	}
	f := source.NewFile([]string{file}, source.FileOptions{})
	var text []byte
	f.OnParse(func(_ string, data []byte) { text = data })
	var kept []policy.Document
	shared := 0
	// Garbage may be collected in between, and then the memory is another.
	for turn := 0; turn < 100 && shared < 2; turn++ {
		write(t, file, "apiVersion: corsgate.dev/v1\nkind: CorsOriginSet\nmetadata: {name: tenants}\nspec:\n  origins:\n  - "+strings.Join(large(turn), "\n  - ")+"\n")
		before := text
		snapshot, err := f.Load(t.Context())
		if err != nil || len(snapshot.Problems) > 0 || len(snapshot.Documents) != 1 {
			t.Fatal(err, snapshot.Problems)
		}
		if before != nil && &before[0] == &text[0] {
			shared++
		}
		kept = append(kept, snapshot.Documents...)
	}
	if shared == 0 {
		t.Error("no file was read into the memory of the one before")
	}
	for turn, doc := range kept {
		set := doc.Message.(*corsgatev1.CorsOriginSet)
		if set.GetMetadata().GetName() != "tenants" || !slices.Equal(set.GetSpec().GetOrigins(), large(turn)) {
			t.Fatalf("what was read in turn %d is not what it was", turn)
		}
	}
}
