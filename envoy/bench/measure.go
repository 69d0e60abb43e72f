package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// The metrics of samples.
const (
	metricCPU       = "cpu_us"    // CPU of the servers for each request, in microseconds
	metricEnvoyCPU  = "envoy_us"  // of it, Envoy's
	metricClientCPU = "client_us" // CPU of the client for each request, in microseconds
	metricRate      = "rps"       // answers a second
	metricP50       = "p50_us"
	metricP99       = "p99_us"
	metricResident  = "resident_mb"
	metricPeak      = "peak_mb"
	metricReloads   = "reloads"
	metricTime      = "ms"
	metricNanos     = "ns"
	metricAllocs    = "allocs"
	metricBytes     = "bytes"
)

// A sample is what one measurement found, by metric.
type sample map[string]float64

// samples holds the samples of each cell, a sample a round.
type samples map[string][]sample

// A cell is one thing that is measured in each round.
type cell struct {
	name    string
	measure func(context.Context) (sample, error)
}

// An experiment is cells that are measured in turn, round after round, with the
// same servers.
type experiment struct {
	name string
	// about is how long it takes to get ready.
	about time.Duration
	// cells names all it can measure, and how long each takes.
	cells map[string]time.Duration
	// turns is how often a round goes through the cells; zero is once. The more often,
	// the closer stands together what is compared.
	turns int
	// open makes the cells of the names that are wanted ready.
	open func(ctx context.Context, want func(cell string) bool) ([]cell, error)
}

// measure runs the experiments that the wanted rows need. What fails is an
// error, and the other experiments go on.
func (b *bench) measure(ctx context.Context) (samples, error) {
	needed := make(map[string]bool)
	for _, row := range b.rows() {
		for _, name := range row.cells() {
			needed[name] = true
		}
	}
	want := func(name string) bool { return needed[name] }
	var chosen []experiment
	var left time.Duration
	for _, e := range b.experiments() {
		if wants := slices.ContainsFunc(slices.Collect(maps.Keys(e.cells)), want); wants {
			chosen = append(chosen, e)
			left += b.estimate(&e, want)
		}
	}
	results := make(samples)
	var errs []error
	for i := range chosen {
		e := &chosen[i]
		if err := b.conduct(ctx, e, want, results, &left); err != nil {
			errs = append(errs, fmt.Errorf("measure %s: %w", e.name, err))
			b.sayf("%s failed: %v", e.name, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return results, errors.Join(errs...)
}

// rounds is how often the cells of an experiment are measured.
func (b *bench) rounds(e *experiment) int { return b.opts.rounds * max(e.turns, 1) }

func (b *bench) estimate(e *experiment, want func(string) bool) time.Duration {
	total := e.about
	for name, about := range e.cells {
		if want(name) {
			total += time.Duration(b.rounds(e)) * about
		}
	}
	return total
}

// conduct measures an experiment's cells A B C A B C …, and ends its servers.
func (b *bench) conduct(ctx context.Context, e *experiment, want func(string) bool, into samples, left *time.Duration) (err error) {
	defer func() { err = errors.Join(err, b.stopAll()) }()
	after := *left - b.estimate(e, want)
	defer func() { *left = after }()
	b.sayf("%s: getting ready; about %s left in all", e.name, roundUp(*left))
	cells, err := e.open(ctx, func(name string) bool { return e.cells[name] > 0 && want(name) })
	if err != nil {
		return err
	}
	*left -= e.about
	rounds := b.rounds(e)
	for round := range rounds {
		for _, c := range cells {
			got, err := c.measure(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			into[c.name] = append(into[c.name], got)
			*left -= e.cells[c.name]
			b.sayf("%d/%d %-28s %s; about %s left", round+1, rounds, c.name, got, roundUp(*left))
		}
	}
	return nil
}

func roundUp(d time.Duration) time.Duration {
	const step = 5 * time.Second
	return max(d+step-1, 0).Truncate(step)
}

// String shows a sample in progress reports.
func (s sample) String() string {
	words := make([]string, 0, len(s))
	for _, name := range slices.Sorted(maps.Keys(s)) {
		words = append(words, name+" "+number(s[name]))
	}
	return strings.Join(words, ", ")
}

// median returns the middle of some numbers; of an even number, the mean of the
// middle two. Of none it is zero.
func median(numbers []float64) float64 {
	if len(numbers) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(numbers))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
