package etcd_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/corsgate/corsgate/policy/source/etcd"
	"github.com/corsgate/corsgate/policy/store"
	"github.com/corsgate/corsgate/stores/parts"
)

// A shop is a store with two policies and a large set, all of which must survive
// what a test does to the keys.
type shop struct {
	endpoint string
	client   *clientv3.Client
	replica  *etcd.Store // one that has read all of it
}

const shopRevision = 3

func openShop(t *testing.T) shop {
	t.Helper()
	s := shop{endpoint: parts.StartEtcd(t)}
	s.client, s.replica = client(t, s.endpoint), open(t, s.endpoint)
	commit(t, s.replica, put(policyOf("a", "https://a.example")))
	commit(t, s.replica, put(policyOf("b", "https://b.example")))
	commit(t, s.replica, put(setOf("large", originsNamed("customer-with-a-long-name", 5000)...)))
	return s
}

func (s shop) put(t *testing.T, key, value string) {
	t.Helper()
	_, err := s.client.Put(t.Context(), key, value)
	must(t, err)
}

func (s shop) get(t *testing.T, key string) string {
	t.Helper()
	got, err := s.client.Get(t.Context(), key)
	must(t, err)
	if len(got.Kvs) != 1 {
		t.Fatalf("there is no key %s", key)
	}
	return string(got.Kvs[0].GetValue())
}

func (s shop) delete(t *testing.T, key string) {
	t.Helper()
	_, err := s.client.Delete(t.Context(), key)
	must(t, err)
}

// aBlob returns the key of a blob.
func (s shop) aBlob(t *testing.T) string {
	t.Helper()
	got, err := s.client.Get(t.Context(), "/corsgate/blob/", clientv3.WithPrefix(), clientv3.WithKeysOnly(), clientv3.WithLimit(1))
	must(t, err)
	return string(got.Kvs[0].GetKey())
}

// TestBadKeys breaks one key at a time, in a store that has no checkpoint. The
// replica that has read the good ones keeps what it has, and both it and a new one
// say what is wrong with which key; what can be read is still there.
func TestBadKeys(t *testing.T) {
	t.Parallel()
	next := logKey(shopRevision + 1)
	tests := []struct {
		name string
		do   func(t *testing.T, s shop)
		want []string
		// revision is up to where a new replica reads, and keeps is whether the one
		// that read it before still holds everything to be good.
		revision int64
		keeps    bool
	}{
		{
			"a corrupt entry", func(t *testing.T, s shop) { s.put(t, next, "rubbish") },
			[]string{next, "it is not what corsgate writes", "delete it", "[store_corrupt]"},
			shopRevision, false,
		},
		{
			"a flipped bit", func(t *testing.T, s shop) {
				s.put(t, logKey(2), strings.Replace(s.get(t, logKey(2)), "https://b.example", "https://c.example", 1))
			},
			[]string{logKey(2), "its content has the SHA-256", "[store_corrupt]"},
			1, true,
		},
		{
			"an entry of a later format", func(t *testing.T, s shop) { s.put(t, next, envelope(2, []byte(`{"from": "tomorrow"}`))) },
			[]string{next, "it is of format 2, which a later version wrote; this one knows format 1; upgrade this corsgate", "[store_format]"},
			shopRevision, false,
		},
		{
			"an entry without a format", func(t *testing.T, s shop) { s.put(t, next, `{"some": "JSON"}`) },
			[]string{next, "it names no format", "[store_corrupt]"},
			shopRevision, false,
		},
		{
			"an entry under another's key", func(t *testing.T, s shop) { s.put(t, next, s.get(t, logKey(1))) },
			[]string{next, "it says that it stands under " + logKey(1), "[store_corrupt]"},
			shopRevision, false,
		},
		{
			"an entry that does not fit", func(t *testing.T, s shop) {
				writer{s.replica, s.client}.append(t, shopRevision+1, []any{map[string]any{"kind": "CorsPolicy", "name": "a", "before": "other", "after": "new"}})
			},
			[]string{next, "it changes a document that is another", "[store_history]"},
			shopRevision, false,
		},
		{
			"an entry above bounds", func(t *testing.T, s shop) {
				body := []byte(`{"blobs": []}`)
				hashes := strings.Repeat(`"0123456789012345678901234567890123456789012345678901234567890123",`, 1100)
				s.put(t, next, strings.Replace(envelope(1, body), `"body"`, `"blobs": [`+strings.TrimSuffix(hashes, ",")+`], "body"`, 1))
			},
			[]string{next, "it is cut into 1100 blobs, and 1024 are the limit", "[store_value_too_large]"},
			shopRevision, false,
		},
		{
			"a gap", func(t *testing.T, s shop) { s.delete(t, logKey(2)) },
			[]string{logKey(2), "it is missing, and revision 3 is there; restore etcd from a backup", "[store_gap]"},
			1, true,
		},
		{
			"a missing blob", func(t *testing.T, s shop) { s.delete(t, s.aBlob(t)) },
			[]string{"/corsgate/blob/", "it is missing, and a change or the checkpoint needs it", "[store_blob_missing]"},
			2, true,
		},
		{
			"a corrupt blob", func(t *testing.T, s shop) { s.put(t, s.aBlob(t), "https://evil.example\n") },
			[]string{"/corsgate/blob/", "its content is not the one that it is named after", "[store_corrupt]"},
			2, true,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := openShop(t)
			test.do(t, s)

			fresh := open(t, s.endpoint)
			got, err := fresh.Load(t.Context())
			must(t, err)
			expectProblem(t, got.Problems.Errors(), test.want...)
			if got.Revision != test.revision || len(got.Documents) != int(test.revision) {
				t.Errorf("a new replica has %d documents of revision %d, want %d", len(got.Documents), got.Revision, test.revision)
			}
			if _, err := fresh.Head(t.Context()); err == nil || !strings.Contains(err.Error(), test.want[0]) {
				t.Errorf("Head returned %v", err)
			}

			kept, err := s.replica.Load(t.Context())
			must(t, err)
			if test.keeps != (len(kept.Problems.Errors()) == 0) || kept.Revision != shopRevision || len(kept.Documents) != shopRevision {
				t.Errorf("the replica has %d documents of revision %d, and the problems %v", len(kept.Documents), kept.Revision, kept.Problems)
			}
		})
	}
}

