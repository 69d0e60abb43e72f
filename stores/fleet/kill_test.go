package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"connectrpc.com/connect"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

const (
	// changesPerKill is how many changes are made while a process is down, and as
	// many once it is back.
	changesPerKill = 10
	// killWithin bounds the moment, after a change was asked for, at which a process
	// is killed: some changes are made before it, some are cut off, some come after.
	killWithin = 12 * time.Millisecond
)

// Whichever process is killed, in the middle of a change, the changes that were
// accepted stay, and go on being made; and each request is answered, and rightly.
func TestNothingIsLostWhenOneIsKilled(t *testing.T) {
	f := startFleet(t)
	traffic := f.startLoad(t, true)
	k := &killer{fleet: f, t: t}
	k.changes(f.replicas)
	rounds := 1 + manyChanges(t)/1000 //nolint:mnd // more where more is asked for
	for range rounds {
		for i, r := range f.replicas {
			others := slices.Concat(f.replicas[:i], f.replicas[i+1:])
			// The victim is asked for the change, and another one if it does not answer.
			k.strike(append([]*replica{r}, others...), others, r.Kill)
			k.changes(others)
			r.Start()
			k.changes(f.replicas)
		}
		for _, member := range f.etcd {
			k.strike(f.replicas, f.replicas, func() { member.Kill(t) })
			k.changes(f.replicas)
			member.Restart(t)
			k.changes(f.replicas)
		}
	}
	traffic.end(t)
	f.awaitInStep(t)
	f.checkHistory(t, k.next)
	report(t, fmt.Sprintf("%d kills, each in the middle of a change: of %d changes, none was lost, and %d had to be asked for again; "+
		"of %d decisions, none was lost or wrong,\nand %d were made by another replica than was asked first.\n",
		k.kills, k.next, k.again, traffic.asked.Load(), traffic.elsewhere.Load()))
}

// A killer makes changes, one after the other, and kills while it does.
type killer struct {
	*fleet

	t *testing.T
	// next is the change to make, and again how often one had to be asked for once
	// more.
	next, again, kills int
}

// changes makes some changes, while all of some replicas are alive.
func (k *killer) changes(alive []*replica) {
	k.t.Helper()
	for range changesPerKill {
		k.insist(alive, alive)
	}
}

// strike kills a process while a change is being made. Who survives it decides by
// the change.
func (k *killer) strike(asked, survivors []*replica, kill func()) {
	k.t.Helper()
	k.kills++
	done := make(chan struct{})
	go func() {
		defer close(done)
		time.Sleep(rand.N(killWithin)) // the moment is what is tried, and nothing waits for it
		kill()
	}()
	k.insist(asked, survivors)
	<-done
}

// insist makes a change as somebody who wants it made does: where the answer is
// lost, or nobody can make it now, another replica is asked again. Made twice, the
// change does no harm: the second time changes nothing. It then waits until all
// that are alive decide by it.
func (k *killer) insist(asked, alive []*replica) {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.t.Context(), patience)
	defer cancel()
	change := k.next
	k.next++
	edit := &corsgatev1.OriginEdit{Name: setName, Add: []string{partner(change)}}
	if change > 0 {
		edit.Remove = []string{partner(change - 1)}
	}
	for try := 0; ; try++ {
		_, err := asked[try%len(asked)].policies.Apply(ctx, connect.NewRequest(&corsgatev1.ApplyRequest{
			OriginEdits: []*corsgatev1.OriginEdit{edit}, Reason: "change " + strconv.Itoa(change),
		}))
		if err == nil {
			break
		}
		if code := connect.CodeOf(err); code != connect.CodeUnavailable && code != connect.CodeDeadlineExceeded || ctx.Err() != nil {
			k.t.Fatalf("change %d: %v", change, err)
		}
		k.again++
		select {
		case <-ctx.Done():
			k.t.Fatalf("change %d: %v", change, err)
		case <-time.After(lookPause):
		}
	}
	for _, r := range alive {
		if err := r.await(ctx, change); err != nil {
			k.t.Fatalf("change %d: %s does not decide by it: %v", change, r.id, err)
		}
	}
}

// awaitInStep waits until every replica is alive and serves the newest revision.
func (f *fleet) awaitInStep(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := f.until(ctx, func(s *corsgatev1.StatusResponse) bool {
		return len(s.GetReplicas()) == len(f.replicas) && !slices.ContainsFunc(s.GetReplicas(), func(r *corsgatev1.Replica) bool { return r.GetRevision() != s.GetRevision() })
	}); err != nil {
		t.Fatal(err)
	}
}

// until asks the first replica for the fleet until it is as wanted.
func (f *fleet) until(ctx context.Context, wanted func(*corsgatev1.StatusResponse) bool) error {
	for {
		answer, err := f.replicas[0].policies.Status(ctx, connect.NewRequest(&corsgatev1.StatusRequest{}))
		if err == nil && wanted(answer.Msg) {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("the fleet never was as wanted, but %v", answer), err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
