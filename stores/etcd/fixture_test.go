// Package etcd tests the store of policies in etcd on a real one.
package etcd_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
	"unsafe"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/source/etcd"
	"github.com/corsgate/corsgate/policy/source/sourcetest"
	"github.com/corsgate/corsgate/policy/store"
)

// patience is how long anything may take that must happen.
const patience = 30 * time.Second

// open returns a store for an etcd. It ends with the test.
func open(tb testing.TB, endpoint string, change ...func(*etcd.Options)) *etcd.Store {
	tb.Helper()
	options := etcd.Options{Endpoints: []string{endpoint}, Logger: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&options)
	}
	s, err := etcd.New(options)
	must(tb, err)
	tb.Cleanup(func() { must(tb, s.Close()) })
	return s
}

// client returns a client as others would use one.
func client(tb testing.TB, endpoint string) *clientv3.Client {
	tb.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, Logger: zap.NewNop()})
	must(tb, err)
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// commit makes a change on whatever is newest.
func commit(tb testing.TB, s *etcd.Store, change store.Change) store.Entry {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	for {
		head, err := s.Head(ctx)
		must(tb, err)
		entry, err := s.Commit(ctx, head, change)
		if errors.Is(err, store.ErrMoved) {
			continue
		}
		must(tb, err)
		return entry
	}
}

func put(texts ...string) store.Change {
	c := store.Change{Author: "somebody", Reason: "a test"}
	for _, text := range texts {
		c.Put = append(c.Put, store.Text{File: "test.yaml", Data: text})
	}
	return c
}

// A writer keeps documents in a store, and breaks them as only a later version
// could: behind the store's back.
type writer struct {
	store  *etcd.Store
	client *clientv3.Client
}

var _ sourcetest.Store = writer{}

func policyKey(name string) store.Key { return store.Key{Kind: "CorsPolicy", Name: name} }

func (w writer) Put(tb testing.TB, _, text string) {
	tb.Helper()
	commit(tb, w.store, put(text))
}

func (w writer) Delete(tb testing.TB, name string) {
	tb.Helper()
	commit(tb, w.store, store.Change{Delete: []store.Key{policyKey(name)}})
}

func (w writer) Break(tb testing.TB, name string) {
	tb.Helper()
	head, err := w.store.Head(tb.Context())
	must(tb, err)
	change := map[string]any{"kind": "CorsPolicy", "name": name, "after": "spec: [\n"}
	if before, ok := head.Text(policyKey(name)); ok {
		change["before"] = before
	}
	w.append(tb, head.Revision()+1, []any{change})
}

// append writes an entry of the log as docs/etcd.md describes it.
func (w writer) append(tb testing.TB, revision int64, changes any) {
	tb.Helper()
	body, err := json.Marshal(map[string]any{"id": logKey(revision), "revision": revision, "time": time.Now(), "changes": changes})
	must(tb, err)
	_, err = w.client.Put(tb.Context(), logKey(revision), envelope(1, body))
	must(tb, err)
}

func logKey(revision int64) string { return fmt.Sprintf("/corsgate/log/%016d", revision) }

// envelope returns the value of a key with a body.
func envelope(format int, body []byte) string {
	sum := sha256.Sum256(body)
	return fmt.Sprintf(`{"format": %d, "sha256": %q, "body": %s}`, format, hex.EncodeToString(sum[:]), body)
}

// policyOf returns the text of a policy with an origin.
func policyOf(name, origin string) string { return sourcetest.Document(name, origin) }

// setOf returns the text of an origin set.
func setOf(name string, origins ...string) string {
	return "apiVersion: corsgate.dev/v1\nkind: CorsOriginSet\nmetadata:\n  name: " + name + "\nspec:\n  origins:\n  - " + strings.Join(origins, "\n  - ") + "\n"
}

func originsNamed(word string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("https://%s-%d.example", word, i)
	}
	return list
}

// expectProblem looks for a problem whose line holds some texts.
func expectProblem(tb testing.TB, problems policy.Problems, parts ...string) {
	tb.Helper()
	for _, p := range problems {
		holds := true
		for _, part := range parts {
			holds = holds && strings.Contains(p.Error(), part)
		}
		if holds {
			return
		}
	}
	tb.Errorf("the problems are\n%v\nwant one with %q", problems, parts)
}

// stringData says where a text is in memory.
func stringData(s string) *byte { return unsafe.StringData(s) }
