package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/corsgate/corsgate/policy/store"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

const shopPolicy = `# the shop
apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata: {name: storefront, namespace: shop}
spec:
  targets: [{hosts: [api.shop.example]}]
  originSets: [partners]
`

const partners = `apiVersion: corsgate.dev/v1
kind: CorsOriginSet
metadata:
  name: partners
  namespace: shop
spec:
  origins:
  # the first customers
  - https://a.example # since 2019
  - "https://b.example"
`

var (
	shopKey     = store.Key{Kind: "CorsPolicy", Namespace: "shop", Name: "storefront"}
	partnersKey = store.Key{Kind: "CorsOriginSet", Namespace: "shop", Name: "partners"}
)

// edit makes a change that must succeed.
func edit(t *testing.T, s *store.State, change store.Change) (*store.State, store.Entry) {
	t.Helper()
	next, entry, problems := s.Edit(change)
	if len(problems) > 0 {
		t.Fatalf("the change has problems:\n%v", problems)
	}
	return next, entry
}

func put(texts ...string) store.Change {
	var c store.Change
	for i, text := range texts {
		c.Put = append(c.Put, store.Text{File: fmt.Sprintf("%d.yaml", i), Data: text})
	}
	return c
}

func TestEditRefuses(t *testing.T) {
	t.Parallel()
	base, _ := edit(t, store.New("test"), put(shopPolicy, partners))
	large := "apiVersion: corsgate.dev/v1\nkind: CorsOriginSet\nmetadata: {name: big}\nspec:\n  origins:\n"
	large += strings.Repeat("  - https://x.example\n", store.LargeSet) + "  - \"https://a b.example\"\n"
	tests := []struct {
		name   string
		change store.Change
		want   []string
	}{
		{"what is no YAML", put("spec: [\n"), []string{"0.yaml:1:"}},
		{"what is no document", put("# nothing\n"), []string{"0.yaml: there is no document in it; write one, or leave the file out [no_document]"}},
		{
			"one bad document among good ones", put(shopPolicy, strings.Replace(partners, "origins:", "orgins:", 1)),
			[]string{`1.yaml:7:3: spec.orgins:`},
		},
		{
			"a document twice", put(shopPolicy, partners+"---\n"+shopPolicy),
			[]string{"1.yaml:15:18: metadata.name: CorsPolicy shop/storefront is in the change already, at 0.yaml:4:18; keep one of them [key_twice]"},
		},
		{
			"a policy beyond bounds", put(shopPolicy + "  # " + strings.Repeat("x", store.MaxText)),
			[]string{"0.yaml:4:18: the document has ", "move its origins into a CorsOriginSet and name that in originSets [document_too_large]"},
		},
		{
			"an origin that cannot stand on a line", put(large),
			[]string{"0.yaml:1006:5: spec.origins[1000]: there is white space or a control character in it; remove it [origin_unusable]"},
		},
		{
			"the deletion of what is not there",
			store.Change{Delete: []store.Key{{Kind: "CorsPolicy", Name: "storefront"}}},
			[]string{"delete[0]: there is no CorsPolicy storefront; leave it out; it may be deleted already [key_unknown]"},
		},
		{
			"a deletion twice",
			store.Change{Delete: []store.Key{shopKey, shopKey}},
			[]string{"delete[1]: metadata.name: CorsPolicy shop/storefront is in the change already, at delete[0]; keep one of them [key_twice]"},
		},
		{
			"a document that is both written and deleted",
			store.Change{Put: put(shopPolicy).Put, Delete: []store.Key{shopKey}},
			[]string{"delete[0]: metadata.name: CorsPolicy shop/storefront is in the change already, at 0.yaml:4:18; keep one of them [key_twice]"},
		},
		{
			"the edit of a set that is not there",
			store.Change{Edits: []store.OriginEdit{{Name: "partners", Add: []string{"https://c.example"}}}},
			[]string{"edits[0]: there is no CorsOriginSet partners; apply the set first [key_unknown]"},
		},
		{
			"the edit of a set that goes",
			store.Change{Delete: []store.Key{partnersKey}, Edits: []store.OriginEdit{{Namespace: "shop", Name: "partners", Add: []string{"https://c.example"}}}},
			[]string{"edits[0]: there is no CorsOriginSet shop/partners; the change deletes it: leave out one of the two [key_unknown]"},
		},
		{
			"a set edited twice",
			store.Change{Edits: []store.OriginEdit{{Namespace: "shop", Name: "partners"}, {Namespace: "shop", Name: "partners"}}},
			[]string{"edits[1]: metadata.name: CorsOriginSet shop/partners is in the change already, at edits[0]; keep one of them [key_twice]"},
		},
		{
			"an origin that comes and goes",
			store.Change{Edits: []store.OriginEdit{{Namespace: "shop", Name: "partners", Add: []string{"https://c.example"}, Remove: []string{"https://c.example"}}}},
			[]string{"edits[0]: add[0]: https://c.example is both to be added and to be removed; keep one of the two [origin_twice]"},
		},
		{
			"an origin with a line break",
			store.Change{Edits: []store.OriginEdit{{Namespace: "shop", Name: "partners", Add: []string{"https://c.example\n- null"}}}},
			[]string{"edits[0]: add[0]: there is white space or a control character in it; leave it out [origin_unusable]"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			next, entry, problems := base.Edit(test.change)
			if next != base || entry.Revision != base.Revision() || len(entry.Changes) > 0 {
				t.Error("something was made of it")
			}
			for _, want := range test.want {
				if !strings.Contains(problems.Error(), want) {
					t.Errorf("the problems are\n%s\nwant %s", problems.Error(), want)
				}
			}
		})
	}
}

