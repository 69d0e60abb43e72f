package policy

import (
	"cmp"
	"crypto/sha256"
	"hash/maphash"
	"slices"

	"google.golang.org/protobuf/proto"
)

// A part is one document of a set, with what compiling it made and found. What it
// depends on besides is noted in it, so that a later Compile, which meets the same
// document, can tell whether to take it over. Parts do not change once their set
// is made.
type part struct {
	// doc is a copy of its own. One within a list would keep all that the list holds
	// in memory, however old, for as long as one of its documents stays.
	doc *Document
	key Key
	// name is the full name.
	name string
	// sum is a hash of the document's content; it is zero until it is needed.
	sum [sha256.Size]byte
	// problems are those that are the document's own.
	problems Problems

	set       *originSet
	guardrail *Guardrail

	policy *Policy
	claims []claim
	// sets are those that the policy names.
	sets []namedSet
	// reach is which guardrails reach the policy, by their places.
	reach      []int
	exceptions []Exception
	// passing says that what the policy does depends on the time.
	passing bool
}

// A namedSet is an origin set by the full name by which a policy names it.
type namedSet struct {
	name string
	set  *originSet
}

// is reports whether a document is the one that the part was made of.
func (p *part) is(doc *Document) bool {
	return p.doc.Message == doc.Message && p.doc.Root == doc.Root && p.doc.File == doc.File
}

// bare returns the part without anything that compiling it made or found.
func (p *part) bare() *part { return &part{doc: p.doc, key: p.key, name: p.name, sum: p.sum} }

// compare orders parts by name and kind and, where two have one key, by position.
func (p *part) compare(q *part) int {
	if c := cmp.Or(cmp.Compare(p.name, q.name), cmp.Compare(p.key.Kind, q.key.Kind)); c != 0 {
		return c
	}
	a, b := p.doc.at(p.doc.Root), q.doc.at(q.doc.Root)
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
}

// drift bounds how many numbers of answers may be out of use before policies are
// compiled anew to get lower ones: as many as there are, and these.
const drift = 4096

// An inheritance is what Compile takes over from an earlier set.
type inheritance struct {
	seed maphash.Seed
	// parts are those of the earlier set. It is empty where there is none.
	parts []*part
	// places are where in parts a document's part stands.
	places map[proto.Message]int
	// taken is which of the parts the new set has, too.
	taken []bool
	// scans are what guardrails found in origin sets.
	scans map[scanKey]*originScan
	// set is the earlier one, or nil if its policies cannot be taken over.
	set *Set
}

// inherit finds out what can be taken over at all.
func inherit(opts *Options) inheritance {
	previous := opts.Previous
	if previous == nil {
		return inheritance{seed: maphash.MakeSeed()}
	}
	h := inheritance{
		seed: previous.seed, parts: previous.parts, places: previous.places, taken: make([]bool, len(previous.parts)), scans: previous.scans,
	}
	if previous.noPolicy == opts.NoPolicy && previous.press.made <= 2*previous.press.needed+drift {
		h.set = previous
	}
	return h
}

// arrange makes the outcome independent of the order in which documents come, and
// finds the parts that are there already.
func (h *inheritance) arrange(docs []Document) []*part {
	var fresh []*part
	for i := range docs {
		at, known := h.places[docs[i].Message]
		if known && !h.taken[at] && h.parts[at].is(&docs[i]) {
			h.taken[at] = true
			continue
		}
		doc := docs[i]
		key := doc.Key()
		fresh = append(fresh, &part{doc: &doc, key: key, name: key.FullName()})
	}
	slices.SortStableFunc(fresh, (*part).compare)
	all := make([]*part, 0, len(docs))
	for at, p := range h.parts {
		if !h.taken[at] {
			continue
		}
		for len(fresh) > 0 && fresh[0].compare(p) < 0 {
			all, fresh = append(all, fresh[0]), fresh[1:]
		}
		all = append(all, p)
	}
	return append(all, fresh...)
}

// placesOf is where each document's part stands.
func placesOf(parts []*part) map[proto.Message]int {
	places := make(map[proto.Message]int, len(parts))
	for i, p := range parts {
		places[p.doc.Message] = i
	}
	return places
}

// keepsGuardrails reports whether the guardrails are the earlier set's.
func (h *inheritance) keepsGuardrails(parts []*part) bool {
	before, now := 0, 0
	for at, p := range h.parts {
		if p.guardrail == nil {
			continue
		}
		if before++; !h.taken[at] {
			return false
		}
	}
	for _, p := range parts {
		if p.key.Kind == kindGuardrail {
			now++
		}
	}
	return before == now
}

// A roster says which policies are taken over, and which numbers are free for the
// others.
type roster struct {
	// again are parts of the earlier set whose policies have to be compiled anew.
	again map[*part]struct{}
	free  []int
	next  int
}

// newRoster decides which policies are taken over: those whose document is the same,
// and all that it depends on.
func (c *compiler) newRoster(parts []*part) roster {
	r := roster{again: map[*part]struct{}{}}
	keeps := c.inherited.set != nil && c.inherited.keepsGuardrails(parts)
	var inUse []bool
	if c.inherited.set != nil {
		inUse = make([]bool, c.inherited.set.indexes)
	}
	for at, p := range c.inherited.parts {
		switch {
		case p.policy == nil || !c.inherited.taken[at]:
		case keeps && !p.passing && (c.inherited.set.breaches == c.breaches || !p.policy.Barred()) && c.keepsSets(p):
			inUse[p.policy.index] = true
		default:
			r.again[p] = struct{}{}
		}
	}
	for index, used := range inUse {
		if !used {
			r.free = append(r.free, index)
		}
	}
	r.next = len(inUse)
	return r
}

// keeps reports whether a part's policy is taken over.
func (r *roster) keeps(p *part) bool {
	_, again := r.again[p]
	return p.policy != nil && !again
}

func (c *compiler) keepsSets(p *part) bool {
	for _, named := range p.sets {
		if c.originSets[named.name] != named.set {
			return false
		}
	}
	return true
}

// number returns a number that no policy has.
func (r *roster) number() int {
	if len(r.free) > 0 {
		n := r.free[0]
		r.free = r.free[1:]
		return n
	}
	r.next++
	return r.next - 1
}
