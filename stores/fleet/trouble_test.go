package fleet_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"connectrpc.com/connect"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
	"github.com/corsgate/corsgate/stores/parts"
)

// quota is how large etcd may become here, in bytes: soon filled, and ample
// otherwise.
const quota = 16 << 20

// Whatever becomes of etcd, replicas decide: here no request may fail at any of
// them, and none be answered wrongly. What cannot be changed is said to be so, and
// changes go on once etcd does.
func TestDecisionsGoOnInEtcdsTroubles(t *testing.T) {
	f := startFleet(t, func(c *parts.MemberConfig) { c.Quota = quota })
	traffic := f.startLoad(t, false)
	k := &killer{fleet: f, t: t}
	k.changes(f.replicas)

	for _, member := range f.etcd {
		member.Pause(t)
		k.insist(f.replicas, f.replicas) // one, since who asks a paused member waits
		member.Resume(t)
	}
	for _, m := range f.etcd[:2] {
		m.Pause(t)
	}
	f.expectRefused(t, connect.CodeUnavailable)
	for _, m := range f.etcd[:2] {
		m.Resume(t)
	}
	k.changes(f.replicas)

	etcd := f.client(t)
	f.compact(t, etcd)
	k.changes(f.replicas)
	f.endLeases(t, etcd)
	k.changes(f.replicas)
	f.awaitInStep(t)

	f.fill(t, etcd)
	f.expectRefused(t, connect.CodeResourceExhausted)
	f.makeRoom(t, etcd)
	k.changes(f.replicas)

	traffic.end(t)
	f.awaitInStep(t)
	f.checkHistory(t, k.next)
}

// expectRefused asks for a change that cannot be made now.
func (f *fleet) expectRefused(t *testing.T, code connect.Code) {
	t.Helper()
	for _, r := range f.replicas {
		_, err := r.policies.Apply(t.Context(), connect.NewRequest(&corsgatev1.ApplyRequest{Files: []*corsgatev1.SourceText{{
			Name: "more.yaml", Text: strings.ReplaceAll(documents, "shop", "more"),
		}}}))
		if got := connect.CodeOf(err); got != code {
			t.Errorf("%s answers %v, want %v", r.id, err, code)
		}
	}
}

// client returns a client of the etcd of a fleet.
func (f *fleet) client(t *testing.T) *clientv3.Client {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: parts.Endpoints(f.etcd), Logger: zap.NewNop()})
	must(t, err)
	t.Cleanup(func() { must(t, client.Close()) })
	return client
}

// compact makes etcd forget what was.
func (f *fleet) compact(t *testing.T, etcd *clientv3.Client) {
	t.Helper()
	got, err := etcd.Get(t.Context(), "x")
	must(t, err)
	_, err = etcd.Compact(t.Context(), got.Header.GetRevision(), clientv3.WithCompactPhysical())
	must(t, err)
}

// endLeases ends the leases by which replicas are known to be alive.
func (f *fleet) endLeases(t *testing.T, etcd *clientv3.Client) {
	t.Helper()
	leases, err := etcd.Leases(t.Context())
	must(t, err)
	if len(leases.Leases) < len(f.replicas) {
		t.Fatalf("there are %d leases of %d replicas", len(leases.Leases), len(f.replicas))
	}
	for _, lease := range leases.Leases {
		_, err := etcd.Revoke(t.Context(), lease.ID)
		must(t, err)
	}
}

// fill writes into etcd until it takes no more.
func (f *fleet) fill(t *testing.T, etcd *clientv3.Client) {
	t.Helper()
	junk := strings.Repeat("x", 1<<20)
	for i := range 2 * quota >> 20 {
		if _, err := etcd.Put(t.Context(), fmt.Sprintf("/junk/%d", i), junk); err != nil {
			return
		}
	}
	t.Fatal("etcd is not full")
}

// makeRoom does what the error of a full etcd says.
func (f *fleet) makeRoom(t *testing.T, etcd *clientv3.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := etcd.Delete(ctx, "/junk/", clientv3.WithPrefix())
	must(t, err)
	f.compact(t, etcd)
	for _, endpoint := range parts.Endpoints(f.etcd) {
		_, err = etcd.Defragment(ctx, endpoint)
		must(t, err)
	}
	_, err = etcd.AlarmDisarm(ctx, &clientv3.AlarmMember{})
	must(t, err)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