// TestMendedKey deletes a corrupt newest key, as its problem says, and goes on.
func TestMendedKey(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.put(t, logKey(shopRevision+1), "rubbish")
	if _, err := s.replica.Head(t.Context()); err == nil {
		t.Fatal("a corrupt key is no error")
	}
	s.delete(t, logKey(shopRevision+1))
	if entry := commit(t, s.replica, put(policyOf("c", "https://c.example"))); entry.Revision != shopRevision+1 {
		t.Errorf("the next change has revision %d", entry.Revision)
	}
}

// TestBadCheckpoint breaks the checkpoint. As long as the log is whole nothing is
// lost, and the checkpoint is written anew; then only the checkpoint's own fault is
// left to say.
func TestBadCheckpoint(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, value string
		want        []string
	}{
		{"corrupt", "rubbish", []string{"/corsgate/checkpoint", "it is not what corsgate writes", "restore etcd from a backup", "[store_corrupt]"}},
		{"of a later format", envelope(7, []byte("{}")), []string{"/corsgate/checkpoint", "it is of format 7", "upgrade this corsgate", "[store_format]"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := openShop(t)
			must(t, s.replica.Tend(t.Context()))
			s.put(t, "/corsgate/checkpoint", test.value)
			if got := head(t, open(t, s.endpoint)); got.Revision() != shopRevision || got.Len() != shopRevision {
				t.Errorf("with a whole log a new replica has revision %d", got.Revision())
			}
			s.delete(t, logKey(1))
			got, err := open(t, s.endpoint).Load(t.Context())
			must(t, err)
			expectProblem(t, got.Problems.Errors(), test.want...)
		})
	}
}

// TestForeignKeys warns of keys that are not ours, and reads the rest.
func TestForeignKeys(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	for _, key := range []string{"/corsgate/aaa", "/corsgate/checkpoint.old", "/corsgate/log/!", "/corsgate/log/latest", "/corsgate/zzz"} {
		s.put(t, key, "what is this?")
	}
	s.put(t, "/corsgate", "beside the prefix")
	s.put(t, "/corsgate0", "beside the prefix")
	got, err := open(t, s.endpoint).Load(t.Context())
	must(t, err)
	if errs := got.Problems.Errors(); len(errs) > 0 || got.Revision != shopRevision || len(got.Documents) != shopRevision {
		t.Errorf("there are %d documents of revision %d, with the errors %v", len(got.Documents), got.Revision, errs)
	}
	if n := len(got.Problems.Warnings()); n != 5 {
		t.Errorf("there are %d warnings, want 5:\n%v", n, got.Problems)
	}
	expectProblem(t, got.Problems.Warnings(), "etcd:/corsgate/log/latest: warning: it is not one of corsgate's keys, and nothing reads it",
		"delete the key, and give corsgate a prefix of its own [store_foreign_key]")
	commit(t, s.replica, put(policyOf("c", "https://c.example")))
}

