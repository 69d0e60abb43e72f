package parts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// pollPause lies between two looks at a program that is starting.
	pollPause = 10 * time.Millisecond
	// startLimit bounds how long a program may take to become ready.
	startLimit = 30 * time.Second
	// stopLimit bounds how long a program may take to end when told to.
	stopLimit = 20 * time.Second
)

// A Process is a running program whose output goes to two files.
type Process struct {
	name   string
	dir    string
	cmd    *exec.Cmd
	exited chan struct{}
	// err is how the program ended. It may be read once exited is closed.
	err error
}

// launch starts a program with a folder of its own for what it writes. The
// program ends with ctx, if Stop has not ended it before.
func launch(ctx context.Context, name, dir, path string, args ...string) (*Process, error) {
	stdout, err := os.Create(filepath.Join(dir, "stdout"))
	if err != nil {
		return nil, fmt.Errorf("make %s's output file: %w", name, err)
	}
	defer stdout.Close()
	stderr, err := os.Create(filepath.Join(dir, "stderr"))
	if err != nil {
		return nil, fmt.Errorf("make %s's log file: %w", name, err)
	}
	defer stderr.Close()

	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopLimit
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &Process{name: name, dir: dir, cmd: cmd, exited: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// Dir is the folder in which the program runs.
func (p *Process) Dir() string { return p.dir }

// Output returns what the program has written to its standard output.
func (p *Process) Output() (string, error) { return p.read("stdout") }

// Log returns what the program has written to its standard error.
func (p *Process) Log() (string, error) { return p.read("stderr") }

func (p *Process) read(file string) (string, error) {
	text, err := os.ReadFile(filepath.Join(p.dir, file))
	if err != nil {
		return "", fmt.Errorf("read what %s wrote: %w", p.name, err)
	}
	return string(text), nil
}

// Exited is closed when the program has ended, for whatever reason.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Stop tells the program to end, waits until it has, and kills it where that
// takes too long. To stop a program that has ended is no error.
func (p *Process) Stop() error { return p.end(syscall.SIGTERM) }

// Kill ends the program without a chance to tidy up.
func (p *Process) Kill() error { return p.end(syscall.SIGKILL) }

func (p *Process) end(signal syscall.Signal) error {
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", p.name, err)
	}
	select {
	case <-p.exited:
		return nil
	case <-time.After(stopLimit):
	}
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", p.name, err)
	}
	<-p.exited
	return fmt.Errorf("stop %s: it did not end within %s and was killed", p.name, stopLimit)
}

// await asks again and again until ready says yes. It gives up when the program
// ends, or takes longer than it may, and then shows the program's log.
func (p *Process) await(ctx context.Context, what string, ready func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("not within %s", startLimit))
	defer cancel()
	for {
		ok, last := ready(ctx)
		if ok {
			return nil
		}
		select {
		case <-p.exited:
			return p.failure(what, errors.Join(errors.New("it ended"), p.err, last))
		case <-ctx.Done():
			return p.failure(what, errors.Join(context.Cause(ctx), last))
		case <-time.After(pollPause):
		}
	}
}

func (p *Process) failure(what string, cause error) error {
	log, err := p.Log()
	if err != nil {
		log = err.Error()
	}
	return fmt.Errorf("wait for %s %s: %w\n%s", p.name, what, cause, strings.TrimSpace(log))
}

// fetch returns the body behind an address if its status is 200.
func fetch(ctx context.Context, address string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", fmt.Errorf("make the request: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("get: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", address, err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("get %s: status %s", address, resp.Status)
	}
	return string(body), nil
}
