package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/corsgate/corsgate/stores/parts"
)

// programFolder names the variable with the folder that holds the program, which
// is built once for all tests.
const programFolder = "STORES_PROGRAMS"

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	folder, err := os.MkdirTemp("", "corsgate-cli-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	if _, err := parts.BuildCorsgate(folder); err != nil {
		fmt.Fprintln(os.Stderr, err)
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
