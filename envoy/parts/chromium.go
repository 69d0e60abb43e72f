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

// ErrNoChromium is returned where neither $CHROME nor the PATH has a browser.
var ErrNoChromium = errors.New("no Chromium: $CHROME is not set, and none of chromium, chromium-browser and google-chrome is on the PATH")

// chromiumMend is what to do about it.
const chromiumMend = "set CHROME to the path of a Chromium or Chrome, or install one (Debian: apt-get install chromium)"

// FindChromium returns the path of the Chromium that is at hand: the one that
// $CHROME names, which must be executable, else the one on the PATH.
func FindChromium() (string, error) {
	if path := os.Getenv("CHROME"); path != "" {
		found, err := exec.LookPath(path)
		if err != nil {
			return "", fmt.Errorf("use the browser that $CHROME names: %w", err)
		}
		return absolute(found)
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			return absolute(found)
		}
	}
	return "", ErrNoChromium
}

// Chromium returns the path of the Chromium to use: what [FindChromium] finds,
// else Debian's, which it installs where apt-get can be used.
func Chromium(ctx context.Context) (string, error) {
	path, err := FindChromium()
	if !errors.Is(err, ErrNoChromium) {
		return path, err
	}
	if why := aptUnusable(); why != nil {
		return "", fmt.Errorf("%w; it was not installed: %w\n%s", err, why, chromiumMend)
	}
	return installChromium(ctx)
}

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

// installChromium installs Debian's chromium. Test packages run side by side:
// the first to come installs, the others wait for it.
func installChromium(ctx context.Context) (path string, err error) {
	unlock, err := lockInstall()
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if path, err := FindChromium(); err == nil {
		return path, nil
	}
	for _, args := range [][]string{
		{"update", "-q"},
		{"install", "-q", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", "chromium"},
	} {
		install := exec.CommandContext(ctx, "apt-get", args...)
		install.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := install.CombinedOutput(); err != nil {
			return "", fmt.Errorf("apt-get %s: %w\n%s\n%s", args[0], err, out, chromiumMend)
		}
	}
	path, err = FindChromium()
	if err != nil {
		return "", fmt.Errorf("look for the Chromium that apt-get installed: %w", err)
	}
	return path, nil
}

// lockInstall waits for, and holds, the machine's lock on installing Chromium.
func lockInstall() (unlock func() error, err error) {
	file, err := os.OpenFile(filepath.Join(os.TempDir(), "corsgate-chromium.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the installation of Chromium: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock the installation of Chromium: %w", err), file.Close())
	}
	return file.Close, nil
}
