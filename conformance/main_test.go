package conformance_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// programFolder names the folder with the program, for all tests.
const programFolder = "CONFORMANCE_FOLDER"

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	folder, err := os.MkdirTemp("", "corsgate-conformance-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	build := exec.CommandContext(context.Background(), "go", "build", "-o", filepath.Join(folder, "corsgate"), "./cmd/corsgate")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build corsgate: %v\n%s", err, out)
		return 1
	}
	if err := os.Setenv(programFolder, folder); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// program is the path of corsgate.
func program() string { return filepath.Join(os.Getenv(programFolder), "corsgate") }
