package parts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// aptUnusable says why apt-get cannot install anything here.
func aptUnusable() error {
	if _, err := exec.LookPath("apt-get"); err != nil {
		return errors.New("this machine has no apt-get")
	}
	if os.Geteuid() != 0 {
		return errors.New("apt-get installs for root alone")
	}
	return nil
}

// findOrInstall returns what find finds, else installs a package of Debian's and
// looks again. missing is find's error where nothing is at hand; any other is
// final. Test packages run side by side: the first to come installs, the others
// wait for it.
func findOrInstall(ctx context.Context, find func() (string, error), missing error, debian, mend string) (path string, err error) {
	path, err = find()
	if !errors.Is(err, missing) {
		return path, err
	}
	if why := aptUnusable(); why != nil {
		return "", fmt.Errorf("%w; it was not installed: %w\n%s", err, why, mend)
	}
	unlock, err := lockInstall()
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if path, err := find(); err == nil {
		return path, nil
	}
	if err := aptInstall(ctx, debian, mend); err != nil {
		return "", err
	}
	path, err = find()
	if err != nil {
		return "", fmt.Errorf("look for the %s that apt-get installed: %w", debian, err)
	}
	return path, nil
}

func aptInstall(ctx context.Context, debian, mend string) error {
	for _, args := range [][]string{
		{"update", "-q"},
		{"install", "-q", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", debian},
	} {
		install := exec.CommandContext(ctx, "apt-get", args...)
		install.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := install.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w\n%s\n%s", args[0], err, out, mend)
		}
	}
	return nil
}

// lockInstall waits for, and holds, the machine's lock on installing browsers.
func lockInstall() (unlock func() error, err error) {
	file, err := os.OpenFile(filepath.Join(os.TempDir(), "corsgate-apt.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the installation of packages: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock the installation of packages: %w", err), file.Close())
	}
	return file.Close, nil
}
