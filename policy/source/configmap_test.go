package source_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy/source/sourcetest"
)

// A configMap is a folder that changes as the kubelet changes that of a mounted
// ConfigMap (pkg/volume/util/atomic_writer.go): all files are written to a new
// hidden folder, "..data" is renamed to lead to it, and what the user sees are
// links through "..data".
type configMap struct {
	dir     string
	files   map[string]string // by path; a slash makes the kubelet link the folder
	version int
}

func newConfigMap(tb testing.TB, dir string) sourcetest.Store {
	tb.Helper()
	return &configMap{dir: dir, files: map[string]string{}}
}

func (m *configMap) Put(tb testing.TB, name, text string) {
	tb.Helper()
	m.files[name+".yaml"] = text
	m.swap(tb)
}

func (m *configMap) Break(tb testing.TB, name string) {
	tb.Helper()
	m.Put(tb, name, broken)
}

func (m *configMap) Delete(tb testing.TB, name string) {
	tb.Helper()
	delete(m.files, name+".yaml")
	m.swap(tb)
}

// swap writes the files as the kubelet does.
func (m *configMap) swap(tb testing.TB) {
	tb.Helper()
	old, _ := os.Readlink(filepath.Join(m.dir, "..data")) // the first time there is none
	m.version++
	next := fmt.Sprintf("..2026_01_02_03_04_05.%09d", m.version)
	must(tb, os.Mkdir(filepath.Join(m.dir, next), 0o750))
	for path, text := range m.files {
		write(tb, filepath.Join(m.dir, next, path), text)
	}
	must(tb, os.Symlink(next, filepath.Join(m.dir, "..data_tmp")))
	must(tb, os.Rename(filepath.Join(m.dir, "..data_tmp"), filepath.Join(m.dir, "..data")))

	visible := map[string]bool{}
	for path := range maps.Keys(m.files) {
		top, _, _ := strings.Cut(path, "/")
		visible[top] = true
		if _, err := os.Lstat(filepath.Join(m.dir, top)); err != nil {
			must(tb, os.Symlink("..data/"+top, filepath.Join(m.dir, top)))
		}
	}
	entries, err := os.ReadDir(m.dir)
	must(tb, err)
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), "..") && !visible[entry.Name()] {
			must(tb, os.Remove(filepath.Join(m.dir, entry.Name())))
		}
	}
	if old != "" {
		must(tb, os.RemoveAll(filepath.Join(m.dir, old)))
	}
}
