package etcd

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/corsgate/corsgate/policy/store"
)

const (
	// leaseTime is after how much silence a replica is forgotten.
	leaseTime = 15 * time.Second
	// beat is how often a replica makes itself heard.
	beat = leaseTime / 3
)

// Announce implements [store.Fleet]. It never returns an error: what cannot be said
// now is said later.
func (s *Store) Announce(ctx context.Context, changes <-chan store.Replica) error {
	a := announcer{store: s}
	defer a.leave(ctx)
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	known, said := false, ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case r, open := <-changes:
			if !open {
				changes = nil
				continue
			}
			a.replica, a.said, known = r, false, true
		case <-ticker.C:
		}
		if !known {
			continue
		}
		err := a.beat(ctx)
		if err == nil {
			said = ""
		} else if text := err.Error(); text != said && ctx.Err() == nil { // once is enough
			said = text
			s.logger.LogAttrs(ctx, slog.LevelWarn, "cannot announce this replica in etcd; it is tried again", slog.Any("error", err))
		}
	}
}

// An announcer keeps a replica's key alive.
type announcer struct {
	store   *Store
	replica store.Replica
	lease   clientv3.LeaseID // zero is none
	said    bool             // whether the key says what the replica is
}

func (a *announcer) beat(ctx context.Context) error {
	s := a.store
	if a.lease != 0 {
		_, err := call(ctx, s, func(ctx context.Context, client *clientv3.Client) (*clientv3.LeaseKeepAliveResponse, error) {
			return client.KeepAliveOnce(ctx, a.lease)
		})
		if err != nil {
			a.lease, a.said = 0, false // it may have run out
		}
	}
	if a.lease == 0 {
		granted, err := call(ctx, s, func(ctx context.Context, client *clientv3.Client) (*clientv3.LeaseGrantResponse, error) {
			return client.Grant(ctx, int64(leaseTime/time.Second))
		})
		if err != nil {
			return fmt.Errorf("get a lease: %w", err)
		}
		a.lease = granted.ID
	}
	if a.said {
		return nil
	}
	text, err := json.Marshal(a.replica)
	if err != nil {
		return fmt.Errorf("write what the replica is: %w", err)
	}
	_, err = call(ctx, s, func(ctx context.Context, client *clientv3.Client) (*clientv3.PutResponse, error) {
		return client.Put(ctx, s.layout.replica(a.replica.ID), string(text), clientv3.WithLease(a.lease))
	})
	if err != nil {
		a.lease = 0
		return fmt.Errorf("write what the replica is: %w", err)
	}
	a.said = true
	return nil
}

// leave lets the replica be forgotten at once.
func (a *announcer) leave(ctx context.Context) {
	if a.lease == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), gracePatience)
	defer cancel()
	// If it fails the lease runs out by itself.
	_, _ = call(ctx, a.store, func(ctx context.Context, client *clientv3.Client) (*clientv3.LeaseRevokeResponse, error) {
		return client.Revoke(ctx, a.lease)
	})
}

// leasesAtOnce is how many leases are asked about at the same time.
const leasesAtOnce = 8

// Replicas implements [store.Fleet].
func (s *Store) Replicas(ctx context.Context) ([]store.Replica, error) {
	got, err := call(ctx, s, func(ctx context.Context, client *clientv3.Client) (*clientv3.GetResponse, error) {
		return client.Get(ctx, s.layout.replicas(), clientv3.WithPrefix())
	})
	if err != nil {
		return nil, fmt.Errorf("read the replicas: %w", err)
	}
	replicas := make([]store.Replica, len(got.Kvs))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(leasesAtOnce)
	for i, kv := range got.Kvs {
		// What is not a replica's has no ID.
		if err := json.Unmarshal(kv.GetValue(), &replicas[i]); err != nil || s.layout.replica(replicas[i].ID) != string(kv.GetKey()) || kv.GetLease() == 0 {
			replicas[i] = store.Replica{}
			continue
		}
		group.Go(func() error {
			lease, err := call(ctx, s, func(ctx context.Context, client *clientv3.Client) (*clientv3.LeaseTimeToLiveResponse, error) {
				return client.TimeToLive(ctx, clientv3.LeaseID(kv.GetLease()))
			})
			if err != nil {
				return fmt.Errorf("see when a replica was heard of: %w", err)
			}
			if lease.TTL <= 0 {
				replicas[i] = store.Replica{} // it has just run out
				return nil
			}
			// What is left is given in whole seconds, rounded down.
			silent := max(0, time.Duration(lease.GrantedTTL-lease.TTL-1)*time.Second)
			replicas[i].Seen = s.options.Now().Add(-silent)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	replicas = slices.DeleteFunc(replicas, func(r store.Replica) bool { return r.ID == "" })
	slices.SortFunc(replicas, func(a, b store.Replica) int { return strings.Compare(a.ID, b.ID) })
	return replicas, nil
}
