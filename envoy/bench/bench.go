package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/corsgate/corsgate/envoy/parts"
)

// A bench is one run of this program.
type bench struct {
	opts     *options
	progress io.Writer
	// dir holds all that the run writes, and goes at its end.
	dir        string
	repository string
	// corsgate and server are the binaries of corsgate and of what it is compared
	// with.
	corsgate, server string
	running          []*process
	// load is how busy the machine was before anything was measured.
	load string
}

// newBench builds what is to be measured. The caller closes the run.
func newBench(ctx context.Context, opts *options, progress io.Writer) (*bench, error) {
	b := &bench{opts: opts, progress: progress, load: loadAverage()}
	var err error
	if b.repository, err = parts.Repository(); err != nil {
		return nil, err
	}
	if b.dir, err = os.MkdirTemp("", "corsgate-bench-"); err != nil {
		return nil, fmt.Errorf("make a folder for the run: %w", err)
	}
	if err := b.buildAll(ctx); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func (b *bench) buildAll(ctx context.Context) error {
	b.sayf("building corsgate and the servers it is compared with")
	b.corsgate, b.server = filepath.Join(b.dir, "corsgate"), filepath.Join(b.dir, "server")
	if err := b.build(ctx, b.repository, b.corsgate, "./cmd/corsgate"); err != nil {
		return err
	}
	return b.build(ctx, filepath.Join(b.repository, "envoy"), b.server, "./bench/server")
}

// build builds a program as it is released.
func (b *bench) build(ctx context.Context, dir, binary, pkg string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, pkg)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// close ends all that runs, last first, and removes what the run wrote.
func (b *bench) close() error {
	err := b.stopAll()
	if b.dir != "" {
		err = errors.Join(err, os.RemoveAll(b.dir))
	}
	return err
}

func (b *bench) stopAll() error {
	var errs []error
	for _, p := range slices.Backward(b.running) {
		errs = append(errs, p.stop())
	}
	b.running = nil
	return errors.Join(errs...)
}

func (b *bench) sayf(format string, args ...any) {
	fmt.Fprintf(b.progress, "bench: "+format+"\n", args...)
}

// span is how long to measure: a moment where only this program is tested.
func (b *bench) span(d time.Duration) time.Duration {
	if b.opts.short {
		const shortest = 200 * time.Millisecond
		return min(d, shortest)
	}
	return d
}

// number is how many of something to have: fewer where only this program is
// tested.
func (b *bench) number(n int) int {
	if b.opts.short {
		const fewer = 100
		return max(n/fewer, 1)
	}
	return n
}
