package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/policy"
)

// admin is a server whose admin pages a test asks for without a listener.
func admin(t *testing.T, options Options) *Server {
	t.Helper()
	server, err := New(newMemory(shopPolicy), options)
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// A page is what the admin listener answered.
type page struct {
	code   int
	header http.Header
	text   string
}

func get(t *testing.T, s *Server, method, path string, change func(*http.Request)) page {
	t.Helper()
	request := httptest.NewRequest(method, "http://127.0.0.1"+path, nil)
	if change != nil {
		change(request)
	}
	recorder := httptest.NewRecorder()
	s.adminHandler().ServeHTTP(recorder, request)
	return page{code: recorder.Code, header: recorder.Header(), text: recorder.Body.String()}
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	s := admin(t, Options{})
	for _, step := range []struct {
		state int32
		code  int
		text  string
	}{
		{stateStarting, http.StatusServiceUnavailable, "policies are not loaded yet\n"},
		{stateReady, http.StatusOK, "ready\n"},
		{stateDraining, http.StatusServiceUnavailable, "draining\n"},
	} {
		s.state.Store(step.state)
		response := get(t, s, http.MethodGet, "/readyz", nil)
		if response.code != step.code || response.text != step.text {
			t.Errorf("state %d: %d %q, want %d %q", step.state, response.code, response.text, step.code, step.text)
		}
		if live := get(t, s, http.MethodGet, "/livez", nil); live.code != http.StatusOK {
			t.Errorf("state %d: /livez is %d", step.state, live.code)
		}
	}
}

func TestAdminGuard(t *testing.T) {
	t.Parallel()
	s := admin(t, Options{Admin: "127.0.0.1:0", AdminHosts: []string{"corsgate.internal"}})
	for host, want := range map[string]int{
		"127.0.0.1": 200, "127.0.0.1:9192": 200, "[::1]:9192": 200, "[::1]": 200, "10.1.2.3:80": 200,
		"localhost": 200, "LocalHost:9192": 200, "corsgate.internal": 200, "CORSGATE.internal:9192": 200, "": 200,
		"evil.example": 421, "evil.example:9192": 421, "127.0.0.1.evil.example": 421, "localhost.evil.example": 421, "internal": 421,
	} {
		response := get(t, s, http.MethodGet, "/policies", func(r *http.Request) { r.Host = host })
		if response.code != want {
			t.Errorf("host %q: %d, want %d", host, response.code, want)
		}
	}
	for method, want := range map[string]int{
		http.MethodGet: 200, http.MethodHead: 200, http.MethodPost: 405, http.MethodOptions: 405, http.MethodDelete: 405,
	} {
		response := get(t, s, method, "/policies", nil)
		if response.code != want {
			t.Errorf("%s: %d, want %d", method, response.code, want)
		}
		if response.header.Get("X-Content-Type-Options") != "nosniff" ||
			!strings.HasPrefix(response.header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: headers %v", method, response.header)
		}
		if response.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: foreign sites may read it", method)
		}
	}
	if response := get(t, s, http.MethodGet, "/none", nil); response.code != http.StatusNotFound {
		t.Errorf("/none: %d, want 404", response.code)
	}
}

