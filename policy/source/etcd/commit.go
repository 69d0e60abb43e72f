package etcd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/corsgate/corsgate/policy/store"
)

const (
	// commitShare is for how many times Options.DialTimeout to ask what became of a
	// change whose answer was lost.
	commitShare = 2
	// commitPause is how long to wait before asking again.
	commitPause = callPause
	// gracePatience is how long to ask once the caller has given up.
	gracePatience = 2 * time.Second
)

// Head implements [store.Store].
func (s *Store) Head(ctx context.Context) (*store.State, error) {
	v, err := s.refresh(ctx)
	if err != nil {
		return nil, err
	}
	if v.fault != nil {
		return nil, fmt.Errorf("the changes cannot be read beyond revision %d: %w", v.state.Revision(), v.fault)
	}
	return v.state, nil
}

// Commit implements [store.Store]. What is wrong with the change's documents is
// [policy.Problems].
func (s *Store) Commit(ctx context.Context, on *store.State, change store.Change) (store.Entry, error) {
	select {
	case s.committing <- struct{}{}:
	case <-ctx.Done():
		return store.Entry{}, ctx.Err()
	}
	defer func() { <-s.committing }()
	v := s.latest()
	if v == nil || v.state != on || v.fault != nil {
		return store.Entry{}, store.ErrMoved
	}
	if change.Time.IsZero() {
		change.Time = s.options.Now()
	}
	change.Time = change.Time.UTC().Round(0)
	next, entry, problems := on.Edit(change)
	if len(problems) > 0 {
		return store.Entry{}, problems
	}
	if len(entry.Changes) == 0 {
		return entry, nil
	}
	c := &commit{store: s, on: v, revision: entry.Revision}
	var err error
	if c.value, c.sum, err = sealEntry(newID(), &entry, &c.blobs); err != nil {
		return store.Entry{}, err
	}
	mod, err := c.make(ctx)
	if err != nil {
		return store.Entry{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == v {
		after := *v
		after.state, after.mod, after.sum = next, mod, c.sum
		after.since += len(c.value) + len(c.blobs.order)*usualBlob
		s.current = &after
	}
	return entry, nil
}

// A commit is a change that is being made.
type commit struct {
	store    *Store
	on       *version
	revision int64
	value    []byte
	sum      string
	blobs    blobs
}

// make makes the change, and returns the revision of etcd that it made.
func (c *commit) make(ctx context.Context) (mod int64, err error) {
	for {
		swept, err := c.store.writeBlobs(ctx, &c.blobs)
		if err != nil {
			return 0, fmt.Errorf("write the parts of the change: %w", err)
		}
		mod, err := c.try(ctx, c.transaction(swept))
		if !errors.Is(err, errSwept) {
			return mod, err
		}
	}
}

// errSwept is of blobs that may have been removed since they were written.
var errSwept = errors.New("blobs were swept meanwhile")

// A transaction is what a commit asks of etcd.
type transaction struct {
	guards []clientv3.Cmp
	ops    []clientv3.Op
	orElse []clientv3.Op
}

func (c *commit) transaction(swept int64) transaction {
	l := c.store.layout
	key := l.log(c.revision)
	t := transaction{
		guards: []clientv3.Cmp{clientv3.Compare(clientv3.CreateRevision(key), "=", 0)},
		ops:    []clientv3.Op{clientv3.OpPut(key, string(c.value))},
		orElse: []clientv3.Op{clientv3.OpGet(key)},
	}
	if c.revision > 1 {
		t.guards = append(t.guards, clientv3.Compare(clientv3.ModRevision(l.log(c.revision-1)), "=", c.on.mod))
	}
	if len(c.blobs.order) > 0 {
		parts, err := json.Marshal(c.blobs.order)
		if err == nil { // texts can always be written
			t.ops = append(t.ops, clientv3.OpPut(l.parts(c.revision), string(parts)))
		}
		t.guards = append(t.guards, clientv3.Compare(clientv3.ModRevision(l.sweep()), "=", swept))
	}
	return t
}

// try runs the transaction until it is known what became of it. Running it again
// does no harm: it makes the change once at the most, and whoever finds the key
// knows by the identity in it whose change it is.
func (c *commit) try(ctx context.Context, t transaction) (mod int64, err error) {
	s := c.store
	deadline := time.Now().Add(commitShare * s.options.DialTimeout)
	maybe := false // whether an attempt may have reached etcd
	for {
		answer, err := try(ctx, s.options.DialTimeout/firstShare, s, func(ctx context.Context, client *clientv3.Client) (*clientv3.TxnResponse, error) {
			return client.Txn(ctx).If(t.guards...).Then(t.ops...).Else(t.orElse...).Commit()
		})
		if err == nil {
			return c.judge(ctx, answer)
		}
		said := s.explained(ctx, err)
		if isRefusal(said) && !maybe {
			return 0, fmt.Errorf("make the change: %w", said)
		}
		_, asked := errors.AsType[*callError](err)
		maybe = maybe || asked && !neverSent(err)
		if ctx.Err() != nil || time.Now().After(deadline) {
			return c.giveUp(ctx, maybe, said)
		}
		select {
		case <-ctx.Done():
		case <-time.After(commitPause):
		}
	}
}

// isRefusal reports whether etcd has said that it did not make a change.
func isRefusal(err error) bool {
	return errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrRefused) || errors.Is(err, store.ErrTooLarge)
}

// giveUp ends a commit that got no answer.
func (c *commit) giveUp(ctx context.Context, maybe bool, said error) (mod int64, err error) {
	if !maybe {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		return 0, fmt.Errorf("make the change: %w", said)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), gracePatience)
	defer cancel()
	got, err := try(last, gracePatience, c.store, func(ctx context.Context, client *clientv3.Client) (*clientv3.GetResponse, error) {
		return client.Get(ctx, c.store.layout.log(c.revision))
	})
	if err == nil && len(got.Kvs) == 1 {
		if c.isOwn(got) {
			return got.Kvs[0].GetModRevision(), nil
		}
		return 0, store.ErrMoved
	}
	// Nobody has made a change of that number yet: ours may still be under way. What
	// was said is not wrapped, for it is that nothing was made.
	return 0, fmt.Errorf("%w: %v", store.ErrUnknown, said) //nolint:errorlint // see above
}

