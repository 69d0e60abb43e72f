package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait for something that must happen.
const patience = 20 * time.Second

// lines is a log that hands over each of its lines.
type lines struct {
	mu      sync.Mutex
	pending []byte
	all     chan string
}

func newLines() *lines { return &lines{all: make(chan string, 100)} }

func (l *lines) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = append(l.pending, text...)
	for {
		line, rest, complete := bytes.Cut(l.pending, []byte("\n"))
		if !complete {
			return len(text), nil
		}
		l.pending = rest
		l.all <- string(line)
	}
}

// await returns the next line of the log with a message.
func (l *lines) await(t *testing.T, message string) map[string]any {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case line := <-l.all:
			var record map[string]any
			if err := json.Unmarshal([]byte(line), &record); err != nil {
				t.Fatalf("a line of the log is not JSON: %s", line)
			}
			if record["msg"] == message {
				return record
			}
		case <-deadline:
			t.Fatalf("the log never said %q", message)
		}
	}
}

func TestServe(t *testing.T) {
	t.Parallel()
	dir := folder(t, "shop.yaml", goodPolicy)
	socket := "unix://" + filepath.Join(t.TempDir(), "corsgate.sock")
	log, out := newLines(), &bytes.Buffer{}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan int, 1)
	go func() {
		ended <- execute(ctx, streams{out: out, err: log}, []string{
			"serve", "--policy", dir, "--listen", socket, "--admin", "127.0.0.1:0", "--drain-delay", "0s",
		})
	}()

	loaded := log.await(t, "policies loaded")
	ready := log.await(t, "ready")
	if listening, _ := ready["listen"].([]any); len(listening) != 1 || listening[0] != socket {
		t.Errorf("ready says that it listens on %v, want %s", ready["listen"], socket)
	}
	if admin, _ := ready["admin"].(string); !strings.HasPrefix(admin, "127.0.0.1:") {
		t.Errorf("ready says that the admin listener is %q", admin)
	}

	next := filepath.Join(t.TempDir(), "shop.yaml")
	if err := os.WriteFile(next, []byte(strings.Replace(goodPolicy, "api.example", "b.example", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(dir, "shop.yaml")); err != nil {
		t.Fatal(err)
	}
	if changed := log.await(t, "policies loaded"); changed["previous_revision"] != loaded["revision"] || changed["revision"] == loaded["revision"] {
		t.Errorf("the reload's line is %v after %v", changed, loaded)
	}

	cancel()
	log.await(t, "stopped")
	if code := <-ended; code != exitOK || out.Len() != 0 {
		t.Errorf("exit %d, output %q", code, out)
	}
}

func TestSignals(t *testing.T) {
	t.Parallel()
	signals, done := make(chan os.Signal), make(chan struct{})
	abort, reload := make(chan struct{}), make(chan struct{}, 1)
	ctx, drain := context.WithCancel(context.Background())
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		obey(signals, done, drain, abort, reload)
	}()
	isClosed := func(channel <-chan struct{}) bool {
		select {
		case <-channel:
			return true
		default:
			return false
		}
	}

	signals <- syscall.SIGHUP
	signals <- syscall.SIGHUP // while one is waiting, another adds nothing
	<-reload
	if ctx.Err() != nil || isClosed(abort) {
		t.Error("SIGHUP stops it")
	}
	signals <- syscall.SIGTERM
	<-ctx.Done()
	signals <- syscall.SIGHUP
	<-reload
	if isClosed(abort) {
		t.Error("the first signal ends the drain")
	}
	signals <- syscall.SIGINT
	<-abort
	close(done)
	<-finished
}