func TestPoliciesAsJSON(t *testing.T) {
	t.Parallel()
	s := admin(t, Options{Build: Build{Version: "v1.2.3"}})
	ctx := short(t)
	read := func() View {
		t.Helper()
		response := get(t, s, http.MethodGet, "/policies", func(r *http.Request) { r.Header.Set("Accept", "*/*") })
		if got := response.header.Get("Content-Type"); got != "application/json" {
			t.Errorf("content type %q", got)
		}
		var view struct {
			View

			// Severity has words to write, and none to read.
			LastReload json.RawMessage `json:"lastReload"`
		}
		text := response.text
		if err := json.Unmarshal([]byte(text), &view); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(text, ": null") {
			t.Errorf("a list is null:\n%s", text)
		}
		return view.View
	}

	empty := read()
	if empty.State != "starting" || empty.Revision != "" || len(empty.Policies) != 0 || empty.LoadedAt != nil {
		t.Errorf("before anything is loaded: %+v", empty)
	}
	s.policies.Load(ctx, snapshot(shopPolicy))
	full := read()
	want := []PolicyView{
		{
			Name: "named", Position: policy.Position{File: "policies.yaml", Line: 14, Column: 1}, Enforcement: "REPORT_ONLY",
			Targets: []TargetView{}, Origins: []string{"*"}, Methods: []string{"GET", "HEAD", "POST"},
			OnDisallowedOrigin: "DENY", Navigations: "DENY",
		},
		{
			Name: "shop", Position: policy.Position{File: "policies.yaml", Line: 1, Column: 1}, Enforcement: "ENFORCE",
			Targets: []TargetView{{Hosts: []string{"api.example"}}}, Origins: []string{"https://shop.example"},
			Methods: []string{"GET", "PUT"}, RequestHeaders: []string{"Content-Type"}, ExposeHeaders: []string{"X-Request-Id"},
			Credentials: true, MaxAge: "10m", OnDisallowedOrigin: "DENY", Navigations: "DENY",
		},
	}
	if diff := cmp.Diff(want, full.Policies); diff != "" {
		t.Errorf("policies (-want +got):\n%s", diff)
	}
	if full.Version != "v1.2.3" || full.Source != "memory" || full.Revision != s.policies.Status().Set.Revision() ||
		full.Files != 1 || full.NoPolicy != "DENY" || full.LoadedAt == nil {
		t.Errorf("view: %+v", full)
	}
}

func TestPoliciesAsPage(t *testing.T) {
	t.Parallel()
	s := admin(t, Options{})
	ctx := short(t)
	show := func() string {
		t.Helper()
		response := get(t, s, http.MethodGet, "/policies", func(r *http.Request) {
			r.Header.Set("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
		})
		if got := response.header.Get("Content-Type"); got != "text/html; charset=utf-8" {
			t.Errorf("content type %q", got)
		}
		if got := response.header.Get("Vary"); got != "Accept" {
			t.Errorf("vary %q", got)
		}
		return response.text
	}
	expect := func(text string, parts ...string) {
		t.Helper()
		for _, part := range parts {
			if !strings.Contains(text, part) {
				t.Errorf("the page lacks %q:\n%s", part, text)
			}
		}
	}
	expect(show(), "No policies are in force.", "</html>")
	many := make([]string, maxShown+1)
	for i := range many {
		many[i] = fmt.Sprintf("https://shop%d.example", i)
	}
	s.policies.Load(ctx, snapshot(strings.Replace(shopPolicy, "https://shop.example", strings.Join(many, ", "), 1)))
	expect(show(), "The source's policies are in force.", s.policies.Status().Set.Revision(),
		"policies.yaml:1:1", "REPORT_ONLY", "only routes that name it", many[maxShown-1], "and 1 more", "</html>")
	s.policies.Load(ctx, snapshot(strings.Replace(brokenPolicy, "https://shop.example/path", `"<script>alert(1)</script>"`, 1)))
	broken := show()
	expect(broken, "the last good set is still in force", "policies.yaml:6:", "spec.origins[0]", "&lt;script&gt;", "</html>")
	if strings.Contains(broken, "<script") {
		t.Errorf("what a policy says became a part of the page:\n%s", broken)
	}
	s.policies.Fail(ctx, errors.New("the disk is <gone>"))
	expect(show(), "the disk is &lt;gone&gt;", "</html>")
}

func TestIndex(t *testing.T) {
	t.Parallel()
	s := admin(t, Options{})
	for _, accept := range []string{"*/*", "text/html"} {
		response := get(t, s, http.MethodGet, "/", func(r *http.Request) { r.Header.Set("Accept", accept) })
		text := response.text
		for _, path := range []string{"/policies", "/explain", "/metrics", "/readyz", "/livez"} {
			if response.code != http.StatusOK || !strings.Contains(text, path) {
				t.Errorf("%s: %d without %s:\n%s", accept, response.code, path, text)
			}
			if listed := get(t, s, http.MethodGet, path, nil); listed.code == http.StatusNotFound {
				t.Errorf("%s is listed and not there", path)
			}
		}
	}
}

func TestWantsHTML(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]bool{
		"": false, "*/*": false, "application/json": false, "text/html;q=0": false, "text/plain, */*": false,
		"text/html": true, "application/json, text/html;q=0.5": true,
	} {
		request := httptest.NewRequest(http.MethodGet, "/", nil)
		request.Header.Set("Accept", accept)
		if got := wantsHTML(request); got != want {
			t.Errorf("wantsHTML(%q) = %v", accept, got)
		}
	}
}
