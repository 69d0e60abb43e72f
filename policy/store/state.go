package store

import (
	"cmp"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/corsgate/corsgate/policy"
)

// A Record is what is known of a document that is kept.
type Record struct {
	Key Key
	// Revision is that of the change that changed it last.
	Revision int64
	Changed  time.Time
	Author   string
	// Origins is how many origins a set holds.
	Origins int
}

// A State is the documents at one revision. It is immutable, may be used by
// several goroutines, and shares with its neighbours what they have in common.
type State struct {
	place    string
	revision int64
	changed  time.Time
	// kept is ordered by key.
	kept []*kept

	once      sync.Once
	documents []policy.Document
	problems  policy.Problems
}

// New returns the state before the first change. The place is where documents
// are kept, in a word such as "etcd": a document's positions are in the file
// "etcd:shop/storefront.CorsPolicy".
func New(place string) *State { return &State{place: place} }

// Revision is the number of the last change, zero where there was none.
func (s *State) Revision() int64 { return s.revision }

// Changed is when the last change was made.
func (s *State) Changed() time.Time { return s.changed }

// Len returns how many documents there are.
func (s *State) Len() int { return len(s.kept) }

// Record returns what is known of a document, and whether there is one.
func (s *State) Record(key Key) (Record, bool) {
	k := s.find(key)
	if k == nil {
		return Record{}, false
	}
	return k.record(), true
}

// Records returns what is known of each document, ordered by kind, namespace and
// name.
func (s *State) Records() iter.Seq[Record] {
	return func(yield func(Record) bool) {
		for _, k := range s.kept {
			if !yield(k.record()) {
				return
			}
		}
	}
}

// Text returns a whole document, origins and all, and whether there is one. It
// is as it was written, but for a large set: see [LargeSet].
func (s *State) Text(key Key) (string, bool) {
	k := s.find(key)
	if k == nil {
		return "", false
	}
	return k.whole(), true
}

// Document returns a document as it was read, and whether there is one that could
// be. It is the one that Documents returns.
func (s *State) Document(key Key) (policy.Document, bool) {
	k := s.find(key)
	if k == nil {
		return policy.Document{}, false
	}
	doc, problems := k.read()
	return doc, len(problems) == 0
}

// Documents returns all documents, ordered by key, and what is wrong with those
// that cannot be read: a later version may have written them. Each document is
// read once, and a state that follows this one has the same messages for what
// did not change; so nobody may change what is returned.
func (s *State) Documents() ([]policy.Document, policy.Problems) {
	s.once.Do(func() {
		var group errgroup.Group
		group.SetLimit(runtime.GOMAXPROCS(0))
		for _, k := range s.kept {
			if !k.done.Load() {
				group.Go(func() error {
					_, _ = k.read() // for later
					return nil
				})
			}
		}
		_ = group.Wait() // no error is returned to it
		s.documents = make([]policy.Document, 0, len(s.kept))
		for _, k := range s.kept {
			doc, problems := k.read()
			if len(problems) == 0 {
				s.documents = append(s.documents, doc)
			}
			s.problems = append(s.problems, problems...)
		}
		s.problems.Sort()
	})
	return s.documents, s.problems
}

// compareKeys orders keys by kind, namespace and name.
func compareKeys(a, b Key) int {
	return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
}

func (s *State) search(key Key) (at int, ok bool) {
	return slices.BinarySearchFunc(s.kept, key, func(k *kept, key Key) int { return compareKeys(k.key, key) })
}

// find returns a document, or nil.
func (s *State) find(key Key) *kept {
	at, ok := s.search(key)
	if !ok {
		return nil
	}
	return s.kept[at]
}

// A Kept is a document as a checkpoint holds it.
type Kept struct {
	Record

	// Text is the document's, without the origins that stand in List.
	Text string
	// Apart is whether it is a set whose origins are kept apart, in List.
	Apart bool
	List  []string
}

// Kept returns the documents for a checkpoint, ordered by key. A large set's list
// is shared, and nobody may change it.
func (s *State) Kept() iter.Seq[Kept] {
	return func(yield func(Kept) bool) {
		for _, k := range s.kept {
			out := Kept{Record: Record{Key: k.key, Revision: k.revision, Changed: k.changed, Author: k.author}, Text: k.text, Apart: k.origins != nil}
			if k.origins != nil {
				flat := k.origins.flat()
				out.List, out.Origins = flat.origins, len(flat.origins)
			}
			if !yield(out) {
				return
			}
		}
	}
}

// Restore returns the state that a checkpoint was made of: the place is that of
// New, the documents are what Kept returned, in any order.
func Restore(place string, revision int64, changed time.Time, documents []Kept) (*State, error) {
	s := &State{place: place, revision: revision, changed: changed, kept: make([]*kept, len(documents))}
	for i, d := range documents {
		k := s.keep(d.Key, d.Text)
		k.revision, k.changed, k.author = d.Revision, d.Changed, d.Author
		if d.Apart {
			k.origins = newOrigins(d.List)
		}
		s.kept[i] = k
	}
	slices.SortFunc(s.kept, func(a, b *kept) int { return compareKeys(a.key, b.key) })
	for i := 1; i < len(s.kept); i++ {
		if s.kept[i].key == s.kept[i-1].key {
			return nil, fmt.Errorf("restore the state at revision %d: %s is there twice", revision, s.kept[i].key)
		}
	}
	return s, nil
}
