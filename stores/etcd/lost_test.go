package etcd_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/corsgate/corsgate/policy/source/etcd"
	"github.com/corsgate/corsgate/policy/store"
	"github.com/corsgate/corsgate/stores/parts"
)

// A lossy is an etcd, and a store that speaks to it over a line that can fail.
type lossy struct {
	client *clientv3.Client
	line   *parts.Line
	store  *etcd.Store
}

func openLossy(t *testing.T) lossy {
	t.Helper()
	endpoint := parts.StartEtcd(t)
	line := parts.NewLine(t, strings.TrimPrefix(endpoint, "http://"))
	l := lossy{client: client(t, endpoint), line: line}
	l.store = open(t, "http://"+line.Address, func(o *etcd.Options) { o.DialTimeout = time.Second })
	commit(t, l.store, put(policyOf("a", "https://a.example")))
	return l
}

// start makes a change whose answer is lost, and returns when etcd has made it.
func (l lossy) start(t *testing.T) (result chan error) {
	t.Helper()
	on := head(t, l.store)
	l.line.Mute()
	result = make(chan error, 1)
	go func() {
		entry, err := l.store.Commit(t.Context(), on, put(policyOf("b", "https://b.example")))
		if err == nil && entry.Revision != on.Revision()+1 {
			err = fmt.Errorf("the entry is of revision %d", entry.Revision)
		}
		result <- err
	}()
	retry(t, func() error {
		got, err := l.client.Get(t.Context(), logKey(on.Revision()+1), clientv3.WithCountOnly())
		if err == nil && got.Count == 0 {
			err = errors.New("the change does not arrive")
		}
		return err
	})
	return result
}

// TestLostAnswer loses the answer to a change that was made: it is known to have
// been made, once.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	l := openLossy(t)
	result := l.start(t)
	l.line.Mend()
	if err := <-result; err != nil {
		t.Errorf("Commit returned %v for a change that was made", err)
	}
	if n := count(t, l.client, "log/"); n != 2 {
		t.Errorf("there are %d changes, want 2", n)
	}
	commit(t, l.store, put(policyOf("c", "https://c.example")))
}

// TestUnknownAnswer loses the answer for good: it is said that nobody knows, and not
// that nothing was changed.
func TestUnknownAnswer(t *testing.T) {
	t.Parallel()
	l := openLossy(t)
	err := <-l.start(t)
	if !errors.Is(err, store.ErrUnknown) || errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Commit returned %v, want %v alone", err, store.ErrUnknown)
	}
	l.line.Mend()
	retry(t, func() error {
		_, err := l.store.Head(t.Context())
		return err
	})
	if entry := commit(t, l.store, put(policyOf("b", "https://b.example"))); len(entry.Changes) > 0 {
		t.Errorf("the change was made again: %+v", entry)
	}
}

// TestNeverSent holds that a change that cannot have reached etcd is known not to
// have been made.
func TestNeverSent(t *testing.T) {
	t.Parallel()
	l := openLossy(t)
	on := head(t, l.store)
	m := parts.NewLine(t, "127.0.0.1:1") // nobody is there
	m.Cut()
	away := open(t, "http://127.0.0.1:1", func(o *etcd.Options) { o.DialTimeout = time.Second })
	if _, err := away.Head(t.Context()); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("Head returned %v, want %v with its cause", err, store.ErrUnavailable)
	}
	l.line.Cut()
	_, err := l.store.Commit(t.Context(), on, put(policyOf("b", "https://b.example")))
	if err == nil || errors.Is(err, store.ErrMoved) {
		t.Errorf("Commit returned %v", err)
	}
	if n := count(t, l.client, "log/"); n != 1 {
		t.Errorf("there are %d changes, want 1", n)
	}
}

