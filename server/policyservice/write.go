package policyservice

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"connectrpc.com/connect"

	"github.com/corsgate/corsgate/policy/spelling"
	"github.com/corsgate/corsgate/policy/store"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

const (
	// maxReason is how long a reason may be, in bytes.
	maxReason = 1 << 10
	// maxNamed is how many files, documents and sets a change may name.
	maxNamed = 20_000
	// maxBack is how many changes a rollback may undo, and backPage how many are
	// asked for at a time.
	maxBack  = 20_000
	backPage = 500
)

// Apply implements the service.
func (s *Service) Apply(ctx context.Context, request *connect.Request[corsgatev1.ApplyRequest]) (*connect.Response[corsgatev1.ApplyResponse], error) {
	m := request.Msg
	response, err := s.attempt(ctx, &wish{
		method: methodApply, asked: asked(m), expected: m.ExpectedRevision, dryRun: m.GetDryRun(), reason: m.GetReason(),
		make: func(ctx context.Context, head *store.State, v *view) (store.Change, error) {
			change, err := changeOf(m)
			if err == nil && m.GetPrune() {
				prune(ctx, &change, head, v)
			}
			return change, err
		},
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(response), nil
}

// changeOf reads what a request asks for.
func changeOf(m *corsgatev1.ApplyRequest) (store.Change, error) {
	var change store.Change
	if named := len(m.GetFiles()) + len(m.GetDelete()) + len(m.GetOriginEdits()); named > maxNamed {
		return change, invalid("the change names %d files, documents and sets, and %d are the limit; make it in parts", named, maxNamed)
	}
	if len(m.GetFiles())+len(m.GetDelete())+len(m.GetOriginEdits()) == 0 {
		return change, invalid("the change is empty; give files, delete or originEdits")
	}
	size, seen := 0, map[string]bool{}
	for i, file := range m.GetFiles() {
		name := fileName(i, file)
		if seen[name] {
			return change, invalid("files[%d] is called %q like another one; findings could not be told apart", i, name)
		}
		seen[name] = true
		size += len(file.GetText())
		change.Put = append(change.Put, store.Text{File: name, Data: file.GetText()})
	}
	if size > maxFiles {
		return change, connect.NewError(connect.CodeResourceExhausted, fmt.Errorf(
			"the texts have %d MiB together, and %d are the limit; apply them in parts", size>>20, maxFiles>>20)) //nolint:mnd // bytes to MiB
	}
	for i, ref := range m.GetDelete() {
		if err := checkRef(fmt.Sprintf("delete[%d]", i), ref); err != nil {
			return change, err
		}
		change.Delete = append(change.Delete, keyOf(ref))
	}
	for i, edit := range m.GetOriginEdits() {
		if edit.GetName() == "" {
			return change, invalid("originEdits[%d].name is empty; name an origin set", i)
		}
		change.Edits = append(change.Edits, store.OriginEdit{
			Namespace: edit.GetNamespace(), Name: edit.GetName(), Add: edit.GetAdd(), Remove: edit.GetRemove(),
		})
	}
	return change, nil
}

// fileName is what a text is called in findings.
func fileName(i int, file *corsgatev1.SourceText) string {
	return cmp.Or(file.GetName(), fmt.Sprintf("files[%d]", i))
}

// prune removes every other document that the caller may write.
func prune(ctx context.Context, change *store.Change, head *store.State, v *view) {
	keep := map[store.Key]bool{}
	for key := range written(change.Put) {
		keep[key] = true
	}
	for _, key := range change.Delete {
		keep[key] = true // it is removed already
	}
	for i := range change.Edits {
		keep[store.Key{Kind: kindOriginSet, Namespace: change.Edits[i].Namespace, Name: change.Edits[i].Name}] = true
	}
	for record := range head.Records() {
		if !keep[record.Key] && v.mayChange(sessionOf(ctx).caller, record.Key) == nil {
			change.Delete = append(change.Delete, record.Key)
		}
	}
}

// Delete implements the service.
func (s *Service) Delete(ctx context.Context, request *connect.Request[corsgatev1.DeleteRequest]) (*connect.Response[corsgatev1.DeleteResponse], error) {
	m := request.Msg
	response, err := s.attempt(ctx, &wish{
		method: methodDelete, asked: asked(&corsgatev1.ApplyRequest{Delete: m.GetRefs()}), expected: m.ExpectedRevision, dryRun: m.GetDryRun(), reason: m.GetReason(),
		make: func(_ context.Context, head *store.State, _ *view) (store.Change, error) {
			var change store.Change
			if n := len(m.GetRefs()); n == 0 || n > maxNamed {
				return change, invalid("refs names %d documents; name from 1 to %d", n, maxNamed)
			}
			for i, ref := range m.GetRefs() {
				if err := checkRef(fmt.Sprintf("refs[%d]", i), ref); err != nil {
					return change, err
				}
				change.Delete = append(change.Delete, keyOf(ref))
			}
			return change, s.allThere(head, change.Delete)
		},
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&corsgatev1.DeleteResponse{Applied: response}), nil
}

// allThere says which document does not exist.
func (s *Service) allThere(head *store.State, keys []store.Key) error {
	var missing []store.Key
	for _, key := range keys {
		if _, ok := head.Record(key); !ok {
			missing = append(missing, key)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return notFound(missing, keysOf(head), fmt.Sprintf("revision %d of %s", head.Revision(), s.options.Store))
}

// keysOf returns the keys of all documents of a state.
func keysOf(state *store.State) []store.Key {
	var keys []store.Key
	for record := range state.Records() {
		keys = append(keys, record.Key)
	}
	return keys
}

// notFound says what is not there, and what of the known was meant if that is
// clear.
func notFound(missing, known []store.Key, where string) error {
	mend := "corsgate get lists what there is"
	if len(missing) == 1 {
		if near := nearestName(missing[0], known); near != "" {
			mend = "did you mean " + near + "?"
		}
	}
	slices.SortFunc(missing, compareKeys)
	more := ""
	if len(missing) > maxAudited {
		more = fmt.Sprintf(" and %d more", len(missing)-maxAudited)
		missing = missing[:maxAudited]
	}
	names := make([]string, len(missing))
	for i, key := range missing {
		names[i] = key.String()
	}
	return connect.NewError(connect.CodeNotFound, fmt.Errorf("there is no %s%s in %s; %s", strings.Join(names, ", no "), more, where, mend))
}

// nearestName returns the name of the document of the same kind that must have
// been meant, or nothing.
func nearestName(key store.Key, known []store.Key) string {
	var names []string
	for _, other := range known {
		if other.Kind == key.Kind {
			names = append(names, nameOf(other))
		}
	}
	return spelling.ClosestName(nameOf(key), names)
}

// Rollback implements the service.
func (s *Service) Rollback(ctx context.Context, request *connect.Request[corsgatev1.RollbackRequest]) (*connect.Response[corsgatev1.RollbackResponse], error) {
	m := request.Msg
	response, err := s.attempt(ctx, &wish{
		method: methodRollback, asked: []string{fmt.Sprintf("go back to revision %d", m.GetRevision())}, expected: m.ExpectedRevision, dryRun: m.GetDryRun(), reason: m.GetReason(),
		make: func(ctx context.Context, head *store.State, _ *view) (store.Change, error) {
			if m.GetRevision() <= 0 {
				return store.Change{}, invalid("revision is %d; name the revision to go back to, from 1", m.GetRevision())
			}
			change, err := s.back(ctx, head, m.GetRevision())
			change.RolledBackTo = m.GetRevision()
			return change, err
		},
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&corsgatev1.RollbackResponse{Applied: response}), nil
}

// back returns the change that makes of the newest state what was at a revision.
func (s *Service) back(ctx context.Context, head *store.State, to int64) (store.Change, error) {
	if to > head.Revision() {
		return store.Change{}, invalid("revision %d has not been made; the newest is %d", to, head.Revision())
	}
	if head.Revision()-to > maxBack {
		return store.Change{}, connect.NewError(connect.CodeFailedPrecondition, fmt.Errorf(
			"revision %d is %d changes ago, and %d are the limit; apply the documents as they were instead", to, head.Revision()-to, maxBack))
	}
	var undo []store.Entry
	for next := head.Revision() + 1; next > to+1; {
		page, _, err := s.options.Store.Entries(ctx, store.Query{Before: next, Limit: int(min(backPage, next-to-1))})
		if err != nil {
			return store.Change{}, s.storeError(err)
		}
		if len(page) == 0 || page[0].Revision != next-1 {
			return store.Change{}, s.storeError(fmt.Errorf("%w: the change of revision %d", store.ErrGone, next-1))
		}
		undo = append(undo, page...)
		next = page[len(page)-1].Revision
	}
	change, err := store.Back(head, undo)
	if err != nil {
		return store.Change{}, s.storeError(err)
	}
	return change, nil
}

// checkReason refuses what would not read well in a history.
func checkReason(reason string) error {
	switch {
	case len(reason) > maxReason:
		return invalid("the reason has %d bytes, and %d are the limit; write the rest where it belongs and name that", len(reason), maxReason)
	case !utf8.ValidString(reason):
		return connect.NewError(connect.CodeInvalidArgument, errors.New("the reason is not UTF-8"))
	case strings.ContainsFunc(reason, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }):
		return connect.NewError(connect.CodeInvalidArgument, errors.New("the reason holds control characters; write plain text"))
	}
	return nil
}
