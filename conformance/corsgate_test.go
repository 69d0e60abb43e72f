package conformance_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything may take on a busy machine.
const patience = 30 * time.Second

// policyText is a policy with an origin that may call and all else that may not.
const policyText = `apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata:
  name: shop
spec:
  targets:
  - hosts: [api.shop.example]
  origins: [https://shop.example]
  methods: [GET, POST]
  credentials: true
`

// A corsgate is one that runs as a process of its own.
type corsgate struct {
	// listen and admin are its addresses, host:port.
	listen, admin string

	tb      testing.TB
	command *exec.Cmd
	ended   chan struct{}

	mu    sync.Mutex
	log   strings.Builder
	peers []*peer
}

// startCorsgate runs `corsgate serve` until the test ends.
func startCorsgate(tb testing.TB) *corsgate {
	tb.Helper()
	policy := filepath.Join(tb.TempDir(), "shop.yaml")
	if err := os.WriteFile(policy, []byte(policyText), 0o600); err != nil {
		tb.Fatal(err)
	}
	args := []string{
		"serve", "--policy", policy, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--drain-delay", "0s",
	}
	c := &corsgate{tb: tb, ended: make(chan struct{}), command: exec.CommandContext(context.Background(), program(), args...)}
	c.command.Env = environment()
	log, err := c.command.StderrPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := c.command.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		c.signal(syscall.SIGKILL)
		c.awaitEnd()
		if tb.Failed() {
			tb.Logf("the log of corsgate:\n%s", c.logText())
		}
	})
	ready := make(chan struct{})
	go func() {
		c.follow(log, ready)
		_ = c.command.Wait() // how it ends is what the test wants, or what its log says
		close(c.ended)
	}()
	select {
	case <-ready:
	case <-c.ended:
		tb.Fatal("corsgate ended instead of being ready")
	case <-time.After(patience):
		tb.Fatal("corsgate was not ready in time")
	}
	return c
}

// environment is that of the tests without what sets corsgate up.
func environment() []string {
	var kept []string
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "CORSGATE_") {
			kept = append(kept, entry)
		}
	}
	return kept
}

// follow keeps the log, and takes the addresses from it.
func (c *corsgate) follow(log io.Reader, ready chan<- struct{}) {
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
		if ready != nil && json.Unmarshal([]byte(line), &record) == nil && record.Message == "ready" {
			c.listen, c.admin = record.Listen[0], record.Admin
			close(ready)
			ready = nil
		}
		if err != nil {
			return
		}
	}
}

func (c *corsgate) logText() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.log.String()
}

func (c *corsgate) signal(signal syscall.Signal) {
	_ = c.command.Process.Signal(signal) // it may have ended already
}

// awaitEnd waits until the process is gone.
func (c *corsgate) awaitEnd() {
	c.tb.Helper()
	select {
	case <-c.ended:
	case <-time.After(patience):
		c.tb.Error("corsgate does not end")
		_ = c.command.Process.Kill()
		<-c.ended
	}
}

// status is what the kernel says of the process's memory by a name, in bytes.
func (c *corsgate) status(name string) int {
	c.tb.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.command.Process.Pid))
	if err != nil {
		c.tb.Fatalf("the server is gone: %v", err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			kilobytes, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				c.tb.Fatal(err)
			}
			return kilobytes << 10
		}
	}
	c.tb.Fatal("the server is gone: it has no memory")
	return 0
}

// goroutines is how many the process has.
func (c *corsgate) goroutines() int {
	c.tb.Helper()
	answer, err := http.Get("http://" + c.admin + "/metrics")
	if err != nil {
		c.tb.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		c.tb.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "go_goroutines "); ok {
			n, err := strconv.Atoi(strings.TrimSpace(rest))
			if err != nil {
				c.tb.Fatal(err)
			}
			return n
		}
	}
	c.tb.Fatal("no go_goroutines among the metrics")
	return 0
}

// eventually waits for something that no frame tells of.
func eventually(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			tb.Fatalf("this did not come about: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}
