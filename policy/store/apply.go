package store

import (
	"fmt"
	"slices"

	"github.com/corsgate/corsgate/policy"
)

// Apply returns what an entry makes of the state before it. The error says how
// the entry does not fit the state: it is of another history.
func (s *State) Apply(entry Entry) (*State, error) {
	return s.apply(entry, nil)
}

// apply is Apply where some documents are known already.
func (s *State) apply(entry Entry, known map[Key]*policy.Document) (*State, error) {
	if entry.Revision != s.revision+1 {
		return nil, fmt.Errorf("apply revision %d to revision %d: it is not the next", entry.Revision, s.revision)
	}
	next := &State{place: s.place, revision: entry.Revision, changed: entry.Time, kept: slices.Clone(s.kept)}
	for i := range entry.Changes {
		c := &entry.Changes[i]
		if i > 0 && compareKeys(entry.Changes[i-1].Key, c.Key) >= 0 {
			return nil, fmt.Errorf("apply revision %d: %s is out of order, or there twice", entry.Revision, c.Key)
		}
		before := s.find(c.Key)
		if err := c.fits(before); err != nil {
			return nil, fmt.Errorf("apply revision %d: %s: %w", entry.Revision, c.Key, err)
		}
		at, there := next.search(c.Key)
		if c.After == nil {
			next.kept = slices.Delete(next.kept, at, at+1)
			continue
		}
		k := next.keep(c.Key, *c.After)
		k.revision, k.changed, k.author = entry.Revision, entry.Time, entry.Author
		switch {
		case c.AfterApart && c.BeforeApart:
			k.origins = before.origins.derive(c.Added, c.Removed)
		case c.AfterApart:
			k.origins = newOrigins(c.Added)
		case known[c.Key] != nil:
			k.know(*known[c.Key])
		}
		if there {
			next.kept[at] = k
		} else {
			next.kept = slices.Insert(next.kept, at, k)
		}
	}
	return next, nil
}

// fits says how a change does not fit what is kept.
func (c *DocumentChange) fits(k *kept) error {
	switch {
	case k == nil && (c.Before != nil || c.BeforeApart):
		return errFit("it changes a document that is not there")
	case k == nil && c.After == nil:
		return errFit("it removes a document that is not there")
	case k != nil && (c.Before == nil || *c.Before != k.text || c.BeforeApart != (k.origins != nil)):
		return errFit("it changes a document that is another")
	case !c.AfterApart && len(c.Added) > 0, !c.BeforeApart && len(c.Removed) > 0:
		return errFit("it changes origins of a set that has none apart")
	case c.BeforeApart && !c.AfterApart && len(c.Removed) != k.origins.count,
		c.BeforeApart && len(c.Removed) > k.origins.count:
		return errFit("it removes other origins than there are")
	default:
		return nil
	}
}

// errFit is how an entry does not fit.
type errFit string

func (e errFit) Error() string { return string(e) }
