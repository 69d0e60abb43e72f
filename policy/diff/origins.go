package diff

import (
	"strings"
	"time"

	"github.com/corsgate/corsgate/policy"
)

// An entry is one origin pattern in force, and where it stands.
type entry struct {
	list *originList
	at   int
	text string
	// pattern is of wide entries.
	pattern policy.OriginPattern
	wide    bool
	regex   bool
	// exclusion says that the entry is in excludeOrigins of the other side.
	exclusion bool
}

// eachEntry calls f with the entries of a list, until it returns false.
func (l *originList) eachEntry(f func(e entry) bool) {
	for i := range l.texts {
		if e, ok := l.entry(i); ok && !f(e) {
			return
		}
	}
}

// entry returns an element of the list. It reports false for one that is over.
func (l *originList) entry(i int) (entry, bool) {
	e := entry{list: l, at: i, text: l.texts[i]}
	switch {
	case e.text == "":
		return e, false
	case l.field == "originRegexes":
		e.regex = true
	case strings.Contains(e.text, "*"):
		e.pattern, e.wide = policy.ParseOriginPattern(e.text)
	}
	return e, true
}

func (e *entry) value() Value {
	v := Value{Text: e.text, Position: e.list.position(e.at), OriginSet: e.list.set}
	switch {
	case e.regex:
		v.Text, v.Note = "/"+e.text+"/", "regular expression"
	case e.exclusion:
		v.Note = "excludeOrigins"
	case e.list.ends != nil:
		v.Note = "until " + endText(e.list.ends[e.at])
	}
	return v
}

func endText(t time.Time) string {
	if t.Equal(t.Truncate(24 * time.Hour)) {
		return t.UTC().Format(time.DateOnly)
	}
	return t.Format(time.RFC3339)
}

// A wideIndex holds wide entries by the literal end of their hosts: only those
// under an end of a pattern's own can cover it.
type wideIndex map[string][]entry

func (x wideIndex) add(l *originList) {
	for _, e := range l.wideEntries() {
		end := e.pattern.LiteralEnd()
		x[end] = append(x[end], e)
	}
}

// covers reports whether one entry matches all that a pattern does.
func (x wideIndex) covers(p policy.OriginPattern) bool {
	for end, more := p.LiteralEnd(), true; more; _, end, more = strings.Cut(end, ".") {
		for i := range x[end] {
			if x[end][i].pattern.Covers(p) {
				return true
			}
		}
	}
	return false
}

// overlaps reports whether one entry may match some of what a pattern does.
func (x wideIndex) overlaps(p policy.OriginPattern) bool {
	for _, entries := range x {
		for i := range entries {
			if entries[i].pattern.Overlaps(p) {
				return true
			}
		}
	}
	return false
}

// gained returns who may call by to and could not by from, in the order of the
// documents, each once.
func gained(from, to *governor) []entry {
	if !to.mode.decides() {
		return nil
	}
	c := &collector{from: from, to: to, seen: map[string]struct{}{}}
	for _, list := range to.includes {
		c.listed(list)
	}
	c.listed(to.regexes)
	if from.mode.decides() {
		from.excludes.eachEntry(c.freed)
	}
	return c.found
}

// A collector gathers who may call by one governor and could not by another.
type collector struct {
	from, to *governor
	found    []entry
	seen     map[string]struct{}
}

func (c *collector) take(e entry) {
	if _, ok := c.seen[e.text]; !ok {
		c.seen[e.text] = struct{}{}
		c.found = append(c.found, e)
	}
}

// listed takes what a list of the one lets in and the other does not.
func (c *collector) listed(list *originList) {
	if older := c.sameSet(list); older != nil {
		for _, i := range list.added(older) {
			if e, ok := list.entry(i); ok && c.isNew(&e) {
				c.take(e)
			}
		}
		return
	}
	list.eachEntry(func(e entry) bool {
		if c.isNew(&e) {
			c.take(e)
		}
		return true
	})
}

// sameSet returns the set of the same name that the other includes, so that only
// what they do not share need be looked at: what they share makes no difference,
// but for exclusions, which are looked at by themselves.
func (c *collector) sameSet(list *originList) *originList {
	if list.set == "" {
		return nil
	}
	for _, other := range c.from.includes {
		if other.set == list.set {
			return other
		}
	}
	return nil
}

func (c *collector) isNew(e *entry) bool {
	switch {
	case e.regex:
		return !c.from.any && (!c.from.mode.decides() || !c.from.regexes.has(e.text))
	case e.wide:
		return !c.from.any && !c.from.wide.covers(e.pattern) && !c.to.kept.covers(e.pattern)
	}
	return !c.from.allows(e.text) && c.to.allows(e.text)
}

// freed takes what the other keeps out and the one lets in.
func (c *collector) freed(e entry) bool {
	e.exclusion = true
	if !e.wide {
		if c.isNew(&e) {
			c.takeFreed(e)
		}
		return true
	}
	if !c.to.kept.covers(e.pattern) && c.mayLetIn(&e) {
		c.takeFreed(e)
	}
	return true
}

// takeFreed takes an exclusion, in place of an entry of the same text.
func (c *collector) takeFreed(e entry) {
	if _, ok := c.seen[e.text]; !ok {
		c.take(e)
		return
	}
	for i := range c.found {
		if c.found[i].text == e.text {
			c.found[i].exclusion = true
		}
	}
}

// mayLetIn reports whether some origin that a wide exclusion kept out may call.
func (c *collector) mayLetIn(e *entry) bool {
	if c.to.any || len(c.to.regexes.texts) > 0 || c.to.wide.overlaps(e.pattern) {
		return true
	}
	found := false
	for _, list := range c.to.includes {
		list.eachEntry(func(other entry) bool {
			p, ok := policy.ParseOriginPattern(other.text)
			found = ok && e.pattern.Covers(p) && !c.from.allows(other.text) && c.to.allows(other.text)
			return !found
		})
		if found {
			return true
		}
	}
	return false
}
