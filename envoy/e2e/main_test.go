// Package e2e tests corsgate behind a real Envoy that runs the bootstraps of
// this module, envoy.yaml and envoy-routes.yaml. Each test function is one row
// of the table in docs/envoy.md.
package e2e_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/corsgate/corsgate/envoy/parts"
)

// corsgateBinary is the corsgate under test, built once. TestMain writes it
// before any test runs.
var corsgateBinary string

func TestMain(m *testing.M) {
	os.Exit(runAll(m))
}

func runAll(m *testing.M) int {
	dir, err := os.MkdirTemp("", "corsgate-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	if corsgateBinary, err = parts.Corsgate(ctx, dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	// Fetched here, so that no test's time is spent on it.
	if _, err = parts.Envoy(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}
