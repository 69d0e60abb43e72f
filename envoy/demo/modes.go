package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"

	"github.com/corsgate/corsgate/envoy/parts"
)

// runDemo starts everything, prints the table and, unless told otherwise, leaves
// everything up for a person to look at.
func runDemo(ctx context.Context, to screen, opts options) (err error) {
	chromium, err := getChromium(ctx, to)
	if err != nil {
		return err
	}
	ports, err := choosePorts(ctx, true, to.sayf)
	if err != nil {
		return err
	}
	s, err := up(ctx, ports, to.sayf)
	if err != nil {
		return interrupted(ctx, err)
	}
	defer func() { err = errors.Join(err, s.down()) }()
	err = showTable(ctx, to, chromium, s.at, s.accessLog)
	if opts.once || ctx.Err() != nil {
		return interrupted(ctx, err)
	}
	if err != nil {
		to.sayf("%v", err) // Stay up all the same, so that it can be looked into.
	}
	to.write(addressList(s.at))
	if ended := s.ended(ctx); ended != nil {
		return errors.Join(err, ended)
	}
	to.write("\nstopping\n")
	return err
}

// runAgainst prints the table for a stack that somebody else has started.
func runAgainst(ctx context.Context, to screen, opts options) error {
	chromium, err := getChromium(ctx, to)
	if err != nil {
		return err
	}
	var log accessLog
	if opts.accessLog != "" {
		log = func(context.Context) ([]string, error) {
			text, err := os.ReadFile(opts.accessLog)
			if err != nil {
				return nil, fmt.Errorf("read the file that --access-log names: %w", err)
			}
			return strings.Split(string(text), "\n"), nil
		}
	}
	if err := awaitStack(ctx, opts.at); err != nil {
		return err
	}
	return showTable(ctx, to, chromium, opts.at, log)
}

// runPart serves the API or the pages, until ctx ends.
func runPart(ctx context.Context, to screen, part string, opts options) error {
	files, err := loadAssets()
	if err != nil {
		return err
	}
	handler, address := newAPI(files), loopback(servicePort)
	if part == "web" {
		handler, address = newWeb(files, opts.at), loopback(webPort)
	}
	if opts.listen != "" {
		address = opts.listen
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: headerLimit}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	to.sayf("demo %s: serving at %s", part, address)
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// getChromium returns the path of a Chromium, and says so where that takes long.
func getChromium(ctx context.Context, to screen) (string, error) {
	if _, err := parts.FindChromium(); errors.Is(err, parts.ErrNoChromium) {
		to.sayf("Chromium: none at hand, trying apt-get (this takes a minute or two)")
	}
	path, err := parts.Chromium(ctx)
	if err != nil {
		return "", fmt.Errorf("get Chromium: %w", err)
	}
	to.sayf("Chromium: %s", path)
	return path, nil
}

// showTable drives a Chromium through the table and prints it.
func showTable(ctx context.Context, to screen, chromium string, at addresses, log accessLog) error {
	tab, stop, err := parts.StartChromium(ctx, chromium)
	if err != nil {
		return fmt.Errorf("drive a browser: %w", err)
	}
	defer stop()
	version, err := chromedp.CallBrowser(tab, browser.GetVersion, cdp.Empty{})
	if err != nil {
		return fmt.Errorf("ask the browser for its version: %w", err)
	}
	to.sayf("%s: making %d calls, each from %s and from %s\n", version.Product, len(calls()), at.Shop, at.Evil)
	results, err := drive(tab, at, log)
	if err != nil {
		return err
	}
	wrong := newTable(to, at).render(results)
	if wrong > 0 {
		return fmt.Errorf("%d of %d rows are not as expected", wrong, len(results))
	}
	to.write(fmt.Sprintf("\nAll %d rows are as expected.\n", len(results)))
	return nil
}

// awaitStack waits until a page and, through Envoy, corsgate answer.
func awaitStack(ctx context.Context, at addresses) error {
	const limit, pause = time.Minute, 200 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := errors.Join(probe(ctx, at.API+"/v1/items", at.Shop), probe(ctx, at.Shop+"/", ""))
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the stack to answer: %w", err)
		case <-time.After(pause):
		}
	}
}

// probe makes one request to an address, in which *.localhost is this machine as
// it is in browsers.
func probe(ctx context.Context, address, origin string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fmt.Errorf("make a request: %w", err)
	}
	req.Host = req.URL.Host
	if strings.HasSuffix(req.URL.Hostname(), ".localhost") {
		req.URL.Host = net.JoinHostPort("127.0.0.1", req.URL.Port())
	}
	if origin != "" {
		req.Header.Set("Origin", origin)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("ask %s: status %s", address, resp.Status)
	}
	return nil
}

// addressList is what a person may open.
func addressList(at addresses) string {
	return fmt.Sprintf(`
Everything stays up. Open in a browser:

  %-32s an allowed page, with a button for each call
  %-32s the same page from a foreign origin
  %-32s the policies in force (corsgate)
  %-32s Envoy's admin page
  %-32s the API behind Envoy

Ctrl-C ends it.
`, at.Shop, at.Evil, at.Policies, at.EnvoyAdmin, at.API)
}

// interrupted hides what fails only because somebody pressed Ctrl-C.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return err
}
