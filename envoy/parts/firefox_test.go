package parts

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// These tests set the environment, so they do not run beside others.

func TestFirefoxNamesTheBrowser(t *testing.T) {
	path := filepath.Join(t.TempDir(), "my-browser")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("FIREFOX", path)
	if got, err := Firefox(t.Context()); err != nil || got != path {
		t.Errorf("got %q, %v; want %q", got, err, path)
	}
}

func TestFirefoxMustBeExecutable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("FIREFOX", path)
	got, err := Firefox(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "use the browser that $FIREFOX names: ") {
		t.Errorf("got %q, %v; want an error that names FIREFOX", got, err)
	}
}

func TestFindFirefoxOnThePath(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("FIREFOX", "")
	t.Setenv("PATH", dir)
	for _, name := range []string{"firefox", "firefox-esr"} { // The last wins.
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		if got, err := FindFirefox(); err != nil || got != path {
			t.Errorf("got %q, %v; want %q", got, err, path)
		}
	}
}

// TestNoFirefox checks that where there is none, and no way to install one, the
// error says what to do.
func TestNoFirefox(t *testing.T) {
	t.Setenv("FIREFOX", "")
	t.Setenv("PATH", t.TempDir())
	got, err := Firefox(t.Context())
	const want = "no Firefox: $FIREFOX is not set, and none of firefox-esr and firefox is on the PATH; " +
		"it was not installed: this machine has no apt-get\n" + firefoxMend
	if err == nil || err.Error() != want || !errors.Is(err, ErrNoFirefox) {
		t.Errorf("got %q, %v; want the error\n%s", got, err, want)
	}
}

// TestFirefoxThatEnds checks that a program that is no Firefox is told by what it
// wrote, and by the variable that names another.
func TestFirefoxThatEnds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "my-browser")
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho no display >&2\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	w, err := StartFirefox(t.Context(), path, dir)
	if err == nil {
		t.Fatalf("started %v", w)
	}
	for _, part := range []string{"no display", "exit status 3", "FIREFOX"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not say %q: %v", part, err)
		}
	}
}
