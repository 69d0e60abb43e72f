package kubernetes

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/source"
)

// A memory is what was read of each object last, by its identity in the cluster.
// It outlives a watch: an object that is read again gives the same document.
type memory struct {
	mu    sync.Mutex
	byUID map[string]*entry
}

// read reads an object in the light of what it said before.
func (m *memory) read(of resource, u *unstructured.Unstructured) *entry {
	uid := string(u.GetUID())
	m.mu.Lock()
	before := m.byUID[uid]
	m.mu.Unlock()
	e := read(of, u, before)
	m.mu.Lock()
	m.byUID[uid] = e
	m.mu.Unlock()
	return e
}

// forget forgets the objects of one moment that are gone in a later one. An identity
// never comes back.
func (m *memory) forget(before, after *moment) {
	if before == nil {
		return
	}
	present := make(map[string]struct{}, len(after.entries))
	for _, e := range after.entries {
		present[e.uid] = struct{}{}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range before.entries {
		if _, ok := present[e.uid]; !ok {
			delete(m.byUID, e.uid)
		}
	}
}

// A moment is all that the cluster held at one time, as far as that was told.
type moment struct {
	entries []*entry
	// troubles are why places could not be read.
	troubles policy.Problems
	// revision is the number of the newest change that was told.
	revision int64
}

// sort orders the entries so that equal states look equal.
func (m *moment) sort() {
	slices.SortFunc(m.entries, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.name, b.name))
	})
}

// digest identifies all that a snapshot depends on. The entries are sorted.
func (m *moment) digest() [sha256.Size]byte {
	h := sha256.New()
	for _, e := range m.entries {
		h.Write(fmt.Appendf(nil, "%q %q %x %t\n", e.file, e.uid, e.digest, e.kept))
	}
	for _, p := range m.troubles {
		h.Write(fmt.Appendf(nil, "%q\n", p.Error()))
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// snapshot returns what the cluster held, as documents.
func (m *moment) snapshot() source.Snapshot {
	s := source.Snapshot{Files: len(m.entries), Revision: m.revision, Problems: slices.Clone(m.troubles)}
	for _, e := range m.entries {
		if e.document != nil {
			s.Documents = append(s.Documents, *e.document)
		}
		s.Problems = append(s.Problems, problemsOf(e)...)
	}
	s.Problems.Sort()
	return s
}

// revisionOf returns the number of a change. Kubernetes keeps it as a text, which
// is a number that grows where the cluster's store is etcd.
func revisionOf(version string) int64 {
	n, err := strconv.ParseInt(version, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// A mirror is what watching has told of the cluster so far.
type mirror struct {
	memory *memory
	// changed and heard hold an element when an object changed, and when the
	// cluster gave a sign of life.
	changed, heard chan struct{}

	mu     sync.Mutex
	shelfs []*shelf
}

func newMirror(m *memory, all []place) *mirror {
	mirror := &mirror{memory: m, changed: make(chan struct{}, 1), heard: make(chan struct{}, 1)}
	for _, at := range all {
		mirror.shelfs = append(mirror.shelfs, &shelf{mirror: mirror, place: at, entries: map[string]*entry{}})
	}
	return mirror
}

// whole returns what the places hold, and until when that is known to be so. It
// reports false until each place was read once, or cannot be. Trouble with a place
// counts once it has lasted for a while, since a server that starts says that it
// knows no resource.
func (m *mirror) whole(now time.Time) (held *moment, inStep time.Time, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	held = &moment{}
	for i, s := range m.shelfs {
		lasting := s.trouble != nil && now.Sub(s.since) >= troublePatience
		if !s.read && !lasting {
			return nil, time.Time{}, false
		}
		if lasting {
			held.troubles = append(held.troubles, *s.trouble)
		}
		if i == 0 || s.asOf.Before(inStep) {
			inStep = s.asOf
		}
		for _, e := range s.entries {
			held.entries = append(held.entries, e)
		}
		held.revision = max(held.revision, s.revision)
	}
	held.sort()
	return held, inStep, true
}

// troubled reports whether something is wrong with a place that does not count yet.
func (m *mirror) troubled(now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(m.shelfs, func(s *shelf) bool {
		return s.trouble != nil && now.Sub(s.since) < troublePatience
	})
}

// wake puts an element into a channel that holds one.
func wake(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
