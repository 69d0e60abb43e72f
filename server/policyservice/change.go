package policyservice

import (
	"context"
	"errors"
	"fmt"

	"connectrpc.com/connect"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/store"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
	"github.com/corsgate/corsgate/server/access"
)

// maxTries is how often a change is looked at anew because somebody else was
// faster.
const maxTries = 8

// A wish is what a caller wants to change.
type wish struct {
	method string
	// asked is what the caller named, a line each, for the audit record of what is
	// refused before it is known what it would do.
	asked    []string
	expected *int64
	dryRun   bool
	reason   string
	// make returns the change on a state. It may depend on what is there.
	make func(ctx context.Context, head *store.State, v *view) (store.Change, error)
}

// A draft is a change on a state, and what it would make.
type draft struct {
	head, next *store.State
	change     store.Change
	entry      store.Entry
	// others are the documents of other sources, and written those of the change as
	// its writer knows them.
	others, written map[store.Key]policy.Document
	// before and after are what is and would be in force.
	before, after []policy.Document
}

// attempt makes a change, or says why not, and records either.
func (s *Service) attempt(ctx context.Context, w *wish) (*corsgatev1.ApplyResponse, error) {
	by := sessionOf(ctx)
	record := &audit{method: w.method, who: by.caller.Name, peer: by.peer, what: w.asked, why: w.reason, code: codeOK}
	response, err := s.try(ctx, by.caller, w, record)
	if err != nil {
		record.code, record.problem, record.outcome = connect.CodeOf(err).String(), messageOf(err), outcomeOf(connect.CodeOf(err))
	}
	s.record(ctx, record)
	return response, err
}

// outcomeOf says what became of a change that was not made.
func outcomeOf(code connect.Code) string {
	switch code {
	case connect.CodePermissionDenied, connect.CodeUnauthenticated:
		return outcomeRefused
	case connect.CodeInvalidArgument, connect.CodeNotFound, connect.CodeFailedPrecondition:
		return outcomeInvalid
	case connect.CodeAborted:
		return outcomeConflict
	default:
		return outcomeFailed
	}
}

