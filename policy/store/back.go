package store

import (
	"fmt"
	"maps"
	"slices"
)

// Back returns the change that undoes entries, the newest first: the newest is the
// one that made the state, and none is left out. Applied to the state, it makes
// the documents what they were before the oldest of them; the origins of a large
// set may stand in another order. Author, Reason and Time are the caller's to
// fill in.
func Back(now *State, entries []Entry) (Change, error) {
	old := map[Key]*past{}
	for i := range entries {
		if want := now.revision - int64(i); entries[i].Revision != want {
			return Change{}, fmt.Errorf("go back from revision %d: the change of revision %d is missing", now.revision, want)
		}
		for j := range entries[i].Changes {
			c := &entries[i].Changes[j]
			if old[c.Key] == nil {
				old[c.Key] = presentOf(now.find(c.Key))
			}
			old[c.Key].undo(c)
		}
	}
	change := Change{RolledBackTo: now.revision - int64(len(entries))}
	for _, key := range slices.SortedFunc(maps.Keys(old), compareKeys) {
		old[key].restore(&change, now, key)
	}
	return change, nil
}

// A past is a document at an earlier revision.
type past struct {
	text  *string // nil is none
	apart bool
	// Of a set that is apart the origins are those of now, or none where fresh is
	// true, without minus and with plus, in the order of those.
	fresh       bool
	minus, plus map[string]struct{}
	order       []string
}

// presentOf returns a document as it is now.
func presentOf(k *kept) *past {
	if k == nil {
		return &past{fresh: true}
	}
	return &past{text: &k.text, apart: k.origins != nil, fresh: k.origins == nil}
}

// undo goes back to before a change.
func (p *past) undo(c *DocumentChange) {
	p.text, p.apart = c.Before, c.BeforeApart
	if !c.BeforeApart || !c.AfterApart {
		p.fresh, p.minus, p.plus, p.order = true, nil, nil, nil
	}
	if !c.BeforeApart {
		return
	}
	if p.minus == nil {
		p.minus, p.plus = map[string]struct{}{}, map[string]struct{}{}
	}
	for _, origin := range c.Added {
		move(origin, p.plus, p.minus)
	}
	for _, origin := range c.Removed {
		move(origin, p.minus, p.plus)
	}
	p.order = append(p.order, c.Removed...)
}

// move takes an origin out of one set, or puts it into another where it is not in
// that.
func move(origin string, from, to map[string]struct{}) {
	if _, is := from[origin]; is {
		delete(from, origin)
		return
	}
	to[origin] = struct{}{}
}

// added returns the origins that the past has and the present has not.
func (p *past) added() []string {
	return slices.DeleteFunc(unique(p.order), func(origin string) bool {
		_, is := p.plus[origin]
		return !is
	})
}

// removed returns the origins that the present has and the past has not.
func (p *past) removed() []string { return slices.Sorted(maps.Keys(p.minus)) }

// restore adds to a change what makes the past of the present.
func (p *past) restore(change *Change, now *State, key Key) {
	k := now.find(key)
	switch {
	case p.text == nil && k == nil:
	case p.text == nil:
		change.Delete = append(change.Delete, key)
	case !p.apart:
		if k == nil || k.origins != nil || k.text != *p.text {
			change.Put = append(change.Put, Text{File: now.file(key), Data: *p.text})
		}
	case p.fresh:
		change.Put = append(change.Put, Text{File: now.file(key), Data: wholeText(*p.text, p.added())})
	case k.text != *p.text:
		list := slices.Concat(without(k.origins.flat().origins, p.removed()), p.added())
		change.Put = append(change.Put, Text{File: now.file(key), Data: wholeText(*p.text, list)})
	case len(p.minus)+len(p.plus) > 0:
		change.Edits = append(change.Edits, OriginEdit{Namespace: key.Namespace, Name: key.Name, Add: p.added(), Remove: p.removed()})
	}
}
