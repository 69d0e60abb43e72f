package browsers

import (
	"context"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/corsgate/corsgate/envoy/parts"
	"github.com/corsgate/corsgate/policy/browser"
)

// runLimit bounds a page, from its address to the last line of its console.
const runLimit = 1 * time.Minute

func TestChromium(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*runLimit)
	defer cancel()
	binary, err := parts.Chromium(ctx)
	if err != nil {
		t.Fatal(err)
	}
	tab, stop, err := parts.StartChromium(ctx, binary)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	s := openStage(t, table())
	next, end := iter.Pull2(chromedp.Console(tab))
	defer end()
	var lines []string
	for _, page := range s.pages() {
		if err := chromedp.Do(tab, chromedp.Navigate(s.at[sitePage]+page)); err != nil {
			t.Fatal(err)
		}
		s.await(t, page)
		for {
			message, err, ok := next()
			if err != nil || !ok {
				t.Fatalf("read the console: %v", err)
			}
			// What the network says of each load is not about origins, and mode
			// same-origin's line on redirects names the page's own URL.
			if message.Source == "network" || strings.HasPrefix(message.Text, "Unsafe attempt to load URL ") {
				continue
			}
			if strings.Contains(message.Text, pathEnd+page) {
				break
			}
			lines = append(lines, message.Text)
		}
	}
	s.compare(t, browser.Chrome, lines)
}