// TestLargeObject puts 50 MB into one document.
func TestLargeObject(t *testing.T) {
	t.Parallel()
	const size = 50 << 20
	s := openShop(t)
	t.Run("a policy is refused", func(t *testing.T) {
		text := policyOf("huge", "https://huge.example") + "# " + strings.Repeat("x", size)
		_, err := s.replica.Commit(t.Context(), head(t, s.replica), put(text))
		if err == nil || !strings.Contains(err.Error(), "move its origins into a CorsOriginSet and name that in originSets") {
			t.Errorf("Commit returned %.300v", err)
		}
	})
	t.Run("an etcd that is written to directly refuses", func(t *testing.T) {
		if _, err := s.client.Put(t.Context(), logKey(shopRevision+1), strings.Repeat("x", size)); err == nil {
			t.Error("etcd took it")
		}
	})
	if got := head(t, open(t, s.endpoint)); got.Revision() != shopRevision {
		t.Errorf("the store is at revision %d, want %d", got.Revision(), shopRevision)
	}
	t.Run("an etcd without bounds is read with bounds", func(t *testing.T) {
		lax := parts.StartCluster(t, 1, func(c *parts.MemberConfig) { c.MaxRequestBytes = 2 * size })[0].Client
		commit(t, open(t, lax), put(policyOf("a", "https://a.example")))
		c, err := clientv3.New(clientv3.Config{Endpoints: []string{lax}, MaxCallSendMsgSize: 2 * size, MaxCallRecvMsgSize: 4 * size, Logger: zap.NewNop()})
		must(t, err)
		defer func() { _ = c.Close() }()
		_, err = c.Put(t.Context(), logKey(2), strings.Repeat("x", size))
		must(t, err)
		got, err := open(t, lax).Load(t.Context())
		must(t, err)
		expectProblem(t, got.Problems.Errors(), logKey(2), "it has 52428800 bytes, and 2097152 are the limit", "[store_value_too_large]")
		if got.Revision != 1 || len(got.Documents) != 1 {
			t.Errorf("%d documents of revision %d are left", len(got.Documents), got.Revision)
		}
	})
	t.Run("an origin set is kept", func(t *testing.T) {
		const n = 1_000_000
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf("https://a-customer-with-a-long-name-%07d.example", i)
		}
		text := setOf("huge", list...)
		if len(text) < size {
			t.Fatalf("the set has %d bytes", len(text))
		}
		commit(t, s.replica, put(text))
		fresh := head(t, open(t, s.endpoint))
		if got := textOf(t, fresh, store.Key{Kind: "CorsOriginSet", Name: "huge"}); got != text {
			t.Errorf("a set of %d bytes came back as %d", len(text), len(got))
		}
	})
}

// TestQuota fills etcd. What is there is served, changes are refused with what to
// do, and once there is room they are made.
func TestQuota(t *testing.T) { // not parallel: it fills a disk
	const quota = 16 << 20
	m := parts.StartCluster(t, 1, func(c *parts.MemberConfig) { c.Quota = quota })[0]
	c, s := client(t, m.Client), open(t, m.Client)
	commit(t, s, put(policyOf("a", "https://a.example")))
	junk := strings.Repeat("x", 1<<20)
	for i := range 100 {
		if _, err := c.Put(t.Context(), fmt.Sprintf("/junk/%d", i), junk); err != nil {
			break
		}
	}
	on := head(t, s)
	_, err := s.Commit(t.Context(), on, put(policyOf("b", "https://b.example")))
	if !errors.Is(err, store.ErrFull) || !strings.Contains(err.Error(), "--quota-backend-bytes") {
		t.Fatalf("Commit returned %v, want %v", err, store.ErrFull)
	}
	if _, err := s.Commit(t.Context(), on, put(setOf("large", originsNamed("customer-with-a-long-name", 5000)...))); !errors.Is(err, store.ErrFull) {
		t.Errorf("a change with blobs returned %v, want %v", err, store.ErrFull)
	}
	if got, err := open(t, m.Client).Load(t.Context()); err != nil || len(got.Documents) != 1 {
		t.Errorf("a new replica has %d documents: %v", len(got.Documents), err)
	}

	// What the error says to do.
	_, err = c.Delete(t.Context(), "/junk/", clientv3.WithPrefix())
	must(t, err)
	status, err := c.Status(t.Context(), m.Client)
	must(t, err)
	_, err = c.Compact(t.Context(), status.Header.GetRevision(), clientv3.WithCompactPhysical())
	must(t, err)
	_, err = c.Defragment(t.Context(), m.Client)
	must(t, err)
	_, err = c.AlarmDisarm(t.Context(), &clientv3.AlarmMember{})
	must(t, err)
	if entry := commit(t, s, put(policyOf("b", "https://b.example"))); entry.Revision != 2 {
		t.Errorf("the change has revision %d", entry.Revision)
	}
}
