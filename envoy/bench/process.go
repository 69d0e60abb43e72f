package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/corsgate/corsgate/envoy/bench/machine"
)

const (
	// startLimit and stopLimit bound how long a program may take to be ready, and
	// to end.
	startLimit = time.Minute
	stopLimit  = 10 * time.Second
	// pollPause lies between two looks at a program that is starting: it is how
	// exact the time from start to ready is.
	pollPause = time.Millisecond
)

// A program is what to run, and how.
type program struct {
	name string
	path string
	args []string
	// procs is its GOMAXPROCS; core is where it runs, or machine.AnyCore.
	procs, core int
}

// A process is a running program. Its output is in a folder of its own.
type process struct {
	program

	cmd    *exec.Cmd
	dir    string
	exited chan struct{}
	err    error // how it ended, once exited is closed
}

// run starts a program, and stops it when the benchmark ends.
func (b *bench) run(ctx context.Context, p program) (*process, error) {
	dir, err := os.MkdirTemp(b.dir, strings.ReplaceAll(p.name, " ", "-")+"-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for %s: %w", p.name, err)
	}
	output, err := os.Create(filepath.Join(dir, "output"))
	if err != nil {
		return nil, fmt.Errorf("keep what %s prints: %w", p.name, err)
	}
	defer output.Close()
	cmd := exec.CommandContext(ctx, p.path, p.args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, output, output
	cmd.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(p.procs))
	if err := machine.Start(cmd, p.core); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	running := &process{program: p, cmd: cmd, dir: dir, exited: make(chan struct{})}
	go func() {
		running.err = cmd.Wait()
		close(running.exited)
	}()
	b.running = append(b.running, running)
	return running, nil
}

// stop ends a process. It is no error if it has ended.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", p.name, err)
	}
	select {
	case <-p.exited:
		return nil
	case <-time.After(stopLimit):
		return errors.Join(fmt.Errorf("stop %s: it went on for %s and was killed", p.name, stopLimit), p.kill())
	}
}

// kill ends a process that has nothing to tidy up.
func (p *process) kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", p.name, err)
	}
	<-p.exited
	return nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// await asks again and again until ready is content. What the program printed is
// a part of the error.
func (p *process) await(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		last := ready(ctx)
		if last == nil {
			return nil
		}
		select {
		case <-p.exited:
			return fmt.Errorf("%s ended: %w\n%s", p.name, errors.Join(p.err, last), p.output())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w\n%s", p.name, errors.Join(ctx.Err(), last), p.output())
		case <-time.After(pollPause):
		}
	}
}

func (p *process) output() string {
	text, err := os.ReadFile(filepath.Join(p.dir, "output"))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text))
}

// accepts is ready when a server takes connections.
func accepts(network, address string) func(context.Context) error {
	return func(ctx context.Context) error {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

// answers is ready when an address gives status 200 and a wanted text.
func answers(address, want string) func(context.Context) error {
	return func(ctx context.Context) error {
		text, err := fetch(ctx, address)
		if err == nil && !strings.Contains(text, want) {
			err = fmt.Errorf("%s says %q", address, text)
		}
		return err
	}
}

func fetch(ctx context.Context, address string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", address, err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s has status %s", address, resp.Status)
	}
	return string(text), nil
}

// freeAddress returns an address of this machine that nothing listens on.
func freeAddress(ctx context.Context) (string, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return listener.Addr().String(), listener.Close()
}
