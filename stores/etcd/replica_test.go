package etcd_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/source"
	"github.com/corsgate/corsgate/policy/source/etcd"
	"github.com/corsgate/corsgate/policy/source/sourcetest"
	"github.com/corsgate/corsgate/policy/store"
	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/stores/parts"
)

// A replica is a server that decides from what is in etcd.
type replica struct {
	*server.Server

	tb    testing.TB
	bound server.Bound
	stop  func()
}

// serve runs a replica until it is stopped, or the test ends.
func serve(tb testing.TB, src source.Source, options server.Options) *replica {
	tb.Helper()
	ready := make(chan server.Bound, 1)
	options.Listen, options.Admin = []string{"127.0.0.1:0"}, "127.0.0.1:0"
	options.Ready = func(bound server.Bound) { ready <- bound }
	instance, err := server.New(src, options)
	must(tb, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- instance.Run(ctx) }()
	r := &replica{Server: instance, tb: tb}
	stopped := false
	r.stop = func() {
		if !stopped {
			stopped = true
			cancel()
			must(tb, <-ended)
		}
	}
	select {
	case r.bound = <-ready:
	case err := <-ended:
		cancel()
		tb.Fatalf("the replica did not start: %v", err)
	case <-time.After(patience):
		tb.Fatal("the replica is not ready")
	}
	tb.Cleanup(r.stop)
	return r
}

// keep wraps a store whose last good snapshot is in a file.
func keep(tb testing.TB, s source.Source, path string) source.Source {
	tb.Helper()
	kept, err := source.Keep(s, path, source.KeepOptions{Patience: time.Second, Logger: slog.New(slog.DiscardHandler)})
	must(tb, err)
	return kept
}

// allows says whether an origin may call what the policy of a name governs.
func (r *replica) allows(name, origin string) bool {
	request := policy.Request{Method: "GET", Scheme: "https", Host: name + ".api.example", Path: "/", Origin: origin}
	decision := r.Policies().Status().Set.Decide(&request)
	return decision.Verdict == policy.VerdictAllow
}

// eventually waits for something that others bring about.
func (r *replica) eventually(what string, holds func() bool) {
	r.tb.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.tb.Fatalf("this did not come about: %s; the status is %+v", what, r.Policies().Status())
		}
	}
}

func (r *replica) readiness() (code int, text string) {
	r.tb.Helper()
	response, err := http.Get(fmt.Sprintf("http://%s/readyz", r.bound.Admin))
	must(r.tb, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	must(r.tb, err)
	return response.StatusCode, string(body)
}

// A replica starts and decides while etcd is away, and follows it when it is back.
func TestReplicaStartsWithoutEtcd(t *testing.T) {
	member := parts.StartCluster(t, 1)[0]
	path := filepath.Join(t.TempDir(), "snapshot")
	commit(t, open(t, member.Client), put(policyOf("shop", "https://old.example")))
	first := serve(t, keep(t, open(t, member.Client), path), server.Options{})
	if !first.allows("shop", "https://old.example") {
		t.Error("what is in etcd is not in force")
	}
	first.stop()

	member.Kill(t)
	second := serve(t, keep(t, open(t, member.Client), path), server.Options{StartTimeout: patience})
	status := second.Policies().Status()
	if status.AsOf.IsZero() || status.StoreRevision != 1 || !second.allows("shop", "https://old.example") || second.allows("shop", "https://new.example") {
		t.Errorf("without etcd, revision %d as of %v is in force", status.StoreRevision, status.AsOf)
	}
	// Another prefix is another store.
	other := open(t, member.Client, func(o *etcd.Options) { o.Prefix = "/other/" })
	if _, err := keep(t, other, path).Load(t.Context()); err == nil || !strings.Contains(err.Error(), "/corsgate/, and policies come from etcd://") {
		t.Errorf("a store that the snapshot is not of loads with %v", err)
	}

	member.Restart(t)
	commit(t, open(t, member.Client), put(policyOf("shop", "https://new.example")))
	second.eventually("the change is in force", func() bool {
		status := second.Policies().Status()
		return status.StoreRevision == 2 && status.AsOf.IsZero() && second.allows("shop", "https://new.example")
	})
	second.stop() // which saves what is in force
	s, err := keep(t, open(t, member.Client), path).(source.Keeper).LastGood()
	if err != nil || s.Revision != 2 {
		t.Errorf("the snapshot is of revision %d, %v", s.Revision, err)
	}
}

// Without a snapshot there is nothing to decide from, and a replica waits.
func TestReplicaWaitsForEtcd(t *testing.T) {
	member := parts.StartCluster(t, 1)[0]
	commit(t, open(t, member.Client), put(policyOf("shop", "https://shop.example")))
	member.Kill(t)
	src := keep(t, open(t, member.Client, func(o *etcd.Options) { o.DialTimeout = 200 * time.Millisecond }), filepath.Join(t.TempDir(), "snapshot"))
	instance, err := server.New(src, server.Options{Listen: []string{"127.0.0.1:0"}, StartTimeout: time.Second})
	must(t, err)
	if err := instance.Run(t.Context()); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "given up after 1s") {
		t.Errorf("without etcd, Run returned %v", err)
	}
	restarted := make(chan struct{})
	go func() {
		defer close(restarted)
		member.Restart(t)
	}()
	r := serve(t, src, server.Options{StartTimeout: patience})
	<-restarted
	if !r.allows("shop", "https://shop.example") {
		t.Error("what is in etcd is not in force")
	}
}

