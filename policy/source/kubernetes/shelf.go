package kubernetes

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/cache"

	"github.com/corsgate/corsgate/policy"
)

var (
	_ cache.ReflectorStore         = (*shelf)(nil)
	_ cache.ReflectorBookmarkStore = (*shelf)(nil)
)

// A shelf is the part of a mirror for one place. A reflector fills it.
type shelf struct {
	place

	mirror *mirror

	// What follows is guarded by the mirror's mutex.

	entries map[string]*entry // by identity
	read    bool              // the place was read once as a whole
	asOf    time.Time         // when the cluster said something of it last
	// revision is that of the newest change that was told.
	revision int64
	// watch counts the watches, and is negative while there is none.
	watch int
	// trouble, unless nil, is why the place cannot be read, since some time.
	trouble *policy.Problem
	since   time.Time
}

// Add implements [cache.ReflectorStore].
func (s *shelf) Add(object any) error { return s.put(object) }

// Update implements [cache.ReflectorStore].
func (s *shelf) Update(object any) error { return s.put(object) }

func (s *shelf) put(object any) error {
	u, err := asUnstructured(object)
	if err != nil {
		return err
	}
	e := s.mirror.memory.read(s.resource, u)
	s.tell(func() (changed bool) {
		before := s.entries[e.uid]
		s.entries[e.uid] = e
		s.revision = max(s.revision, e.revision)
		return before == nil || before.digest != e.digest || before.status != e.status || before.generation != e.generation
	})
	return nil
}

// Delete implements [cache.ReflectorStore].
func (s *shelf) Delete(object any) error {
	u, err := asUnstructured(object)
	if err != nil {
		return err
	}
	s.tell(func() bool {
		delete(s.entries, string(u.GetUID()))
		s.revision = max(s.revision, revisionOf(u.GetResourceVersion()))
		return true
	})
	return nil
}

// Replace implements [cache.ReflectorStore]: the place was read as a whole.
func (s *shelf) Replace(objects []any, _ string) error {
	entries := make(map[string]*entry, len(objects))
	for _, object := range objects {
		u, err := asUnstructured(object)
		if err != nil {
			return err
		}
		e := s.mirror.memory.read(s.resource, u)
		entries[e.uid] = e
	}
	s.tell(func() bool {
		s.entries, s.read = entries, true
		for _, e := range entries {
			s.revision = max(s.revision, e.revision)
		}
		return true
	})
	return nil
}

// Bookmark implements [cache.ReflectorBookmarkStore]: there was no change.
func (s *shelf) Bookmark(string) error {
	s.tell(func() bool { return false })
	return nil
}

// Resync implements [cache.ReflectorStore]. There is nothing to do.
func (*shelf) Resync() error { return nil }

// tell notes what the cluster said.
func (s *shelf) tell(note func() (changed bool)) {
	s.mirror.mu.Lock()
	changed := note() || s.trouble != nil
	s.asOf, s.trouble = time.Now(), nil
	s.mirror.mu.Unlock()
	if changed {
		wake(s.mirror.changed)
	} else {
		wake(s.mirror.heard)
	}
}

// fail notes that the cluster refuses to say anything.
func (s *shelf) fail(p policy.Problem) {
	s.mirror.mu.Lock()
	if s.trouble == nil || s.trouble.Code != p.Code {
		s.since = time.Now()
	}
	s.trouble = &p
	s.mirror.mu.Unlock()
	wake(s.mirror.changed)
}

// recover notes that the cluster speaks of the place again. Until it was read as a
// whole, nothing is known by that.
func (s *shelf) recover() {
	s.mirror.mu.Lock()
	changed := s.trouble != nil
	s.trouble = nil
	s.mirror.mu.Unlock()
	if changed {
		wake(s.mirror.changed)
	}
}

// watched notes that a watch has begun, or that the one before has ended.
func (s *shelf) watched(begun bool) {
	s.mirror.mu.Lock()
	defer s.mirror.mu.Unlock()
	if begun == (s.watch > 0) {
		return
	}
	if s.watch = -s.watch; begun {
		s.watch++
	}
}

// watching returns the number of the watch that there is now.
func (s *shelf) watching() int {
	s.mirror.mu.Lock()
	defer s.mirror.mu.Unlock()
	return s.watch
}

// alive notes that the cluster could be reached at a time, and that a watch was there
// before: if it still is, it has told all that it had to tell.
func (s *shelf) alive(at time.Time, watch int) {
	s.mirror.mu.Lock()
	if watch <= 0 || watch != s.watch || !s.read {
		s.mirror.mu.Unlock()
		return
	}
	if at.After(s.asOf) {
		s.asOf = at
	}
	s.mirror.mu.Unlock()
	wake(s.mirror.heard)
}

func asUnstructured(object any) (*unstructured.Unstructured, error) {
	u, ok := object.(*unstructured.Unstructured)
	if !ok {
		return nil, fmt.Errorf("keep an object: it is a %T", object)
	}
	return u, nil
}