// TestPutSeveral keeps each document of a file by itself, wherever it stood.
func TestPutSeveral(t *testing.T) {
	t.Parallel()
	file := "# a file\n---\n" + shopPolicy + "--- # the second\n" + partners + "...\n---\n# nothing\n"
	s, entry := edit(t, store.New("test"), put(file))
	if len(entry.Changes) != 2 {
		t.Fatalf("the entry has %d changes, want 2", len(entry.Changes))
	}
	for key, want := range map[store.Key]string{shopKey: shopPolicy, partnersKey: partners} {
		if got, _ := s.Text(key); got != want {
			t.Errorf("the text of %s is\n%s\nwant\n%s", key, got, want)
		}
		doc, _ := s.Document(key)
		if line := doc.Root.Field("kind").Line; want == shopPolicy && line != 3 || want == partners && line != 2 {
			t.Errorf("the kind of %s stands in line %d of its text", key, line)
		}
	}
}

func TestPositions(t *testing.T) {
	t.Parallel()
	s, _ := edit(t, store.New("etcd"), put(shopPolicy, partners, strings.Replace(shopPolicy, ", namespace: shop", "", 1)))
	docs, problems := s.Documents()
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var files []string
	for _, doc := range docs {
		files = append(files, doc.File)
	}
	want := []string{"etcd:shop/partners.CorsOriginSet", "etcd:storefront.CorsPolicy", "etcd:shop/storefront.CorsPolicy"}
	if !slices.Equal(files, want) {
		t.Errorf("the documents are in %q, want %q", files, want)
	}
}

// TestShares makes sure that what did not change is not read again.
func TestShares(t *testing.T) {
	t.Parallel()
	one, entry := edit(t, store.New("test"), put(shopPolicy, partners))
	two, second := edit(t, one, store.Change{Edits: []store.OriginEdit{{Namespace: "shop", Name: "partners", Add: []string{"https://c.example"}}}})
	before, _ := one.Document(shopKey)
	after, _ := two.Document(shopKey)
	if before.Message != after.Message || before.Root != after.Root {
		t.Error("a document that did not change was read again")
	}
	// A replica, which makes the states of the entries.
	a, err := store.New("test").Apply(entry)
	if err != nil {
		t.Fatal(err)
	}
	if _, problems := a.Documents(); len(problems) > 0 {
		t.Fatal(problems)
	}
	b, err := a.Apply(second)
	if err != nil {
		t.Fatal(err)
	}
	before, _ = a.Document(shopKey)
	after, _ = b.Document(shopKey)
	if before.Message != after.Message {
		t.Error("a document that did not change was read again by a replica")
	}
}

