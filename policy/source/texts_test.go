package source_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/policy/source"
)

func TestTexts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"b.yaml": "kind: [broken\n", "a/a.json": "{}", "a_test.yaml": "a: test", ".hidden.yaml": "a: b", "notes.txt": "no policy",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	texts, problems, err := source.Texts(t.Context(), []string{dir})
	if err != nil || len(problems) > 0 {
		t.Fatalf("%v, %v", problems, err)
	}
	want := []source.Text{
		{Name: filepath.Join(dir, "a/a.json"), Data: []byte("{}")},
		{Name: filepath.Join(dir, "b.yaml"), Data: []byte("kind: [broken\n")},
	}
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Errorf("texts (-want +got):\n%s", diff)
	}
	if err := os.WriteFile(filepath.Join(dir, "c.yaml"), []byte(" \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	texts, problems, err = source.Texts(t.Context(), []string{dir, filepath.Join(dir, "none")})
	if err != nil || len(texts) != 2 || len(problems) != 2 {
		t.Errorf("with faults: %d texts, %v, %v", len(texts), problems, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := source.Texts(ctx, []string{dir}); err == nil {
		t.Error("it reads although its context has ended")
	}
}