// TestGivenUp ends the context of a change that is on its way.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	l := openLossy(t)
	on := head(t, l.store)
	l.line.Mute()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := l.store.Commit(ctx, on, put(policyOf("b", "https://b.example"))); !errors.Is(err, store.ErrUnknown) {
		t.Errorf("Commit returned %v, want %v", err, store.ErrUnknown)
	}
}

// TestExpiredLease takes a replica's lease away, as when it was silent for long: it
// comes back by itself.
func TestExpiredLease(t *testing.T) {
	t.Parallel()
	endpoint := parts.StartEtcd(t)
	c, s := client(t, endpoint), open(t, endpoint)
	ctx, leave := context.WithCancel(t.Context())
	changes, ended := make(chan store.Replica, 1), make(chan error)
	changes <- store.Replica{ID: "a", Revision: 7}
	go func() { ended <- s.Announce(ctx, changes) }()
	there := func() error {
		got, err := s.Replicas(t.Context())
		if err == nil && (len(got) != 1 || got[0].Revision != 7) {
			err = fmt.Errorf("the replicas are %+v", got)
		}
		return err
	}
	retry(t, there)
	leases, err := c.Leases(t.Context())
	must(t, err)
	for _, lease := range leases.Leases {
		_, err := c.Revoke(t.Context(), lease.ID)
		must(t, err)
	}
	if there() == nil {
		t.Fatal("the replica outlived its lease")
	}
	retry(t, there)
	leave()
	must(t, <-ended)
}

// TestSweepWhileCommitting tidies in the middle of a change that needs the blobs of
// one that is removed then: before each of the messages that the change sends. No
// blob that is needed may go.
func TestSweepWhileCommitting(t *testing.T) {
	t.Parallel()
	endpoint := parts.StartEtcd(t)
	line := parts.NewLine(t, strings.TrimPrefix(endpoint, "http://"))
	direct, tidy := open(t, endpoint), open(t, endpoint, func(o *etcd.Options) { o.KeepEntries = 1 })
	through := open(t, "http://"+line.Address)
	list := originsNamed("customer-with-a-long-name", 4000)
	key := store.Key{Kind: "CorsOriginSet", Name: "large"}
	for nth, tidied := 1, true; tidied; nth++ {
		commit(t, direct, put(setOf("large", list...)))
		commit(t, direct, store.Change{Delete: []store.Key{key}})
		commit(t, direct, put(policyOf("a", fmt.Sprintf("https://n%d.example", nth))))
		on := head(t, through)
		tidied = false
		line.Before(nth, func() {
			if err := tidy.Tend(t.Context()); err != nil {
				t.Errorf("Tend returned %v", err)
			}
			tidied = true
		})
		if _, err := through.Commit(t.Context(), on, put(setOf("large", list...))); err != nil {
			t.Errorf("tidied before message %d Commit returned %v", nth, err)
		}
		line.Before(0, nil)
		if got := head(t, open(t, endpoint)); textOf(t, got, key) != setOf("large", list...) {
			t.Errorf("tidied before message %d the set is another", nth)
		}
		if nth == 1 && !tidied {
			t.Error("the change sent no message")
		}
	}
}

// TestCheckpointBeyond corrupts a change that one replica has read already: once that
// one has written a checkpoint, the others get past the corrupt key.
func TestCheckpointBeyond(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	late := open(t, s.endpoint)
	head(t, late)
	commit(t, s.replica, put(policyOf("c", "https://c.example")))
	commit(t, s.replica, put(policyOf("d", "https://d.example")))
	good := s.get(t, logKey(shopRevision+1))
	s.put(t, logKey(shopRevision+1), "rubbish")
	if _, err := late.Head(t.Context()); err == nil {
		t.Fatal("a corrupt key is no error")
	}
	must(t, s.replica.Tend(t.Context()))
	if got := head(t, late); got.Revision() != shopRevision+2 || got.Len() != shopRevision+2 {
		t.Errorf("the replica is at revision %d", got.Revision())
	}
	s.put(t, logKey(shopRevision+1), good)
}
