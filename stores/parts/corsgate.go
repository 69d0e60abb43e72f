package parts

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// corsgatePatience is how long corsgate may take to start or to stop on a busy
// machine.
const corsgatePatience = time.Minute

// BuildCorsgate builds the corsgate of this checkout into a folder, and returns
// the path of the program.
func BuildCorsgate(folder string) (program string, err error) {
	program = filepath.Join(folder, "corsgate")
	build := exec.CommandContext(context.Background(), "go", "build", "-o", program, "./cmd/corsgate")
	if build.Dir, err = repository(); err != nil {
		return "", err
	}
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build corsgate: %w\n%s", err, out)
	}
	return program, nil
}

// A Corsgate is one that runs as a process of its own.
type Corsgate struct {
	// Listen and Admin are the addresses that it listens on: host:port or
	// unix:///path.
	Listen, Admin string

	tb      testing.TB
	program string
	args    []string
	command *exec.Cmd
	ended   chan struct{}
	ready   chan struct{}

	mu  sync.Mutex
	log strings.Builder
}

// StartCorsgate runs `corsgate serve` with some arguments, and waits until it is
// ready. It ends with the test, which shows its log if it has failed.
func StartCorsgate(tb testing.TB, program string, args ...string) *Corsgate {
	tb.Helper()
	c := &Corsgate{tb: tb, program: program, args: append([]string{"serve", "--drain-delay", "0s"}, args...)}
	tb.Cleanup(func() {
		c.Kill()
		if tb.Failed() {
			tb.Logf("the log of corsgate %s:\n%s", strings.Join(args, " "), c.Log())
		}
	})
	c.Start()
	return c
}

// Start runs it again after it has ended.
func (c *Corsgate) Start() {
	c.tb.Helper()
	c.ready, c.ended = make(chan struct{}), make(chan struct{})
	c.command = exec.CommandContext(context.Background(), c.program, c.args...)
	c.command.Env = Environment()
	log, err := c.command.StderrPipe()
	if err != nil {
		c.tb.Fatalf("start corsgate: %v", err)
	}
	if err := c.command.Start(); err != nil {
		c.tb.Fatalf("start corsgate: %v", err)
	}
	command, ready, ended := c.command, c.ready, c.ended
	go func() {
		c.read(log, ready)
		_ = command.Wait() // how it ends is what the test wants, or what its log says
		close(ended)
	}()
	select {
	case <-ready:
	case <-ended:
		c.tb.Fatalf("corsgate ended instead of being ready:\n%s", c.Log())
	case <-time.After(corsgatePatience):
		c.tb.Fatalf("corsgate was not ready in time:\n%s", c.Log())
	}
}

// Environment is that of the test without what sets corsgate up.
func Environment() []string {
	var kept []string
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "CORSGATE_") {
			kept = append(kept, entry)
		}
	}
	return kept
}

// read keeps the log, and says when it says that corsgate is ready.
func (c *Corsgate) read(log io.Reader, ready chan<- struct{}) {
	lines := bufio.NewReader(log)
	for {
		line, err := lines.ReadString('\n')
		c.mu.Lock()
		c.log.WriteString(line)
		c.mu.Unlock()
		var record struct {
			Message string   `json:"msg"`
			Listen  []string `json:"listen"`
			Admin   string   `json:"admin"`
		}
		if json.Unmarshal([]byte(line), &record) == nil && record.Message == "ready" && ready != nil && len(record.Listen) > 0 {
			c.Listen, c.Admin = record.Listen[0], record.Admin
			close(ready)
			ready = nil
		}
		if err != nil {
			return
		}
	}
}

// Log is what it has logged so far.
func (c *Corsgate) Log() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.log.String()
}

// Server is what commands call it.
func (c *Corsgate) Server() string {
	if strings.HasPrefix(c.Admin, "unix://") {
		return c.Admin
	}
	return "http://" + c.Admin
}

// Kill ends it at once (SIGKILL), and waits for its end.
func (c *Corsgate) Kill() { c.end(syscall.SIGKILL) }

// Stop ends it in order (SIGTERM), and waits for its end.
func (c *Corsgate) Stop() { c.end(syscall.SIGTERM) }

// Pause stops it from running (SIGSTOP), and Resume lets it go on.
func (c *Corsgate) Pause() { _ = c.command.Process.Signal(syscall.SIGSTOP) }

// Resume lets it go on after Pause.
func (c *Corsgate) Resume() { _ = c.command.Process.Signal(syscall.SIGCONT) }

func (c *Corsgate) end(signal syscall.Signal) {
	c.tb.Helper()
	if c.command == nil || c.command.Process == nil {
		return
	}
	_ = c.command.Process.Signal(signal) // it may have ended already
	select {
	case <-c.ended:
	case <-time.After(corsgatePatience):
		_ = c.command.Process.Kill()
		c.tb.Errorf("corsgate did not end in time after %v", signal)
		<-c.ended
	}
}
