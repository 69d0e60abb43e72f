package etcd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/corsgate/corsgate/policy/store"
)

// historyPage is how many changes are read at once for the history.
const historyPage = 50

// Entries implements [store.Store]. Where the history goes back no further, more is
// false; asking for what came before is then store.ErrGone.
func (s *Store) Entries(ctx context.Context, query store.Query) (entries []store.Entry, more bool, err error) {
	before := s.layout.logEnd()
	if query.Before > 0 {
		before = s.layout.log(query.Before)
	}
	for first := true; ; first = false {
		page, err := call(ctx, s, func(ctx context.Context, client *clientv3.Client) (*clientv3.GetResponse, error) {
			return client.Get(ctx, s.layout.log(1), clientv3.WithRange(before), clientv3.WithLimit(historyPage),
				clientv3.WithSort(clientv3.SortByKey, clientv3.SortDescend))
		})
		if err != nil {
			return nil, false, fmt.Errorf("read the history: %w", err)
		}
		if first && len(page.Kvs) == 0 && query.Before > 1 {
			return nil, false, fmt.Errorf("%w: changes before revision %d were removed", store.ErrGone, query.Before)
		}
		for _, kv := range page.Kvs {
			before = string(kv.GetKey())
			asked, err := s.isAsked(ctx, kv, query.Key)
			switch {
			case err != nil:
				return nil, false, fmt.Errorf("read the history: %w", at(before, err))
			case !asked:
				continue
			case query.Limit > 0 && len(entries) == query.Limit:
				return entries, true, nil
			}
			change, err := s.decode(ctx, kv)
			if err != nil {
				return nil, false, fmt.Errorf("read the history: %w", at(before, err))
			}
			entries = append(entries, change.entry)
		}
		if !page.More {
			return entries, false, nil
		}
	}
}

// isAsked reports whether a key of the log is a change of a document, or any change
// where that is nil.
func (s *Store) isAsked(ctx context.Context, kv *mvccpb.KeyValue, key *store.Key) (bool, error) {
	if _, ours := s.layout.logRevision(string(kv.GetKey())); !ours {
		return false, nil
	}
	if key == nil {
		return true, nil
	}
	_, body, err := s.decodeBody(ctx, kv)
	return err == nil && body.changes(*key), err
}

// Follow implements [store.Store]. The error is store.ErrGone where changes after
// the revision are no longer kept, or says which key cannot be read; an etcd that is
// away is waited for.
func (s *Store) Follow(ctx context.Context, after int64, onEntry func(store.Entry)) error {
	var failed error
	following, stop := context.WithCancel(ctx)
	defer stop()
	s.follow(following, func(v *version, _ time.Time) error {
		for after < v.state.Revision() && following.Err() == nil {
			next, err := s.followed(following, after)
			if _, broken := errors.AsType[keyFault](err); broken || errors.Is(err, store.ErrGone) {
				failed = err
				stop()
				return nil
			}
			if err != nil {
				return err
			}
			for _, entry := range next {
				onEntry(entry)
				after = entry.Revision
			}
		}
		return nil
	})
	if ctx.Err() != nil {
		return nil
	}
	return failed
}

// followed returns some of the changes after a revision, in order.
func (s *Store) followed(ctx context.Context, after int64) ([]store.Entry, error) {
	page, err := call(ctx, s, func(ctx context.Context, client *clientv3.Client) (*clientv3.GetResponse, error) {
		return client.Get(ctx, s.layout.log(after+1), clientv3.WithRange(s.layout.logEnd()), clientv3.WithLimit(historyPage),
			clientv3.WithSort(clientv3.SortByKey, clientv3.SortAscend))
	})
	if err != nil {
		return nil, fmt.Errorf("read the changes after revision %d: %w", after, err)
	}
	var entries []store.Entry
	for _, kv := range page.Kvs {
		revision, ours := s.layout.logRevision(string(kv.GetKey()))
		switch {
		case !ours:
			continue
		case revision != after+1:
			return nil, fmt.Errorf("%w: the change of revision %d was removed", store.ErrGone, after+1)
		}
		change, err := s.decode(ctx, kv)
		if err != nil {
			return nil, at(string(kv.GetKey()), err)
		}
		entries, after = append(entries, change.entry), revision
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("%w: the change of revision %d was removed", store.ErrGone, after+1)
	}
	return entries, nil
}
