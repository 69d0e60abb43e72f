package parts

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// moduleLine opens the go.mod of the checkout's top folder, and of no other.
const moduleLine = "module github.com/corsgate/corsgate\n"

// errNoRepository is returned where no folder above the working one is a
// checkout of corsgate.
var errNoRepository = errors.New("not inside a checkout of corsgate: no go.mod of github.com/corsgate/corsgate in this folder or above it")

// Repository returns the top folder of the checkout that holds the working
// folder.
func Repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the checkout: %w", err)
	}
	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("find the checkout: %w", err)
		}
		if strings.HasPrefix(string(text), moduleLine) {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errNoRepository
		}
		dir = parent
	}
}
