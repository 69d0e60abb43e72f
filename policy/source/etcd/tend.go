package etcd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/corsgate/corsgate/policy/store"
)

// Tend keeps the store small: where the log has grown it writes a checkpoint, and
// removes changes that are older than the history goes, and blobs that nothing
// needs. Any number of replicas may do so at the same time. Watch does it by
// itself.
func (s *Store) Tend(ctx context.Context) error {
	v, err := s.refresh(ctx)
	if err != nil {
		return err
	}
	if v.fault != nil || v.state.Revision() == 0 {
		return v.fault
	}
	mod, err := s.writeCheckpoint(ctx, v)
	if err != nil || mod == 0 {
		return err
	}
	if err := s.prune(ctx, v.state.Revision(), mod); err != nil {
		return err
	}
	return s.sweep(ctx)
}

// isDue reports whether the log has grown enough behind the checkpoint.
func (s *Store) isDue(v *version) bool {
	return v != nil && v.fault == nil &&
		(v.state.Revision()-v.checkpoint >= int64(s.options.CheckpointEntries) || v.since >= s.options.CheckpointBytes)
}

// writeCheckpoint writes a version as the checkpoint, unless a newer one is there,
// and returns at which revision of etcd it did.
func (s *Store) writeCheckpoint(ctx context.Context, v *version) (mod int64, err error) {
	key := s.layout.checkpoint()
	var b blobs
	value, err := sealCheckpoint(v, &b)
	if err != nil {
		return 0, err
	}
	for {
		got, err := call(ctx, s, func(ctx context.Context, client *clientv3.Client) (*clientv3.GetResponse, error) {
			return client.Get(ctx, key)
		})
		if err != nil {
			return 0, fmt.Errorf("read the checkpoint: %w", err)
		}
		if len(got.Kvs) > 0 {
			// One that cannot be read is replaced: this version was read without it.
			if body, err := s.openCheckpoint(ctx, got.Kvs[0].GetValue()); err == nil && body.Revision >= v.state.Revision() {
				s.noteCheckpoint(body.Revision)
				return 0, nil
			}
		}
		swept, err := s.writeBlobs(ctx, &b)
		if err != nil {
			return 0, fmt.Errorf("write the parts of the checkpoint: %w", err)
		}
		guards := []clientv3.Cmp{sameKey(key, got)}
		if len(b.order) > 0 {
			guards = append(guards, clientv3.Compare(clientv3.ModRevision(s.layout.sweep()), "=", swept))
		}
		if v.mod != 0 {
			guards = append(guards, clientv3.Compare(clientv3.ModRevision(s.layout.log(v.state.Revision())), "=", v.mod))
		}
		answer, err := call(ctx, s, func(ctx context.Context, client *clientv3.Client) (*clientv3.TxnResponse, error) {
			return client.Txn(ctx).If(guards...).Then(clientv3.OpPut(key, string(value))).
				Else(clientv3.OpGet(s.layout.log(v.state.Revision()), clientv3.WithKeysOnly())).Commit()
		})
		if err != nil {
			return 0, fmt.Errorf("write the checkpoint: %w", err)
		}
		if answer.Succeeded {
			s.noteCheckpoint(v.state.Revision())
			return answer.Header.GetRevision(), nil
		}
		head := answer.Responses[0].GetResponseRange().GetKvs()
		if v.mod != 0 && (len(head) == 0 || head[0].GetModRevision() != v.mod) {
			return 0, nil // the version is of another history
		}
	}
}

// learnCheckpoint finds out of which revision the checkpoint is: another replica may
// have written it.
func (s *Store) learnCheckpoint(ctx context.Context) error {
	got, err := call(ctx, s, func(ctx context.Context, client *clientv3.Client) (*clientv3.GetResponse, error) {
		return client.Get(ctx, s.layout.checkpoint())
	})
	if err != nil {
		return fmt.Errorf("read the checkpoint: %w", err)
	}
	if len(got.Kvs) == 0 {
		return nil
	}
	// One that cannot be read is replaced.
	if body, err := s.openCheckpoint(ctx, got.Kvs[0].GetValue()); err == nil {
		s.noteCheckpoint(body.Revision)
	}
	return nil
}

// noteCheckpoint notes that there is a checkpoint of a revision.
func (s *Store) noteCheckpoint(revision int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil || s.current.checkpoint >= revision {
		return
	}
	after := *s.current
	after.checkpoint, after.since = revision, 0
	s.current = &after
}

// prune removes changes that are older than the history goes, as long as the
// checkpoint of a revision is the one that was written.
func (s *Store) prune(ctx context.Context, revision, checkpoint int64) error {
	last := revision - int64(s.options.KeepEntries)
	for last > 0 {
		// A page at a time: the values, which may be large, tell how old a change is.
		oldest, err := call(ctx, s, func(ctx context.Context, client *clientv3.Client) (*clientv3.GetResponse, error) {
			options := []clientv3.OpOption{
				clientv3.WithRange(s.layout.log(last + 1)), clientv3.WithLimit(batch),
				clientv3.WithSort(clientv3.SortByKey, clientv3.SortAscend),
			}
			if s.options.KeepFor == 0 {
				options = append(options, clientv3.WithKeysOnly())
			}
			return client.Get(ctx, s.layout.log(1), options...)
		})
		if err != nil {
			return fmt.Errorf("look for old changes: %w", err)
		}
		through := s.oldest(ctx, oldest)
		if through == 0 {
			return nil
		}
		removed, err := call(ctx, s, func(ctx context.Context, client *clientv3.Client) (*clientv3.TxnResponse, error) {
			return client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(s.layout.checkpoint()), "=", checkpoint)).Then(
				clientv3.OpDelete(s.layout.log(1), clientv3.WithRange(s.layout.log(through+1))),
				clientv3.OpDelete(s.layout.parts(1), clientv3.WithRange(s.layout.parts(through+1))),
			).Commit()
		})
		if err != nil {
			return fmt.Errorf("remove old changes: %w", err)
		}
		if !oldest.More || !removed.Succeeded {
			return nil
		}
	}
	return nil
}

// oldest returns the last of some changes that may go: all of them are older than
// what is kept. It is zero where none may.
func (s *Store) oldest(ctx context.Context, got *clientv3.GetResponse) int64 {
	through := int64(0)
	for _, kv := range got.Kvs {
		revision, ours := s.layout.logRevision(string(kv.GetKey()))
		if !ours {
			continue
		}
		if s.options.KeepFor > 0 {
			_, body, err := s.decodeBody(ctx, kv)
			if err != nil || s.options.Now().Sub(body.Time) < s.options.KeepFor {
				return through
			}
		}
		through = revision
	}
	return through
}

// tendPause is how long a replica waits before it tends the store, and again where
// it could not. Most of the time another has done it then.
const tendPause = 2 * time.Second

// tend tends the store whenever it is due, until ctx ends.
func (s *Store) tend(ctx context.Context, due <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-due:
		}
		if !s.pause(ctx, jitter(tendPause)) {
			return
		}
		err := s.learnCheckpoint(ctx)
		if err == nil && s.isDue(s.latest()) {
			err = s.Tend(ctx)
		}
		switch {
		case err == nil || ctx.Err() != nil:
		case errors.Is(err, store.ErrRefused):
			// A replica that may only read leaves it to the others.
			s.logger.LogAttrs(ctx, slog.LevelInfo, "this replica may not tidy etcd, and leaves it to others", slog.Any("error", err))
			return
		default:
			s.logger.LogAttrs(ctx, slog.LevelWarn, "cannot tidy etcd; it is tried again with the next change", slog.Any("error", err))
		}
	}
}
