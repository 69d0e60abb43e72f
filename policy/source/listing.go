package source

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// A listing is which files there are to read at one moment, and what to watch to
// learn that there are others.
type listing struct {
	roots    []root
	files    []file
	watch    interests
	problems policy.Problems

	// seen is the latest of the files by what equal files have in common.
	seen map[sameKey]int
	// atOnce is how many files of a folder are looked at together.
	atOnce int
}

// A root is one path that the user gave.
type root struct {
	name   string
	folder bool
	files  []int // what it holds, as places in the listing's files
	faulty bool  // something in it could not be listed
}

// A file is one file to read.
type file struct {
	name string // as the user knows it: the path given, and what is below it
	path string // where it is, without links
	info fs.FileInfo
	// before is an earlier file of the listing with the same key, or none.
	before int
}

// none is the place of no file.
const none = -1

// unchanged reports whether the same file with the same content, as far as can
// be seen from outside, stands at the same place.
func (f file) unchanged(g file) bool {
	return f.name == g.name && f.path == g.path && f.info.Size() == g.info.Size() &&
		f.info.ModTime().Equal(g.info.ModTime()) && os.SameFile(f.info, g.info)
}

// sameKey is what files have in common that may be one file under two names.
type sameKey struct{ size, time int64 }

// unchanged reports whether nothing has changed, as far as can be seen without
// reading.
func (l *listing) unchanged(m *listing) bool {
	return slices.EqualFunc(l.files, m.files, file.unchanged) && slices.Equal(l.problems, m.problems)
}

// list lists the files that some paths stand for, and looks at some of them at once.
func list(paths []string, atOnce int) *listing {
	l := &listing{watch: interests{}, seen: map[sameKey]int{}, atOnce: atOnce}
	for _, path := range paths {
		l.addRoot(path)
	}
	if len(paths) == 0 {
		l.problems = append(l.problems, problemNoPath())
	}
	return l
}

func (l *listing) addRoot(path string) {
	l.roots = append(l.roots, root{name: path})
	t, info, err := l.resolve(path)
	switch {
	case path == "":
		l.fault(problemNoPath())
	case err != nil:
		l.fault(problemAccess(path, path, err))
	case info.IsDir():
		l.root().folder = true
		l.addFolder(path, t.at, []fs.FileInfo{info})
		if r := l.root(); len(r.files) == 0 && !r.faulty {
			l.fault(problemNoFiles(path))
		}
	default:
		l.addFile(path, t.at, info)
	}
}

// root is the path that is being listed.
func (l *listing) root() *root { return &l.roots[len(l.roots)-1] }

func (l *listing) fault(p policy.Problem) {
	l.root().faulty = true
	l.problems = append(l.problems, p)
}

// resolve follows a path to what it leads to, and watches each turn.
func (l *listing) resolve(path string) (trail, fs.FileInfo, error) {
	t, err := follow(path)
	for _, turn := range t.turns {
		l.watch.name(turn.folder, turn.name)
	}
	if err != nil {
		return t, nil, err
	}
	info, err := os.Lstat(t.at)
	return t, info, err // the caller tells the user by the kind of the error
}

// addFile adds a file, unless it is there under another name.
func (l *listing) addFile(name, path string, info fs.FileInfo) {
	if !info.Mode().IsRegular() {
		l.fault(problemKind(name, info.Mode()))
		return
	}
	key := sameKey{size: info.Size(), time: info.ModTime().UnixNano()}
	before, ok := l.seen[key]
	if !ok {
		before = none
	}
	for i := before; i != none; i = l.files[i].before {
		if os.SameFile(info, l.files[i].info) {
			if r := l.root(); !slices.Contains(r.files, i) {
				r.files = append(r.files, i)
			}
			return
		}
	}
	l.seen[key] = len(l.files)
	l.root().files = append(l.root().files, len(l.files))
	l.files = append(l.files, file{name: name, path: path, info: info, before: before})
}

// addFolder adds the policy files of a folder and of those below it. The chain
// is the folder and those above it that are being listed.
func (l *listing) addFolder(name, path string, chain []fs.FileInfo) {
	l.watch.all(path)
	entries, err := os.ReadDir(path)
	if err != nil {
		// Also where the folder vanished since it was found: the next listing will
		// differ then, and this one is not used.
		l.fault(problemAccess(name, path, err))
		return
	}
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return !ofInterest(e) })
	looks := make([]look, len(entries))
	_ = spread(len(entries), l.atOnce, func(i int) error {
		if !isLink(entries[i]) {
			looks[i].info, looks[i].err = entries[i].Info()
		}
		return nil
	})
	for i, entry := range entries {
		l.addEntry(filepath.Join(name, entry.Name()), filepath.Join(path, entry.Name()), entry, looks[i], chain)
	}
}

// A look is what is seen of an entry of a folder that is no link.
type look struct {
	info fs.FileInfo
	err  error
}

func isLink(entry fs.DirEntry) bool { return entry.Type()&fs.ModeSymlink != 0 }

// ofInterest reports whether an entry of a folder may be or hold a policy file.
func ofInterest(entry fs.DirEntry) bool {
	return !hidden(entry.Name()) && (isLink(entry) || entry.IsDir() || policyFile(entry.Name()))
}

// addEntry adds what stands under a name in a folder.
func (l *listing) addEntry(name, path string, entry fs.DirEntry, seen look, chain []fs.FileInfo) {
	link, place := isLink(entry), path
	info, err := seen.info, seen.err
	if link {
		var t trail
		t, info, err = l.resolve(path)
		place = t.at
	}
	switch {
	case err != nil:
		if policyFile(entry.Name()) {
			l.fault(problemAccess(name, path, err))
		}
	case info.IsDir() && link && !mounted(path):
		target, _ := os.Readlink(path) // it was a link; if it is gone now the next listing says so
		l.fault(problemFolderLink(name, target))
	case info.IsDir():
		if slices.ContainsFunc(chain, func(above fs.FileInfo) bool { return os.SameFile(above, info) }) {
			l.fault(problemLoop(name))
			return
		}
		l.addFolder(name, place, append(slices.Clip(chain), info))
	case policyFile(entry.Name()):
		l.addFile(name, place, info)
	}
}

// mounted reports whether a link to a folder is one that the kubelet makes for a
// ConfigMap with paths such as "shop/a.yaml": shop -> ..data/shop.
func mounted(path string) bool {
	target, err := os.Readlink(path)
	return err == nil && target == filepath.Join("..data", filepath.Base(path))
}

// hidden reports whether a name is none of ours. The names that the kubelet puts
// behind a ConfigMap's files, "..data" and "..2026_…", are among those.
func hidden(name string) bool { return strings.HasPrefix(name, ".") }

// policyFile reports whether a file of this name in a folder holds policies.
func policyFile(name string) bool {
	ext := filepath.Ext(name)
	switch ext {
	case ".yaml", ".yml", ".json":
		return !strings.HasSuffix(strings.TrimSuffix(name, ext), "_test")
	default:
		return false
	}
}
