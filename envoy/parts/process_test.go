package parts

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBrokenBootstrap(t *testing.T) {
	t.Parallel()
	_, err := Start(t.Context(), []byte("static_resources: {listenrs: []}"), t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "listenrs") {
		t.Errorf("the error is %v, want Envoy's own words", err)
	}
}

func TestStart(t *testing.T) {
	t.Parallel()
	const bootstrap = `{"admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}}}`
	p, err := Start(t.Context(), []byte(bootstrap), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	stats, err := p.Stats(t.Context(), `^server\.(live|concurrency)$`)
	if err != nil || len(stats) != 2 || stats["server.live"] != 1 || stats["server.concurrency"] != 1 {
		t.Errorf("the statistics are %v, %v", stats, err)
	}
	if lines, err := p.AccessLog(); err != nil || len(lines) != 0 {
		t.Errorf("the access log is %q, %v", lines, err)
	}
	for range 2 {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	}
	select {
	case <-p.Exited():
	default:
		t.Error("Envoy runs after Stop")
	}
	if _, err := p.Stats(t.Context(), ""); err == nil {
		t.Error("an Envoy that was stopped has statistics")
	}
}

// TestCorsgateThatEnds wants the words of a program that ended in the error.
func TestCorsgateThatEnds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	binary := filepath.Join(dir, "corsgate")
	if err := os.WriteFile(binary, []byte("#!/bin/sh\necho \"no such policy: $*\" >&2\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := StartCorsgate(t.Context(), ServiceOptions{
		Binary: binary, Policies: []string{"a", "b"}, Listen: "127.0.0.1:1", Admin: "127.0.0.1:1", Dir: dir, Args: []string{"--more"},
	})
	const want = "no such policy: serve --listen 127.0.0.1:1 --admin 127.0.0.1:1 --policy a --policy b --more"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the error is %v, want %q in it", err, want)
	}
}

func TestEndsWithContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	p, err := launch(ctx, "a program", t.TempDir(), "/bin/sh", "-c", "echo out; echo err >&2; exec sleep 60")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	<-p.Exited()
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
}
