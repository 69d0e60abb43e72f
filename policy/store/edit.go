package store

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/document"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// MaxText is the size in bytes above which a document is refused that is not an
// origin set. A set may have document.MaxSize.
const MaxText = 1 << 20

// Edit returns what a change would make of the state, and the entry that says so.
// With problems, all of them errors, nothing is made. They are of reading the
// change's texts, each in the file that the writer calls it, and of keys and
// sets that do not exist or are named twice; what the documents mean together is
// for policy.Compile to say. A change that changes nothing returns the state
// itself and an entry without Changes, whose Revision is the state's.
//
// The order of a change's documents, keys and edits does not matter.
func (s *State) Edit(change Change) (*State, Entry, policy.Problems) {
	e := editor{state: s, drafts: map[Key]*draft{}, deleted: map[Key]policy.Position{}}
	for _, text := range change.Put {
		e.put(text)
	}
	for i, key := range change.Delete {
		e.remove(i, key)
	}
	edited := map[Key]policy.Position{}
	for i := range change.Edits {
		e.edit(policy.Position{File: fmt.Sprintf("edits[%d]", i)}, &change.Edits[i], edited)
	}
	if len(e.problems) > 0 {
		e.problems.Sort()
		return s, Entry{Revision: s.revision}, e.problems
	}
	entry := Entry{
		Revision: s.revision + 1, Time: change.Time, Author: change.Author, Reason: change.Reason,
		RolledBackTo: change.RolledBackTo, Changes: e.changes(),
	}
	if len(entry.Changes) == 0 {
		return s, Entry{Revision: s.revision}, nil
	}
	next, err := s.apply(entry, e.known())
	if err != nil {
		return s, Entry{Revision: s.revision}, policy.Problems{problemAt("", codeKept, err.Error(), mendHistory)}
	}
	return next, entry, nil
}

// An editor collects what a change makes of each document.
type editor struct {
	state    *State
	drafts   map[Key]*draft
	deleted  map[Key]policy.Position
	problems policy.Problems
}

// A draft is what becomes of one document that is kept after the change.
type draft struct {
	at policy.Position // where the writer named it
	// text is the whole document, or without its origins where they are apart.
	text string
	doc  *policy.Document // as it was read, unless apart
	// apart says that the origins are kept apart: those of list, or where edited is
	// true those that are there, without removed and with added.
	apart, edited  bool
	list           []string
	added, removed []string
}

// put takes the documents of a text.
func (e *editor) put(text Text) {
	docs, problems := document.Read(text.File, []byte(text.Data))
	if len(problems) > 0 {
		e.problems = append(e.problems, problems...)
		return
	}
	if len(docs) == 0 {
		e.problems = append(e.problems, problemAt(text.File, codeNoDocument, "there is no document in it", "write one, or leave the file out"))
		return
	}
	parts := split(text.Data, docs)
	if parts == nil {
		e.problems = append(e.problems, problemAt(text.File, codeSplit,
			fmt.Sprintf("its %d documents cannot be told apart by lines that begin with ---", len(docs)), "put each in a file of its own"))
		return
	}
	for i := range docs {
		e.putOne(parts[i], &docs[i])
	}
}

// putOne takes a document of a file, of which a part is what to keep.
func (e *editor) putOne(p part, doc *policy.Document) {
	key, ok := keyOf(doc.Message)
	at := positionOf(doc, doc.Root.Field("metadata").Field("name"))
	if !ok {
		e.problems = append(e.problems, problemAt(doc.File, codeNoDocument, "a document of this sort is not kept", "leave it out"))
		return
	}
	if first, twice := e.drafts[key]; twice {
		e.problems = append(e.problems, problemTwice(at, key, first.at))
		return
	}
	d := &draft{at: at, text: p.text, doc: p.doc}
	e.drafts[key] = d
	set, isSet := doc.Message.(*corsgatev1.CorsOriginSet)
	switch {
	case isSet && isLarge(set.GetSpec().GetOrigins(), p.text):
		e.checkOrigins(doc, set)
		e.enlarge(d, set, set.GetSpec().GetOrigins())
	case len(p.text) > MaxText:
		e.problems = append(e.problems, policy.Problem{
			Severity: policy.SeverityError, Code: codeDocumentSize, Position: at,
			Reason: fmt.Sprintf("the document has %d bytes, and %d are the limit", len(p.text), MaxText),
			Mend:   "move its origins into a CorsOriginSet and name that in originSets",
		})
	}
}

func isLarge(origins []string, text string) bool {
	return len(origins) >= LargeSet || len(text) >= LargeText
}

