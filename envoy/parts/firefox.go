package parts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
)

// ErrNoFirefox is returned where neither $FIREFOX nor the PATH has a browser.
var ErrNoFirefox = errors.New("no Firefox: $FIREFOX is not set, and none of firefox-esr and firefox is on the PATH")

// firefoxMend is what to do about it.
const firefoxMend = "set FIREFOX to the path of a Firefox, or install one (Debian: apt-get install firefox-esr)"

// FindFirefox returns the path of the Firefox that is at hand: the one that
// $FIREFOX names, which must be executable, else the one on the PATH, the
// extended support release first.
func FindFirefox() (string, error) {
	if path := os.Getenv("FIREFOX"); path != "" {
		found, err := exec.LookPath(path)
		if err != nil {
			return "", fmt.Errorf("use the browser that $FIREFOX names: %w", err)
		}
		return absolute(found)
	}
	for _, name := range []string{"firefox-esr", "firefox"} {
		if found, err := exec.LookPath(name); err == nil {
			return absolute(found)
		}
	}
	return "", ErrNoFirefox
}

// Firefox returns the path of the Firefox to use: what [FindFirefox] finds, else
// Debian's, which it installs where apt-get can be used.
func Firefox(ctx context.Context) (string, error) {
	return findOrInstall(ctx, FindFirefox, ErrNoFirefox, "firefox-esr", firefoxMend)
}
