package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestUnified(t *testing.T) {
	t.Parallel()
	before := "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\nm\nn\n"
	after := "a\nb\nc\nD\ne\nf\ng\nh\ni\nj\nk\nl\nm\nn\no\n"
	want := `--- before
+++ after
@@ -1,7 +1,7 @@
 a
 b
 c
-d
+D
 e
 f
 g
@@ -12,3 +12,4 @@
 l
 m
 n
+o
`
	if diff := cmp.Diff(want, unified("before", "after", before, after)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := unified("a", "b", before, before); got != "" {
		t.Errorf("equal texts differ: %s", got)
	}
	if diff := cmp.Diff("--- a\n+++ b\n@@ -0,0 +1,2 @@\n+x\n+y\n", unified("a", "b", "", "x\ny\n")); diff != "" {
		t.Errorf("from nothing (-want +got):\n%s", diff)
	}
}

// Whatever differs, the edits lead from the one to the other; and the texts that
// differ in too much for a search are no exception.
func TestUnifiedProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		line := rapid.SampledFrom([]string{"a", "b", "c", "", "  a"})
		before := rapid.SliceOfN(line, 0, 40).Draw(t, "before")
		after := rapid.SliceOfN(line, 0, 40).Draw(t, "after")
		leads(t, before, after)
	})
	many := func(prefix string) []string {
		lines := make([]string, 3*diffEffort)
		for i := range lines {
			lines[i] = prefix + strings.Repeat("x", i%7)
		}
		return lines
	}
	leads(t, many("a"), many("b"))
}

type complainer interface {
	Errorf(format string, args ...any)
}

func leads(t complainer, before, after []string) {
	var from, to []string
	for _, e := range diffLines(before, after) {
		if e.mark != '+' {
			from = append(from, e.line)
		}
		if e.mark != '-' {
			to = append(to, e.line)
		}
	}
	if strings.Join(from, "\n") != strings.Join(before, "\n") || strings.Join(to, "\n") != strings.Join(after, "\n") {
		t.Errorf("the edits lead from %q to %q, want from %q to %q", from, to, before, after)
	}
}

// The program patch, which everybody uses, takes it.
func TestUnifiedPatches(t *testing.T) {
	t.Parallel()
	patch, err := exec.LookPath("patch")
	if err != nil {
		t.Skip("there is no patch here; install it to have its opinion")
	}
	before := read(t, "testdata/diff/old/shop.yaml")
	after := read(t, "testdata/diff/new/shop.yaml")
	file := filepath.Join(t.TempDir(), "shop.yaml")
	if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(patch, "--silent", file)
	command.Stdin = strings.NewReader(unified("before", "after", before, after))
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("patch: %v\n%s", err, out)
	}
	if diff := cmp.Diff(after, read(t, file)); diff != "" {
		t.Errorf("after patching (-want +got):\n%s", diff)
	}
}
