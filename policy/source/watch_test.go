package source_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/source"
	"github.com/corsgate/corsgate/policy/source/sourcetest"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func originOf(tb testing.TB, d policy.Document) string {
	tb.Helper()
	p, ok := d.Message.(*corsgatev1.CorsPolicy)
	if !ok {
		tb.Fatalf("a document is a %T, want a CorsPolicy", d.Message)
	}
	return strings.Join(p.GetSpec().GetOrigins(), " ")
}

// A watched is a source that was loaded and is being watched, with the real
// inotify and without any resync.
type watched struct {
	t    *testing.T
	came chan source.Snapshot
}

// patience is how long anything may take that must happen.
const patience = 20 * time.Second

func startWatch(t *testing.T, paths ...string) *watched {
	t.Helper()
	file := newFile(paths...)
	_, err := file.Load(t.Context())
	must(t, err)
	w := &watched{t: t, came: make(chan source.Snapshot, 1000)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := file.Watch(ctx, func(s source.Snapshot) { w.came <- s }); err != nil {
			t.Errorf("Watch returned %v, want nil", err)
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return w
}

// await waits for a snapshot of some files with some origins, or of some codes
// of problems.
func (w *watched) await(want ...string) {
	w.t.Helper()
	slices.Sort(want)
	bound := time.After(patience)
	var got []string
	for {
		select {
		case s := <-w.came:
			if got = contents(w.t, s); slices.Equal(got, want) {
				return
			}
		case <-bound:
			w.t.Fatalf("the last snapshot is %q, want %q", got, want)
		}
	}
}

func contents(tb testing.TB, s source.Snapshot) []string {
	tb.Helper()
	set := map[string]bool{}
	for _, d := range s.Documents {
		set[filepath.Base(d.File)+" "+originOf(tb, d)] = true
	}
	for _, p := range s.Problems.Errors() {
		set[p.Code] = true
	}
	return slices.Sorted(maps.Keys(set))
}

func policyText(name, origin string) string { return sourcetest.Document(name, origin) }

func TestWatchSeesWhatHappensToFolders(t *testing.T) {
	t.Parallel()
	t.Run("new folder with files in it at once", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		putPolicy(t, dir, "policies/a.yaml")
		w := startWatch(t, dir+"/policies")
		putPolicy(t, dir, "policies/x/y/z/b.yaml")
		w.await("a.yaml https://a.example", "b.yaml https://b.example")
		write(t, dir+"/policies/x/y/z/b.yaml", policyText("b", "https://new.example"))
		w.await("a.yaml https://a.example", "b.yaml https://new.example")
		putPolicy(t, dir, "policies/x/c.yaml")
		w.await("a.yaml https://a.example", "b.yaml https://new.example", "c.yaml https://c.example")
	})
	t.Run("folder moved in, and out again", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		putPolicy(t, dir, "policies/a.yaml")
		putPolicy(t, dir, "elsewhere/b.yaml")
		w := startWatch(t, dir+"/policies")
		must(t, os.Rename(dir+"/elsewhere", dir+"/policies/x"))
		w.await("a.yaml https://a.example", "b.yaml https://b.example")
		must(t, os.Rename(dir+"/policies/x", dir+"/policies/y"))
		w.await("a.yaml https://a.example", "b.yaml https://b.example")
		write(t, dir+"/policies/y/b.yaml", policyText("b", "https://new.example"))
		w.await("a.yaml https://a.example", "b.yaml https://new.example")
		must(t, os.Rename(dir+"/policies/y", dir+"/elsewhere"))
		w.await("a.yaml https://a.example")
	})
	t.Run("folder deleted and made again", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		putPolicy(t, dir, "policies/a.yaml")
		w := startWatch(t, dir+"/policies")
		must(t, os.RemoveAll(dir+"/policies"))
		w.await("path_missing")
		must(t, os.Mkdir(dir+"/policies", 0o750))
		w.await("no_policies")
		putPolicy(t, dir, "policies/a.yaml")
		w.await("a.yaml https://a.example")
		write(t, dir+"/policies/a.yaml", policyText("a", "https://new.example"))
		w.await("a.yaml https://new.example")
	})
	t.Run("folder deleted and made again at once, perhaps with the same inode", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		putPolicy(t, dir, "policies/a.yaml")
		putPolicy(t, dir, "policies/x/b.yaml")
		w := startWatch(t, dir+"/policies")
		for i := range 3 {
			origin := fmt.Sprintf("https://n%d.example", i)
			must(t, os.RemoveAll(dir+"/policies"))
			write(t, dir+"/policies/a.yaml", policyText("a", "https://a.example"))
			write(t, dir+"/policies/x/b.yaml", policyText("b", origin))
			w.await("a.yaml https://a.example", "b.yaml "+origin)
			write(t, dir+"/policies/x/b.yaml", policyText("b", origin+":1"))
			w.await("a.yaml https://a.example", "b.yaml "+origin+":1")
		}
	})
	t.Run("folder deleted while somebody is in it, and made again", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		putPolicy(t, dir, "policies/a.yaml")
		w := startWatch(t, dir+"/policies")
		somebody, err := os.Open(dir + "/policies")
		must(t, err)
		defer func() { must(t, somebody.Close()) }()
		must(t, os.RemoveAll(dir+"/policies"))
		putPolicy(t, dir, "policies/b.yaml")
		w.await("b.yaml https://b.example")
		write(t, dir+"/policies/b.yaml", policyText("b", "https://new.example"))
		w.await("b.yaml https://new.example")
	})
	t.Run("folder replaced by renaming", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		putPolicy(t, dir, "policies/a.yaml")
		putPolicy(t, dir, "next/b.yaml")
		w := startWatch(t, dir+"/policies")
		must(t, os.Rename(dir+"/policies", dir+"/old"))
		must(t, os.Rename(dir+"/next", dir+"/policies"))
		w.await("b.yaml https://b.example")
		write(t, dir+"/policies/b.yaml", policyText("b", "https://new.example"))
		w.await("b.yaml https://new.example")
	})
	t.Run("folder above renamed away, and made again", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		putPolicy(t, dir, "x/policies/a.yaml")
		putPolicy(t, dir, "z.yaml") // the folder of this one is watched for its name alone
		w := startWatch(t, dir+"/x/policies", dir+"/z.yaml")
		must(t, os.Rename(dir+"/x", dir+"/y"))
		w.await("path_missing", "z.yaml https://z.example")
		putPolicy(t, dir, "x/policies/b.yaml")
		w.await("b.yaml https://b.example", "z.yaml https://z.example")
	})
	t.Run("file in the way of a path, replaced by a folder", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		putPolicy(t, dir, "policies")
		w := startWatch(t, dir+"/policies/a.yaml")
		must(t, os.Remove(dir+"/policies"))
		putPolicy(t, dir, "policies/a.yaml")
		w.await("a.yaml https://a.example")
	})
	t.Run("path made after the start, from far above", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		w := startWatch(t, dir+"/x/y/policies")
		putPolicy(t, dir, "x/y/policies/a.yaml")
		w.await("a.yaml https://a.example")
		write(t, dir+"/x/y/policies/a.yaml", policyText("a", "https://new.example"))
		w.await("a.yaml https://new.example")
	})
	t.Run("link on the way swapped, as git-sync does", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		putPolicy(t, dir, "v1/policies/a.yaml")
		putPolicy(t, dir, "v2/policies/b.yaml")
		link(t, "v1", dir, "current")
		w := startWatch(t, dir+"/current/policies")
		link(t, "v2", dir, "next")
		must(t, os.Rename(dir+"/next", dir+"/current"))
		w.await("b.yaml https://b.example")
		write(t, dir+"/v2/policies/b.yaml", policyText("b", "https://new.example"))
		w.await("b.yaml https://new.example")
	})
	t.Run("ConfigMap with folders", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		m := &configMap{dir: dir, files: map[string]string{"shop/a.yaml": policyText("a", "https://a.example")}}
		m.swap(t)
		w := startWatch(t, dir)
		for i := range 3 {
			origin := fmt.Sprintf("https://n%d.example", i)
			m.files["shop/a.yaml"] = policyText("a", origin)
			m.swap(t)
			w.await("a.yaml " + origin)
		}
	})
	t.Run("burst of new files", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		putPolicy(t, dir, "a0.yaml")
		w := startWatch(t, dir)
		var want []string
		for i := range 200 {
			putPolicy(t, dir, fmt.Sprintf("a%d.yaml", i))
			want = append(want, fmt.Sprintf("a%d.yaml https://a%d.example", i, i))
		}
		w.await(want...)
	})
}

