package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/corsgate/corsgate/envoy/bench/load"
	"github.com/corsgate/corsgate/envoy/bench/machine"
	"github.com/corsgate/corsgate/envoy/bench/scene"
)

const (
	// checkOrigins is how many exact origins may call.
	checkOrigins = 10_000
	// A closed loop of two connections, as two workers of Envoy would have.
	checkConnections, checkInFlight = 2, 32
	// checkRate is that of the open loop.
	checkRate = 5_000

	checkSaturatedSpan = 1500 * time.Millisecond
	checkOpenSpan      = 3 * time.Second
)

// The cells of the experiment: a server, and what is asked of it.
const (
	noopSaturated     = "check/noop/saturated"
	tunedSaturated    = "check/tuned/saturated"
	naiveSaturated    = "check/naive/saturated"
	corsgateSaturated = "check/corsgate/saturated"
	noopOpen          = "check/noop/5000"
	tunedOpen         = "check/tuned/5000"
	naiveOpen         = "check/naive/5000"
	corsgateOpen      = "check/corsgate/5000"
	noopOneCore       = "check/noop/one-core"
	corsgateOneCore   = "check/corsgate/one-core"
)

func (b *bench) checkExperiment() experiment {
	saturated, open := checkSaturatedSpan+warmup, checkOpenSpan+warmup
	return experiment{
		name: "check", about: 3 * time.Second,
		cells: map[string]time.Duration{
			noopSaturated: saturated, tunedSaturated: saturated, naiveSaturated: saturated, corsgateSaturated: saturated,
			noopOpen: open, tunedOpen: open, naiveOpen: open, corsgateOpen: open,
			noopOneCore: saturated, corsgateOneCore: saturated,
		},
		open: b.openCheck,
	}
}

// openCheck starts the servers, all with the same policies.
func (b *bench) openCheck(ctx context.Context, want func(string) bool) ([]cell, error) {
	dir, origins, err := b.policies(checkOrigins, 0)
	if err != nil {
		return nil, err
	}
	messages, err := scene.MarshalledChecks(scene.Checks, b.number(checkOrigins), scene.CheckHeaders)
	if err != nil {
		return nil, err
	}
	dialect := &load.GRPC{Method: scene.CheckMethod, Messages: messages}
	start := func(as string, at place) (*target, error) {
		switch as {
		case "corsgate":
			return b.corsgateAt(ctx, at, dir)
		case "naive":
			return b.compared(ctx, as, at, filepath.Join(dir, "policies.yaml"), origins)
		default:
			return b.compared(ctx, as, at)
		}
	}
	var cells []cell
	servers := make(map[string]*target)
	for _, name := range []string{
		noopSaturated, tunedSaturated, naiveSaturated, corsgateSaturated,
		noopOpen, tunedOpen, naiveOpen, corsgateOpen,
		noopOneCore, corsgateOneCore,
	} {
		if !want(name) {
			continue
		}
		_, rest, _ := strings.Cut(name, "/")
		as, how, _ := strings.Cut(rest, "/")
		at, key := anywhere(), as
		if how == "one-core" {
			at, key = oneCore(), rest
		}
		if servers[key] == nil {
			if servers[key], err = start(as, at); err != nil {
				return nil, err
			}
		}
		cells = append(cells, b.checkCell(name, how, servers[key], dialect))
	}
	return cells, nil
}

func (b *bench) checkCell(name, how string, server *target, dialect load.Dialect) cell {
	opts := load.Options{
		Network: server.network, Address: server.address, Dialect: dialect,
		Connections: checkConnections, InFlight: checkInFlight, Duration: checkSaturatedSpan, Core: machine.AnyCore,
	}
	switch how {
	case "5000":
		opts.InFlight, opts.Rate, opts.Duration = 0, checkRate, checkOpenSpan
	case "one-core":
		opts.Core = clientCore
	default:
	}
	return cell{name, func(ctx context.Context) (sample, error) { return b.put(ctx, opts, "", server.process) }}
}

// policies writes a folder of policies and returns it, and the file of origins
// in it.
func (b *bench) policies(exact, wildcards int) (dir, origins string, err error) {
	if dir, err = os.MkdirTemp(b.dir, "policies-"); err != nil {
		return "", "", fmt.Errorf("make a folder for policies: %w", err)
	}
	origins, err = scene.WritePolicies(dir, b.number(exact), b.number(wildcards))
	return dir, origins, err
}
