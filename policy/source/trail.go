package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxLinks is how many symbolic links one path may lead through, as in Linux.
const maxLinks = 40

// A turn is a name in a folder that decides where a path leads: when what stands
// there is replaced, the path leads elsewhere.
type turn struct {
	folder, name string
}

// A trail is where a path leads, link by link.
type trail struct {
	// at is the place that the path leads to, or where it breaks off. It is
	// absolute and has no link in it.
	at string
	// turns is each link on the way, the last name, and the name at which the
	// path breaks off. Their folders exist and have no link in them.
	turns []turn

	rest  []string // the names still to follow from at
	links int      // how many links were followed
}

// follow follows a path to its end. The trail is of use also where the path
// cannot be followed: it says what to watch for.
func follow(path string) (trail, error) {
	abs := path
	if !filepath.IsAbs(path) {
		cwd, err := os.Getwd()
		if err != nil {
			return trail{at: path}, fmt.Errorf("find the working folder: %w", err)
		}
		// Not Join, which would resolve ".." by the text.
		abs = cwd + "/" + path
	}
	t := trail{at: "/", rest: names(abs)}
	for len(t.rest) > 0 {
		if err := t.step(); err != nil {
			return t, err
		}
	}
	return t, nil
}

// step follows one name.
func (t *trail) step() error {
	name := t.rest[0]
	t.rest = t.rest[1:]
	if name == ".." {
		t.at = filepath.Dir(t.at)
		return nil
	}
	here := turn{folder: t.at, name: name}
	next := filepath.Join(t.at, name)
	info, err := os.Lstat(next)
	switch {
	case errors.Is(err, syscall.ENOTDIR):
		t.turns = append(t.turns, turn{folder: filepath.Dir(t.at), name: filepath.Base(t.at)})
		return fmt.Errorf("follow the path: %w", err)
	case err != nil:
		t.turns = append(t.turns, here)
		t.at = next
		return fmt.Errorf("follow the path: %w", err)
	case info.Mode()&fs.ModeSymlink != 0:
		t.turns = append(t.turns, here)
		return t.turnInto(next)
	case len(t.rest) == 0:
		t.turns = append(t.turns, here)
	}
	t.at = next
	return nil
}

// turnInto goes on where a link leads.
func (t *trail) turnInto(link string) error {
	if t.links++; t.links > maxLinks {
		return &fs.PathError{Op: "follow", Path: link, Err: syscall.ELOOP}
	}
	target, err := os.Readlink(link)
	if err != nil {
		return fmt.Errorf("follow the link: %w", err)
	}
	if filepath.IsAbs(target) {
		t.at = "/"
	}
	t.rest = append(names(target), t.rest...)
	return nil
}

// names splits a path into the names in it.
func names(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}
