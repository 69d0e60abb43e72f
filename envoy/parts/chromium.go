package parts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
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
	return findOrInstall(ctx, FindChromium, ErrNoChromium, "chromium", chromiumMend)
}
