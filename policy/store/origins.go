package store

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/corsgate/corsgate/policy"
)

// Of a set this large or larger the origins are kept apart from the document, so
// that a change of a few is small. Such a document is kept in a form of its own:
// what else it says, without comments, and its origins, each once.
const (
	// LargeSet is the fewest origins of a large set.
	LargeSet = 1000
	// LargeText is the fewest bytes of a set's text that make it large.
	LargeText = 256 << 10
)

// origins is the origins of a large set, in the order in which they came. It is
// immutable. One that is made of another by a few changes shares its memory, and
// is put together when somebody looks at it: a state that is never looked at
// costs next to nothing.
type origins struct {
	// count is how many there are.
	count int

	mu sync.Mutex
	// made is nil until somebody has looked.
	made *flatOrigins
	// before and step say what to make it of. They are dropped when that is done.
	before *origins
	step   originStep
}

// An originStep is what a change makes of a list. What is added comes last.
type originStep struct{ added, removed []string }

// flatOrigins is a list of origins and its texts in one piece.
type flatOrigins struct {
	origins []string
	texts   string // each origin followed by a line feed
	room    *room
}

// A room is the memory of lists of which each begins with the one before. The
// longest may grow where it is; another has to move out.
type room struct {
	mu      sync.Mutex
	origins []string
	texts   strings.Builder
	// marksOf is the place of the first origin, and marks of all.
	marksOf policy.Mark
	marks   []policy.Mark
}

// newOrigins returns a list, which must hold no origin twice.
func newOrigins(list []string) *origins {
	return &origins{count: len(list), made: newRoom(list, 0)}
}

// spareShare is the part of a list's memory that is kept free for more.
const spareShare = 16

// newRoom copies a list. The spare is how many bytes will be added soon.
func newRoom(list []string, spare int) *flatOrigins {
	size := textSize(list)
	r := &room{origins: make([]string, len(list), len(list)+len(list)/spareShare+1)}
	r.texts.Grow(size + size/spareShare + spare)
	for _, origin := range list {
		r.texts.WriteString(origin)
		r.texts.WriteByte('\n')
	}
	// The list's own texts may be of a file that is not wanted any more.
	texts, begin := r.texts.String(), 0
	for i, origin := range list {
		r.origins[i] = texts[begin : begin+len(origin)]
		begin += len(origin) + 1
	}
	return r.list()
}

// list returns all that is in the room, which is the caller's.
func (r *room) list() *flatOrigins {
	return &flatOrigins{origins: slices.Clip(r.origins), texts: r.texts.String(), room: r}
}

// textSize returns how many bytes origins take, each with a line feed.
func textSize(list []string) int {
	size := len(list)
	for _, origin := range list {
		size += len(origin)
	}
	return size
}

// with returns the list with some origins more.
func (f *flatOrigins) with(added []string) *flatOrigins {
	size := textSize(added)
	r := f.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.texts.Len() != len(f.texts) || r.texts.Cap()-r.texts.Len() < size {
		// Somebody else has the place behind this list, or there is none.
		r = newRoom(f.origins, size).room
	}
	begin := r.texts.Len()
	for _, origin := range added {
		r.texts.WriteString(origin)
		r.texts.WriteByte('\n')
	}
	texts := r.texts.String()
	for _, origin := range added {
		r.origins = append(r.origins, texts[begin:begin+len(origin)])
		begin += len(origin) + 1
	}
	return r.list()
}

// marks returns where each origin stands, if each has a line of its own and the
// first stands at a place.
func (f *flatOrigins) marks(first *policy.Place) []policy.Mark {
	r := f.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if start := (policy.Mark{Line: first.Line, Column: first.Column}); r.marksOf != start {
		r.marksOf, r.marks = start, nil
	}
	if missing := len(f.origins) - len(r.marks); missing > 0 {
		r.marks = slices.Grow(r.marks, missing)
		for range missing {
			at := r.marksOf
			at.Line += int32(len(r.marks)) //nolint:gosec // a document of MaxSize has fewer lines
			r.marks = append(r.marks, at)
		}
	}
	return r.marks[:len(f.origins):len(f.origins)]
}

// derive returns the list without some of its origins and with some that it does
// not have, which come last.
func (o *origins) derive(added, removed []string) *origins {
	return &origins{count: o.count + len(added) - len(removed), before: o, step: originStep{added, removed}}
}

// flat puts the list together.
func (o *origins) flat() *flatOrigins {
	var chain []originStep
	var f *flatOrigins
	for at := o; f == nil; {
		at.mu.Lock()
		f = at.made
		step, before := at.step, at.before
		at.mu.Unlock()
		if f == nil {
			chain = append(chain, step)
			at = before
		}
	}
	if len(chain) == 0 {
		return f
	}
	slices.Reverse(chain)
	f = f.after(chain)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.made == nil {
		o.made, o.before, o.step = f, nil, originStep{}
	}
	return o.made
}

// after makes what a chain of changes makes of the list, in one go.
func (f *flatOrigins) after(chain []originStep) *flatOrigins {
	var added []string
	gone := map[string]struct{}{}
	for _, step := range chain {
		if len(step.removed) > 0 {
			leaving := setOf(step.removed)
			added = slices.DeleteFunc(added, func(origin string) bool {
				_, leaves := leaving[origin]
				delete(leaving, origin)
				return leaves
			})
			for origin := range leaving {
				gone[origin] = struct{}{}
			}
		}
		added = append(added, step.added...)
	}
	if len(gone) > 0 {
		f = newRoom(less(f.origins, gone), textSize(added))
	}
	if len(added) == 0 {
		return f
	}
	return f.with(added)
}

func setOf(list []string) map[string]struct{} {
	set := make(map[string]struct{}, len(list))
	for _, text := range list {
		set[text] = struct{}{}
	}
	return set
}

// fewSought is up to how many texts are sought one after the other.
const fewSought = 4

// among returns which of some texts a list holds.
func among(list, sought []string) map[string]struct{} {
	found := map[string]struct{}{}
	if len(sought) <= fewSought {
		for _, text := range sought {
			if slices.Contains(list, text) {
				found[text] = struct{}{}
			}
		}
		return found
	}
	wanted := setOf(sought)
	for _, text := range list {
		if _, is := wanted[text]; is {
			found[text] = struct{}{}
		}
	}
	return found
}

// less returns a list without some texts.
func less(list []string, gone map[string]struct{}) []string {
	if len(gone) <= fewSought {
		few := slices.Collect(maps.Keys(gone))
		return slices.DeleteFunc(slices.Clone(list), func(text string) bool { return slices.Contains(few, text) })
	}
	return slices.DeleteFunc(slices.Clone(list), func(text string) bool {
		_, is := gone[text]
		return is
	})
}

// unique returns a list without what it holds again.
func unique(list []string) []string {
	seen := make(map[string]struct{}, len(list))
	out := make([]string, 0, len(list))
	for _, text := range list {
		if _, again := seen[text]; !again {
			seen[text] = struct{}{}
			out = append(out, text)
		}
	}
	return out
}

// without returns what a list holds and another does not, each once.
func without(list, other []string) []string {
	there := setOf(other)
	var out []string
	for _, text := range list {
		if _, is := there[text]; !is {
			there[text] = struct{}{}
			out = append(out, text)
		}
	}
	return out
}
