package policy

import (
	"hash/maphash"
	"regexp"
)

// originRules is which origins may call: what a policy lists, what the sets
// that it names list, and what it excludes.
type originRules struct {
	// any is `*`; constant is that the answer is then the same for every origin.
	any, constant bool

	own       originIndex
	temporary originIndex
	sets      []*originIndex
	regexes   []originRegex
	excluded  originIndex
}

// An originRegex is an entry of `originRegexes`.
type originRegex struct {
	*regexp.Regexp

	at int32
}

// match returns whether an origin may call, why, and by which rule.
func (r *originRules) match(o *origin, form originForm) (allowed bool, why Reason, by ruleRef) {
	if r.constant {
		return true, ReasonOriginAllowed, r.own.ref(r.own.anyAt)
	}
	if form == formMalformed {
		return false, ReasonOriginMalformed, ruleRef{}
	}
	hash := r.own.exact.hash(o.text)
	if at, ok := r.excluded.find(o, form, hash); ok {
		return false, ReasonOriginExcluded, r.excluded.ref(at)
	}
	if at, ok := r.own.find(o, form, hash); ok {
		return true, ReasonOriginAllowed, r.own.ref(at)
	}
	if at, ok := r.temporary.find(o, form, hash); ok {
		return true, ReasonOriginAllowed, r.temporary.ref(at)
	}
	for _, set := range r.sets {
		if at, ok := set.find(o, form, hash); ok {
			return true, ReasonOriginAllowed, set.ref(at)
		}
	}
	for _, re := range r.regexes {
		if form == formTuple && re.MatchString(o.text) {
			return true, ReasonOriginAllowed, ruleRef{doc: r.own.doc, part: partOriginRegexes, index: re.at}
		}
	}
	if r.any {
		return true, ReasonOriginAllowed, r.own.ref(r.own.anyAt)
	}
	if form == formNull {
		return false, ReasonOriginNull, r.own.ref(whole)
	}
	return false, ReasonOriginNotAllowed, r.own.ref(whole)
}

// An originIndex finds the entry of a list that an origin matches. Entries are
// named by their place in the list.
type originIndex struct {
	doc  *Document
	part rulePart
	list []string
	// listed is where the list stands.
	listed *Place

	size   int
	anyAt  int32
	nullAt int32
	exact  originTable
	// next is the entry that add expects, and begin is where its text stands
	// among those of exact.
	next, begin int
	// hosts holds patterns with any port, by host.
	hosts map[string][]entry
	// tails holds patterns with wildcards, by the literal end of their host.
	tails map[string][]entry
	// tailLengths is how long those ends are: most hosts of strangers have none as
	// long, and need not be looked for.
	tailLengths lengthSet
}

// A lengthSet is a set of lengths, of which those that differ by 256 count as one:
// no host is as long.
type lengthSet [4]uint64

func (s *lengthSet) add(length int) { s[length/64%len(s)] |= 1 << (length % 64) }

func (s *lengthSet) holds(length int) bool { return s[length/64%len(s)]>>(length%64)&1 != 0 }

// An entry is a pattern and its place in the list.
type entry struct {
	pattern

	at int32
}

const absent = -1

// newOriginIndex makes an index for a list that is added to it in its order. All
// indexes of a set have one seed, so that an origin is hashed once.
func newOriginIndex(seed maphash.Seed, doc *Document, part rulePart, list []string) originIndex {
	x := originIndex{doc: doc, part: part, list: list, listed: doc.listed(part), anyAt: absent, nullAt: absent, exact: originTable{seed: seed}}
	if len(list) == 0 {
		return x
	}
	given := ""
	if part == partOrigins {
		given = doc.Texts
	}
	x.exact = newOriginTable(seed, list, joinOrigins(list, given))
	return x
}

// item returns where an entry stands, and its path within the document.
func (x *originIndex) item(at int32) (place *Place, path string) {
	ref := x.ref(at)
	return ref.place(), string(ref.appendField(nil))
}

// ref names an entry, or the whole list, as the rule that decided.
func (x *originIndex) ref(at int32) ruleRef { return ruleRef{x.doc, x.part, at, x.listed} }

func (x *originIndex) empty() bool { return x.size == 0 }

// add indexes the pattern of an entry, which lies behind those that were added. The
// hash is that of its text. It returns the place of an equal one that is there
// already.
func (x *originIndex) add(p *pattern, at int32, hash uint64) (twin int32, isTwin bool) {
	x.size++
	switch p.form {
	case patternAny:
		return takePlace(&x.anyAt, at)
	case patternNull:
		return takePlace(&x.nullAt, at)
	case patternExact:
		return x.exact.add(x.list[at], hash, x.begins(int(at)), at)
	case patternHost:
		return addEntry(&x.hosts, p.host, entry{*p, at})
	case patternSubdomains, patternGlob:
		x.tailLengths.add(len(p.tail))
		return addEntry(&x.tails, p.tail, entry{*p, at})
	}
	return 0, false
}

// begins returns where the text of an entry stands among those of the list.
func (x *originIndex) begins(at int) int {
	for ; x.next < at; x.next++ {
		x.begin += len(x.list[x.next]) + 1
	}
	return x.begin
}

func takePlace(place *int32, at int32) (twin int32, isTwin bool) {
	if *place != absent {
		return *place, true
	}
	*place = at
	return 0, false
}

func addEntry(m *map[string][]entry, key string, e entry) (twin int32, isTwin bool) {
	entries := (*m)[key]
	for i := range entries {
		if e.equal(&entries[i].pattern) {
			return entries[i].at, true
		}
	}
	if *m == nil {
		*m = map[string][]entry{}
	}
	(*m)[key] = append(entries, e)
	return 0, false
}

func (p *pattern) equal(q *pattern) bool {
	if p.form != q.form || p.scheme != q.scheme || p.host != q.host || p.port != q.port ||
		p.anyPort != q.anyPort || p.deep != q.deep || p.tail != q.tail || len(p.globs) != len(q.globs) {
		return false
	}
	for i := range p.globs {
		if p.globs[i] != q.globs[i] {
			return false
		}
	}
	return true
}

// find returns the most specific entry that an origin matches: the origin
// itself, then its host at any port, then the longest spelled-out end of its
// host; among equals the first in the list. `*` is not looked at. The hash is that
// of the origin's text.
func (x *originIndex) find(o *origin, form originForm, hash uint64) (at int32, ok bool) {
	switch {
	case x.size == 0:
		return absent, false
	case form == formNull:
		return x.nullAt, x.nullAt != absent
	case form != formTuple:
		return absent, false
	}
	if at, ok := x.exact.find(o.text, hash); ok {
		return at, true
	}
	if len(x.hosts) > 0 {
		for i := range x.hosts[o.host] {
			if e := &x.hosts[o.host][i]; e.scheme == o.scheme {
				return e.at, true
			}
		}
	}
	if len(x.tails) == 0 || o.isIP {
		return absent, false
	}
	return x.findTail(o)
}

func (x *originIndex) findTail(o *origin) (at int32, ok bool) {
	for i := range len(o.host) {
		if o.host[i] != '.' {
			continue
		}
		head, tail := o.host[:i], o.host[i+1:]
		if !x.tailLengths.holds(len(tail)) {
			continue
		}
		entries := x.tails[tail]
		for j := range entries {
			if e := &entries[j]; e.scheme == o.scheme && e.matchesPort(o.port) && e.matchesHead(head) {
				return e.at, true
			}
		}
	}
	return absent, false
}
