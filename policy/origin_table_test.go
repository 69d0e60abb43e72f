package policy

import (
	"fmt"
	"hash/maphash"
	"math/bits"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// table puts a list into a table.
func table(seed maphash.Seed, list []string) originTable {
	t := newOriginTable(seed, list, joinOrigins(list, ""))
	put(&t, list)
	return t
}

// put fills a table, and returns the places that it found taken.
func put(t *originTable, list []string) (twins map[int]int32) {
	twins = map[int]int32{}
	begin := 0
	for i, text := range list {
		if twin, ok := t.add(text, t.hash(text), begin, int32(i)); ok {
			twins[i] = twin
		}
		begin += len(text) + 1
	}
	return twins
}

// TestTableAgainstMap holds the table to a map, whose keys are the same texts, many
// of them ends or beginnings of others.
func TestTableAgainstMap(t *testing.T) {
	t.Parallel()
	text := rapid.StringOfN(rapid.SampledFrom([]rune("ab.")), 0, 4, -1)
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(text, 1, 60).Draw(t, "list")
		got := newOriginTable(maphash.MakeSeed(), list, joinOrigins(list, ""))
		// The longer the texts are, the fewer bits of the hash a slot has: none at four
		// gigabytes.
		got.tags <<= rapid.IntRange(0, bits.OnesCount32(got.tags)).Draw(t, "bits lost")
		twins := put(&got, list)
		want, wantTwins := map[string]int32{}, map[int]int32{}
		for i, text := range list {
			if first, ok := want[text]; ok {
				wantTwins[i] = first
			} else {
				want[text] = int32(i)
			}
		}
		equalMaps(t, "twins", twins, wantTwins)
		holdTable(t, &got, want, rapid.SliceOfN(text, 0, 20).Draw(t, "others"))
		gone := rapid.SliceOfDistinct(rapid.Int32Range(0, int32(len(list)-1)), rapid.ID).Draw(t, "gone")
		got.drop(func(at int32) bool {
			return slices.Contains(gone, at)
		})
		for _, at := range gone {
			if want[list[at]] == at {
				delete(want, list[at])
			}
		}
		holdTable(t, &got, want, list)
	})
}

// holdTable checks that a table finds what a map holds, and nothing else.
func holdTable(t *rapid.T, got *originTable, want map[string]int32, others []string) {
	all := map[string]int32{}
	got.each(func(text string, at int32) { all[text] = at })
	equalMaps(t, "entries", all, want)
	for text := range want {
		others = append(others, text)
	}
	for _, text := range others {
		at, ok := got.find(text, got.hash(text))
		if wantAt, wantOK := want[text]; ok != wantOK || ok && at != wantAt {
			t.Fatalf("%q is found at %d (%v), want %d (%v)", text, at, ok, wantAt, wantOK)
		}
	}
}

func equalMaps[K comparable](t *rapid.T, what string, got, want map[K]int32) {
	if len(got) != len(want) {
		t.Fatalf("%s: %v, want %v", what, got, want)
	}
	for k, v := range want {
		if w, ok := got[k]; !ok || v != w {
			t.Fatalf("%s: %v, want %v", what, got, want)
		}
	}
}

// FuzzTable puts the lines of any text into a table.
func FuzzTable(f *testing.F) {
	f.Add("a\nb\n\na", "b")
	f.Add("https://a.example\nhttps://a.example.evil", "https://a.example")
	f.Fuzz(func(t *testing.T, lines, other string) {
		list := strings.Split(lines, "\n")
		got := table(maphash.MakeSeed(), list)
		for i, text := range list {
			if at, ok := got.find(text, got.hash(text)); !ok || list[at] != text || int(at) > i {
				t.Fatalf("%q is found at %d (%v), and stands at %d", text, at, ok, i)
			}
		}
		_, ok := got.find(other, got.hash(other))
		want := false
		for _, text := range list {
			want = want || text == other
		}
		if ok != want {
			t.Fatalf("%q is found: %v, want %v", other, ok, want)
		}
	})
}

