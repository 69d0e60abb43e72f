package etcd_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/source"
	"github.com/corsgate/corsgate/policy/store"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
	"github.com/corsgate/corsgate/stores/parts"
)

const million = 1_000_000

// TestMillion adds one origin to a million, and takes one out: what is written is a
// few hundred bytes, and what the replica has of the others stays where it is. The
// log says how long it took until the replica had compiled it.
func TestMillion(t *testing.T) { // not parallel: it measures
	endpoint := parts.StartEtcd(t)
	c, writer, replica := client(t, endpoint), open(t, endpoint), open(t, endpoint)
	key := store.Key{Kind: "CorsOriginSet", Name: "large"}
	began := time.Now()
	commit(t, writer, put(setOf("large", originsNamed("customer", million)...),
		strings.Replace(policyOf("shop", "https://shop.example"), `"origins":`, `"originSets": ["large"], "origins":`, 1)))
	t.Logf("a set of %d origins was made in %v", million, time.Since(began))
	began = time.Now()
	first, err := replica.Load(t.Context())
	must(t, err)
	set := policy.Document{}
	for _, d := range first.Documents {
		if _, is := d.Message.(*corsgatev1.CorsOriginSet); is {
			set = d
		}
	}
	t.Logf("a replica has read it in %v", time.Since(began))
	seen := watch(t, replica)

	for i, change := range []store.Change{
		{Edits: []store.OriginEdit{{Name: "large", Add: []string{"https://one-more.example"}}}},
		{Edits: []store.OriginEdit{{Name: "large", Remove: []string{"https://customer-77.example"}}}},
	} {
		before, err := c.Get(t.Context(), "x")
		must(t, err)
		began := time.Now()
		entry := commit(t, writer, change)
		made := time.Since(began)
		got := seen.await(t, entry.Revision)
		visible := time.Since(began)
		compiled, problems := policy.Compile(got.Documents, policy.Options{})
		if len(problems.Errors()) > 0 {
			t.Fatal(problems)
		}
		t.Logf("change %d: made after %v, delivered after %v, compiled after %v", i+1, made, visible, time.Since(began))
		if want := i == 0; allows(compiled, "https://one-more.example") != true || allows(compiled, "https://customer-77.example") != want {
			t.Error("the compiled set is not that of the change")
		}
		if n := written(t, c, before.Header.GetRevision()); n > 2048 {
			t.Errorf("%d bytes were written", n)
		} else {
			t.Logf("%d bytes were written", n)
		}
		if record, _ := head(t, replica).Record(key); record.Origins != million+1-i {
			t.Errorf("the replica has %d origins", record.Origins)
		}
		if i == 0 && !sameMemory(set, got) {
			t.Error("the million were copied")
		}
	}

	began = time.Now()
	must(t, writer.Tend(t.Context()))
	t.Logf("a first checkpoint took %v", time.Since(began))
	commit(t, writer, store.Change{Edits: []store.OriginEdit{{Name: "large", Add: []string{"https://two-more.example"}}}})
	before, err := c.Get(t.Context(), "x")
	must(t, err)
	began = time.Now()
	must(t, writer.Tend(t.Context()))
	n := written(t, c, before.Header.GetRevision())
	t.Logf("a second checkpoint took %v and wrote %d bytes", time.Since(began), n)
	if n > 1<<20 {
		t.Errorf("a checkpoint after one change wrote %d bytes", n)
	}
	if got := head(t, open(t, endpoint)); textOf(t, got, key) != textOf(t, head(t, replica), key) {
		t.Error("a replica that begins with the checkpoint has another set")
	}
}

func allows(set *policy.Set, origin string) bool {
	d := set.Decide(&policy.Request{Method: "GET", Scheme: "https", Host: "shop.api.example", Path: "/", Origin: origin})
	return d.Reason == policy.ReasonOriginAllowed
}

// sameMemory reports whether the set of a snapshot holds the texts of another where
// they are.
func sameMemory(before policy.Document, s source.Snapshot) bool {
	for _, d := range s.Documents {
		if _, is := d.Message.(*corsgatev1.CorsOriginSet); is {
			return stringData(d.Texts) == stringData(before.Texts)
		}
	}
	return false
}

// written returns how many bytes keys have that were written after a revision of
// etcd.
func written(t *testing.T, c *clientv3.Client, after int64) int {
	t.Helper()
	got, err := c.Get(t.Context(), "/corsgate/", clientv3.WithPrefix(), clientv3.WithMinModRev(after+1))
	must(t, err)
	n := 0
	for _, kv := range got.Kvs {
		n += len(kv.GetKey()) + len(kv.GetValue())
	}
	return n
}

// TestBurst makes changes faster than a replica takes them in: what it is given is
// whole and in order, and ends with the last.
func TestBurst(t *testing.T) {
	t.Parallel()
	const changes = 300
	endpoint := parts.StartEtcd(t)
	s, replica := open(t, endpoint), open(t, endpoint)
	seen := watch(t, replica) // takes nothing before it is asked
	for i := range changes {
		commit(t, s, put(policyOf("a", fmt.Sprintf("https://n%d.example", i)), policyOf("b", fmt.Sprintf("https://n%d.example", i))))
	}
	delivered := 0
	for {
		got := <-seen.snapshots
		delivered++
		if len(got.Documents) == 2 {
			a, b := got.Documents[0].Message.(*corsgatev1.CorsPolicy), got.Documents[1].Message.(*corsgatev1.CorsPolicy)
			if a.GetSpec().GetOrigins()[0] != b.GetSpec().GetOrigins()[0] {
				t.Fatalf("revision %d is a mixture of two", got.Revision)
			}
		}
		if got.Revision == changes {
			break
		}
	}
	if delivered > 3 {
		t.Errorf("a burst of %d changes was delivered as %d snapshots", changes, delivered)
	}
}
