package parts

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// These tests set the environment, so they do not run beside others.

func TestChromeNamesTheBrowser(t *testing.T) {
	path := filepath.Join(t.TempDir(), "my-browser")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CHROME", path)
	if got, err := Chromium(t.Context()); err != nil || got != path {
		t.Errorf("got %q, %v; want %q", got, err, path)
	}
}

func TestChromeMustBeExecutable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CHROME", path)
	got, err := Chromium(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "use the browser that $CHROME names: ") {
		t.Errorf("got %q, %v; want an error that names CHROME", got, err)
	}
}

func TestFindChromiumOnThePath(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CHROME", "")
	t.Setenv("PATH", dir)
	if got, err := FindChromium(); !errors.Is(err, ErrNoChromium) {
		t.Errorf("an empty PATH: got %q, %v; want %v", got, err, ErrNoChromium)
	}
	for _, name := range []string{"google-chrome", "chromium-browser", "chromium"} { // The last wins.
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		if got, err := FindChromium(); err != nil || got != path {
			t.Errorf("got %q, %v; want %q", got, err, path)
		}
	}
}

// TestNoChromium checks that where there is none, and no way to install one, the
// error says what to do.
func TestNoChromium(t *testing.T) {
	t.Setenv("CHROME", "")
	t.Setenv("PATH", t.TempDir())
	got, err := Chromium(t.Context())
	const want = "no Chromium: $CHROME is not set, and none of chromium, chromium-browser and google-chrome is on the PATH; " +
		"it was not installed: this machine has no apt-get\n" + chromiumMend
	if err == nil || err.Error() != want {
		t.Errorf("got %q, %v; want the error\n%s", got, err, want)
	}
}
