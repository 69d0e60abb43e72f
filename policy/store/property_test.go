package store_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/corsgate/corsgate/policy/store"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// A model is what the documents must be, kept in the plainest way: the origins of
// each, by key. It knows nothing of large sets.
type model map[store.Key]map[string]bool

var (
	modelKeys = []store.Key{
		{Kind: "CorsPolicy", Name: "plain"},
		{Kind: "CorsPolicy", Namespace: "shop", Name: "plain"},
		{Kind: "CorsOriginSet", Name: "small"},
		{Kind: "CorsOriginSet", Namespace: "shop", Name: "small"},
		{Kind: "CorsOriginSet", Name: "large"},
	}
	// few are what small documents hold, and many what makes a set a large one.
	few  = originsNamed("few", 6)
	many = originsNamed("many", store.LargeSet)
)

func originsNamed(word string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("https://%s-%d.example", word, i)
	}
	return list
}

// textOf writes a document in one of several ways.
func textOf(key store.Key, origins []string, style int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# style %d\napiVersion: corsgate.dev/v1\nkind: %s\nmetadata:\n  name: %s\n", style, key.Kind, key.Name)
	if key.Namespace != "" {
		fmt.Fprintf(&b, "  namespace: %s\n", key.Namespace)
	}
	fmt.Fprintf(&b, "  labels: {style: s%d}\nspec:\n", style%2)
	if style%3 == 0 {
		fmt.Fprintf(&b, "  origins: [%q]\n", strings.Join(origins, `", "`))
		return strings.ReplaceAll(b.String(), `\"`, `"`)
	}
	b.WriteString("  origins:\n")
	for _, origin := range origins {
		fmt.Fprintf(&b, "  - %s # why\n", origin)
	}
	return b.String()
}

// drawChange draws a change that the model can make, and makes it there.
func drawChange(t *rapid.T, m model) store.Change {
	var c store.Change
	for _, key := range modelKeys {
		isSet := key.Kind == "CorsOriginSet"
		action := rapid.SampledFrom([]string{"nothing", "put", "delete", "edit"}).Draw(t, "action")
		switch {
		case action == "put":
			origins := rapid.SliceOfNDistinct(rapid.SampledFrom(few), 1, len(few), rapid.ID).Draw(t, "origins")
			if isSet && rapid.Bool().Draw(t, "large") {
				origins = append(origins, many...)
			}
			c.Put = append(c.Put, store.Text{File: key.Name + ".yaml", Data: textOf(key, origins, rapid.IntRange(0, 5).Draw(t, "style"))})
			m[key] = map[string]bool{}
			for _, origin := range origins {
				m[key][origin] = true
			}
		case action == "delete" && m[key] != nil:
			c.Delete = append(c.Delete, key)
			delete(m, key)
		case action == "edit" && isSet && m[key] != nil:
			all := slices.Concat(few, many[:3])
			add := rapid.SliceOfN(rapid.SampledFrom(all), 0, 3).Draw(t, "add")
			remove := slices.DeleteFunc(rapid.SliceOfN(rapid.SampledFrom(all), 0, 3).Draw(t, "remove"),
				func(o string) bool { return slices.Contains(add, o) })
			edit := store.OriginEdit{Namespace: key.Namespace, Name: key.Name, Add: add, Remove: remove}
			left := maps.Clone(m[key])
			for _, origin := range add {
				left[origin] = true
			}
			for _, origin := range remove {
				delete(left, origin)
			}
			if len(left) > 0 {
				c.Edits = append(c.Edits, edit)
				m[key] = left
			}
		}
	}
	return c
}

