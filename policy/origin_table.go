package policy

import (
	"hash/maphash"
	"math/bits"
	"strings"
)

// An originTable finds one of many origins by its text. It is a table with open
// addressing and linear probing, which holds no pointers: a million origins cost the
// garbage collector nothing, and 14 bytes each beside their text.
//
// A search looks at the slots, which are small, so that those of a million origins
// stay in a cache that all cores share, and then at the text, which does not.
//
// The hash is seeded at random, so that nobody can choose origins, to list or to
// send, that fall into the same slots.
type originTable struct {
	seed maphash.Seed
	// slots says where a text begins, counted from one; a free slot is zero. The bits
	// above, which tags masks, are those of the text's hash, so that few others must
	// be looked at.
	slots []uint32
	tags  uint32
	// places holds the place in the list of what the same slot has.
	places []int32
	// texts holds the origins, each followed by originEnd.
	texts string
	// seen keeps what approach reads from being read for nothing.
	seen uint32
}

// originEnd ends an origin in a table's texts. No origin holds it.
const originEnd = '\n'

// Slots for each origin, as a fraction. At three origins to five slots a look-up
// takes fewer than two steps where it succeeds and four where it fails, nearly
// always within one line of the cache.
const (
	slotsPart   = 5
	originsPart = 3
)

// newOriginTable makes a table for some of the origins of a list. The texts are
// those of joinOrigins(list).
func newOriginTable(seed maphash.Seed, list []string, texts string) originTable {
	n := len(list)*slotsPart/originsPart + 1
	return originTable{seed: seed, slots: make([]uint32, n), tags: tagsOf(texts), places: make([]int32, n), texts: texts}
}

// tagsOf masks the bits of a slot that say nothing of where a text begins.
func tagsOf(texts string) uint32 { return ^(uint32(1)<<bits.Len(uint(len(texts))) - 1) }

// joinOrigins puts a list into the form of a table's texts. It returns what is
// given for it where that is the form already, so that it is in memory once.
func joinOrigins(list []string, given string) string {
	size, same := 0, true
	for _, text := range list {
		end := size + len(text)
		same = same && end < len(given) && given[size:end] == text && given[end] == originEnd
		size = end + 1
	}
	if same && size == len(given) {
		return given
	}
	var b strings.Builder
	b.Grow(size)
	for _, text := range list {
		b.WriteString(text)
		b.WriteByte(originEnd)
	}
	return b.String()
}

// hash returns what find and add want to know of a text.
func (t *originTable) hash(text string) uint64 { return maphash.String(t.seed, text) }

// find returns the place of an origin in the list.
func (t *originTable) find(text string, hash uint64) (at int32, ok bool) {
	slot, ok := t.probe(text, hash)
	if !ok {
		return absent, false
	}
	return t.places[slot], true
}

// lists returns the place of a text in the list. The text need not be an origin:
// what the list holds was parsed when it was made.
func (t *originTable) lists(text string) (at int32, ok bool) {
	if len(t.slots) == 0 {
		return absent, false
	}
	at, ok = t.find(text, t.hash(text))
	return at, ok && strings.IndexByte(text, originEnd) < 0
}

// probe returns the slot of an origin, or the free one that it would take.
func (t *originTable) probe(text string, hash uint64) (slot int, ok bool) {
	if len(t.slots) == 0 {
		return 0, false
	}
	tag := uint32(hash) & t.tags //nolint:gosec // of the lower half; the upper one chooses the slot
	for i := t.home(hash); ; {
		s := t.slots[i]
		if s == 0 {
			return i, false
		}
		if s&t.tags == tag && t.holds(t.begin(s), text) {
			return i, true
		}
		if i++; i == len(t.slots) {
			i = 0
		}
	}
}

// begin is where the text of a slot begins.
func (t *originTable) begin(slot uint32) int { return int(slot&^t.tags) - 1 }

// home is where the search for a hash begins.
func (t *originTable) home(hash uint64) int {
	i, _ := bits.Mul64(hash, uint64(len(t.slots)))
	return int(i) //nolint:gosec // below the number of slots
}

// holds reports whether a text stands at a place among the texts.
func (t *originTable) holds(begin int, text string) bool {
	end := begin + len(text)
	return end < len(t.texts) && t.texts[begin:end] == text && t.texts[end] == originEnd
}

// lookAhead is how many origins are approached at once: more than the processor
// waits for at the same time.
const lookAhead = 64

// approach hashes origins that are about to be added, and touches the slots that
// they will look at first. A large table lies in no near cache; so the processor waits
// for many slots at once instead of for one after the other. It looks only so far
// ahead: the hashes have a loop of their own, so that many slots lie within its view.
func (t *originTable) approach(list []string, hashes *[lookAhead]uint64) {
	for i, text := range list {
		hashes[i] = t.hash(text)
	}
	seen := t.seen
	for _, hash := range hashes[:len(list)] {
		home := t.home(hash)
		seen ^= t.slots[home] ^ uint32(t.places[home]) //nolint:gosec // any bits will do
	}
	t.seen = seen
}

// add puts an origin of the list into the table. It returns the place of an equal
// one that is there already.
func (t *originTable) add(text string, hash uint64, begin int, at int32) (twin int32, isTwin bool) {
	slot, ok := t.probe(text, hash)
	if ok {
		return t.places[slot], true
	}
	//nolint:gosec // A list within a protobuf message, which has two gigabytes at the most.
	t.slots[slot] = uint32(hash)&t.tags | uint32(begin+1)
	t.places[slot] = at
	return 0, false
}

// each calls f with every origin.
func (t *originTable) each(f func(text string, at int32)) {
	for i, s := range t.slots {
		if s != 0 {
			f(t.text(s), t.places[i])
		}
	}
}

func (t *originTable) text(slot uint32) string {
	text, _, _ := strings.Cut(t.texts[t.begin(slot):], string(originEnd))
	return text
}

// drop removes origins. The others may have stepped over them, so all are put in
// anew.
func (t *originTable) drop(gone func(at int32) bool) {
	slots, places := t.slots, t.places
	t.slots, t.places = make([]uint32, len(slots)), make([]int32, len(places))
	for i, s := range slots {
		if s == 0 || gone(places[i]) {
			continue
		}
		text := t.text(s)
		slot, _ := t.probe(text, t.hash(text))
		t.slots[slot], t.places[slot] = s, places[i]
	}
}
