package source

import "path/filepath"

// interests is what to watch: folders without links in their paths, and the
// names in each that matter.
type interests map[string]interest

type interest struct {
	all   bool // each name that is not hidden matters
	names map[string]struct{}
}

func (in interests) all(folder string) {
	i := in[folder]
	i.all = true
	in[folder] = i
}

func (in interests) name(folder, name string) {
	i := in[folder]
	if i.names == nil {
		i.names = map[string]struct{}{}
	}
	i.names[name] = struct{}{}
	in[folder] = i
}

// matter reports whether it matters that something happened to a path.
func (in interests) matter(path string) bool {
	path = filepath.Clean(path)
	if _, ok := in[path]; ok {
		return true // the folder itself was removed or renamed, or its mode changed
	}
	i, ok := in[filepath.Dir(path)]
	if !ok {
		return true // of a watch that is being given up: rare, and better once too often
	}
	name := filepath.Base(path)
	if i.all && !hidden(name) {
		return true
	}
	_, ok = i.names[name]
	return ok
}
