package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

const defaultStatusInterval = time.Second

// statusOptions is how `status` was called.
type statusOptions struct {
	client   clientSettings
	output   choice
	check    bool
	replicas int
	watch    bool
	interval duration
}

// statusReport is the JSON of `status`. Fields are added to it, and none changes
// its meaning.
type statusReport struct {
	// Revision is the newest one of the store, and Changed when it was made.
	Revision int64  `json:"revision"`
	Changed  string `json:"changed,omitempty"`
	// InStep says that there is a replica, and that all serve the newest revision.
	InStep   bool          `json:"inStep"`
	Replicas []replicaItem `json:"replicas"`
}

// replicaItem is one running corsgate.
type replicaItem struct {
	ID          string `json:"id"`
	Address     string `json:"address,omitempty"`
	Version     string `json:"version,omitempty"`
	Revision    int64  `json:"revision"`
	SetRevision string `json:"setRevision,omitempty"`
	Since       string `json:"since,omitempty"`
	Seen        string `json:"seen,omitempty"`
	// LagSeconds is how long a newer revision has been there without being served.
	LagSeconds float64 `json:"lagSeconds"`
	Problem    string  `json:"problem,omitempty"`
}

func replicaItems(replicas []*corsgatev1.Replica) []replicaItem {
	items := make([]replicaItem, len(replicas))
	for i, r := range replicas {
		items[i] = replicaItem{
			ID: r.GetId(), Address: r.GetAddress(), Version: r.GetVersion(), Revision: r.GetRevision(), SetRevision: r.GetSetRevision(),
			Since: stamp(r.GetSince()), Seen: stamp(r.GetSeen()), LagSeconds: r.GetLag().AsDuration().Seconds(), Problem: r.GetProblem(),
		}
	}
	return items
}

func newStatus(to streams) *cobra.Command {
	options := statusOptions{
		client: newClientSettings(), output: newChoice(outputText, outputText, outputJSON, outputYAML),
		interval: duration{value: defaultStatusInterval},
	}
	command := &cobra.Command{
		Use:   "status",
		Short: "Show which revision each replica serves",
		Long: `status shows the replicas of corsgate that have been heard of lately: which
revision of the central store each serves and since when, how long a newer one has
been there without being served, and why.

It exits with 0 once it has shown them; with --check, it exits with 7 unless there
is a replica, or as many as --replicas says, and all serve the newest revision.`,
		Example: `  corsgate status
  corsgate status --watch
  corsgate status --check --replicas 3
  corsgate status --check -o json | jq '.replicas[] | select(.lagSeconds > 5).id'`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error { return options.run(command, to) },
	}
	flags := command.Flags()
	flags.SortFlags = false
	flags.BoolVar(&options.check, "check", false, "exit with 7 unless all replicas serve the newest revision")
	flags.IntVar(&options.replicas, "replicas", 1, "how many replicas there must be at least for --check")
	flags.BoolVar(&options.watch, "watch", false, "go on showing it until interrupted; elsewhere than on a terminal, when something changes")
	flags.Var(&options.interval, "interval", "how often --watch asks")
	options.output.flag(command, "output", "o", "how to write it")
	options.client.addFlags(command)
	return command
}

func (o *statusOptions) run(command *cobra.Command, to streams) error {
	switch {
	case o.watch && o.check:
		return usagef("--watch does not end, and --check says something at the end; leave one of them out")
	case o.replicas < 1:
		return usagef("--replicas is %d; it must be 1 or more", o.replicas)
	case command.Flags().Changed("replicas") && !o.check:
		return usagef("--replicas is for --check, which is not given")
	case o.interval.value <= 0:
		return usagef("--interval must be longer than 0s")
	}
	asked, err := o.client.connect(command.Flags())
	if err != nil {
		return err
	}
	defer asked.close()
	if o.watch {
		return o.follow(command.Context(), to, asked)
	}
	fleet, err := ask(command.Context(), asked, asked.policies.Status, &corsgatev1.StatusRequest{})
	if err != nil {
		return err
	}
	if err := o.write(to.out, fleet, time.Now()); err != nil {
		return err
	}
	if !o.check {
		return nil
	}
	known := len(fleet.GetReplicas())
	if known < o.replicas {
		sayf(to.err, "corsgate: %s %s known, and --replicas says %d\n", count(known, "replica", "replicas"), isOrAre(known), o.replicas)
	}
	if known < o.replicas || !inStep(fleet) {
		return errLagging
	}
	return nil
}

