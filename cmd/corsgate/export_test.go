package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// stored is a policy service that holds some documents.
func stored(documents ...*corsgatev1.Document) *standIn {
	return &standIn{
		list: func(*corsgatev1.ListRequest) (*corsgatev1.ListResponse, error) {
			return &corsgatev1.ListResponse{Revision: 3, Documents: documents}, nil
		},
		get: func(r *corsgatev1.GetRequest) (*corsgatev1.GetResponse, error) {
			got := &corsgatev1.GetResponse{Revision: 3}
			for _, document := range documents {
				if slices.ContainsFunc(r.GetRefs(), func(ref *corsgatev1.DocumentRef) bool { return refName(ref) == refName(document.GetRef()) }) {
					got.Documents = append(got.Documents, document)
				}
			}
			return got, nil
		},
	}
}

func aDocument(kind, namespace, name, text string) *corsgatev1.Document {
	return &corsgatev1.Document{Ref: &corsgatev1.DocumentRef{Kind: kind, Namespace: namespace, Name: name}, Text: text}
}

func TestExport(t *testing.T) {
	t.Parallel()
	address := stored(
		aDocument(kindGuardrail, "", "house", "kind: CorsGuardrail"),
		aDocument(kindPolicy, "", "a_test", `{"kind": "CorsPolicy"}`),
		aDocument(kindPolicy, "shop", "a", "# one\nkind: CorsPolicy\n"),
		aDocument(kindOriginSet, "shop", "a", "kind: CorsOriginSet\n"),
	).start(t)
	folder := filepath.Join(t.TempDir(), "out")
	got := run(t, folder, "export", "--server", address, "--to", folder)
	if diff := cmp.Diff(outcome{Err: "4 documents of revision 3 written to DIR\n"}, got); diff != "" {
		t.Errorf("outcome (-want +got):\n%s", diff)
	}
	files := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			name, _ := filepath.Rel(folder, path)
			files[filepath.ToSlash(name)] = read(t, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"house.guardrail.yaml":  "kind: CorsGuardrail\n",
		"a_test.policy.json":    `{"kind": "CorsPolicy"}` + "\n",
		"shop/a.policy.yaml":    "# one\nkind: CorsPolicy\n",
		"shop/a.originset.yaml": "kind: CorsOriginSet\n",
	}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	got = run(t, folder, "export", "--server", address, "--to", folder)
	if want := "corsgate: the folder DIR holds something already, such as a_test.policy.json; name another, or write over it with --force\n"; got.Code != exitFailure || got.Err != want {
		t.Errorf("twice: %+v", got)
	}
	if got = run(t, folder, "export", "--server", address, "--to", folder, "--force"); got.Code != exitOK {
		t.Errorf("by force: %+v", got)
	}
	got = run(t, folder, "export", "--server", address)
	if diff := cmp.Diff("kind: CorsGuardrail\n---\n{\"kind\": \"CorsPolicy\"}\n---\n# one\nkind: CorsPolicy\n---\nkind: CorsOriginSet\n", got.Out); diff != "" {
		t.Errorf("as a stream (-want +got):\n%s", diff)
	}
}

// A server that is not to be trusted cannot write where it likes.
func TestExportStaysInItsFolder(t *testing.T) {
	t.Parallel()
	for name, document := range map[string]*corsgatev1.Document{
		"a name that leads up":      aDocument(kindPolicy, "", "../../evil", "a: b"),
		"a namespace that leads up": aDocument(kindPolicy, "..", "evil", "a: b"),
		"a namespace of two":        aDocument(kindPolicy, "a/b", "evil", "a: b"),
		"a hidden one":              aDocument(kindPolicy, "", ".evil", "a: b"),
		"a kind that is a path":     aDocument("../evil", "", "a", "a: b"),
		"no name":                   aDocument(kindPolicy, "", "", "a: b"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			got := run(t, folder, "export", "--server", stored(document).start(t), "--to", filepath.Join(folder, "deep", "out"))
			if got.Code != exitFailure || !strings.Contains(got.Err, "which cannot be the name of a file") {
				t.Errorf("%+v", got)
			}
		})
	}
	// Nor through a link that somebody has put there.
	folder, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(folder, "shop")); err != nil {
		t.Fatal(err)
	}
	got := run(t, folder, "export", "--server", stored(aDocument(kindPolicy, "shop", "a", "a: b")).start(t), "--to", folder, "--force")
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 || got.Code != exitFailure {
		t.Errorf("through a link: %+v, and %v was written there", got, left)
	}
}

// What is too large for one answer is asked for in parts.
func TestFetchInParts(t *testing.T) {
	t.Parallel()
	var documents []*corsgatev1.Document
	for _, name := range []string{"a", "b", "c", "d"} {
		document := aDocument(kindOriginSet, "", name, name)
		document.Origins = 150_000
		documents = append(documents, document)
	}
	service := stored(documents...)
	var asked []int
	whole := service.get
	service.get = func(r *corsgatev1.GetRequest) (*corsgatev1.GetResponse, error) {
		if r.GetRevision() != 3 {
			t.Errorf("a part is of revision %d", r.GetRevision())
		}
		asked = append(asked, len(r.GetRefs()))
		return whole(r)
	}
	got := run(t, "", "get", "-o", "yaml", "--server", service.start(t))
	if diff := cmp.Diff(outcome{Out: "a\n---\nb\n---\nc\n---\nd\n"}, got); diff != "" {
		t.Errorf("outcome (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{1, 1, 1, 1}, asked); diff != "" {
		t.Errorf("documents a part (-want +got):\n%s", diff)
	}
}