// judge says what an answer of the transaction means.
func (c *commit) judge(ctx context.Context, answer *clientv3.TxnResponse) (mod int64, err error) {
	if answer.Succeeded {
		return answer.Header.GetRevision(), nil
	}
	found := answer.Responses[0].GetResponseRange()
	if len(found.GetKvs()) == 0 {
		if len(c.blobs.order) > 0 && c.stillNext(ctx) {
			return 0, errSwept
		}
		return 0, store.ErrMoved // the change that this one follows is gone
	}
	if c.isOwn((*clientv3.GetResponse)(found)) {
		return found.GetKvs()[0].GetModRevision(), nil
	}
	return 0, store.ErrMoved
}

// isOwn reports whether the key that was found is this commit's: an earlier attempt
// made it, and its answer was lost. The sum is of a body that holds the identity.
func (c *commit) isOwn(found *clientv3.GetResponse) bool {
	e, err := open(found.Kvs[0].GetValue())
	return err == nil && e.SHA256 == c.sum
}

// stillNext reports whether the change that this one follows is still the newest.
func (c *commit) stillNext(ctx context.Context) bool {
	if c.revision == 1 {
		return true
	}
	key := c.store.layout.log(c.revision - 1)
	got, err := call(ctx, c.store, func(ctx context.Context, client *clientv3.Client) (*clientv3.GetResponse, error) {
		return client.Get(ctx, key, clientv3.WithKeysOnly())
	})
	if err != nil {
		return false
	}
	if len(got.Kvs) == 0 {
		return c.on.mod == 0
	}
	return got.Kvs[0].GetModRevision() == c.on.mod
}
