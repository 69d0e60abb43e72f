package etcd_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/goleak"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/source/etcd"
	"github.com/corsgate/corsgate/policy/store"
	"github.com/corsgate/corsgate/stores/parts"
)

// head returns the newest state.
func head(tb testing.TB, s *etcd.Store) *store.State {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	state, err := s.Head(ctx)
	must(tb, err)
	return state
}

func textOf(tb testing.TB, s *store.State, key store.Key) string {
	tb.Helper()
	text, ok := s.Text(key)
	if !ok {
		tb.Fatalf("there is no %s at revision %d", key, s.Revision())
	}
	return text
}

func TestCommit(t *testing.T) {
	t.Parallel()
	endpoint := parts.StartEtcd(t)
	one, other := open(t, endpoint), open(t, endpoint)
	empty := head(t, one)
	if empty.Revision() != 0 || empty.Len() != 0 {
		t.Fatalf("an empty store is at revision %d with %d documents", empty.Revision(), empty.Len())
	}
	entry, err := one.Commit(t.Context(), empty, put(policyOf("a", "https://a.example")))
	must(t, err)
	if entry.Revision != 1 || entry.Author != "somebody" || entry.Reason != "a test" || entry.Time.IsZero() {
		t.Errorf("the entry is %+v", entry)
	}

	t.Run("is seen by every replica at once", func(t *testing.T) {
		got := head(t, other)
		if got.Revision() != 1 || textOf(t, got, policyKey("a")) != policyOf("a", "https://a.example") {
			t.Errorf("the other replica has revision %d", got.Revision())
		}
		record, _ := got.Record(policyKey("a"))
		if record.Author != "somebody" || !record.Changed.Equal(entry.Time) {
			t.Errorf("the record is %+v", record)
		}
	})
	t.Run("on an older state is refused", func(t *testing.T) {
		if _, err := one.Commit(t.Context(), empty, put(policyOf("b", "https://b.example"))); !errors.Is(err, store.ErrMoved) {
			t.Errorf("Commit returned %v, want %v", err, store.ErrMoved)
		}
	})
	t.Run("on a state that another replica has left is refused", func(t *testing.T) {
		on := head(t, one)
		commit(t, other, put(policyOf("a", "https://newer.example")))
		if _, err := one.Commit(t.Context(), on, put(policyOf("a", "https://lost.example"))); !errors.Is(err, store.ErrMoved) {
			t.Errorf("Commit returned %v, want %v", err, store.ErrMoved)
		}
		if got := textOf(t, head(t, one), policyKey("a")); got != policyOf("a", "https://newer.example") {
			t.Errorf("an update was lost: the policy is\n%s", got)
		}
	})
}

// TestCommitNothing holds that what makes no change, or must not, makes no revision.
func TestCommitNothing(t *testing.T) {
	t.Parallel()
	endpoint := parts.StartEtcd(t)
	one, other := open(t, endpoint), open(t, endpoint)
	commit(t, one, put(policyOf("a", "https://newer.example")))
	t.Run("of nothing makes no revision", func(t *testing.T) {
		on := head(t, one)
		entry, err := one.Commit(t.Context(), on, put(policyOf("a", "https://newer.example")))
		must(t, err)
		if entry.Revision != on.Revision() || len(entry.Changes) > 0 || head(t, other).Revision() != on.Revision() {
			t.Errorf("a change of nothing made the entry %+v", entry)
		}
	})
	t.Run("of what cannot be read is refused", func(t *testing.T) {
		on := head(t, one)
		_, err := one.Commit(t.Context(), on, put("spec: [\n"))
		problems, ok := errors.AsType[policy.Problems](err)
		if !ok {
			t.Fatalf("Commit returned %v, want problems", err)
		}
		expectProblem(t, problems, "test.yaml:")
		if head(t, other).Revision() != on.Revision() {
			t.Error("a revision was made")
		}
	})
	t.Run("with an ended context is not made", func(t *testing.T) {
		on := head(t, one)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := one.Commit(ctx, on, put(policyOf("c", "https://c.example"))); !errors.Is(err, context.Canceled) {
			t.Errorf("Commit returned %v", err)
		}
		if head(t, other).Revision() != on.Revision() {
			t.Error("a revision was made")
		}
	})
}

