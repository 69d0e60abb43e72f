package policyservice

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/store"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// documentOf writes a record as the service sends it.
func documentOf(record *store.Record) *corsgatev1.Document {
	document := &corsgatev1.Document{
		Ref: refOf(record.Key), Revision: record.Revision, Author: record.Author, Origins: int64(record.Origins),
	}
	if !record.Changed.IsZero() {
		document.Changed = timestamppb.New(record.Changed)
	}
	return document
}

// List implements the service.
func (s *Service) List(ctx context.Context, request *connect.Request[corsgatev1.ListRequest]) (*connect.Response[corsgatev1.ListResponse], error) {
	m := request.Msg
	if m.GetKind() != "" {
		if err := checkKind("kind", m.GetKind()); err != nil {
			return nil, err
		}
	}
	response := &corsgatev1.ListResponse{}
	add := func(record *store.Record) {
		key := record.Key
		if (m.GetKind() == "" || key.Kind == m.GetKind()) && (m.Namespace == nil || key.Namespace == m.GetNamespace()) &&
			strings.HasPrefix(key.Name, m.GetNamePrefix()) {
			response.Documents = append(response.Documents, documentOf(record))
		}
	}
	if s.options.Store == nil {
		docs := s.inForce()
		for i := range docs {
			record := recordOf(&docs[i])
			add(&record)
		}
		return connect.NewResponse(response), nil
	}
	head, err := s.options.Store.Head(ctx)
	if err != nil {
		return nil, s.readError(err)
	}
	response.Revision = head.Revision()
	for record := range head.Records() {
		add(&record)
	}
	return connect.NewResponse(response), nil
}

// inForce returns the documents in force, ordered by key.
func (s *Service) inForce() []policy.Document {
	docs := slices.Clone(s.options.InForce().Documents)
	slices.SortFunc(docs, func(a, b policy.Document) int { return compareKeys(a.Key(), b.Key()) })
	return docs
}

// recordOf describes a document that no store keeps.
func recordOf(doc *policy.Document) store.Record {
	record := store.Record{Key: doc.Key()}
	if m, ok := doc.Message.(*corsgatev1.CorsOriginSet); ok {
		record.Origins = len(m.GetSpec().GetOrigins())
	}
	return record
}

// Get implements the service.
func (s *Service) Get(ctx context.Context, request *connect.Request[corsgatev1.GetRequest]) (*connect.Response[corsgatev1.GetResponse], error) {
	m := request.Msg
	for i, ref := range m.GetRefs() {
		if err := checkRef(fmt.Sprintf("refs[%d]", i), ref); err != nil {
			return nil, err
		}
	}
	keys := make([]store.Key, len(m.GetRefs()))
	for i, ref := range m.GetRefs() {
		keys[i] = keyOf(ref)
	}
	response, err := s.get(ctx, keys, m.GetRevision())
	if err != nil {
		return nil, err
	}
	size := 0
	for _, document := range response.GetDocuments() {
		size += len(document.GetText())
	}
	if size > maxFiles && len(keys) != 1 {
		return nil, connect.NewError(connect.CodeResourceExhausted, fmt.Errorf(
			"the texts have %d MiB together, and %d are the limit; ask for fewer documents at once", size>>20, maxFiles>>20)) //nolint:mnd // bytes to MiB
	}
	return connect.NewResponse(response), nil
}

func (s *Service) get(ctx context.Context, keys []store.Key, revision int64) (*corsgatev1.GetResponse, error) {
	switch {
	case s.options.Store == nil && revision != 0:
		return nil, s.errNoHistory()
	case s.options.Store == nil:
		return s.getInForce(keys)
	case revision < 0:
		return nil, invalid("revision is %d; name one from 1, or none for the newest", revision)
	}
	head, err := s.options.Store.Head(ctx)
	if err != nil {
		return nil, s.readError(err)
	}
	state := head
	if revision != 0 {
		if state, err = s.stateAt(ctx, head, revision); err != nil {
			return nil, err
		}
	} else {
		revision = head.Revision()
	}
	var missing []store.Key
	response := &corsgatev1.GetResponse{Revision: revision}
	if len(keys) == 0 {
		for record := range state.Records() {
			keys = append(keys, record.Key)
		}
	}
	for _, key := range keys {
		record, ok := state.Record(key)
		if !ok {
			missing = append(missing, key)
			continue
		}
		if record.Revision > revision {
			if err := s.dateBack(ctx, &record, revision); err != nil {
				return nil, err
			}
		}
		document := documentOf(&record)
		document.Text, _ = state.Text(key)
		response.Documents = append(response.Documents, document)
	}
	if len(missing) > 0 {
		return nil, notFound(missing, keysOf(state), fmt.Sprintf("revision %d of %s", revision, s.options.Store))
	}
	return response, nil
}

// stateAt returns the documents as they were at a revision. Who changed them last,
// and when, it does not know of those that were changed since.
func (s *Service) stateAt(ctx context.Context, head *store.State, revision int64) (*store.State, error) {
	change, err := s.back(ctx, head, revision)
	if err != nil {
		return nil, err
	}
	state, _, problems := head.Edit(change)
	if len(problems.Errors()) > 0 {
		return nil, withFindings(problems)
	}
	return state, nil
}

// dateBack finds out who had changed a document last at a revision.
func (s *Service) dateBack(ctx context.Context, record *store.Record, revision int64) error {
	entries, _, err := s.options.Store.Entries(ctx, store.Query{Key: &record.Key, Before: revision + 1, Limit: 1})
	if err != nil {
		return s.readError(err)
	}
	record.Revision, record.Author = 0, ""
	if len(entries) > 0 {
		record.Revision, record.Changed, record.Author = entries[0].Revision, entries[0].Time, entries[0].Author
	}
	return nil
}

// getInForce returns documents of policies that no store keeps, spelled as we
// spell them.
func (s *Service) getInForce(keys []store.Key) (*corsgatev1.GetResponse, error) {
	byKey := map[store.Key]*policy.Document{}
	docs := s.inForce()
	for i := range docs {
		byKey[docs[i].Key()] = &docs[i]
	}
	if len(keys) == 0 {
		for i := range docs {
			keys = append(keys, docs[i].Key())
		}
	}
	var missing []store.Key
	response := &corsgatev1.GetResponse{}
	for _, key := range keys {
		doc := byKey[key]
		if doc == nil {
			missing = append(missing, key)
			continue
		}
		record := recordOf(doc)
		document := documentOf(&record)
		text, err := spell(doc.Message)
		if err != nil {
			return nil, connect.NewError(connect.CodeInternal, err)
		}
		document.Text = text
		response.Documents = append(response.Documents, document)
	}
	if len(missing) > 0 {
		return nil, notFound(missing, slices.Collect(maps.Keys(byKey)), s.options.InForce().Source)
	}
	return response, nil
}
