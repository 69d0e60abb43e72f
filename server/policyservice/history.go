package policyservice

import (
	"context"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/corsgate/corsgate/policy/document"
	"github.com/corsgate/corsgate/policy/store"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

const (
	defaultEntries = 50
	maxEntries     = 1000
)

// History implements the service.
func (s *Service) History(ctx context.Context, request *connect.Request[corsgatev1.HistoryRequest]) (*connect.Response[corsgatev1.HistoryResponse], error) {
	m := request.Msg
	if s.options.Store == nil {
		return nil, s.errNoHistory()
	}
	query := store.Query{Before: m.GetBeforeRevision(), Limit: int(m.GetLimit())}
	if m.GetRef() != nil {
		if err := checkRef("ref", m.GetRef()); err != nil {
			return nil, err
		}
		key := keyOf(m.GetRef())
		query.Key = &key
	}
	switch {
	case query.Before < 0:
		return nil, invalid("before_revision is %d; it must be a revision, or zero for the newest", query.Before)
	case query.Limit < 0 || query.Limit > maxEntries:
		return nil, invalid("limit is %d; it must be from 1 to %d, or zero for %d", query.Limit, maxEntries, defaultEntries)
	case query.Limit == 0:
		query.Limit = defaultEntries
	}
	entries, more, err := s.options.Store.Entries(ctx, query)
	if err != nil {
		return nil, s.readError(err)
	}
	response := &corsgatev1.HistoryResponse{More: more}
	size := 0
	for i := range entries {
		if m.GetTexts() {
			size += textSize(&entries[i])
		}
		if i > 0 && size > maxResponse {
			response.More = true
			break
		}
		response.Entries = append(response.Entries, entryOf(&entries[i], query.Key, m.GetTexts()))
	}
	return connect.NewResponse(response), nil
}

func textSize(entry *store.Entry) int {
	n := 0
	for i := range entry.Changes {
		for _, text := range []*string{entry.Changes[i].Before, entry.Changes[i].After} {
			if text != nil {
				n += len(*text)
			}
		}
	}
	return n
}

// entryOf writes a change as the service sends it, or what it did to one document.
func entryOf(entry *store.Entry, only *store.Key, texts bool) *corsgatev1.HistoryEntry {
	out := &corsgatev1.HistoryEntry{
		Revision: entry.Revision, Time: timestamppb.New(entry.Time), Author: entry.Author, Reason: entry.Reason,
		RolledBackTo: entry.RolledBackTo, Changes: changesOf(entry.Changes, only, true),
	}
	if !texts {
		return out
	}
	for _, change := range out.GetChanges() {
		for i := range entry.Changes {
			if entry.Changes[i].Key != keyOf(change.GetRef()) {
				continue
			}
			if text := entry.Changes[i].Before; text != nil {
				change.Before = *text
			}
			if text := entry.Changes[i].After; text != nil {
				change.After = *text
			}
		}
	}
	return out
}

// changes writes what the draft makes of documents, with the numbers of origins
// that sets gain and lose.
func (d *draft) changes() []*corsgatev1.DocumentChange {
	out := changesOf(d.entry.Changes, nil, false)
	for i := range d.entry.Changes {
		c := &d.entry.Changes[i]
		if c.Key.Kind != kindOriginSet || c.BeforeApart && c.AfterApart {
			continue
		}
		before, _ := d.head.Document(c.Key)
		after, _ := d.next.Document(c.Key)
		out[i].OriginsAdded, out[i].OriginsRemoved = countOrigins(before.Message, after.Message)
	}
	return out
}

// countOrigins counts what a set gains and loses.
func countOrigins(before, after proto.Message) (added, removed int64) {
	old, fresh := originsOf(before), originsOf(after)
	for origin := range fresh {
		if _, ok := old[origin]; !ok {
			added++
		}
	}
	for origin := range old {
		if _, ok := fresh[origin]; !ok {
			removed++
		}
	}
	return added, removed
}

// originsOf returns the origins of a set, or none of what is none.
func originsOf(message proto.Message) map[string]struct{} {
	set, ok := message.(*corsgatev1.CorsOriginSet)
	if !ok {
		return nil
	}
	origins := make(map[string]struct{}, len(set.GetSpec().GetOrigins()))
	for _, origin := range set.GetSpec().GetOrigins() {
		origins[origin] = struct{}{}
	}
	return origins
}

// maxCounted is how long the text of a set may be for its origins to be counted in
// the history. Those of larger sets are known without a look at texts.
const maxCounted = 64 << 10

// countKept counts what a set of the history gains and loses whose origins stand in
// its texts.
func countKept(c *store.DocumentChange) (added, removed int64) {
	var messages [2]proto.Message
	for i, text := range []*string{c.Before, c.After} {
		if text == nil {
			continue
		}
		if len(*text) > maxCounted {
			return 0, 0
		}
		if docs, _ := document.Read("", []byte(*text)); len(docs) == 1 {
			messages[i] = docs[0].Message
		}
	}
	return countOrigins(messages[0], messages[1])
}

// changesOf writes what became of documents, or of one, without their texts. The
// origins of sets are counted where that is asked for.
func changesOf(changes []store.DocumentChange, only *store.Key, count bool) []*corsgatev1.DocumentChange {
	out := make([]*corsgatev1.DocumentChange, 0, len(changes))
	for i := range changes {
		c := &changes[i]
		if only != nil && c.Key != *only {
			continue
		}
		one := &corsgatev1.DocumentChange{
			Ref: refOf(c.Key), Change: corsgatev1.ChangeKind_CHANGE_KIND_UPDATED,
			OriginsAdded: int64(len(c.Added)), OriginsRemoved: int64(len(c.Removed)),
		}
		if count && c.Key.Kind == kindOriginSet && !c.BeforeApart && !c.AfterApart {
			one.OriginsAdded, one.OriginsRemoved = countKept(c)
		}
		switch {
		case c.Before == nil:
			one.Change = corsgatev1.ChangeKind_CHANGE_KIND_CREATED
		case c.After == nil:
			one.Change = corsgatev1.ChangeKind_CHANGE_KIND_DELETED
		}
		out = append(out, one)
	}
	return out
}
