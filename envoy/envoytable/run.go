package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// An event is one line of `go test -json`; see `go doc test2json`.
type event struct {
	Action string
	Test   string
	Output string
}

// run tests each version, prints the table to out and what failed to log, and
// reports whether all passed.
func run(ctx context.Context, versions []string, out, log io.Writer) (bool, error) {
	var results []result
	passed := true
	for _, version := range versions {
		fmt.Fprintf(log, "testing with Envoy %s\n", version)
		r, err := testVersion(ctx, version, log)
		if err != nil {
			return false, err
		}
		passed = passed && r.passed
		results = append(results, r)
	}
	return passed, writeTable(out, results)
}

// testVersion runs the tests on one version.
func testVersion(ctx context.Context, version string, log io.Writer) (result, error) {
	test := exec.CommandContext(ctx, "go", "test", "-json", "-count=1", "./e2e/...")
	// ENVOY would win over the version.
	test.Env = append(os.Environ(), "ENVOY=", "ENVOY_VERSION="+version)
	test.Stderr = log
	stdout, err := test.StdoutPipe()
	if err != nil {
		return result{}, fmt.Errorf("read the tests' output: %w", err)
	}
	if err := test.Start(); err != nil {
		return result{}, fmt.Errorf("run the tests: %w", err)
	}
	r, errRead := readEvents(version, stdout, log)
	errWait := test.Wait()
	var exit *exec.ExitError
	if errWait != nil && !errors.As(errWait, &exit) {
		return result{}, fmt.Errorf("run the tests: %w", errWait)
	}
	r.passed = errWait == nil
	return r, errRead
}

// readEvents collects how each top-level test ended, and copies what failed.
func readEvents(version string, events io.Reader, log io.Writer) (result, error) {
	r := result{version: version, ended: make(map[string]string)}
	output := make(map[string]*strings.Builder) // by top-level test
	decoder := json.NewDecoder(events)
	for {
		var e event
		if err := decoder.Decode(&e); errors.Is(err, io.EOF) {
			return r, nil
		} else if err != nil {
			return r, fmt.Errorf("read the tests' output: %w", err)
		}
		group, sub, isSub := strings.Cut(e.Test, "/")
		text := output[group]
		if text == nil {
			text = new(strings.Builder)
			output[group] = text
		}
		text.WriteString(e.Output)
		switch e.Action {
		case "pass", "fail", "skip":
		default:
			continue
		}
		if isSub && sub != "" {
			continue
		}
		if e.Test != "" {
			r.ended[group] = e.Action
		}
		if e.Action == "fail" {
			fmt.Fprint(log, text)
		}
	}
}
