package main

import (
	"context"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

const (
	// garbagePercent lets the heap grow further between two collections than the
	// runtime does by itself. What lives is the policies. Calls of Check leave nothing
	// behind; a change of policies does, and this is room for three large ones, after
	// which the server itself collects, between two (server/tidy.go).
	garbagePercent = 700
	// memoryRatio is how much of a container's memory the heap may take before it
	// is collected more often, whatever the percentage says.
	memoryRatio = 0.9
)

// tuneMemory sets what the runtime would otherwise have to be told with GOGC and
// GOMEMLIMIT, unless it is told.
func tuneMemory(ctx context.Context, logger *slog.Logger) {
	attrs := []slog.Attr{}
	if _, told := os.LookupEnv("GOGC"); !told {
		debug.SetGCPercent(garbagePercent)
		attrs = append(attrs, slog.Int("gc_percent", garbagePercent))
	}
	// It leaves GOMEMLIMIT as it is where that is set. Outside a container there is
	// no limit, and none is an error that could be mended.
	limit, err := memlimit.Set(memlimit.WithRatio(memoryRatio))
	if err != nil {
		logger.LogAttrs(ctx, slog.LevelWarn, "the container's memory limit could not be read; set GOMEMLIMIT if it has one",
			slog.String("error", err.Error()))
	} else {
		attrs = append(attrs, slog.Int64("memory_limit_bytes", limit))
	}
	logger.LogAttrs(ctx, slog.LevelDebug, "memory", attrs...)
}