// TestHistory draws histories and holds each state against the model, against what
// its entry makes of the state before, against its checkpoint, and against what
// going back to it makes of the last state.
func TestHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := store.New("test")
		states := []*store.State{now}
		var entries []store.Entry
		m := model{}
		for range rapid.IntRange(1, 6).Draw(t, "changes") {
			change := drawChange(t, m)
			change.Author, change.Time = "somebody", time.Unix(int64(len(states)), 0)
			next, entry, problems := now.Edit(change)
			if len(problems) > 0 {
				t.Fatalf("Edit: %v", problems)
			}
			expectModel(t, next, m)
			if len(entry.Changes) == 0 {
				if next != now || entry.Revision != now.Revision() {
					t.Fatalf("a change without an effect made revision %d of %d", entry.Revision, now.Revision())
				}
				continue
			}
			applied, err := now.Apply(entry)
			if err != nil {
				t.Fatalf("Apply: %v", err)
			}
			expectSame(t, "its entry", applied, next)
			expectSame(t, "its checkpoint", restored(t, next), next)
			if rapid.Bool().Draw(t, "go on from the entry's") {
				next = applied
			}
			now, states, entries = next, append(states, next), append(entries, entry)
		}
		to := rapid.IntRange(0, len(states)-1).Draw(t, "back to")
		undo := slices.Clone(entries[to:])
		slices.Reverse(undo)
		change, err := store.Back(now, undo)
		if err != nil {
			t.Fatalf("Back: %v", err)
		}
		back, entry, problems := now.Edit(change)
		if len(problems) > 0 {
			t.Fatalf("go back: %v", problems)
		}
		expectModel(t, back, modelOf(t, states[to]))
		if len(entry.Changes) > 0 && entry.RolledBackTo != int64(to) {
			t.Errorf("the entry says that it went back to %d, want %d", entry.RolledBackTo, to)
		}
		for key := range modelOf(t, states[to]) {
			if key.Name != "large" && key.Name != "small" {
				if got, want := text(back, key), text(states[to], key); got != want {
					t.Errorf("going back made\n%s\nof %s, want\n%s", got, key, want)
				}
			}
		}
	})
}

func restored(t *rapid.T, s *store.State) *store.State {
	out, err := store.Restore("test", s.Revision(), s.Changed(), slices.Collect(s.Kept()))
	if err != nil {
		t.Fatalf("Restore: %v", err)
	}
	return out
}

func text(s *store.State, key store.Key) string {
	text, _ := s.Text(key)
	return text
}

// modelOf reads the model of a state off its documents.
func modelOf(t *rapid.T, s *store.State) model {
	docs, problems := s.Documents()
	if len(problems) > 0 {
		t.Fatalf("the documents have problems: %v", problems)
	}
	m := model{}
	for _, doc := range docs {
		var key store.Key
		var origins []string
		switch msg := doc.Message.(type) {
		case *corsgatev1.CorsPolicy:
			key, origins = store.Key{Kind: msg.GetKind(), Namespace: msg.GetMetadata().GetNamespace(), Name: msg.GetMetadata().GetName()}, msg.GetSpec().GetOrigins()
		case *corsgatev1.CorsOriginSet:
			key, origins = store.Key{Kind: msg.GetKind(), Namespace: msg.GetMetadata().GetNamespace(), Name: msg.GetMetadata().GetName()}, msg.GetSpec().GetOrigins()
		}
		m[key] = map[string]bool{}
		for _, origin := range origins {
			m[key][origin] = true
		}
		if doc.Texts != "" && doc.Texts != strings.Join(origins, "\n")+"\n" {
			t.Fatalf("the texts of %s are not its origins", key)
		}
	}
	return m
}

func expectModel(t *rapid.T, s *store.State, want model) {
	got := modelOf(t, s)
	if !maps.EqualFunc(got, want, maps.Equal) {
		t.Fatalf("the documents are %v, want %v", got, want)
	}
	for key, origins := range want {
		if r, ok := s.Record(key); !ok || key.Kind == "CorsOriginSet" && r.Origins != len(origins) {
			t.Fatalf("the record of %s is %+v, want %d origins", key, r, len(origins))
		}
	}
}

func expectSame(t *rapid.T, what string, got, want *store.State) {
	if got.Revision() != want.Revision() || !got.Changed().Equal(want.Changed()) {
		t.Fatalf("%s makes revision %d of %v, want %d of %v", what, got.Revision(), got.Changed(), want.Revision(), want.Changed())
	}
	if a, b := slices.Collect(got.Records()), slices.Collect(want.Records()); !slices.Equal(a, b) {
		t.Fatalf("%s makes the records %v, want %v", what, a, b)
	}
	for r := range want.Records() {
		if a, b := text(got, r.Key), text(want, r.Key); a != b {
			t.Fatalf("%s makes %s\n%s\nwant\n%s", what, r.Key, a, b)
		}
	}
	a, _ := got.Documents()
	b, _ := want.Documents()
	for i := range b {
		if a[i].File != b[i].File || a[i].Root.Field("spec").Field("origins").Item(0).Line != b[i].Root.Field("spec").Field("origins").Item(0).Line {
			t.Fatalf("%s makes the document %s, want %s", what, a[i].File, b[i].File)
		}
	}
}