// inStep says whether there is a replica, and all serve the newest revision.
func inStep(fleet *corsgatev1.StatusResponse) bool {
	return len(fleet.GetReplicas()) > 0 && len(lagging(fleet, fleet.GetRevision())) == 0
}

// follow shows the fleet again and again until ctx ends.
func (o *statusOptions) follow(ctx context.Context, to streams, asked *client) error {
	last := ""
	for {
		fleet, err := ask(ctx, asked, asked.policies.Status, &corsgatev1.StatusRequest{})
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was interrupted, as it ends always
		}
		switch now := essence(fleet); {
		case err != nil && last == "":
			return err
		case err != nil:
			sayf(to.err, "corsgate: %s; asking again\n", err)
		case isTerminal(to.out):
			sayf(to.out, "\x1b[H\x1b[2J")
			fallthrough
		case now != last:
			if err := o.write(to.out, fleet, time.Now()); err != nil {
				return err
			}
			last = now
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(o.interval.value):
		}
	}
}

// essence is what of the fleet is worth being shown again: not that it was heard
// of a moment later.
func essence(fleet *corsgatev1.StatusResponse) string {
	var b strings.Builder
	fmt.Fprint(&b, fleet.GetRevision())
	for _, r := range fleet.GetReplicas() {
		fmt.Fprintf(&b, "\n%q %q %d %q %q", r.GetId(), r.GetVersion(), r.GetRevision(), r.GetSetRevision(), r.GetProblem())
	}
	return b.String()
}

func (o *statusOptions) write(to io.Writer, fleet *corsgatev1.StatusResponse, now time.Time) error {
	if o.output.value != outputText {
		return writeStructured(to, o.output.value, &statusReport{
			Revision: fleet.GetRevision(), Changed: stamp(fleet.GetChanged()), InStep: inStep(fleet), Replicas: replicaItems(fleet.GetReplicas()),
		})
	}
	if _, err := fmt.Fprintln(to, summary(fleet, now)); err != nil {
		return fmt.Errorf("writing the status: %w", err)
	}
	if len(fleet.GetReplicas()) == 0 {
		return nil
	}
	shown := table{heads: []string{"REPLICA", "ADDRESS", "VERSION", "REVISION", "SINCE", "SEEN", "LAG"}, right: []int{3}}
	for _, r := range fleet.GetReplicas() {
		lag := none
		if r.GetRevision() < fleet.GetRevision() {
			lag = lagText(r.GetLag().AsDuration())
		}
		shown.add(cell(r.GetId(), whyWidth), orNone(cell(r.GetAddress(), whoWidth)), orNone(cell(r.GetVersion(), whoWidth)),
			strconv.FormatInt(r.GetRevision(), 10), ago(now, r.GetSince()), ago(now, r.GetSeen()), lag)
	}
	if err := shown.write(to); err != nil {
		return err
	}
	for _, r := range fleet.GetReplicas() {
		if r.GetProblem() == "" {
			continue
		}
		if _, err := fmt.Fprintf(to, "%s: %s\n", sanitize(r.GetId()), strings.ReplaceAll(strings.TrimSpace(sanitize(r.GetProblem())), "\n", "\n  ")); err != nil {
			return fmt.Errorf("writing the status: %w", err)
		}
	}
	return nil
}

// summary says how many replicas serve the newest revision. There is none where
// nothing was put into a store, and where policies come from elsewhere.
func summary(fleet *corsgatev1.StatusResponse, now time.Time) string {
	all, behind := len(fleet.GetReplicas()), len(lagging(fleet, fleet.GetRevision()))
	newest := fmt.Sprintf("newest revision %d, made %s", fleet.GetRevision(), ago(now, fleet.GetChanged()))
	if fleet.GetRevision() == 0 {
		newest = "no revision of a store yet"
	}
	switch {
	case all == 0:
		return newest + ", no replica has been heard of lately"
	case fleet.GetRevision() == 0:
		return newest + ", " + count(all, "replica", "replicas")
	case behind == 0 && all == 1:
		return newest + ", served by the only replica"
	case behind == 0:
		return fmt.Sprintf("%s, served by all %d replicas", newest, all)
	}
	return fmt.Sprintf("%s, not served by %d of %s", newest, behind, count(all, "replica", "replicas"))
}
