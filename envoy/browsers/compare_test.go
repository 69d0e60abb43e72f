package browsers

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy/browser"
)

// A record is what came of a case, in the model or in a browser, in the form in
// which the two are compared.
type record struct {
	Calls     []callRecord
	Exchanges []string
	// Console is sorted: what several calls print may come in any order.
	Console []string
}

// A callRecord is what a script learned.
type callRecord struct {
	Access  string
	Headers []string
	Body    string
	Timing  string
}

// predict lets the model of an engine play a case.
func predict(t *testing.T, engine browser.Engine, at sites, c *testCase) *record {
	t.Helper()
	requests, err := c.requests(at)
	if err != nil {
		t.Fatal(err)
	}
	r := &record{}
	server, cache, names := c.server(at), browser.NewCache(engine), c.watched()
	for i := range requests {
		outcome := browser.Fetch(&requests[i], server, browser.Options{Engine: engine, Cache: cache})
		got := callRecord{Access: outcome.Access.String()}
		if outcome.Shared() && hasHeaders(requests[i].Initiator) {
			got.Headers = headerLines(outcome.Headers)
			if requests[i].Method != http.MethodHead {
				got.Body = outcome.Response.Body
			}
		}
		if c.calls[i].timing && outcome.Access != browser.AccessBlocked {
			got.Timing = strconv.FormatBool(outcome.Timing)
		}
		r.Calls = append(r.Calls, got)
		for _, e := range outcome.Exchanges {
			if e.Response.Status != 0 { // Else it reached nobody.
				r.Exchanges = append(r.Exchanges, line(&e, names))
			}
		}
		r.Console = append(r.Console, printed(engine, &outcome, &requests[i])...)
	}
	slices.Sort(r.Console)
	return r
}

// printed is what the console shows of a call.
func printed(engine browser.Engine, outcome *browser.Outcome, request *browser.Request) []string {
	var lines []string
	if outcome.AuthorizationWarning {
		warning := browser.Block{Failure: browser.FailureAuthorizationWildcard, URL: request.URL.String()}
		if text := browser.Console(engine, &warning); text != "" {
			lines = append(lines, text)
		}
	}
	if text := browser.Console(engine, &outcome.Block); text != "" {
		lines = append(lines, strings.Split(text, "\n")...)
	}
	return lines
}

// observed is what a browser made of a case.
func (s *stage) observed(c *testCase, console []string) *record {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &record{Console: slices.Sorted(slices.Values(console))}
	for i, got := range s.results[c.id] {
		one := callRecord{Access: got.Access}
		if got.Access == "readable" && hasHeaders(c.calls[i].Initiator) {
			var headers []browser.Header
			for _, h := range got.Headers {
				headers = append(headers, browser.Header{Name: h[0], Value: asBytes(h[1])})
			}
			one.Headers, one.Body = headerLines(headers), got.Body
		}
		if got.Timing != nil {
			one.Timing = strconv.FormatBool(*got.Timing)
		}
		r.Calls = append(r.Calls, one)
	}
	for _, e := range s.seen[c.id] {
		r.Exchanges = append(r.Exchanges, line(&e, c.watched()))
	}
	return r
}

// headerLines are headers as a script lists them: lower case, sorted, each once.
func headerLines(headers []browser.Header) []string {
	values := map[string][]string{}
	for _, h := range headers {
		name := strings.ToLower(h.Name)
		values[name] = append(values[name], strings.TrimSpace(h.Value))
	}
	var lines []string
	for name, list := range values {
		lines = append(lines, name+": "+strings.Join(list, ", "))
	}
	slices.Sort(lines)
	return lines
}

// fromBrowser are what the browser itself says of where a request comes from and
// what it asks.
func fromBrowser() []string {
	return []string{
		"access-control-request-headers", "access-control-request-method", "access-control-request-private-network",
		"authorization", "origin", "sec-fetch-mode", "sec-fetch-site",
	}
}