func TestWatchSeesWhatHappensToFiles(t *testing.T) {
	t.Parallel()
	t.Run("named file replaced and written", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		putPolicy(t, dir, "a.conf")
		w := startWatch(t, dir+"/a.conf")
		replace(t, dir+"/a.conf", policyText("a", "https://new.example"))
		w.await("a.conf https://new.example")
		write(t, dir+"/a.conf", policyText("a", "https://newer.example"))
		w.await("a.conf https://newer.example")
		must(t, os.Remove(dir+"/a.conf"))
		w.await("path_missing")
		putPolicy(t, dir, "a.conf")
		w.await("a.conf https://a.example")
	})
	t.Run("named file of a ConfigMap", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		m := &configMap{dir: dir, files: map[string]string{"a.yaml": policyText("a", "https://a.example")}}
		m.swap(t)
		w := startWatch(t, dir+"/a.yaml")
		for i := range 3 {
			origin := fmt.Sprintf("https://n%d.example", i)
			m.files["a.yaml"] = policyText("a", origin)
			m.swap(t)
			w.await("a.yaml " + origin)
		}
	})
	t.Run("file behind a link", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		putPolicy(t, dir, "team/a.yaml")
		must(t, os.Mkdir(dir+"/policies", 0o750))
		link(t, "../team/a.yaml", dir, "policies/a.yaml")
		w := startWatch(t, dir+"/policies")
		write(t, dir+"/team/a.yaml", policyText("a", "https://new.example"))
		w.await("a.yaml https://new.example")
		replace(t, dir+"/team/a.yaml", policyText("a", "https://newer.example"))
		w.await("a.yaml https://newer.example")
	})
	t.Run("file emptied, and written later", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		putPolicy(t, dir, "a.yaml")
		putPolicy(t, dir, "b.yaml")
		w := startWatch(t, dir)
		write(t, dir+"/b.yaml", "")
		w.await("a.yaml https://a.example", "file_empty")
		putPolicy(t, dir, "b.yaml")
		w.await("a.yaml https://a.example", "b.yaml https://b.example")
	})
	t.Run("files of two named paths in one folder", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		putPolicy(t, dir, "a.yaml")
		putPolicy(t, dir, "b.yaml")
		w := startWatch(t, dir+"/a.yaml", dir+"/b.yaml")
		write(t, dir+"/b.yaml", policyText("b", "https://new.example"))
		w.await("a.yaml https://a.example", "b.yaml https://new.example")
	})
}