// TestManyWriters lets a hundred writers change one document at once, through
// several replicas. Each adds its own line, so that a lost update shows.
func TestManyWriters(t *testing.T) {
	t.Parallel()
	const writers, replicas = 100, 4
	endpoint := parts.StartEtcd(t)
	stores := make([]*etcd.Store, replicas)
	for i := range stores {
		stores[i] = open(t, endpoint)
	}
	set := store.Key{Kind: "CorsOriginSet", Name: "shared"}
	commit(t, stores[0], put(setOf("shared", "https://first.example")))
	var group sync.WaitGroup
	for i := range writers {
		group.Go(func() {
			commit(t, stores[i%replicas], store.Change{Author: strconv.Itoa(i), Edits: []store.OriginEdit{
				{Name: "shared", Add: []string{fmt.Sprintf("https://w%d.example", i)}},
			}})
		})
	}
	group.Wait()
	for _, s := range stores {
		got := head(t, s)
		if got.Revision() != writers+1 {
			t.Errorf("a replica is at revision %d, want %d", got.Revision(), writers+1)
		}
		if record, _ := got.Record(set); record.Origins != writers+1 {
			t.Errorf("the set has %d origins, want %d: an update was lost", record.Origins, writers+1)
		}
	}
	entries, more, err := stores[1].Entries(t.Context(), store.Query{})
	must(t, err)
	authors := map[string]bool{}
	for i, entry := range entries {
		if entry.Revision != int64(len(entries)-i) {
			t.Fatalf("entry %d is of revision %d", i, entry.Revision)
		}
		authors[entry.Author] = true
	}
	if len(entries) != writers+1 || more || len(authors) != writers+1 {
		t.Errorf("the history has %d entries of %d authors, more: %v", len(entries), len(authors), more)
	}
}

func TestHistory(t *testing.T) {
	t.Parallel()
	s := open(t, parts.StartEtcd(t))
	for i := range 7 {
		commit(t, s, put(policyOf([]string{"even", "odd"}[i%2], fmt.Sprintf("https://n%d.example", i))))
	}
	revisions := func(q store.Query) string {
		entries, more, err := s.Entries(t.Context(), q)
		must(t, err)
		var b strings.Builder
		for _, e := range entries {
			fmt.Fprintf(&b, "%d ", e.Revision)
		}
		return fmt.Sprint(b.String(), more)
	}
	odd := policyKey("odd")
	for _, test := range []struct {
		query store.Query
		want  string
	}{
		{store.Query{}, "7 6 5 4 3 2 1 false"},
		{store.Query{Limit: 3}, "7 6 5 true"},
		{store.Query{Limit: 3, Before: 5}, "4 3 2 true"},
		{store.Query{Limit: 3, Before: 4}, "3 2 1 false"},
		{store.Query{Key: &odd}, "6 4 2 false"},
		{store.Query{Key: &odd, Limit: 2}, "6 4 true"},
		{store.Query{Key: &odd, Limit: 2, Before: 4}, "2 false"},
		{store.Query{Before: 1}, "false"},
	} {
		if got := revisions(test.query); got != test.want {
			t.Errorf("%+v returns %s, want %s", test.query, got, test.want)
		}
	}

	t.Run("goes back", func(t *testing.T) {
		now := head(t, s)
		entries, _, err := s.Entries(t.Context(), store.Query{Limit: 5})
		must(t, err)
		change, err := store.Back(now, entries)
		must(t, err)
		entry, err := s.Commit(t.Context(), now, change)
		must(t, err)
		if entry.Revision != 8 || entry.RolledBackTo != 2 {
			t.Errorf("the entry is %+v", entry)
		}
		if got := textOf(t, head(t, s), odd); got != policyOf("odd", "https://n1.example") {
			t.Errorf("the policy is\n%s", got)
		}
	})
	t.Run("is followed from anywhere", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		var got []int64
		must(t, s.Follow(ctx, 3, func(e store.Entry) {
			got = append(got, e.Revision)
			switch e.Revision {
			case 8:
				commit(t, s, put(policyOf("new", "https://new.example")))
			case 9:
				cancel()
			}
		}))
		if want := []int64{4, 5, 6, 7, 8, 9}; !slices.Equal(got, want) {
			t.Errorf("Follow called with %v, want %v", got, want)
		}
	})
}

// TestTidy lets the log grow beyond what is kept: a checkpoint comes, old changes
// go, and blobs that nothing needs any more.
func TestTidy(t *testing.T) {
	t.Parallel()
	endpoint := parts.StartEtcd(t)
	c := client(t, endpoint)
	s := open(t, endpoint, func(o *etcd.Options) { o.KeepEntries = 5 })
	large := setOf("large", originsNamed("customer", 5000)...)
	commit(t, s, put(large))
	commit(t, s, store.Change{Delete: []store.Key{{Kind: "CorsOriginSet", Name: "large"}}})
	other := originsNamed("other-customer", 5000)
	commit(t, s, put(setOf("other", other...)))
	blobsOfLarge := count(t, c, "blob/")
	for i := range 10 {
		commit(t, s, put(policyOf("a", fmt.Sprintf("https://n%d.example", i))))
	}
	must(t, s.Tend(t.Context()))
	if n := count(t, c, "log/"); n != 5 {
		t.Errorf("the log has %d changes, want 5", n)
	}
	if n := count(t, c, "parts/"); n != 0 {
		t.Errorf("%d removed changes still need blobs", n)
	}
	if n := count(t, c, "blob/"); n == 0 || n >= blobsOfLarge {
		t.Errorf("there are %d blobs, before there were %d of two sets", n, blobsOfLarge)
	}

	fresh := open(t, endpoint)
	got := head(t, fresh)
	if got.Revision() != 13 || got.Len() != 2 {
		t.Errorf("a new replica has revision %d with %d documents", got.Revision(), got.Len())
	}
	if record, _ := got.Record(store.Key{Kind: "CorsOriginSet", Name: "other"}); record.Origins != len(other) || record.Revision != 3 {
		t.Errorf("the set is %+v", record)
	}
	if _, _, err := fresh.Entries(t.Context(), store.Query{Before: 9}); !errors.Is(err, store.ErrGone) {
		t.Errorf("asking for what was removed returned %v, want %v", err, store.ErrGone)
	}
	if err := fresh.Follow(t.Context(), 4, func(store.Entry) {}); !errors.Is(err, store.ErrGone) {
		t.Errorf("following what was removed returned %v, want %v", err, store.ErrGone)
	}
	// A replica that was asleep all the while goes on from the checkpoint.
	commit(t, fresh, put(large))
	if got := head(t, s); got.Revision() != 14 || got.Len() != 3 {
		t.Errorf("the first replica has revision %d with %d documents", got.Revision(), got.Len())
	}
}