// TestEditKeepsComments edits a small set as a person would.
func TestEditKeepsComments(t *testing.T) {
	t.Parallel()
	s, _ := edit(t, store.New("test"), put(partners))
	s, _ = edit(t, s, store.Change{Edits: []store.OriginEdit{{
		Namespace: "shop", Name: "partners", Add: []string{"https://c.example", "null"}, Remove: []string{"https://b.example"},
	}}})
	want := strings.Replace(partners, `  - "https://b.example"`, "  - https://c.example\n  - \"null\"", 1)
	if got, _ := s.Text(partnersKey); got != want {
		t.Errorf("the set is\n%s\nwant\n%s", got, want)
	}
	// Written on one line there is nothing to take out, and the form is ours.
	s, _ = edit(t, store.New("test"), put(`{"apiVersion": "corsgate.dev/v1", "kind": "CorsOriginSet", "metadata": {"name": "partners", "namespace": "shop", "labels": {"n": "1"}}, "spec": {"origins": ["https://a.example"]}}`))
	s, _ = edit(t, s, store.Change{Edits: []store.OriginEdit{{Namespace: "shop", Name: "partners", Add: []string{"https://c.example"}}}})
	want = `apiVersion: corsgate.dev/v1
kind: CorsOriginSet
metadata:
  labels:
    'n': '1'
  name: partners
  namespace: shop
spec:
  origins:
  - https://a.example
  - https://c.example
`
	if got, _ := s.Text(partnersKey); got != want {
		t.Errorf("the set is\n%s\nwant\n%s", got, want)
	}
}

// TestSetSaysNothingElse fails when the schema lets a set say more than its
// origins: a large set is written anew, and must not lose that.
func TestSetSaysNothingElse(t *testing.T) {
	t.Parallel()
	fields := (&corsgatev1.CorsOriginSetSpec{}).ProtoReflect().Descriptor().Fields()
	if fields.Len() != 1 || fields.Get(0).Name() != "origins" {
		t.Error("withoutOrigins must copy the other fields of a set's spec")
	}
}

// TestLaterVersion keeps what a later version wrote, and says that it cannot be
// read.
func TestLaterVersion(t *testing.T) {
	t.Parallel()
	text := strings.Replace(shopPolicy, "spec:\n", "spec:\n  fromTheFuture: true\n", 1)
	s, err := store.New("etcd").Apply(store.Entry{Revision: 1, Changes: []store.DocumentChange{{Key: shopKey, After: &text}}})
	if err != nil {
		t.Fatal(err)
	}
	docs, problems := s.Documents()
	if len(docs) != 0 || len(problems) != 1 || problems[0].Position.String() != "etcd:shop/storefront.CorsPolicy:6:3" {
		t.Errorf("the documents are %v, the problems %v", docs, problems)
	}
	if got, _ := s.Text(shopKey); got != text {
		t.Errorf("the text is\n%s", got)
	}
	next, _ := edit(t, s, put(partners))
	if _, problems := next.Documents(); len(problems) != 1 {
		t.Errorf("the next state has the problems %v", problems)
	}
}

func TestApplyRefuses(t *testing.T) {
	t.Parallel()
	text, other := shopPolicy, partners
	base, _ := edit(t, store.New("test"), put(shopPolicy))
	tests := []struct {
		name  string
		entry store.Entry
		want  string
	}{
		{"a gap", store.Entry{Revision: 3}, "apply revision 3 to revision 1: it is not the next"},
		{"itself again", store.Entry{Revision: 1}, "apply revision 1 to revision 1: it is not the next"},
		{"a change of another text", store.Entry{Revision: 2, Changes: []store.DocumentChange{{Key: shopKey, Before: &other, After: &text}}}, "it changes a document that is another"},
		{"a change of nothing", store.Entry{Revision: 2, Changes: []store.DocumentChange{{Key: partnersKey, Before: &other}}}, "it changes a document that is not there"},
		{"a change of a list that is not there", store.Entry{Revision: 2, Changes: []store.DocumentChange{{Key: partnersKey, After: &other, BeforeApart: true}}}, "it changes a document that is not there"},
		{"a change of a list that is not there into another", store.Entry{Revision: 2, Changes: []store.DocumentChange{{Key: partnersKey, After: &other, BeforeApart: true, AfterApart: true, Added: []string{"https://a.example"}}}}, "it changes a document that is not there"},
		{"a removal of nothing", store.Entry{Revision: 2, Changes: []store.DocumentChange{{Key: partnersKey}}}, "it removes a document that is not there"},
		{"a new one that is there", store.Entry{Revision: 2, Changes: []store.DocumentChange{{Key: shopKey, After: &text}}}, "it changes a document that is another"},
		{"a document twice", store.Entry{Revision: 2, Changes: []store.DocumentChange{{Key: partnersKey, After: &other}, {Key: partnersKey, After: &other}}}, "is out of order, or there twice"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if _, err := base.Apply(test.entry); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Apply returned %v, want %q", err, test.want)
			}
		})
	}
}

