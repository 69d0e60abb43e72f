package etcd_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/corsgate/corsgate/policy/source/etcd"
	"github.com/corsgate/corsgate/policy/store"
	"github.com/corsgate/corsgate/stores/parts"
)

// An author adds one origin after the other to a set, as long as it may, and knows
// which were accepted.
type author struct {
	store    *etcd.Store
	accepted atomic.Int64
	refused  atomic.Int64
}

func originOf(i int64) string { return fmt.Sprintf("https://n%d.example", i) }

// write writes until ctx ends. An answer that was lost is looked up, as the policy
// service does.
func (a *author) write(ctx context.Context) {
	for i := int64(1); ctx.Err() == nil; {
		on, err := a.store.Head(ctx)
		if err != nil {
			a.refused.Add(1)
			continue
		}
		if text, _ := on.Text(setKey); strings.Contains(text, originOf(i)+"\n") {
			a.accepted.Store(i) // the one whose answer was lost
			i++
			continue
		}
		switch _, err := a.store.Commit(ctx, on, store.Change{
			Author: strconv.FormatInt(i, 10), Edits: []store.OriginEdit{{Name: "shared", Add: []string{originOf(i)}}},
		}); {
		case err == nil:
			a.accepted.Store(i)
			i++
		case !errors.Is(err, store.ErrMoved):
			a.refused.Add(1)
		}
	}
}

var setKey = store.Key{Kind: "CorsOriginSet", Name: "shared"}

// more waits until some more changes were accepted.
func (a *author) more(t *testing.T, n int64) {
	t.Helper()
	until(t, fmt.Sprintf("%d more changes", n), &a.accepted, a.accepted.Load()+n)
}

func until(t *testing.T, what string, counter *atomic.Int64, reaches int64) {
	t.Helper()
	for deadline := time.Now().Add(patience); counter.Load() < reaches; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come: %d of %d", what, counter.Load(), reaches)
		}
	}
}

// A follower notes which revisions it was told of.
type follower struct {
	mu        sync.Mutex
	revisions []int64
	last      atomic.Int64
}

func (f *follower) follow(ctx context.Context, s *etcd.Store) error {
	return s.Follow(ctx, 0, func(e store.Entry) {
		f.mu.Lock()
		f.revisions = append(f.revisions, e.Revision)
		f.mu.Unlock()
		f.last.Store(e.Revision)
	})
}

// TestCluster kills and pauses members of three while changes are made, first one
// and then two, and compacts while one is away. No accepted change is lost, no
// change is made twice, and who follows sees each.
func TestCluster(t *testing.T) { // not parallel: it stops processes
	members := parts.StartCluster(t, 3)
	quick := func(o *etcd.Options) { o.Endpoints, o.DialTimeout = parts.Endpoints(members), time.Second }
	a := &author{store: open(t, "", quick)}
	commit(t, a.store, put(setOf("shared", originOf(0))))
	replica := open(t, "", quick)
	seen := watch(t, replica)

	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	f := &follower{}
	group.Go(func() { a.write(ctx) })
	group.Go(func() {
		if err := f.follow(ctx, open(t, "", quick)); err != nil {
			t.Errorf("Follow returned %v", err)
		}
	})
	a.more(t, 20)

	for _, m := range members {
		m.Kill(t)
		a.more(t, 5)
		m.Restart(t)
	}
	for _, m := range members {
		m.Pause(t)
		a.more(t, 5)
		m.Resume(t)
	}

	// Two of three: nothing can be changed, and that is said in time.
	for _, stopping := range []struct{ stop, start func(*parts.Member) }{
		{func(m *parts.Member) { m.Kill(t) }, func(m *parts.Member) { m.Restart(t) }},
		{func(m *parts.Member) { m.Pause(t) }, func(m *parts.Member) { m.Resume(t) }},
	} {
		stopping.stop(members[0])
		stopping.stop(members[1])
		refused := a.refused.Load()
		until(t, "a refusal", &a.refused, refused+1)
		var started sync.WaitGroup
		for _, m := range members[:2] {
			started.Go(func() { stopping.start(m) })
		}
		started.Wait()
		a.more(t, 5)
	}

	// A member that was away while what it missed was compacted.
	members[2].Kill(t)
	a.more(t, 20)
	c := client(t, members[0].Client)
	got, err := c.Get(t.Context(), "x")
	must(t, err)
	_, err = c.Compact(t.Context(), got.Header.GetRevision(), clientv3.WithCompactPhysical())
	must(t, err)
	members[2].Restart(t)
	a.more(t, 20)

	last := head(t, a.store).Revision()
	until(t, "the newest revision to who follows", &f.last, last)
	stop()
	group.Wait()
	expectWhole(t, open(t, "", quick), a)
	final := seen.await(t, last)
	if len(final.Problems.Errors()) > 0 {
		t.Errorf("the replica ends with %v", final.Problems)
	}
	for i, revision := range f.revisions {
		if revision != int64(i)+1 {
			t.Fatalf("who follows was told of revision %d as number %d", revision, i+1)
		}
	}
}

// expectWhole holds that every accepted change is there, once, in its order.
func expectWhole(t *testing.T, s *etcd.Store, a *author) {
	t.Helper()
	entries, _, err := s.Entries(t.Context(), store.Query{})
	must(t, err)
	slices.Reverse(entries)
	n := a.accepted.Load()
	if int64(len(entries)) < n+1 || int64(len(entries)) > n+2 {
		t.Errorf("there are %d changes, and %d were accepted", len(entries)-1, n)
	}
	for i, entry := range entries[1:] {
		if entry.Revision != int64(i)+2 || entry.Author != strconv.Itoa(i+1) {
			t.Fatalf("revision %d is the change of %s, want that of %d", entry.Revision, entry.Author, i+1)
		}
	}
	if record, _ := head(t, s).Record(setKey); record.Origins != len(entries) {
		t.Errorf("the set has %d origins, want %d", record.Origins, len(entries))
	}
	t.Logf("%d changes were accepted, and %d refused while members were away", n, a.refused.Load())
}
