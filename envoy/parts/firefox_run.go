package parts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A FirefoxWindow is a running headless Firefox with one tab.
type FirefoxWindow struct {
	process *Process
	remote  *marionette
}

// StartFirefox runs a headless Firefox with an empty profile in dir, which it
// makes. It ends with ctx, or when the caller stops it.
func StartFirefox(ctx context.Context, binary, dir string) (*FirefoxWindow, error) {
	profile := filepath.Join(dir, "profile")
	if err := os.MkdirAll(profile, executable); err != nil {
		return nil, fmt.Errorf("make Firefox's profile: %w", err)
	}
	if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(firefoxPrefs()), 0o600); err != nil {
		return nil, fmt.Errorf("write Firefox's preferences: %w", err)
	}
	process, err := launch(ctx, "Firefox", dir, binary,
		"--headless", "--no-remote", "--profile", profile, "--marionette", "--remote-allow-system-access")
	if err != nil {
		return nil, err
	}
	w := &FirefoxWindow{process: process}
	if err := w.settle(ctx, profile); err != nil {
		return nil, fmt.Errorf("%w\n%s", errors.Join(err, w.Stop()), firefoxMend)
	}
	return w, nil
}

// firefoxPrefs is a profile's user.js: a port of Firefox's own choice, which it
// then writes into the profile, and no talk with the world.
func firefoxPrefs() string {
	var b strings.Builder
	for _, pref := range [...][2]string{
		{"marionette.port", "0"},
		{"network.proxy.type", "0"},
		{"network.captive-portal-service.enabled", "false"},
		{"network.connectivity-service.enabled", "false"},
		{"browser.safebrowsing.malware.enabled", "false"},
		{"browser.safebrowsing.phishing.enabled", "false"},
		{"datareporting.policy.dataSubmissionEnabled", "false"},
		{"app.update.enabled", "false"},
		{"extensions.update.enabled", "false"},
		{"services.settings.server", `"data:,"`},
		{"privacy.trackingprotection.enabled", "false"},
	} {
		fmt.Fprintf(&b, "user_pref(%q, %s);\n", pref[0], pref[1])
	}
	return b.String()
}

// settle waits for the port, connects, opens a session and listens to the
// console of the whole browser.
func (w *FirefoxWindow) settle(ctx context.Context, profile string) error {
	err := w.process.await(ctx, "to accept commands", func(ctx context.Context) (bool, error) {
		text, err := os.ReadFile(filepath.Join(profile, "MarionetteActivePort"))
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("learn the port: %w", err)
		}
		port, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			return false, fmt.Errorf("read the port: %w", err)
		}
		w.remote, err = dialMarionette(ctx, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		return err == nil, err
	})
	if err != nil {
		return err
	}
	if _, err := w.remote.call(ctx, "WebDriver:NewSession", map[string]any{}); err != nil {
		return err
	}
	_, err = w.inChrome(ctx, firefoxListen)
	return err
}

const (
	// firefoxListen keeps what is printed: Firefox itself keeps the last few
	// hundred lines only.
	firefoxListen = `
		window.printed = [];
		Services.console.registerListener({
			QueryInterface: ChromeUtils.generateQI(["nsIConsoleListener"]),
			observe(message) {
				window.printed.push(message instanceof Ci.nsIScriptError ? message.errorMessage : message.message);
			},
		});`
	firefoxDrain = `return window.printed.splice(0);`
)

// Navigate opens an address and waits until the page has loaded.
func (w *FirefoxWindow) Navigate(ctx context.Context, address string) error {
	_, err := w.remote.call(ctx, "WebDriver:Navigate", map[string]any{"url": address})
	return err
}

// Printed returns what any page, or the browser itself, has written to the
// console since it was last called.
func (w *FirefoxWindow) Printed(ctx context.Context) ([]string, error) {
	result, err := w.inChrome(ctx, firefoxDrain)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Value []string `json:"value"`
	}
	if err := json.Unmarshal(result, &answer); err != nil {
		return nil, fmt.Errorf("read Firefox's console: %w", err)
	}
	return answer.Value, nil
}

// inChrome runs a script with the browser's own rights, in its window.
func (w *FirefoxWindow) inChrome(ctx context.Context, script string) (json.RawMessage, error) {
	if _, err := w.remote.call(ctx, "Marionette:SetContext", map[string]any{"value": "chrome"}); err != nil {
		return nil, err
	}
	result, err := w.remote.call(ctx, "WebDriver:ExecuteScript", map[string]any{"script": script, "args": []any{}, "sandbox": nil})
	if err != nil {
		return nil, err
	}
	_, err = w.remote.call(ctx, "Marionette:SetContext", map[string]any{"value": "content"})
	return result, err
}

// Stop ends the browser. To stop one that has ended is no error.
func (w *FirefoxWindow) Stop() error {
	if w.remote != nil {
		w.remote.close()
	}
	return w.process.Kill()
}
