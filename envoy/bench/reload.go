package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/corsgate/corsgate/envoy/bench/load"
	"github.com/corsgate/corsgate/envoy/bench/machine"
	"github.com/corsgate/corsgate/envoy/bench/scene"
)

const (
	reloadOrigins, reloadWildcards = 1_000_000, 10_000
	reloadSpan                     = 8 * time.Second
	reloadPeriod                   = time.Second
	sampleMemory                   = 100 * time.Millisecond
)

// The cells of the experiment: with and without changes.
const (
	reloadWithout = "reload/without"
	reloadWith    = "reload/with"
)

func (b *bench) reloadExperiment() experiment {
	return experiment{
		name: "reload", about: 10 * time.Second,
		cells: map[string]time.Duration{reloadWithout: reloadSpan + warmup, reloadWith: reloadSpan + warmup},
		open:  b.openReload,
	}
}

// A changer replaces a file of policies by its other version, again and again.
type changer struct {
	file     string
	versions [2]string
	turn     int
}

// openReload writes a large set of origins, of which there are two versions. The
// first cell of each round starts corsgate with it, and the second has the same one.
func (b *bench) openReload(ctx context.Context, _ func(string) bool) ([]cell, error) {
	dir, origins, err := b.policies(reloadOrigins, reloadWildcards)
	if err != nil {
		return nil, err
	}
	change := &changer{file: origins}
	for i := range change.versions {
		// Beside the folder of policies, so that a link is all a change takes.
		change.versions[i] = filepath.Join(b.dir, "origins-"+strconv.Itoa(i))
		text := append(scene.OriginSet(b.number(reloadOrigins), b.number(reloadWildcards)),
			"  - https://version-"+strconv.Itoa(i)+".example\n"...)
		if err := os.WriteFile(change.versions[i], text, 0o600); err != nil {
			return nil, fmt.Errorf("write a version of the origins: %w", err)
		}
	}
	messages, err := scene.MarshalledChecks(scene.Checks, b.number(reloadOrigins), scene.CheckHeaders)
	if err != nil {
		return nil, err
	}
	var server *target
	opts := load.Options{
		Dialect:     &load.GRPC{Method: scene.CheckMethod, Messages: messages},
		Connections: checkConnections, Rate: checkRate, Duration: reloadSpan, Core: machine.AnyCore,
	}
	return []cell{
		{reloadWithout, func(ctx context.Context) (sample, error) {
			// One that has seen changes keeps for a while what memory they took.
			if server != nil {
				if err := server.stop(); err != nil {
					return nil, err
				}
			}
			var err error
			if server, err = b.corsgateAt(ctx, anywhere(), dir); err != nil {
				return nil, err
			}
			opts.Network, opts.Address = server.network, server.address
			return b.watched(ctx, server, opts, nil)
		}},
		{reloadWith, func(ctx context.Context) (sample, error) { return b.watched(ctx, server, opts, change) }},
	}, nil
}

// watched puts load on corsgate, changes its policies meanwhile if there is a
// changer, and looks how much memory it takes.
func (b *bench) watched(ctx context.Context, server *target, opts load.Options, change *changer) (sample, error) {
	if err := machine.ResetPeak(server.pid()); err != nil {
		return nil, err
	}
	before, err := reloads(ctx, server)
	if err != nil {
		return nil, err
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	changed := make(chan error, 1)
	go func() { changed <- change.run(watching, b.span(reloadPeriod)) }()
	memory := make(chan []float64, 1)
	go func() { memory <- residents(watching, server.pid()) }()

	s, err := b.put(ctx, opts, "", server.process)
	stop()
	if err := errors.Join(err, <-changed); err != nil {
		return nil, err
	}
	s[metricResident] = median(<-memory)
	_, peak, err := machine.Memory(server.pid())
	if err != nil {
		return nil, err
	}
	s[metricPeak] = float64(peak) / (1 << 20)
	after, err := reloads(ctx, server)
	s[metricReloads] = after - before
	return s, err
}

// run replaces the file once a period, until ctx ends. Without a changer it only
// waits.
func (c *changer) run(ctx context.Context, period time.Duration) error {
	if c == nil {
		return nil
	}
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		c.turn = 1 - c.turn
		fresh := filepath.Join(filepath.Dir(c.file), ".fresh")
		if err := os.Link(c.versions[c.turn], fresh); err != nil {
			return fmt.Errorf("change the origins: %w", err)
		}
		if err := os.Rename(fresh, c.file); err != nil {
			return fmt.Errorf("change the origins: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// residents looks again and again what a process holds of memory, in MB.
func residents(ctx context.Context, pid int) []float64 {
	tick := time.NewTicker(sampleMemory)
	defer tick.Stop()
	var seen []float64
	for {
		if resident, _, err := machine.Memory(pid); err == nil {
			seen = append(seen, float64(resident)/(1<<20))
		}
		select {
		case <-ctx.Done():
			return seen
		case <-tick.C:
		}
	}
}

// reloads asks corsgate how many sets it has put in force.
func reloads(ctx context.Context, server *target) (float64, error) {
	text, err := fetch(ctx, "http://"+server.admin+"/metrics")
	if err != nil {
		return 0, err
	}
	total := 0.0
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !strings.HasPrefix(name, "corsgate_reloads_total{") || !strings.Contains(name, `"loaded"`) {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, fmt.Errorf("read corsgate's metrics: %w", err)
		}
		total += n
	}
	return total, nil
}