func (s *Service) try(ctx context.Context, caller *access.Caller, w *wish, record *audit) (*corsgatev1.ApplyResponse, error) {
	if s.options.Store == nil {
		return nil, s.errReadOnly()
	}
	if err := checkReason(w.reason); err != nil {
		return nil, err
	}
	release, err := s.take(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	base := int64(-1)
	for range maxTries {
		head, err := s.options.Store.Head(ctx)
		if err != nil {
			return nil, s.storeError(err)
		}
		if base < 0 {
			// What the caller has not seen must not be undone by the caller, be it
			// that somebody was faster only by a moment.
			base = head.Revision()
			if err := checkExpected(w.expected, head); err != nil {
				return nil, err
			}
			if w.expected != nil {
				base = *w.expected
			}
		}
		response, err := s.once(ctx, caller, w, record, head, base)
		if errors.Is(err, store.ErrMoved) {
			continue
		}
		return response, err
	}
	return nil, connect.NewError(connect.CodeAborted, fmt.Errorf(
		"somebody else was faster %d times in a row; nothing was changed, try again", maxTries))
}

// checkExpected refuses a revision that cannot have been read.
func checkExpected(expected *int64, head *store.State) error {
	switch {
	case expected == nil:
	case *expected < 0:
		return invalid("expected_revision is %d; it must be the revision that the change was made from", *expected)
	case *expected > head.Revision():
		return invalid("expected_revision is %d, and the newest revision is %d; it must be one that was read from this store", *expected, head.Revision())
	}
	return nil
}

// once tries a change on one state. The error is store.ErrMoved, and nothing was
// changed, where there is a newer one.
func (s *Service) once(ctx context.Context, caller *access.Caller, w *wish, record *audit, head *store.State, base int64) (*corsgatev1.ApplyResponse, error) {
	d, err := s.draft(ctx, caller, w, head)
	if err != nil {
		record.findings = findingsIn(err)
		return nil, err
	}
	response := &corsgatev1.ApplyResponse{
		Revision: head.Revision(), Changed: len(d.entry.Changes) > 0, Changes: d.changes(),
	}
	record.what, record.revision = describe(response.GetChanges()), head.Revision()
	if err := d.authorise(caller); err != nil {
		return nil, err
	}
	if err := s.conflicts(ctx, d, w, base); err != nil {
		return nil, err
	}
	if !response.GetChanged() {
		record.outcome = outcomeUnchanged
		response.DiffText = "nothing changes"
		return response, nil
	}
	set, err := s.judge(d, response)
	if err != nil {
		record.findings = findingsIn(err)
		return nil, err
	}
	record.findings = len(response.GetFindings())
	if w.dryRun {
		record.outcome = outcomeDryRun
		s.difference(ctx, d, set, response)
		return response, nil
	}
	entry, err := s.options.Store.Commit(ctx, head, d.change)
	switch {
	case errors.Is(err, store.ErrMoved):
		return nil, store.ErrMoved
	case err != nil:
		return nil, s.storeError(err)
	}
	response.Revision, response.Changed = entry.Revision, len(entry.Changes) > 0
	record.outcome, record.revision = outcomeApplied, entry.Revision
	// What it means is found out afterwards: that takes a while, in which nobody
	// else can be faster.
	s.difference(ctx, d, set, response)
	return response, nil
}

// draft finds out what a change would make of a state.
func (s *Service) draft(ctx context.Context, caller *access.Caller, w *wish, head *store.State) (*draft, error) {
	others := s.others(head)
	before := compose(head, others, nil)
	change, err := w.make(ctx, head, newView(before, head, others))
	if err != nil {
		return nil, err
	}
	change.Author, change.Reason = caller.Name, w.reason
	next, entry, problems := head.Edit(change)
	if len(problems.Errors()) > 0 {
		return nil, withFindings(problems)
	}
	if len(others) > 0 && head.Len() == 0 {
		others = s.others(next) // an empty store had no document to tell others by
		before = compose(head, others, nil)
	}
	d := &draft{head: head, next: next, change: change, entry: entry, others: others, before: before, written: written(change.Put)}
	for i := range change.Edits {
		// The change makes something else of it than its writer wrote.
		delete(d.written, store.Key{Kind: kindOriginSet, Namespace: change.Edits[i].Namespace, Name: change.Edits[i].Name})
	}
	d.after = compose(next, others, d.written)
	return d, nil
}

// authorise says which documents of a change the caller may not change, as they
// were or as they would be.
func (d *draft) authorise(caller *access.Caller) error {
	before, after := newView(d.before, d.head, d.others), newView(d.after, d.next, d.others)
	var refusals []error
	for i := range d.entry.Changes {
		c := &d.entry.Changes[i]
		var refusal *access.Refusal
		if c.Before != nil {
			refusal = before.mayChange(caller, c.Key)
		}
		if c.After != nil && refusal == nil {
			refusal = after.mayChange(caller, c.Key)
		}
		if refusal != nil {
			refusals = append(refusals, refusal)
		}
	}
	if len(refusals) == 0 {
		return nil
	}
	if more := len(refusals) - maxAudited; more > 0 {
		refusals = append(refusals[:maxAudited], fmt.Errorf("and %d more", more))
	}
	return connect.NewError(connect.CodePermissionDenied, errors.Join(refusals...))
}

// judge validates what would be in force, and returns the set.
func (s *Service) judge(d *draft, response *corsgatev1.ApplyResponse) (*policy.Set, error) {
	set, problems := s.validate(d)
	if errs := problems.Errors(); len(errs) > 0 {
		d.explainRemoved(errs)
		return nil, withFindings(errs)
	}
	response.Findings = d.warnings(problems, s.options.InForce().Problems)
	return set, nil
}

// conflicts says which documents of a change were changed after the revision that
// it was made from. Single origins may be added and removed on top of what others
// did, unless the caller says otherwise.
func (s *Service) conflicts(ctx context.Context, d *draft, w *wish, base int64) error {
	if base >= d.head.Revision() {
		return nil // nobody changed anything
	}
	conflict := &corsgatev1.Conflict{Revision: d.head.Revision()}
	var removed map[store.Key]store.Record
	for _, key := range d.touched(w.expected != nil) {
		record, there := d.head.Record(key)
		if !there {
			// It may have been there, and somebody removed it.
			if removed == nil {
				var err error
				if removed, err = s.changedSince(ctx, d.head, base); err != nil {
					return err
				}
			}
			if record, there = removed[key]; !there {
				continue
			}
		}
		if record.Revision > base {
			conflict.Documents = append(conflict.Documents, documentOf(&record))
		}
	}
	if len(conflict.GetDocuments()) == 0 {
		return nil
	}
	first := conflict.GetDocuments()[0]
	text := fmt.Sprintf("%s was changed by %s in revision %d, after revision %d that this change was made from",
		keyOf(first.GetRef()), first.GetAuthor(), first.GetRevision(), base)
	if more := len(conflict.GetDocuments()) - 1; more > 0 {
		text += fmt.Sprintf(", and so were %d more", more)
	}
	err := connect.NewError(connect.CodeAborted, errors.New(text+"; read it again and make the change anew"))
	addDetail(err, conflict)
	return err
}

// changedSince returns who changed which documents last after a revision, as far as
// the history goes back. It is read once for all of them.
func (s *Service) changedSince(ctx context.Context, head *store.State, base int64) (map[store.Key]store.Record, error) {
	changed := map[store.Key]store.Record{}
	for query := (store.Query{Limit: int(min(backPage, head.Revision()-base))}); ; {
		entries, more, err := s.options.Store.Entries(ctx, query)
		if err != nil && !errors.Is(err, store.ErrGone) {
			return nil, s.storeError(err)
		}
		for i := range entries {
			e := &entries[i]
			if e.Revision <= base {
				return changed, nil
			}
			for j := range e.Changes {
				key := e.Changes[j].Key
				if _, later := changed[key]; !later {
					changed[key] = store.Record{Key: key, Revision: e.Revision, Changed: e.Time, Author: e.Author}
				}
			}
		}
		if !more || len(entries) == 0 || entries[len(entries)-1].Revision == base+1 {
			return changed, nil
		}
		query.Before = entries[len(entries)-1].Revision
	}
}

// touched returns the keys that a change touches, those of its edits where asked.
func (d *draft) touched(edits bool) []store.Key {
	edited := map[store.Key]bool{}
	for i := range d.change.Edits {
		edited[store.Key{Kind: kindOriginSet, Namespace: d.change.Edits[i].Namespace, Name: d.change.Edits[i].Name}] = true
	}
	var keys []store.Key
	for i := range d.entry.Changes {
		if key := d.entry.Changes[i].Key; edits || !edited[key] {
			keys = append(keys, key)
		}
	}
	return keys
}

// findingsIn counts the findings that an error carries.
func findingsIn(err error) int {
	var told *connect.Error
	if !errors.As(err, &told) {
		return 0
	}
	for _, detail := range told.Details() {
		if value, err := detail.Value(); err == nil {
			if findings, ok := value.(*corsgatev1.Findings); ok {
				return len(findings.GetFindings())
			}
		}
	}
	return 0
}
