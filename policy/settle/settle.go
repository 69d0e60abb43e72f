package settle

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/corsgate/corsgate/policy"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// CodeSetAside is the code of the problem that says what is in force in place of a
// document. What is wrong with the document follows it.
const CodeSetAside = "document_set_aside"

// maxCompiles bounds how often documents are compiled to find those that are wrong.
const maxCompiles = 256

// A Result is what is in force.
type Result struct {
	// Set is nil where it cannot be made: something is wrong with a document that
	// does not stand apart, or with a guardrail that was never right.
	Set *policy.Set
	// Documents are what Set was made of.
	Documents []policy.Document
	// Problems has a warning for each document that was set aside, followed by what
	// is wrong with it, and what compiling the rest found.
	Problems policy.Problems
}

// Compile compiles documents as [policy.Compile] does. Those that were
// [policy.Document.Created] at a time stand apart. Where together they have errors,
// as many of their changes as can be come into force: changes to what was good
// before, which may be nothing. Older documents come before newer ones, so that who
// has a target keeps it.
func Compile(docs, good []policy.Document, options policy.Options) Result {
	set, problems := policy.Compile(docs, options)
	whole := Result{Set: set, Documents: docs, Problems: problems}
	if set != nil || !slices.ContainsFunc(docs, apart) && !slices.ContainsFunc(good, apart) {
		return whole
	}
	s := settler{options: options, budget: maxCompiles}
	if !s.begin(docs, good) {
		return whole
	}
	s.add(s.changes)
	if !s.standIn() {
		return whole
	}
	effective := s.documents(docs)
	set, problems = policy.Compile(effective, options)
	if set == nil {
		return whole
	}
	for i := range s.rejected {
		problems = append(problems, s.rejected[i].problems()...)
	}
	problems.Sort()
	return Result{Set: set, Documents: effective, Problems: problems}
}

func apart(doc policy.Document) bool { return !doc.Created.IsZero() }

func isPolicy(doc *policy.Document) bool {
	_, ok := doc.Message.(*corsgatev1.CorsPolicy)
	return ok
}

// A change is what became of one document that stands apart.
type change struct {
	file string
	// before and after are nil where there is none.
	before, after *policy.Document
	// closed says that something stands in that lets nobody call, left that nothing
	// does.
	closed, left bool
	// why is what compiling found with the change.
	why policy.Problems
}

// A settler tries changes on a base that is free of errors.
type settler struct {
	options policy.Options
	budget  int

	fixed    []policy.Document          // that do not stand apart
	base     map[string]policy.Document // that do, by their file
	changes  []change
	rejected []change
}

// begin finds a base and the changes to it. It reports false where there is no base.
func (s *settler) begin(docs, good []policy.Document) bool {
	now := map[string]*policy.Document{}
	for i := range docs {
		if apart(docs[i]) {
			now[docs[i].File] = &docs[i]
		} else {
			s.fixed = append(s.fixed, docs[i])
		}
	}
	s.base = map[string]policy.Document{}
	for i := range good {
		if isPolicy(&good[i]) && IsClosed(&good[i]) {
			continue // what stood in for an earlier version has that one's targets
		}
		if _, ok := now[good[i].File]; ok || apart(good[i]) {
			s.base[good[i].File] = good[i]
		}
	}
	if len(s.errors()) > 0 {
		// What stands fast has changed, and counts before what was good beside it.
		s.base = map[string]policy.Document{}
		if len(s.errors()) > 0 {
			return false
		}
	}
	for file, doc := range now {
		if before, ok := s.base[file]; !ok {
			s.changes = append(s.changes, change{file: file, after: doc})
		} else if before.Message != doc.Message {
			s.changes = append(s.changes, change{file: file, before: &before, after: doc})
		}
	}
	for file, doc := range s.base {
		if now[file] == nil {
			s.changes = append(s.changes, change{file: file, before: &doc})
		}
	}
	slices.SortFunc(s.changes, func(a, b change) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), a.document().Created.Compare(b.document().Created), cmp.Compare(a.file, b.file))
	})
	return true
}

// document is what the change is about.
func (c *change) document() *policy.Document {
	if c.after != nil {
		return c.after
	}
	return c.before
}

// rank orders changes so that what others need comes first, and goes last.
func (c *change) rank() int {
	ofPolicy := isPolicy(c.document())
	_, isSet := c.document().Message.(*corsgatev1.CorsOriginSet)
	switch {
	case ofPolicy && c.after == nil:
		return 0
	case isSet && c.after != nil:
		return 2
	case ofPolicy:
		return 3
	case isSet:
		return 4
	default: // guardrails
		return 1
	}
}

