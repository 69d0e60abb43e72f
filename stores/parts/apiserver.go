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

// KubernetesVersion is the API server that the tests run against, and the kubectl.
// The module in stores/apiserver builds both.
const KubernetesVersion = "v1.37.2"

// buildReport is how often a build that takes minutes says that it goes on.
const buildReport = 15 * time.Second

// APIServer returns the path of a kube-apiserver: what $KUBE_APISERVER names, or
// else one that is built of Kubernetes' own modules. A build takes minutes, and is
// kept in the user's cache folder for all checkouts.
func APIServer(ctx context.Context) (path string, err error) {
	return kubernetesProgram(ctx, "kube-apiserver", ".", "KUBE_APISERVER")
}

// Kubectl returns the path of a kubectl: what $KUBECTL names, or else one that is
// built and kept like the API server.
func Kubectl(ctx context.Context) (path string, err error) {
	return kubernetesProgram(ctx, "kubectl", "k8s.io/kubernetes/cmd/kubectl", "KUBECTL")
}

// kubernetesProgram returns the path of a program that the variable names, or that is
// built of a package.
func kubernetesProgram(ctx context.Context, name, from, variable string) (path string, err error) {
	if path := os.Getenv(variable); path != "" {
		found, err := exec.LookPath(path)
		if err != nil {
			return "", fmt.Errorf("use the %s that $%s names: %w", name, variable, err)
		}
		return filepath.Abs(found)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a folder to keep %s in: %w\nset %s to the path of one", name, err, variable)
	}
	dir := filepath.Join(cache, "corsgate", "kubernetes", KubernetesVersion)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", fmt.Errorf("make a folder to keep %s in: %w", name, err)
	}
	// Test packages run side by side, and two builds at once would take twice the
	// memory: the others wait for the first.
	unlock, err := lock(filepath.Join(dir, "lock"))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	binary := filepath.Join(dir, name)
	info, err := os.Stat(binary)
	switch {
	case err == nil && info.Mode().IsRegular():
		return binary, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("look for %s in the cache: %w", name, err)
	}
	if err := buildKubernetes(ctx, binary, from, variable); err != nil {
		return "", err
	}
	return binary, nil
}

// buildKubernetes builds a program of Kubernetes and says so, since nothing else
// happens for minutes.
func buildKubernetes(ctx context.Context, binary, from, variable string) error {
	checkout, err := repository()
	if err != nil {
		return err
	}
	name, fresh := filepath.Base(binary), binary+".new"
	command := exec.CommandContext(ctx, "go", "build", "-trimpath",
		"-ldflags", "-s -w -X k8s.io/component-base/version.gitVersion="+KubernetesVersion, "-o", fresh, from)
	command.Dir = filepath.Join(checkout, "stores", "apiserver")
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	began := time.Now()
	fmt.Fprintf(os.Stderr, "building %s %s once, into %s: this takes minutes\n", name, KubernetesVersion, binary)
	if err := command.Start(); err != nil {
		return fmt.Errorf("build %s: %w", name, err)
	}
	built := make(chan error, 1)
	go func() { built <- command.Wait() }()
	ticker := time.NewTicker(buildReport)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			fmt.Fprintf(os.Stderr, "building %s %s: %s so far\n", name, KubernetesVersion, time.Since(began).Round(time.Second))
			continue
		case err := <-built:
			if err != nil {
				return fmt.Errorf("build %s in stores/apiserver: %w\n%s"+
					"set %s to the path of one, or give go test more time with -timeout 30m", name, err, said.String(), variable)
			}
		}
		if err := os.Rename(fresh, binary); err != nil {
			return fmt.Errorf("put %s into the cache: %w", name, err)
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
