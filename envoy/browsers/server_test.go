package browsers

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/corsgate/corsgate/policy/browser"
)

//go:embed testdata/page.js
var pageScript []byte

const (
	// pathPage is the page that most cases run in.
	pathPage = "/page"
	// pathOpaque is one that is sandboxed, so that its origin is none.
	pathOpaque = "/opaque"
	// pathEnd is what a page calls at last. It may not read the answer.
	pathEnd = "/end"
	// pageHost is the pages' host, for which they have a cookie.
	pageHost = "shop.localhost"
)

// A stage is the server that the pages come from and call.
type stage struct {
	at    sites
	cases []*testCase
	plays []browser.Server // by case

	mu      sync.Mutex
	seen    [][]browser.Exchange // by case
	results map[int][]result
	errs    []error

	// finished receives the path of each page whose results are in.
	finished chan string
}

// openStage listens on three ports of this machine until the test ends.
func openStage(t *testing.T, cases []*testCase) *stage {
	t.Helper()
	s := &stage{
		cases: cases, plays: make([]browser.Server, len(cases)), seen: make([][]browser.Exchange, len(cases)),
		results: map[int][]result{}, finished: make(chan string, 2),
	}
	main, near, dead := listen(t), listen(t), listen(t)
	s.at = sites{
		siteAPI:   "http://api.localhost:" + port(main),
		siteOther: "http://other.localhost:" + port(main),
		siteNear:  "http://" + pageHost + ":" + port(near),
		sitePage:  "http://" + pageHost + ":" + port(main),
		siteDead:  "http://dead.localhost:" + port(dead),
	}
	for _, c := range cases {
		s.plays[c.id] = c.server(s.at)
	}
	server := &http.Server{Handler: s}
	for _, l := range []net.Listener{main, near} {
		go func() { _ = server.Serve(l) }() // It ends with Close.
	}
	t.Cleanup(func() { _ = server.Close() })
	go hangUp(dead)
	return s
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func port(l net.Listener) string { return strconv.Itoa(l.Addr().(*net.TCPAddr).Port) }

// hangUp closes every connection at once.
func hangUp(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		conn.Close()
	}
}

func (s *stage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header()["Date"] = nil // Else the server adds one, which scripts may see.
	switch path := r.URL.Path; {
	case path == pathPage, path == pathOpaque:
		w.Header().Set("Content-Type", "text/html")
		if path == pathOpaque {
			w.Header().Set("Content-Security-Policy", "sandbox allow-scripts")
		}
		fmt.Fprint(w, `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script src="/page.js"></script>`)
	case path == "/page.js":
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = w.Write(pageScript)
	case strings.HasPrefix(path, "/cases/"):
		w.Header().Set("Access-Control-Allow-Origin", "*") // for the sandboxed page
		w.Header().Set("Content-Type", "application/json")
		s.report(json.NewEncoder(w).Encode(s.script(strings.TrimPrefix(path, "/cases"))))
	case strings.HasPrefix(path, "/results/"):
		w.Header().Set("Access-Control-Allow-Origin", "*")
		s.takeResults(r)
	case strings.HasPrefix(path, "/failed/"):
		w.Header().Set("Access-Control-Allow-Origin", "*")
		reason, err := io.ReadAll(r.Body)
		s.report(errors.Join(fmt.Errorf("run the script of %s: %s", path, reason), err))
		s.finished <- strings.TrimPrefix(path, "/failed")
	case strings.HasPrefix(path, "/c"):
		s.play(w, r)
	}
}

// report keeps an error for the test to show.
func (s *stage) report(err error) {
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.errs = append(s.errs, err)
	}
}

func (s *stage) takeResults(r *http.Request) {
	var got map[int][]result
	if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
		s.report(fmt.Errorf("read a page's results: %w", err))
	}
	s.mu.Lock()
	maps.Copy(s.results, got)
	s.mu.Unlock()
	s.finished <- strings.TrimPrefix(r.URL.Path, "/results")
}

// play answers as a case says, and notes what was asked.
func (s *stage) play(w http.ResponseWriter, r *http.Request) {
	id, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/c"), "/")
	n, err := strconv.Atoi(id)
	if err != nil || n < 0 || n >= len(s.cases) {
		s.report(fmt.Errorf("find the case of %s: there is none", r.URL))
		return
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		s.report(fmt.Errorf("read the body of %s: %w", r.URL, err))
	}
	request := received(r)
	s.mu.Lock()
	response := s.plays[n](request)
	s.seen[n] = append(s.seen[n], browser.Exchange{Request: request, Response: response, Preflight: isPreflight(&request)})
	s.mu.Unlock()
	for _, h := range response.Headers {
		w.Header().Add(h.Name, h.Value)
	}
	w.WriteHeader(response.Status)
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, response.Body)
	}
}

// received is a request in the model's form.
func received(r *http.Request) browser.ServerRequest {
	s := browser.ServerRequest{
		Method: r.Method, URL: &url.URL{Scheme: "http", Host: r.Host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery},
		Credentials: r.Header.Get("Cookie") != "",
	}
	for name, values := range r.Header {
		s.Headers = append(s.Headers, browser.Header{Name: strings.ToLower(name), Value: strings.Join(values, ", ")})
	}
	return s
}

// pages are those that the cases run in.
func (s *stage) pages() []string { return []string{pathPage, pathOpaque} }

// await waits until a page's results are in.
func (s *stage) await(t *testing.T, page string) {
	t.Helper()
	select {
	case got := <-s.finished:
		if got != page {
			t.Fatalf("%s finished while %s ran", got, page)
		}
	case <-time.After(runLimit):
		t.Fatalf("%s did not finish within %s; %s", page, runLimit, s.progress())
	}
}

// progress tells which cases nothing has come of.
func (s *stage) progress() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var silent []string
	for _, c := range s.cases {
		if len(s.seen[c.id]) == 0 {
			silent = append(silent, c.name)
		}
	}
	return fmt.Sprintf("of %d cases the server saw nothing of %d, %.500q; errors: %v", len(s.cases), len(silent), silent, s.errs)
}
