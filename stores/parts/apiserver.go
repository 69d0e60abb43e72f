package parts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// KubernetesVersion is the API server that the tests run against. The module in
// stores/apiserver builds it.
const KubernetesVersion = "v1.37.2"

// buildReport is how often a build that takes minutes says that it goes on.
const buildReport = 15 * time.Second

// APIServer returns the path of a kube-apiserver: what $KUBE_APISERVER names, or
// else one that is built of Kubernetes' own modules. A build takes minutes, and is
// kept in the user's cache folder for all checkouts.
func APIServer(ctx context.Context) (path string, err error) {
	if path := os.Getenv("KUBE_APISERVER"); path != "" {
		found, err := exec.LookPath(path)
		if err != nil {
			return "", fmt.Errorf("use the kube-apiserver that $KUBE_APISERVER names: %w", err)
		}
		return found, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a folder to keep kube-apiserver in: %w\nset KUBE_APISERVER to the path of one", err)
	}
	dir := filepath.Join(cache, "corsgate", "kube-apiserver", KubernetesVersion)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", fmt.Errorf("make a folder to keep kube-apiserver in: %w", err)
	}
	// Test packages run side by side, and two builds at once would take twice the
	// memory: the others wait for the first.
	unlock, err := lock(filepath.Join(dir, "lock"))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	binary := filepath.Join(dir, "kube-apiserver")
	info, err := os.Stat(binary)
	switch {
	case err == nil && info.Mode().IsRegular():
		return binary, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("look for kube-apiserver in the cache: %w", err)
	}
	if err := buildAPIServer(ctx, binary); err != nil {
		return "", err
	}
	return binary, nil
}

// buildAPIServer builds a kube-apiserver and says so, since nothing else happens for
// minutes.
func buildAPIServer(ctx context.Context, binary string) error {
	checkout, err := repository()
	if err != nil {
		return err
	}
	fresh := binary + ".new"
	command := exec.CommandContext(ctx, "go", "build", "-trimpath",
		"-ldflags", "-s -w -X k8s.io/component-base/version.gitVersion="+KubernetesVersion, "-o", fresh, ".")
	command.Dir = filepath.Join(checkout, "stores", "apiserver")
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	began := time.Now()
	fmt.Fprintf(os.Stderr, "building kube-apiserver %s once, into %s: this takes 5 to 15 minutes\n", KubernetesVersion, binary)
	if err := command.Start(); err != nil {
		return fmt.Errorf("build kube-apiserver: %w", err)
	}
	built := make(chan error, 1)
	go func() { built <- command.Wait() }()
	ticker := time.NewTicker(buildReport)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			fmt.Fprintf(os.Stderr, "building kube-apiserver %s: %s so far\n", KubernetesVersion, time.Since(began).Round(time.Second))
			continue
		case err := <-built:
			if err != nil {
				return fmt.Errorf("build kube-apiserver in stores/apiserver: %w\n%s"+
					"set KUBE_APISERVER to the path of one, or give go test more time with -timeout 30m", err, said.String())
			}
		}
		if err := os.Rename(fresh, binary); err != nil {
			return fmt.Errorf("put kube-apiserver into the cache: %w", err)
		}
		return nil
	}
}

// lock waits until nobody else holds a lock.
func lock(path string) (unlock func() error, err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock %s: %w", path, err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("wait for the lock %s: %w", path, err), file.Close())
	}
	return file.Close, nil // which gives the lock up
}

// repository returns the top folder of the checkout that holds the working folder.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the checkout: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "stores", "apiserver", "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("find the checkout: no folder above the working one holds stores/apiserver")
		}
		dir = parent
	}
}