// count counts keys.
func count(tb testing.TB, c *clientv3.Client, below string) int64 {
	tb.Helper()
	got, err := c.Get(tb.Context(), "/corsgate/"+below, clientv3.WithPrefix(), clientv3.WithCountOnly())
	must(tb, err)
	return got.Count
}

// TestSleeper lets the log be removed up to beyond where a replica stands.
func TestSleeper(t *testing.T) {
	t.Parallel()
	endpoint := parts.StartEtcd(t)
	sleeper := open(t, endpoint)
	s := open(t, endpoint, func(o *etcd.Options) { o.KeepEntries = 1 })
	commit(t, s, put(policyOf("a", "https://old.example")))
	if head(t, sleeper).Revision() != 1 {
		t.Fatal("the replica did not see the first change")
	}
	for i := range 5 {
		commit(t, s, put(policyOf("a", fmt.Sprintf("https://n%d.example", i))))
	}
	must(t, s.Tend(t.Context()))
	got := head(t, sleeper)
	if got.Revision() != 6 || textOf(t, got, policyKey("a")) != policyOf("a", "https://n4.example") {
		t.Errorf("the replica that slept is at revision %d", got.Revision())
	}
}

// TestReplacedHistory restores another history under a replica, as from a backup.
func TestReplacedHistory(t *testing.T) {
	t.Parallel()
	endpoint := parts.StartEtcd(t)
	c := client(t, endpoint)
	replica := open(t, endpoint)
	commit(t, replica, put(policyOf("a", "https://a.example")))
	on := head(t, replica)
	_, err := c.Delete(t.Context(), "/corsgate/", clientv3.WithPrefix())
	must(t, err)
	if _, err := replica.Commit(t.Context(), on, put(policyOf("b", "https://b.example"))); !errors.Is(err, store.ErrMoved) {
		t.Errorf("a change of what is gone returned %v, want %v", err, store.ErrMoved)
	}
	commit(t, open(t, endpoint), put(policyOf("z", "https://z.example")))
	got := head(t, replica)
	if _, old := got.Record(policyKey("a")); old || got.Revision() != 1 || got.Len() != 1 {
		t.Errorf("the replica mixes two histories at revision %d", got.Revision())
	}
	if _, err := replica.Commit(t.Context(), on, put(policyOf("b", "https://b.example"))); !errors.Is(err, store.ErrMoved) {
		t.Errorf("a change of another history's revision returned %v, want %v", err, store.ErrMoved)
	}
}

func TestFleet(t *testing.T) { // not parallel: goroutines are counted
	endpoint := parts.StartCluster(t, 1)[0].Client
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	one, other := open(t, endpoint), open(t, endpoint)
	await := func(what string, is func([]store.Replica) bool) {
		t.Helper()
		for deadline := time.Now().Add(patience); ; {
			got, err := other.Replicas(t.Context())
			must(t, err)
			if is(got) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("the replicas are %+v, want %s", got, what)
			}
		}
	}
	ctx, leave := context.WithCancel(t.Context())
	changes := make(chan store.Replica)
	ended := make(chan error)
	go func() { ended <- one.Announce(ctx, changes) }()
	changes <- store.Replica{ID: "b/1", Revision: 1, Address: "127.0.0.1:1"}
	await("b/1 at revision 1", func(got []store.Replica) bool {
		return len(got) == 1 && got[0].ID == "b/1" && got[0].Revision == 1 && time.Since(got[0].Seen) < patience
	})
	changes <- store.Replica{ID: "b/1", Revision: 2, Problem: "trouble"}
	await("b/1 at revision 2", func(got []store.Replica) bool {
		return len(got) == 1 && got[0].Revision == 2 && got[0].Problem == "trouble"
	})
	// What others write there is nobody.
	_, err := client(t, endpoint).Put(t.Context(), "/corsgate/replica/x", "{}")
	must(t, err)
	await("b/1 alone", func(got []store.Replica) bool { return len(got) == 1 })
	leave()
	must(t, <-ended)
	await("none", func(got []store.Replica) bool { return len(got) == 0 })
}
