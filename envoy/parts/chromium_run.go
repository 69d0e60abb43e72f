package parts

import (
	"context"
	"fmt"
	"os"

	"github.com/chromedp/chromedp"
)

// StartChromium runs a headless Chromium with an empty profile, and returns the
// chromedp context of its first tab. The browser ends, and its profile goes,
// when the caller calls stop; the caller must.
//
// Names below localhost resolve to 127.0.0.1, as they do in browsers anyway.
func StartChromium(ctx context.Context, binary string) (tab context.Context, stop context.CancelFunc, err error) {
	flags := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(binary),
		chromedp.Flag("headless", "new"),
		chromedp.Flag("no-sandbox", os.Geteuid() == 0), // Chromium refuses to run its sandbox as root.
		chromedp.Flag("host-resolver-rules", "MAP *.localhost 127.0.0.1"),
	}
	for _, name := range []string{
		"disable-gpu", "disable-quic", "no-first-run", "no-default-browser-check", "disable-background-networking",
		"disable-component-update", "disable-sync", "disable-default-apps", "disable-extensions", "disable-dev-shm-usage",
		"disable-background-timer-throttling", "disable-renderer-backgrounding", "metrics-recording-only", "use-mock-keychain",
	} {
		flags = append(flags, chromedp.Flag(name, true))
	}
	browsers, stopBrowser := chromedp.NewExecAllocator(ctx, flags...)
	tab, closeTab := chromedp.NewContext(browsers)
	stop = func() {
		closeTab()
		stopBrowser()
	}
	// The first Do starts the browser, whose life is then bound to tab.
	if err := chromedp.Do(tab); err != nil {
		stop()
		return nil, nil, fmt.Errorf("start Chromium (%s): %w\n%s", binary, err, chromiumMend)
	}
	return tab, stop, nil
}