// checkOrigins refuses what cannot be kept in a list of one line each.
func (e *editor) checkOrigins(doc *policy.Document, set *corsgatev1.CorsOriginSet) {
	for i, origin := range set.GetSpec().GetOrigins() {
		if reason := unusable(origin); reason != "" {
			e.problems = append(e.problems, policy.Problem{
				Severity: policy.SeverityError, Code: codeOriginUnusable,
				Position: positionOf(doc, doc.Root.Field("spec").Field("origins").Item(i)),
				Field:    fmt.Sprintf("spec.origins[%d]", i), Reason: reason, Mend: "remove it",
			})
		}
	}
}

// enlarge keeps the origins of a set apart.
func (e *editor) enlarge(d *draft, set *corsgatev1.CorsOriginSet, list []string) {
	head, err := headOf(set)
	if err != nil {
		e.problems = append(e.problems, policy.Problem{Severity: policy.SeverityError, Code: codeNoDocument, Position: d.at, Reason: err.Error()})
		return
	}
	d.text, d.doc, d.apart, d.list = head, nil, true, list
	e.checkSize(d, len(head)+textSize(list)+len(list)*linePrefix)
}

// checkSize refuses a set that could not be read again as one text.
func (e *editor) checkSize(d *draft, size int) {
	if size > document.MaxSize {
		e.problems = append(e.problems, policy.Problem{
			Severity: policy.SeverityError, Code: codeDocumentSize, Position: d.at,
			Reason: fmt.Sprintf("the set has %d bytes, and %d are the limit", size, document.MaxSize),
			Mend:   "split it into several sets",
		})
	}
}

// unusable says why a text can be no origin of a large set: they are kept one a
// line. What an origin must look like beyond that is for policy.Compile to say.
func unusable(origin string) string {
	switch {
	case origin == "":
		return "an origin is missing here"
	case len(origin) > maxOrigin:
		return fmt.Sprintf("%d bytes are no origin", len(origin))
	case !utf8.ValidString(origin):
		return "it is not UTF-8"
	case strings.ContainsFunc(origin, func(c rune) bool { return c <= ' ' || c == 0x7f }):
		return "there is white space or a control character in it"
	default:
		return ""
	}
}

// maxOrigin is well above the length of any origin pattern.
const maxOrigin = 1024

// remove takes out a document.
func (e *editor) remove(i int, key Key) {
	at := policy.Position{File: fmt.Sprintf("delete[%d]", i)}
	if first, twice := e.deleted[key]; twice {
		e.problems = append(e.problems, problemTwice(at, key, first))
		return
	}
	e.deleted[key] = at
	if d, both := e.drafts[key]; both {
		e.problems = append(e.problems, problemTwice(at, key, d.at))
		return
	}
	if e.state.find(key) == nil {
		e.problems = append(e.problems, problemUnknown(at, key, "leave it out; it may be deleted already"))
	}
}

// known returns the documents that were read already, so that they need not be
// read again.
func (e *editor) known() map[Key]*policy.Document {
	known := map[Key]*policy.Document{}
	for key, d := range e.drafts {
		if !d.apart && d.doc != nil {
			known[key] = d.doc
		}
	}
	return known
}

// changes returns what differs from the state, ordered by key.
func (e *editor) changes() []DocumentChange {
	var changes []DocumentChange
	for key := range e.deleted {
		c := DocumentChange{Key: key}
		c.before(e.state.find(key))
		if c.BeforeApart {
			c.Removed = e.state.find(key).origins.flat().origins
		}
		changes = append(changes, c)
	}
	for key, d := range e.drafts {
		if c, changed := d.change(key, e.state.find(key)); changed {
			changes = append(changes, c)
		}
	}
	slices.SortFunc(changes, func(a, b DocumentChange) int { return compareKeys(a.Key, b.Key) })
	return changes
}

// change compares a draft with what is kept.
func (d *draft) change(key Key, k *kept) (c DocumentChange, changed bool) {
	c = DocumentChange{Key: key, After: &d.text, AfterApart: d.apart}
	c.before(k)
	switch {
	case c.BeforeApart && d.edited:
		c.Added, c.Removed = d.added, d.removed
	case c.BeforeApart && d.apart:
		there := k.origins.flat().origins
		c.Added, c.Removed = without(d.list, there), without(there, d.list)
	case c.BeforeApart:
		c.Removed = k.origins.flat().origins
	case d.apart:
		c.Added = unique(d.list)
	}
	same := c.Before != nil && *c.Before == d.text && c.BeforeApart == d.apart
	return c, !same || len(c.Added)+len(c.Removed) > 0
}

// before notes what was kept.
func (c *DocumentChange) before(k *kept) {
	if k != nil {
		c.Before, c.BeforeApart = &k.text, k.origins != nil
	}
}

// positionOf returns where a part of a document stands.
func positionOf(doc *policy.Document, at *policy.Place) policy.Position {
	p := policy.Position{File: doc.File}
	if at != nil {
		p.Line, p.Column = int(at.Line), int(at.Column)
	}
	return p
}
