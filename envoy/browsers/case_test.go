package browsers

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/corsgate/corsgate/policy/browser"
)

// A site is where something is served. All are names of this machine.
type site uint8

const (
	siteAPI   site = iota // another site than the page's
	siteOther             // a third one
	siteNear              // the page's host on another port: another origin of the same site
	sitePage              // the page itself
	siteDead              // a port that hangs up
	siteCount
)

// sites are the origins of all sites, serialised.
type sites [siteCount]string

// A route is one URL of a case, and what it answers: the first answer to the
// first request, and so on; the last one to all that follow. Preflights and
// actual requests have answers of their own.
type route struct {
	at         site
	preflights []browser.ServerResponse
	answers    []browser.ServerResponse
	// query follows the path.
	query string
}

// A testCase is what a page does, and what it gets.
type testCase struct {
	id   int
	name string
	// opaque says that the page has no origin of its own.
	opaque bool
	// calls go to the first route, one after the other, unless a call has a URL.
	calls  []call
	routes []route
}

// A call is one request of a page.
type call struct {
	browser.Request

	// timing says that the test looks at what the page learns of its timing.
	timing bool
}

// path is the start of every URL of a case. It tells whose a line of the console
// is.
func (c *testCase) path() string { return "/c" + strconv.Itoa(c.id) + "/" }

func (c *testCase) routeURL(at sites, n int) string {
	return at[c.routes[n].at] + c.path() + strconv.Itoa(n) + c.routes[n].query
}

// pageOrigin is the origin that the case's page has.
func (c *testCase) pageOrigin(at sites) string {
	if c.opaque {
		return browser.OpaqueOrigin
	}
	return at[sitePage]
}

// fill writes what is only known at run time: the page's origin, and the URLs of
// routes, plainly and with a user's name and password.
func (c *testCase) fill(at sites, text string) string {
	pairs := []string{"{page}", c.pageOrigin(at)}
	for n := range c.routes {
		address := c.routeURL(at, n)
		pairs = append(pairs, fmt.Sprintf("{%d}", n), address,
			fmt.Sprintf("{user@%d}", n), strings.Replace(address, "://", "://ann:secret@", 1))
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// requests are the case's calls in full.
func (c *testCase) requests(at sites) ([]browser.Request, error) {
	all := make([]browser.Request, len(c.calls))
	for i, call := range c.calls {
		all[i] = call.Request
		all[i].Origin = c.pageOrigin(at)
		if call.URL != nil {
			continue
		}
		target, err := url.Parse(c.routeURL(at, 0))
		if err != nil {
			return nil, fmt.Errorf("read the URL of %q: %w", c.name, err)
		}
		all[i].URL = target
	}
	return all, nil
}

// server plays the case's routes, from the beginning. The model is given one, and
// the real server another.
func (c *testCase) server(at sites) browser.Server {
	var mu sync.Mutex
	preflights, answers := make([]int, len(c.routes)), make([]int, len(c.routes))
	return func(r browser.ServerRequest) browser.ServerResponse {
		mu.Lock()
		defer mu.Unlock()
		n, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, c.path()))
		if err != nil || n >= len(c.routes) || c.routes[n].at == siteDead {
			return browser.ServerResponse{}
		}
		script, seen := c.routes[n].answers, &answers[n]
		if isPreflight(&r) {
			script, seen = c.routes[n].preflights, &preflights[n]
		}
		*seen++
		if len(script) == 0 {
			return c.complete(at, r.Method, browser.ServerResponse{Status: 404})
		}
		return c.complete(at, r.Method, script[min(*seen, len(script))-1])
	}
}

func isPreflight(r *browser.ServerRequest) bool {
	return r.Method == http.MethodOptions && r.Get("access-control-request-method") != ""
}

// complete adds what a server must send, so that nothing is added on the way.
func (c *testCase) complete(at sites, method string, r browser.ServerResponse) browser.ServerResponse {
	headers := make([]browser.Header, 0, len(r.Headers)+2)
	for _, h := range r.Headers {
		headers = append(headers, browser.Header{Name: h.Name, Value: c.fill(at, h.Value)})
	}
	has := func(name string) bool {
		for _, h := range headers {
			if strings.EqualFold(h.Name, name) {
				return true
			}
		}
		return false
	}
	if !has("cache-control") { // Each request must reach the server.
		headers = append(headers, browser.Header{Name: "Cache-Control", Value: "no-store"})
	}
	if r.Status != 204 && r.Status != 304 {
		if !has("content-type") {
			headers = append(headers, browser.Header{Name: "Content-Type", Value: "text/plain"})
		}
		size := len(r.Body)
		if method == http.MethodHead {
			size = 0
		}
		headers = append(headers, browser.Header{Name: "Content-Length", Value: strconv.Itoa(size)})
	}
	r.Headers = headers
	return r
}