// add makes those of the changes that leave no error. Where together they do, each
// half is tried by itself.
func (s *settler) add(changes []change) {
	if len(changes) == 0 {
		return
	}
	s.apply(changes)
	errs := s.errors()
	if len(errs) == 0 {
		return
	}
	s.undo(changes)
	if len(changes) == 1 || s.budget <= 0 {
		for i := range changes {
			changes[i].why = errs
		}
		s.rejected = append(s.rejected, changes...)
		return
	}
	middle := len(changes) / 2
	s.add(changes[:middle])
	s.add(changes[middle:])
}

func (s *settler) apply(changes []change) {
	for i := range changes {
		s.put(changes[i].file, changes[i].after)
	}
}

func (s *settler) undo(changes []change) {
	for i := range changes {
		s.put(changes[i].file, changes[i].before)
	}
}

func (s *settler) put(file string, doc *policy.Document) {
	if doc == nil {
		delete(s.base, file)
		return
	}
	s.base[file] = *doc
}

// errors compiles what is there now.
func (s *settler) errors() policy.Problems {
	s.budget--
	_, problems := policy.Compile(s.documents(nil), s.options)
	return problems.Errors()
}

// standIn puts what lets nobody call in place of what was never good: left out
// altogether, it would leave its requests to a wider policy. Targets that another
// policy has are that one's; where nothing else fits, it is left out. It reports
// false for a guardrail, for nobody knows what it meant to forbid.
func (s *settler) standIn() bool {
	for i := range s.rejected {
		c := &s.rejected[i]
		if c.before != nil {
			c.closed = IsClosed(c.before)
			continue
		}
		closed, ok := Closed(*c.after)
		if !ok {
			return false
		}
		s.put(c.file, &closed)
		if len(s.errors()) > 0 {
			s.put(c.file, nil)
			c.left = !s.putRest(c.file, closed)
		}
		c.closed = !c.left
	}
	return true
}

// putRest puts in what stands in for a policy without the targets that others have.
// It reports false where that does not fit either.
func (s *settler) putRest(file string, closed policy.Document) bool {
	set, _ := policy.Compile(s.documents(nil), s.options)
	if set == nil {
		return false
	}
	taken := map[policy.TargetKey]struct{}{}
	for _, one := range set.Policies() {
		for _, key := range one.TargetKeys() {
			taken[key] = struct{}{}
		}
	}
	rest, ok := without(closed, taken)
	if !ok {
		return false
	}
	s.put(file, &rest)
	if len(s.errors()) > 0 {
		s.put(file, nil)
		return false
	}
	return true
}

// documents returns what is there now, in the order of some documents.
func (s *settler) documents(order []policy.Document) []policy.Document {
	all := slices.Clone(s.fixed)
	placed := map[string]bool{}
	for i := range order {
		if doc, ok := s.base[order[i].File]; ok && apart(order[i]) && !placed[doc.File] {
			placed[doc.File] = true
			all = append(all, doc)
		}
	}
	rest := len(all)
	for file, doc := range s.base {
		if !placed[file] {
			all = append(all, doc)
		}
	}
	slices.SortFunc(all[rest:], func(a, b policy.Document) int { return cmp.Compare(a.File, b.File) })
	return all
}

// problems says what became of a change that was rejected, and why. They are
// warnings, as the rest is in force.
func (c *change) problems() policy.Problems {
	aside := policy.Problem{
		Severity: policy.SeverityWarning,
		Code:     CodeSetAside,
		Position: policy.Position{File: c.file},
		Reason:   "the document is wrong, and what it said before stays in force",
		Mend:     "mend what is said of it here",
	}
	switch {
	case c.after == nil:
		aside.Reason = "the document was removed, but it is still needed, and what it said stays in force"
		aside.Mend = "remove what needs it first"
	case c.left:
		aside.Reason = "the document is wrong beside others, and not in force"
	case c.closed:
		aside.Reason = "the document is wrong, so what it is about is refused to every cross-origin request"
		if _, isSet := c.after.Message.(*corsgatev1.CorsOriginSet); isSet {
			aside.Reason = "the document is wrong, so the set lets nobody call"
		}
	}
	problems := policy.Problems{aside}
	for _, p := range c.why {
		p.Severity = policy.SeverityWarning
		if p.Position.File != c.file {
			p.Reason = fmt.Sprintf("with it, %s: %s: %s", p.Position, p.Field, p.Reason)
			p.Position, p.Field = policy.Position{File: c.file}, ""
		}
		problems = append(problems, p)
	}
	return problems
}
