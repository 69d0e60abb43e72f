package main

import (
	"testing"

	"github.com/corsgate/corsgate/envoy/parts"
)

// TestTable makes every call of the demo in a real Chromium, through a real
// Envoy that asks a real corsgate: what script may read, the exact text of the
// console where it may not, and the decision in Envoy's access log.
func TestTable(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	chromium, err := parts.Chromium(ctx)
	if err != nil {
		t.Fatal(err)
	}
	s := startStack(t)
	tab, stop, err := parts.StartChromium(ctx, chromium)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	results, err := drive(tab, s.at, s.accessLog)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(results), len(rows()); got != want {
		t.Fatalf("got %d results, want one for each of the %d rows", got, want)
	}
	for _, r := range results {
		t.Run(r.Page+"/"+r.Call.ID, func(t *testing.T) {
			t.Parallel()
			if !r.Logged {
				t.Error("no decision was read from Envoy's access log")
			}
			for _, difference := range r.Wrong(s.at) {
				t.Error(difference)
			}
		})
	}
}

// startStack starts the demo on any ports, and stops it when the test ends.
func startStack(t *testing.T) *stack {
	t.Helper()
	ports, err := choosePorts(t.Context(), false, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	s, err := up(t.Context(), ports, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.down(); err != nil {
			t.Error(err)
		}
	})
	return s
}