// watched are the request headers of a case's actual requests that are
// compared: the browser's own, and those that the case's scripts set.
func (c *testCase) watched() []string {
	names := fromBrowser()
	for _, call := range c.calls {
		for _, h := range call.Headers {
			// The browser writes what it forbids scripts to write.
			if name := strings.ToLower(h.Name); name != "user-agent" && !browser.IsForbiddenHeader(h.Name, h.Value) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// line is an exchange on one line.
func line(e *browser.Exchange, names []string) string {
	var b strings.Builder
	kind := ""
	if e.Preflight {
		kind = "preflight "
		names = append([]string{"accept"}, fromBrowser()...)
	}
	fmt.Fprintf(&b, "%s%s %s -> %d", kind, e.Request.Method, e.Request.URL, e.Response.Status)
	values := map[string][]string{}
	for _, h := range e.Request.Headers {
		values[h.Name] = append(values[h.Name], strings.TrimSpace(h.Value))
	}
	for _, name := range names {
		if list, ok := values[name]; ok {
			fmt.Fprintf(&b, " | %s: %s", name, strings.Join(list, ", "))
		}
	}
	// The pages have a cookie for the host that they are on. What the model says
	// of others is that one would be sent.
	if e.Request.Credentials && strings.HasPrefix(e.Request.URL.Host, pageHost+":") {
		b.WriteString(" | with cookies")
	}
	return b.String()
}

// sortConsole gives each line of a console to the case that it names.
func sortConsole(lines []string) map[int][]string {
	inPath := regexp.MustCompile(`localhost:\d+/c(\d+)/`)
	byCase := map[int][]string{}
	for _, text := range lines {
		if m := inPath.FindStringSubmatch(text); m != nil {
			if id, err := strconv.Atoi(m[1]); err == nil {
				byCase[id] = append(byCase[id], text)
			}
		}
	}
	return byCase
}

// compare checks every case of a stage that a browser has played.
func (s *stage) compare(t *testing.T, engine browser.Engine, lines []string) {
	t.Helper()
	for _, err := range s.errs {
		t.Error(err)
	}
	console := sortConsole(lines)
	for _, c := range s.cases {
		t.Run(c.name, func(t *testing.T) {
			want, got := predict(t, engine, s.at, c).lines(), s.observed(c, console[c.id]).lines()
			if diff := difference(want, got); diff != "" {
				t.Errorf("the model is not like %s (-model +browser):\n%s%s", engine, diff, s.explain(c))
			}
		})
	}
}

// lines writes a record out.
func (r *record) lines() []string {
	var lines []string
	for i, c := range r.Calls {
		lines = append(lines, fmt.Sprintf("call %d: %s %q", i, c.Access, c.Body))
		if c.Timing != "" {
			lines = append(lines, fmt.Sprintf("call %d: timing %s", i, c.Timing))
		}
		for _, h := range c.Headers {
			lines = append(lines, fmt.Sprintf("call %d: sees %s", i, h))
		}
	}
	for i, e := range r.Exchanges {
		lines = append(lines, fmt.Sprintf("sent %d: %s", i, e))
	}
	for _, text := range r.Console {
		lines = append(lines, "console: "+text)
	}
	return lines
}

// difference shows the lines that only one side has, or "" where both are alike.
func difference(want, got []string) string {
	var b strings.Builder
	for _, side := range [...]struct {
		sign        string
		mine, other []string
	}{{"-", want, got}, {"+", got, want}} {
		rest := slices.Clone(side.other)
		for _, line := range side.mine {
			if i := slices.Index(rest, line); i >= 0 {
				rest = slices.Delete(rest, i, i+1)
			} else {
				fmt.Fprintln(&b, side.sign, line)
			}
		}
	}
	return b.String()
}

// explain tells what else is known of a case: the browser's own words.
func (s *stage) explain(c *testCase) string {
	var b strings.Builder
	for i, r := range s.results[c.id] {
		if r.Error != "" {
			fmt.Fprintf(&b, "call %d: %s\n", i, r.Error)
		}
	}
	return b.String()
}
