package policy

import (
	"hash/maphash"
	"math/bits"
	"strings"
)

// An originTable finds one of many origins by its text. It is a table with open
// addressing and linear probing, whose slots hold no pointers: a million origins
// cost the garbage collector nothing, 20 bytes each beside their text, and a look
// at two places in memory.
//
// The hash is seeded at random, so that nobody can choose origins, to list or to
// send, that fall into the same slots.
type originTable struct {
	seed  maphash.Seed
	slots []originSlot
	// texts holds the origins, each followed by originEnd.
	texts string
	// seen keeps what approach reads from being read for nothing.
	seen uint32
}

// originEnd ends an origin in a table's texts. No origin holds it.
const originEnd = '\n'

// An originSlot is free where nth is zero.
type originSlot struct {
	hash  uint32 // the lower half of the text's hash; the upper one chose the slot
	nth   uint32 // the place in the list, counted from one
	begin uint32 // where the text begins
}

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
	return originTable{seed: seed, slots: make([]originSlot, len(list)*slotsPart/originsPart+1), texts: texts}
}

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
	return int32(t.slots[slot].nth - 1), true //nolint:gosec // it was an int32
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
	for i := t.home(hash); ; {
		s := &t.slots[i]
		if s.nth == 0 {
			return i, false
		}
		if s.hash == uint32(hash) && t.holds(int(s.begin), text) { //nolint:gosec // the lower half is wanted
			return i, true
		}
		if i++; i == len(t.slots) {
			i = 0
		}
	}
}

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
// they will look at first. A large table lies in no cache; so the processor waits
// for many slots at once instead of for one after the other.
func (t *originTable) approach(list []string, hashes *[lookAhead]uint64) {
	for i, text := range list {
		hashes[i] = t.hash(text)
		t.seen ^= t.slots[t.home(hashes[i])].nth
	}
}

// add puts an origin of the list into the table. It returns the place of an equal
// one that is there already.
func (t *originTable) add(text string, hash uint64, begin int, at int32) (twin int32, isTwin bool) {
	slot, ok := t.probe(text, hash)
	if ok {
		return int32(t.slots[slot].nth - 1), true //nolint:gosec // it was an int32
	}
	//nolint:gosec // A list within a protobuf message, which has two gigabytes at the most.
	t.slots[slot] = originSlot{hash: uint32(hash), nth: uint32(at + 1), begin: uint32(begin)}
	return 0, false
}

// each calls f with every origin.
func (t *originTable) each(f func(text string, at int32)) {
	for i := range t.slots {
		if s := &t.slots[i]; s.nth != 0 {
			f(t.text(s), int32(s.nth-1)) //nolint:gosec // it was an int32
		}
	}
}

func (t *originTable) text(s *originSlot) string {
	text, _, _ := strings.Cut(t.texts[s.begin:], string(originEnd))
	return text
}

// drop removes origins. The others may have stepped over them, so all are put in
// anew.
func (t *originTable) drop(gone func(at int32) bool) {
	old := t.slots
	t.slots = make([]originSlot, len(old))
	for i := range old {
		s := &old[i]
		if s.nth == 0 || gone(int32(s.nth-1)) { //nolint:gosec // it was an int32
			continue
		}
		slot, _ := t.probe(t.text(s), t.hash(t.text(s)))
		t.slots[slot] = *s
	}
}
