package document

import (
	"strconv"
)

// A path leads from a document's root to one of its parts. It is linked from
// the part upwards, so that a long list costs nothing until something is wrong.
type path struct {
	up *path
	// name is the key within a mapping; where it is empty and item is set, index
	// is the place in a list.
	name  string
	item  bool
	index int
}

func (p *path) field(name string) *path { return &path{up: p, name: name} }

func (p *path) element(i int) *path { return &path{up: p, item: true, index: i} }

// String returns the path as in "spec.targets[0].hosts[1]". Keys that are not
// plain words stand in brackets: `metadata.labels["app.kubernetes.io/name"]`.
func (p *path) String() string {
	if p == nil {
		return ""
	}
	up := p.up.String()
	switch {
	case p.item:
		return up + "[" + strconv.Itoa(p.index) + "]"
	case !isWord(p.name):
		return up + "[" + quoted(p.name) + "]"
	case up == "":
		return p.name
	default:
		return up + "." + p.name
	}
}

func isWord(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return s != ""
}
