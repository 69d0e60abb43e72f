package fleet_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

const (
	// changesVariable says how many changes to make, and fewChanges is how many
	// where it says nothing.
	changesVariable = "FLEET_CHANGES"
	fewChanges      = 300
	// goal is what the delays of 99 of 100 changes are to be within where the machine
	// has nothing else to do; the table says how many are.
	goal = 250 * time.Millisecond
	// lookPause lies between two looks whether a change is in force: it is how exact
	// the delays are.
	lookPause = time.Millisecond
)

func manyChanges(t *testing.T) int {
	t.Helper()
	text := os.Getenv(changesVariable)
	if text == "" {
		return fewChanges
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q; it must be how many changes to make", changesVariable, text)
	}
	return n
}

// partner is the origin that a change lets in.
func partner(change int) string { return fmt.Sprintf("https://p%06d.partner.example", change) }

// An outcome is how long one change took, from the call on.
type outcome struct {
	// accepted is until the server said that it is made.
	accepted time.Duration
	// visible is until each replica decided by it.
	visible []time.Duration
}

// everywhere is until all replicas decided by it.
func (o outcome) everywhere() time.Duration { return slices.Max(o.visible) }

// Each of many changes, one after the other, is in force on all replicas, while
// they answer.
func TestEachChangeIsSeenEverywhere(t *testing.T) {
	f := startFleet(t)
	changes := manyChanges(t)
	traffic := f.startLoad(t, false)
	start := time.Now()
	outcomes := make([]outcome, 0, changes)
	for i := range changes {
		outcomes = append(outcomes, f.change(t, i))
	}
	took := time.Since(start)
	traffic.end(t)

	f.checkHistory(t, changes)
	report(t, table(outcomes, took, traffic.asked.Load()))
}

// tableVariable names the file that gets what the tests have measured, besides
// their log.
const tableVariable = "FLEET_TABLE"

// report tells what was measured.
func report(t *testing.T, text string) {
	t.Helper()
	t.Logf("\n%s", text)
	path := os.Getenv(tableVariable)
	if path == "" {
		return
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString("\n" + text); err != nil {
		t.Fatal(err)
	}
}

// change lets one partner in and the one before it out, and waits until all
// replicas do. The replicas take turns in being asked for it.
func (f *fleet) change(t *testing.T, i int) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	edit := &corsgatev1.OriginEdit{Name: setName, Add: []string{partner(i)}}
	if i > 0 {
		edit.Remove = []string{partner(i - 1)}
	}
	o := outcome{visible: make([]time.Duration, len(f.replicas))}
	errs := make([]error, len(f.replicas))
	start := time.Now()
	var lookers sync.WaitGroup
	for n, r := range f.replicas {
		lookers.Go(func() {
			errs[n] = r.await(ctx, i)
			o.visible[n] = time.Since(start)
		})
	}
	made, err := f.replicas[i%len(f.replicas)].policies.Apply(ctx, connect.NewRequest(&corsgatev1.ApplyRequest{
		OriginEdits: []*corsgatev1.OriginEdit{edit}, Reason: "change " + strconv.Itoa(i),
	}))
	o.accepted = time.Since(start)
	if err != nil {
		cancel()
		lookers.Wait()
		t.Fatalf("change %d: %v", i, err)
	}
	lookers.Wait()
	for n, err := range errs {
		if err != nil {
			t.Fatalf("change %d, revision %d: %s does not decide by it: %v", i, made.Msg.GetRevision(), f.replicas[n].id, err)
		}
	}
	return o
}

// await waits until a replica decides by a change: its partner is let in, and the
// one before is not. One that has just been started may not be connected yet.
func (r *replica) await(ctx context.Context, change int) error {
	ticker := time.NewTicker(lookPause)
	defer ticker.Stop()
	for {
		in, err := r.allowed(ctx, partner(change), grpc.WaitForReady(true))
		if err != nil {
			return err
		}
		if in {
			if change == 0 {
				return nil
			}
			if before, err := r.allowed(ctx, partner(change-1), grpc.WaitForReady(true)); err != nil || before {
				return fmt.Errorf("of one change it knows a half: %s is let in still: %w", partner(change-1), err)
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// kept is how many changes of the history are kept at least; older ones may be
// gone, and what they made of the documents is not.
const kept = 10_000

// checkHistory checks that all changes are there, each once, in order, and that
// what they made is there. The first revision is that of startFleet.
func (f *fleet) checkHistory(t *testing.T, changes int) {
	t.Helper()
	for i, r := range f.replicas {
		entries, err := r.history(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) > changes+1 || len(entries) < min(changes+1, kept) {
			t.Errorf("%s knows %d changes, want %d", r.id, len(entries), changes+1)
			continue
		}
		first := changes + 2 - len(entries)
		for n, entry := range entries {
			want := "begin"
			if first+n > 1 {
				want = "change " + strconv.Itoa(first+n-2)
			}
			if entry.GetReason() != want || entry.GetRevision() != int64(first+n) {
				t.Errorf("%s says that revision %d is %q, want %q in revision %d", r.id, entry.GetRevision(), entry.GetReason(), want, first+n)
				break
			}
		}
		want := "https://partner.example\n" + partner(changes-1) + "\n"
		if got := f.command(i, "", "origins", "list", setName); got != want {
			t.Errorf("%s lists the origins\n%swant\n%s", r.id, got, want)
		}
	}
}

// table is how long the changes took, for docs/fleet.md.
func table(outcomes []outcome, took time.Duration, asked int64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d changes one after the other in %s, and %d decisions meanwhile, none of which failed:\n\n", len(outcomes), took.Round(time.Second), asked)
	b.WriteString("| from the call until | p50 | p90 | p99 | max |\n| --- | --- | --- | --- | --- |\n")
	row := func(name string, of func(outcome) time.Duration) {
		all := make([]time.Duration, len(outcomes))
		for i, o := range outcomes {
			all[i] = of(o)
		}
		slices.Sort(all)
		at := func(share float64) string {
			return all[min(len(all)-1, int(share*float64(len(all))))].Round(100 * time.Microsecond).String()
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", name, at(0.5), at(0.9), at(0.99), at(1))
	}
	row("the change is accepted", func(o outcome) time.Duration { return o.accepted })
	row("one replica decides by it", func(o outcome) time.Duration { return slices.Min(o.visible) })
	row("all three do", outcome.everywhere)
	within := 0
	for _, o := range outcomes {
		if o.everywhere() <= goal {
			within++
		}
	}
	fmt.Fprintf(&b, "\n%.2f%% of the changes were in force everywhere within %s.\n", 100*float64(within)/float64(len(outcomes)), goal)
	return b.String()
}