// steps is how many slots a search looks at.
func (t *originTable) steps(text string) int {
	hash := t.hash(text)
	slot, _ := t.probe(text, hash)
	return (slot-t.home(hash)+len(t.slots))%len(t.slots) + 1
}

// TestTableIsNotFlooded lists origins that are chosen to fall into one slot, as
// somebody could who knew the seed: under another they do not.
func TestTableIsNotFlooded(t *testing.T) {
	t.Parallel()
	const listed, asked, bound = 400, 100, 60
	known := maphash.MakeSeed()
	target := newOriginTable(known, make([]string, listed), "")
	var chosen []string
	for i := 0; len(chosen) < listed+asked; i++ {
		if text := fmt.Sprintf("https://%d.evil.example", i); target.home(target.hash(text)) == 0 {
			chosen = append(chosen, text)
		}
	}
	longest := func(seed maphash.Seed) int {
		got := table(seed, chosen[:listed])
		most := 0
		for _, text := range chosen {
			most = max(most, got.steps(text))
		}
		return most
	}
	if n := longest(known); n < listed {
		t.Fatalf("the chosen origins take %d steps, so they are not chosen well", n)
	}
	// At this load, a search of 60 steps comes once in a million tables.
	if n := longest(maphash.MakeSeed()); n > bound {
		t.Errorf("a search takes %d steps", n)
	}
}

// Each set has a seed of its own.
func TestSetsDifferInSeed(t *testing.T) {
	t.Parallel()
	docs := []Document{originSetOf(tenants(1)), userOf("tenants")}
	a, _ := Compile(docs, Options{})
	b, _ := Compile(docs, Options{})
	x, y := a.policies[0].origins.own.exact, b.policies[0].origins.own.exact
	if x.hash("https://a.example") == y.hash("https://a.example") {
		t.Error("two sets hash an origin alike")
	}
	if set := a.policies[0].origins.sets[0]; set.exact.hash("a") != x.hash("a") {
		t.Error("a set of origins and a policy hash an origin differently")
	}
}

// Texts that a document has already are not copied, and those that are not quite
// its origins are not believed. It counts allocations, so it runs alone.
func TestJoinOrigins(t *testing.T) {
	list := []string{"a", "bc", "", "d"}
	const joined = "a\nbc\n\nd\n"
	for _, given := range []string{"", joined, "a\nbc\n\nd", "a\nbc\n\nd\ne\n", "a\nbd\n\nd\n", "a\nbc\n \nd\n", "abc"} {
		if got := joinOrigins(list, given); got != joined {
			t.Errorf("given %q: %q, want %q", given, got, joined)
		}
	}
	text := strings.Clone(joined)
	if n := testing.AllocsPerRun(10, func() { text = joinOrigins(list, text) }); n != 0 {
		t.Errorf("%v allocations for a text that is given", n)
	}
}

// TestFindDoesNotAllocate counts the allocations of the whole process, so it runs
// alone.
func TestFindDoesNotAllocate(t *testing.T) {
	index := indexed(t, append(tenants(1_000), wildcards(100)...))
	for _, text := range []string{tenant(0), tenant(999), tenant(1_000), "https://a.b.partner-00001.example", "https://[::1]:8443", "null"} {
		if n := testing.AllocsPerRun(100, func() {
			o, form := parseOrigin(text)
			index.find(&o, form, index.exact.hash(text))
		}); n != 0 {
			t.Errorf("%s: %v allocations", text, n)
		}
	}
}

// TestTableIsSmall holds a table to its size: beside the texts, which it shares with
// the document, an origin takes 14 bytes.
func TestTableIsSmall(t *testing.T) {
	const n, most = 100_000, 14
	list := tenants(n)
	texts := joinOrigins(list, "")
	before := heap()
	index := newOriginIndex(maphash.MakeSeed(), &Document{Texts: texts}, partOrigins, list)
	if size := heap() - before; size > n*most {
		t.Errorf("%d bytes for %d origins", size, n)
	}
	if index.exact.texts != texts {
		t.Error("other texts")
	}
}