// A replica that starts after somebody broke what is in etcd decides like one that
// was running then, and both mend alike.
func TestReplicaStartsWithBrokenPolicies(t *testing.T) {
	endpoint := parts.StartEtcd(t)
	w := writer{open(t, endpoint), client(t, endpoint)}
	w.Put(t, "shop", policyOf("shop", "https://old.example"))
	path := filepath.Join(t.TempDir(), "snapshot")
	running := serve(t, keep(t, open(t, endpoint), path), server.Options{})
	running.stop()
	running = serve(t, open(t, endpoint), server.Options{})
	w.Break(t, "other")
	running.eventually("the problem shows", func() bool { return running.Policies().Status().Stale() })

	started := serve(t, keep(t, open(t, endpoint), path), server.Options{})
	for name, r := range map[string]*replica{"running": running, "started": started} {
		status := r.Policies().Status()
		if !status.Stale() || !r.allows("shop", "https://old.example") {
			t.Errorf("the %s replica: stale %v, problems %v", name, status.Stale(), status.Problems)
		}
	}
	if code, text := started.readiness(); code != http.StatusOK {
		t.Errorf("/readyz: %d %s", code, text)
	}
	bare, err := server.New(open(t, endpoint), server.Options{Listen: []string{"127.0.0.1:0"}})
	must(t, err)
	if problems := (policy.Problems{}); !errors.As(bare.Run(t.Context()), &problems) || len(problems) == 0 {
		t.Error("a replica without a snapshot started")
	}
	w.Put(t, "other", policyOf("other", "https://mended.example"))
	for name, r := range map[string]*replica{"running": running, "started": started} {
		r.eventually("the "+name+" replica mends", func() bool { return r.allows("other", "https://mended.example") && !r.Policies().Status().Stale() })
	}
}

// By choice a replica that does not know whether it is in step is not ready. It
// decides all the same.
func TestReplicaMaxStaleness(t *testing.T) {
	member := parts.StartCluster(t, 1)[0]
	commit(t, open(t, member.Client), put(policyOf("shop", "https://shop.example")))
	r := serve(t, open(t, member.Client, func(o *etcd.Options) {
		o.DialTimeout, o.CheckEvery = 500*time.Millisecond, 100*time.Millisecond
	}), server.Options{MaxStaleness: 2 * time.Second})
	if code, text := r.readiness(); code != http.StatusOK {
		t.Errorf("/readyz: %d %s", code, text)
	}
	member.Kill(t)
	r.eventually("it is not ready", func() bool {
		code, text := r.readiness()
		return code == http.StatusServiceUnavailable && strings.Contains(text, "the policies are stale: etcd://")
	})
	if !r.allows("shop", "https://shop.example") {
		t.Error("it does not decide any more")
	}
	member.Restart(t)
	r.eventually("it is ready", func() bool {
		code, _ := r.readiness()
		return code == http.StatusOK
	})
}

// Files overrule what is in etcd, while it is away too, and it shows.
func TestFilesBeforeEtcd(t *testing.T) {
	member := parts.StartCluster(t, 1)[0]
	w := open(t, member.Client)
	commit(t, w, put(policyOf("shop", "https://central.example"), policyOf("other", "https://other.example")))
	dir := t.TempDir()
	write := func(name, origin string) {
		t.Helper()
		must(t, os.WriteFile(filepath.Join(dir, "."+name), []byte(policyOf(name, origin)), 0o600))
		must(t, os.Rename(filepath.Join(dir, "."+name), filepath.Join(dir, name+".yaml")))
	}
	write("shop", "https://local.example")
	files := source.NewFile([]string{dir}, source.FileOptions{Logger: slog.New(slog.DiscardHandler)})
	joined := source.Join(files, open(t, member.Client))
	if _, ok := joined.(source.Dated); !ok {
		t.Error("files and etcd are not dated together")
	}
	r := serve(t, joined, server.Options{})
	if !r.allows("shop", "https://local.example") || r.allows("shop", "https://central.example") || !r.allows("other", "https://other.example") {
		t.Error("something else is in force")
	}
	expectProblem(t, r.Policies().Status().Problems, "document_hidden", "CorsPolicy shop is not in force: the one at "+dir)

	commit(t, w, put(policyOf("other", "https://changed.example")))
	r.eventually("a change in etcd is in force", func() bool { return r.allows("other", "https://changed.example") })
	member.Kill(t)
	write("shop", "https://urgent.example")
	r.eventually("a change of files is in force while etcd is away", func() bool { return r.allows("shop", "https://urgent.example") })
	member.Restart(t)
	write("more", "https://more.example")
	must(t, os.Remove(filepath.Join(dir, "shop.yaml")))
	r.eventually("what was hidden is in force", func() bool { return r.allows("shop", "https://central.example") })
	if got := r.Policies().Status(); got.StoreRevision != 2 {
		t.Errorf("the store's revision is %d", got.StoreRevision)
	}
}

// What wraps a store is as good a source as that.
func TestWrappedConformance(t *testing.T) { // not parallel: the suite counts goroutines
	endpoint := parts.StartCluster(t, 1)[0].Client
	sourcetest.Run(t, func(tb testing.TB) sourcetest.Fixture {
		tb.Helper()
		c := client(tb, endpoint)
		_, err := c.Delete(tb.Context(), "/corsgate/", clientv3.WithPrefix())
		must(tb, err)
		none := open(tb, endpoint, func(o *etcd.Options) { o.Prefix = "/none/" })
		joined := source.Join(none, open(tb, endpoint))
		return sourcetest.Fixture{
			Source: keep(tb, joined, filepath.Join(tb.TempDir(), "snapshot")),
			Store:  writer{open(tb, endpoint), c},
			Quiet:  300 * time.Millisecond,
		}
	})
}
