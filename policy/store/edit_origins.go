package store

import (
	"fmt"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/document"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// kindOriginSet is the kind of document that edits of origins change.
const kindOriginSet = "CorsOriginSet"

// edit adds and removes origins of a set. The place is where the edit stands.
func (e *editor) edit(at policy.Position, edit *OriginEdit, seen map[Key]policy.Position) {
	key := Key{Kind: kindOriginSet, Namespace: edit.Namespace, Name: edit.Name}
	if first, twice := seen[key]; twice {
		e.problems = append(e.problems, problemTwice(at, key, first))
		return
	}
	seen[key] = at
	if !e.checkEdit(at, edit) {
		return
	}
	k, d := e.state.find(key), e.drafts[key]
	switch _, gone := e.deleted[key]; {
	case gone:
		e.problems = append(e.problems, problemUnknown(at, key, "the change deletes it: leave out one of the two"))
	case d != nil:
		e.editDraft(d, edit)
	case k == nil:
		e.problems = append(e.problems, problemUnknown(at, key, "apply the set first"))
	case k.origins != nil:
		there := among(k.origins.flat().origins, slices.Concat(edit.Add, edit.Remove))
		d = &draft{at: at, text: k.text, apart: true, edited: true}
		for _, origin := range unique(edit.Add) {
			if _, is := there[origin]; !is {
				d.added = append(d.added, origin)
			}
		}
		for _, origin := range unique(edit.Remove) {
			if _, is := there[origin]; is {
				d.removed = append(d.removed, origin)
			}
		}
		e.drafts[key] = d
		e.checkSize(d, len(k.text)+len(k.origins.flat().texts)+k.origins.count*linePrefix+len(d.added)*linePrefix+textSize(d.added))
	default:
		doc, problems := k.read()
		if len(problems) > 0 {
			e.problems = append(e.problems, problems...)
			return
		}
		d = &draft{at: at, text: k.text, doc: &doc}
		e.drafts[key] = d
		e.editDraft(d, edit)
	}
}

// checkEdit refuses what no set could hold, and what contradicts itself.
func (e *editor) checkEdit(at policy.Position, edit *OriginEdit) bool {
	before := len(e.problems)
	removed := setOf(edit.Remove)
	for i, origin := range edit.Add {
		p := policy.Problem{Severity: policy.SeverityError, Code: codeOriginUnusable, Position: at, Field: fmt.Sprintf("add[%d]", i), Mend: "leave it out"}
		if p.Reason = unusable(origin); p.Reason != "" {
			e.problems = append(e.problems, p)
		} else if _, both := removed[origin]; both {
			p.Code, p.Reason, p.Mend = codeOriginTwice, origin+" is both to be added and to be removed", "keep one of the two"
			e.problems = append(e.problems, p)
		}
	}
	return len(e.problems) == before
}

// editDraft edits a set that was read.
func (e *editor) editDraft(d *draft, edit *OriginEdit) {
	if d.apart {
		d.list = edited(d.list, edit)
		e.checkSize(d, len(d.text)+textSize(d.list)+len(d.list)*linePrefix)
		return
	}
	set, ok := d.doc.Message.(*corsgatev1.CorsOriginSet)
	if !ok {
		return // a key of this kind is a set's
	}
	before := set.GetSpec().GetOrigins()
	after := edited(before, edit)
	if slices.Equal(before, after) {
		return
	}
	if text, doc, ok := editLines(d.text, d.doc, before, after); ok && !isLarge(after, text) {
		d.text, d.doc = text, doc
		return
	}
	head, err := headOf(set)
	if err != nil {
		e.problems = append(e.problems, policy.Problem{Severity: policy.SeverityError, Code: codeNoDocument, Position: d.at, Reason: err.Error()})
		return
	}
	text := wholeText(head, after)
	if isLarge(after, text) {
		e.checkOrigins(d.doc, set)
		e.enlarge(d, set, after)
		return
	}
	d.text, d.doc = text, nil
}

// edited returns a list without what is to be removed and with what is to be
// added, which comes last.
func edited(list []string, edit *OriginEdit) []string {
	removed := setOf(edit.Remove)
	left := slices.DeleteFunc(slices.Clone(list), func(origin string) bool {
		_, is := removed[origin]
		return is
	})
	return append(left, without(edit.Add, left)...)
}

// editLines edits a set as a person would: it takes out the lines of origins that
// go, and puts in lines for those that come, so that comments stay. It reports
// false where that is not how the text is written, and returns nothing that was
// not read again.
func editLines(text string, doc *policy.Document, before, after []string) (string, *policy.Document, bool) {
	place := doc.Root.Field("spec").Field("origins")
	if place.Len() != len(before) || len(before) == 0 {
		return "", nil, false
	}
	lines := strings.SplitAfter(text, "\n")
	stay, there := setOf(after), setOf(before)
	last := 0
	indent := ""
	for i, origin := range before {
		at := int(place.Item(i).Line) - 1
		if at < last || at >= len(lines) {
			return "", nil, false
		}
		dash := strings.TrimLeft(lines[at], " ")
		if !strings.HasPrefix(dash, "- ") {
			return "", nil, false
		}
		last, indent = at, lines[at][:len(lines[at])-len(dash)]
		if _, stays := stay[origin]; !stays {
			lines[at] = ""
		}
	}
	var added strings.Builder
	if lines[last] != "" && !strings.HasSuffix(lines[last], "\n") {
		added.WriteByte('\n')
	}
	for _, origin := range after {
		if _, is := there[origin]; !is {
			added.WriteString(indent + "- " + spell(origin) + "\n")
		}
	}
	lines[last] += added.String()
	return reread(strings.Join(lines, ""), doc, after)
}

// reread makes sure that a text says what it should.
func reread(text string, doc *policy.Document, origins []string) (string, *policy.Document, bool) {
	docs, problems := document.Read(doc.File, []byte(text))
	if len(problems) > 0 || len(docs) != 1 {
		return "", nil, false
	}
	set, ok := docs[0].Message.(*corsgatev1.CorsOriginSet)
	if !ok || !slices.Equal(set.GetSpec().GetOrigins(), origins) {
		return "", nil, false
	}
	first, _ := keyOf(set)
	second, _ := keyOf(doc.Message)
	return text, &docs[0], first == second
}
