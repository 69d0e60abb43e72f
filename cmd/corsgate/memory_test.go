package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"testing"
)

// What the environment says is left as it is; it is not parallel because both it
// and the runtime's settings are the process's own.
func TestTuneMemory(t *testing.T) {
	const percent, limit = 55, 1 << 40
	oldPercent, oldLimit := debug.SetGCPercent(percent), debug.SetMemoryLimit(limit)
	t.Cleanup(func() {
		debug.SetGCPercent(oldPercent)
		debug.SetMemoryLimit(oldLimit)
	})
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))

	t.Setenv("GOGC", "55")
	t.Setenv("GOMEMLIMIT", "1TiB")
	tuneMemory(context.Background(), logger)
	if got := debug.SetGCPercent(percent); got != percent {
		t.Errorf("GOGC was overruled with %d", got)
	}
	if got := debug.SetMemoryLimit(-1); got != limit {
		t.Errorf("GOMEMLIMIT was overruled with %d", got)
	}
	if strings.Contains(log.String(), "gc_percent") || !strings.Contains(log.String(), "memory_limit_bytes=1099511627776") {
		t.Errorf("the log says: %s", &log)
	}

	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
	tuneMemory(context.Background(), logger)
	if got := debug.SetGCPercent(percent); got != garbagePercent {
		t.Errorf("the percentage is %d, want %d", got, garbagePercent)
	}
	// The limit is the container's, or none; what was there before it is not.
	if got := debug.SetMemoryLimit(-1); got == limit || got <= 0 {
		t.Errorf("the limit is %d", got)
	}
}
