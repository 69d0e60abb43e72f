package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

const (
	defaultWait = 30 * time.Second
	// The fleet is asked again after a pause, a longer one each time.
	firstPause = 20 * time.Millisecond
	lastPause  = 500 * time.Millisecond
	// progressAfter is how long people wait before they want to see something move.
	progressAfter = 300 * time.Millisecond
)

// errLagging is of a fleet that does not serve what it should, where the command
// has said so.
var errLagging = errors.New("not all replicas serve the newest revision")

// waiting is --wait: how long to wait until every live replica serves a revision.
// Zero is not at all.
type waiting struct{ limit time.Duration }

func (w *waiting) addFlag(command *cobra.Command) {
	command.Flags().Var(w, "wait", "wait until every live replica serves the revision, or say which does not; "+shortDuration(defaultWait)+" if no time is given, as in --wait=2m")
	command.Flags().Lookup("wait").NoOptDefVal = shortDuration(defaultWait)
}

// String returns the time.
func (w *waiting) String() string {
	if w.limit == 0 {
		return ""
	}
	return shortDuration(w.limit)
}

// Set reads a duration, which must have a unit and be longer than zero.
func (w *waiting) Set(value string) error {
	parsed, err := time.ParseDuration(value)
	if err != nil || parsed <= 0 {
		return errors.New("it must be a duration with its unit, such as 5s or 2m")
	}
	w.limit = parsed
	return nil
}

// Type is what help texts show in place of the value.
func (w *waiting) Type() string { return "duration" }

// waitReport is what became of waiting, for programs.
type waitReport struct {
	// InForce says that every live replica serves the revision.
	InForce  bool          `json:"inForce"`
	Replicas []replicaItem `json:"replicas"`

	took time.Duration
}

// run waits. Where the time is over it says which replicas lag, and returns both
// the report and errLagging.
func (w *waiting) run(ctx context.Context, to streams, asked *client, revision int64) (*waitReport, error) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, w.limit)
	defer cancel()
	shown := newProgress(to.err)
	defer shown.clear()
	var fleet *corsgatev1.StatusResponse
	var failed error
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		answer, err := ask(ctx, asked, asked.policies.Status, &corsgatev1.StatusRequest{})
		if err == nil {
			fleet, failed = answer, nil
			behind := lagging(fleet, revision)
			if len(behind) == 0 && len(fleet.GetReplicas()) > 0 {
				return &waitReport{InForce: true, Replicas: replicaItems(fleet.GetReplicas()), took: time.Since(start)}, nil
			}
			shown.showf("waiting: %d of %s serve revision %d", len(fleet.GetReplicas())-len(behind),
				count(len(fleet.GetReplicas()), "replica", "replicas"), revision)
		} else if ctx.Err() == nil {
			failed = err // a replica may be on its way down, and another answers next
		}
		select {
		case <-ctx.Done():
			shown.clear()
			return w.over(to, fleet, failed, revision)
		case <-time.After(pause):
		}
	}
}

// over says what is missing once the time is over.
func (w *waiting) over(to streams, fleet *corsgatev1.StatusResponse, failed error, revision int64) (*waitReport, error) {
	limit := shortDuration(w.limit)
	switch {
	case fleet == nil && failed != nil:
		return nil, fmt.Errorf("revision %d is made, but the replicas cannot be asked whether they serve it: %w", revision, failed)
	case fleet == nil:
		return nil, fmt.Errorf("revision %d is made, but the server did not say within %s which replicas serve it; look with: corsgate status", revision, limit)
	case len(fleet.GetReplicas()) == 0:
		sayf(to.err, "corsgate: revision %d is made, but no replica is known that could serve it; is one running with this store?\n", revision)
	default:
		behind := lagging(fleet, revision)
		sayf(to.err, "corsgate: revision %d is made, but after %s %d of %s %s not serve it:\n", revision, limit, len(behind),
			count(len(fleet.GetReplicas()), "replica", "replicas"), doesOrDo(len(behind)))
		for _, replica := range behind {
			line := sanitize(replica.GetId()) + " serves revision " + strconv.FormatInt(replica.GetRevision(), 10)
			if problem := replica.GetProblem(); problem != "" {
				line += ": " + cell(problem, maxSaid)
			}
			sayf(to.err, "corsgate:   %s\n", line)
		}
	}
	return &waitReport{Replicas: replicaItems(fleet.GetReplicas())}, errLagging
}

func doesOrDo(n int) string {
	if n == 1 {
		return "does"
	}
	return "do"
}

// lagging returns the replicas that do not serve a revision, or a later one.
func lagging(fleet *corsgatev1.StatusResponse, revision int64) []*corsgatev1.Replica {
	var behind []*corsgatev1.Replica
	for _, replica := range fleet.GetReplicas() {
		if replica.GetRevision() < revision {
			behind = append(behind, replica)
		}
	}
	return behind
}
