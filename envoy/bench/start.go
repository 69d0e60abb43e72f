package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/corsgate/corsgate/envoy/bench/scene"
)

// startPolicies is how many policies corsgate starts with, each in a file.
const startPolicies = 10_000

// startReady is the experiment's cell.
const startReady = "start/ready"

func (b *bench) startExperiment() experiment {
	return experiment{
		name: "start", about: 3 * time.Second,
		cells: map[string]time.Duration{startReady: time.Second},
		open:  b.openStart,
	}
}

func (b *bench) openStart(ctx context.Context, _ func(string) bool) ([]cell, error) {
	dir, err := b.tree(b.number(startPolicies))
	if err != nil {
		return nil, err
	}
	start := func(ctx context.Context) (sample, error) { return b.startTime(ctx, dir) }
	// The first start also fetches the program and the files from the disk.
	if _, err := start(ctx); err != nil {
		return nil, err
	}
	return []cell{{startReady, start}}, nil
}

// tree writes a folder with many policies.
func (b *bench) tree(policies int) (string, error) {
	dir, err := os.MkdirTemp(b.dir, "tree-")
	if err != nil {
		return "", fmt.Errorf("make a folder for policies: %w", err)
	}
	return dir, scene.WriteTree(dir, policies)
}

// startTime measures from before corsgate is started until it says that it is
// ready.
func (b *bench) startTime(ctx context.Context, policies string) (sample, error) {
	started := time.Now()
	server, err := b.corsgateAt(ctx, anywhere(), policies)
	if err != nil {
		return nil, err
	}
	took := time.Since(started)
	return sample{metricTime: milliseconds(took)}, server.kill()
}
