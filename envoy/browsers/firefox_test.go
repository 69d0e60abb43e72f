package browsers

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy/parts"
	"github.com/corsgate/corsgate/policy/browser"
)

// pollPause lies between two looks at Firefox's console.
const pollPause = 20 * time.Millisecond

func TestFirefox(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*runLimit)
	defer cancel()
	binary, err := parts.Firefox(ctx)
	if err != nil {
		t.Fatal(err)
	}
	window, err := parts.StartFirefox(ctx, binary, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := window.Stop(); err != nil {
			t.Error(err)
		}
	}()
	s := openStage(t, table())
	var lines []string
	for _, page := range s.pages() {
		if err := window.Navigate(ctx, s.at[sitePage]+page); err != nil {
			t.Fatal(err)
		}
		s.await(t, page)
		for ended := false; !ended; {
			more, err := window.Printed(ctx)
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, slices.DeleteFunc(slices.Clone(more), isConsequence)...)
			ended = slices.ContainsFunc(more, func(text string) bool { return strings.Contains(text, pathEnd+page) })
			if !ended {
				time.Sleep(pollPause)
			}
		}
	}
	s.compare(t, browser.Firefox, lines)
}

// isConsequence reports whether a line tells what a failure meant to what made
// the request, or warns of something else than origins: the model has none of it.
func isConsequence(text string) bool {
	for _, start := range []string{
		"Firefox can’t establish a connection to the server at http:", // an EventSource
		"downloadable font: ",
		"<script> source URI is not allowed in this document: ",
		"The script from “",
		"Security Error: Content at ", // It names the page's own URL.
		"Referrer Policy: ",
	} {
		if strings.HasPrefix(text, start) {
			return true
		}
	}
	return false
}