func TestBackRefusesAGap(t *testing.T) {
	t.Parallel()
	one, first := edit(t, store.New("test"), put(shopPolicy))
	two, _ := edit(t, one, put(partners))
	if _, err := store.Back(two, []store.Entry{first}); err == nil || !strings.Contains(err.Error(), "the change of revision 2 is missing") {
		t.Errorf("Back returned %v", err)
	}
}

// TestLargeSetGrowsInPlace holds that one more origin costs a large set no copy,
// that the list before stays what it was, and that two successors of one state do
// not write over each other.
func TestLargeSetGrowsInPlace(t *testing.T) {
	t.Parallel()
	text := textOf(store.Key{Kind: "CorsOriginSet", Name: "large"}, originsNamed("many", 5000), 1)
	base, entry := edit(t, store.New("test"), put(text))
	if c := entry.Changes[0]; !c.AfterApart || len(c.Added) != 5000 || strings.Contains(*c.After, "https://") {
		t.Fatalf("the change is %v, %d origins, %s", c.AfterApart, len(c.Added), *c.After)
	}
	key := store.Key{Kind: "CorsOriginSet", Name: "large"}
	grow := func(s *store.State, origin string) *store.State {
		next, entry := edit(t, s, store.Change{Edits: []store.OriginEdit{{Name: "large", Add: []string{origin}}}})
		if c := entry.Changes[0]; !slices.Equal(c.Added, []string{origin}) || len(c.Removed) > 0 || *c.Before != *c.After {
			t.Errorf("the change is %+v", c)
		}
		return next
	}
	one := grow(base, "https://one.example")
	other := grow(base, "https://other.example")
	two := grow(one, "https://two.example")
	for s, want := range map[*store.State][]string{
		base:  {"https://many-4999.example"},
		one:   {"https://many-4999.example", "https://one.example"},
		other: {"https://many-4999.example", "https://other.example"},
		two:   {"https://many-4999.example", "https://one.example", "https://two.example"},
	} {
		doc, _ := s.Document(key)
		list := doc.Message.(*corsgatev1.CorsOriginSet).GetSpec().GetOrigins()
		if got := list[4999:]; !slices.Equal(got, want) {
			t.Errorf("the set ends in %v, want %v", got, want)
		}
		if doc.Texts != strings.Join(list, "\n")+"\n" {
			t.Error("the texts are not those of the list")
		}
		text, _ := s.Text(key)
		lines := strings.Split(text, "\n")
		marks := doc.Root.Field("spec").Field("origins").Marks
		for i, mark := range marks {
			if lines[mark.Line-1][mark.Column-1:] != list[i] {
				t.Fatalf("%s does not stand at %v", list[i], mark)
			}
		}
		if len(marks) != len(list) {
			t.Errorf("%d of %d origins have a place", len(marks), len(list))
		}
	}
	textsOf := func(s *store.State) *byte {
		doc, _ := s.Document(key)
		return unsafe.StringData(doc.Texts)
	}
	if textsOf(one) != textsOf(base) || textsOf(two) != textsOf(base) {
		t.Error("the texts of the set were copied")
	}
	if textsOf(other) == textsOf(base) {
		t.Error("two successors of one state share their memory")
	}
}
