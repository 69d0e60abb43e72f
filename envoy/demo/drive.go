package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/chromedp"
)

// callLimit bounds one call, in the browser and back.
const callLimit = 20 * time.Second

// A Result is what came of a row.
type Result struct {
	Row

	Got Outcome
	// Logged is whether Got.Decision is known: an access log was read.
	Logged bool
}

// Wrong says in what the result differs from what was expected: nothing, if all
// is well.
func (r Result) Wrong(at addresses) []string {
	var wrong []string
	differ := func(what, want, got string) {
		if want != got {
			wrong = append(wrong, fmt.Sprintf("%s: expected %q, got %q", what, want, got))
		}
	}
	differ("browser", passage(r.Want.Through), passage(r.Got.Through))
	differ("script saw", r.Want.Saw, r.Got.Saw)
	want := make([]string, len(r.Want.Console))
	for i, text := range r.Want.Console {
		want[i] = expand(text, at.API, at.origin(r.Page))
	}
	if !slices.Equal(want, r.Got.Console) {
		differ("console", strings.Join(want, "\n"), strings.Join(r.Got.Console, "\n"))
	}
	if r.Logged {
		differ("corsgate", r.Want.Decision.String(), r.Got.Decision.String())
	}
	return wrong
}

// passage is the word for what the browser did.
func passage(through bool) string {
	if through {
		return "let through"
	}
	return "blocked"
}

// drive makes every call of the table in a headless browser. browser is the
// context of its first tab. Where log is nil, decisions stay unknown.
func drive(browser context.Context, at addresses, log accessLog) ([]Result, error) {
	began := time.Now().Truncate(time.Millisecond) // The access log's precision.
	tabs := make(map[string]*tab)
	for _, host := range []string{shopHost, evilHost} {
		t, err := openTab(browser, at.origin(host)+"/")
		if err != nil {
			return nil, err
		}
		defer t.close()
		tabs[host] = t
	}
	var results []Result
	for _, row := range rows() {
		got, err := tabs[row.Page].run(row.Call.ID) //nolint:contextcheck // The tab has a context of its own.
		if err != nil {
			return nil, fmt.Errorf("run %q on %s: %w", row.Call.Title, row.Page, err)
		}
		results = append(results, Result{Row: row, Got: got})
	}
	if log == nil {
		return results, nil
	}
	found, err := decisions(browser, log, began, at)
	for i, r := range results {
		results[i].Got.Decision, results[i].Logged = found[r.key()], true
	}
	if errors.Is(err, errMissingLines) {
		return results, nil // The rows without a line show it.
	}
	return results, err
}

// A tab is a page in the browser, and its console.
type tab struct {
	ctx   context.Context //nolint:containedctx // chromedp keeps a tab in a context.
	next  func() (chromedp.ConsoleMessage, error, bool)
	close func()
}

func openTab(browser context.Context, address string) (*tab, error) {
	ctx, cancel := chromedp.NewContext(browser)
	next, stop := iter.Pull2(chromedp.Console(ctx))
	t := &tab{ctx: ctx, next: next, close: func() {
		stop()
		cancel()
	}}
	limited, done := context.WithTimeout(ctx, callLimit)
	defer done()
	if err := chromedp.Do(limited, chromedp.Navigate(address)); err != nil {
		t.close()
		return nil, fmt.Errorf("open %s in Chromium: %w", address, err)
	}
	return t, nil
}

// run makes one call as the page's own button does, and gathers what the
// browser wrote to its console meanwhile: all before a line of our own.
func (t *tab) run(id string) (Outcome, error) {
	ctx, cancel := context.WithTimeout(t.ctx, callLimit)
	defer cancel()
	end := "end of " + id
	script := fmt.Sprintf("run(%q).finally(() => console.debug(%q))", id, end)
	got, err := chromedp.Run(ctx, chromedp.Evaluate[Outcome](script, chromedp.EvalAwaitPromise))
	if err != nil {
		return got, fmt.Errorf("evaluate: %w", err)
	}
	for {
		message, err, ok := t.next()
		switch {
		case err != nil:
			return got, fmt.Errorf("read the console: %w", err)
		case !ok:
			return got, errors.New("read the console: it ended")
		case message.Text == end:
			return got, nil
		}
		got.Console = append(got.Console, message.Text)
	}
}
