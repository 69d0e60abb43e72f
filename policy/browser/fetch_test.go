package browser

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func mustURL(tb rapid.TB, text string) *url.URL {
	tb.Helper()
	u, err := url.Parse(text)
	if err != nil {
		tb.Fatalf("parse a URL: %v", err)
	}
	return u
}

const api = "https://api.example/v1"

// respond makes a response of "name: value" lines.
func respond(status int, lines ...string) ServerResponse {
	response := ServerResponse{Status: status, Body: "body"}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		response.Headers = append(response.Headers, Header{name, value})
	}
	return response
}

// script answers with one response after the other, and with the last for ever.
func script(responses ...ServerResponse) Server {
	i := -1
	return func(ServerRequest) ServerResponse {
		i = min(i+1, len(responses)-1)
		return responses[i]
	}
}

// sent writes down what was sent: "OPTIONS https://… origin=…".
func sent(o *Outcome) (lines []string) {
	for i := range o.Exchanges {
		r := &o.Exchanges[i].Request
		line := r.Method + " " + r.URL.String() + " origin=" + r.Get("origin")
		if r.Credentials {
			line += " credentials"
		}
		lines = append(lines, line)
	}
	return lines
}

func TestNeedsPreflight(t *testing.T) {
	t.Parallel()
	json := Header{"Content-Type", "application/json"}
	for _, c := range []struct {
		name    string
		request Request
		want    []Cause
	}{
		{"a GET", Request{}, nil},
		{"a POST of text", Request{Method: "post", Headers: []Header{{"Content-Type", "text/plain"}}}, nil},
		{"PUT", Request{Method: "put"}, []Cause{{CauseMethod, "PUT", ""}}},
		{"patch", Request{Method: "patch"}, []Cause{{CauseMethod, "patch", ""}}},
		{"JSON", Request{Method: "POST", Headers: []Header{json}}, []Cause{{CauseValue, "Content-Type", "application/json"}}},
		{"a header", Request{Headers: []Header{{"X-Csrf-Token", "1"}}}, []Cause{{CauseHeader, "X-Csrf-Token", ""}}},
		{"a forbidden header is dropped", Request{Headers: []Header{{"Cookie", "1"}}}, nil},
		{"a listener", Request{Method: "POST", UploadListener: true}, []Cause{{CauseUploadListener, "", ""}}},
		{"a stream", Request{Method: "POST", Stream: true}, []Cause{{CauseStream, "", ""}}},
		{
			"many values",
			Request{Headers: slices.Repeat([]Header{{"Accept", strings.Repeat("a", 128)}}, 9)},
			[]Cause{{CauseTotal, "", ""}},
		},
		{"its own origin", Request{Method: "PUT", Origin: "https://api.example"}, nil},
		{"mode no-cors", Request{Mode: ModeNoCORS, Headers: []Header{json}}, nil},
		{"a navigation", Request{Method: "POST", Mode: ModeNavigate}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := c.request
			r.URL = mustURL(t, api)
			if r.Origin == "" {
				r.Origin = shop
			}
			needs, got := NeedsPreflight(&r)
			if needs != (len(c.want) > 0) {
				t.Errorf("needs a preflight: %v", needs)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("causes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPreflightRequest(t *testing.T) {
	t.Parallel()
	got := PreflightRequest(Standard, &Request{
		Origin: shop, URL: mustURL(t, "https://user:pw@api.example?q=1#frag"), Method: "delete", Credentials: CredentialsInclude,
		Headers: []Header{{"X-B", "1"}, {"Accept", "text/html"}, {"x-a", "2"}, {"Content-Type", "application/json"}, {"Cookie", "c"}},
	})
	want := ServerRequest{
		Method: "OPTIONS", URL: mustURL(t, "https://api.example/?q=1"),
		Headers: []Header{
			{"accept", "*/*"},
			{"access-control-request-method", "DELETE"},
			{"access-control-request-headers", "content-type,x-a,x-b"},
			{"origin", shop},
			{"sec-fetch-mode", "cors"},
			{"sec-fetch-site", "cross-site"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("preflight (-want +got):\n%s", diff)
	}
}

func TestPreflightCheck(t *testing.T) {
	t.Parallel()
	const (
		none   = FailureNone
		status = FailurePreflightStatus
		method = FailureMethodNotAllowed
		header = FailureHeaderNotAllowed
		badM   = FailureInvalidAllowMethods
		badH   = FailureInvalidAllowHeaders
	)
	ok := "access-control-allow-origin: " + shop
	cred := "access-control-allow-credentials: true"
	put := Request{Method: "PUT"}
	csrf := Request{Headers: []Header{{"X-Csrf-Token", "1"}}}
	auth := Request{Headers: []Header{{"Authorization", "b"}}}
	with := func(r Request) Request { r.Credentials = CredentialsInclude; return r }
	for _, c := range []struct {
		name     string
		request  Request
		response ServerResponse
		want     perEngine
	}{
		{"method listed", put, respond(204, ok, "access-control-allow-methods: GET ,,PUT"), each(none)},
		{"method in lower case", put, respond(204, ok, "access-control-allow-methods: put"), each(method)},
		{"no methods", put, respond(200, ok), each(method)},
		{"any method", put, respond(299, ok, "access-control-allow-methods: *"), each(none)},
		{"any method with credentials", with(put), respond(204, ok, cred, "access-control-allow-methods: *"), each(method)},
		{"safelisted method", csrf, respond(204, ok, "access-control-allow-headers: x-csrf-TOKEN"), each(none)},
		{"header missing", csrf, respond(204, ok, "access-control-allow-headers: x-csrf"), each(header)},
		{"any header", csrf, respond(204, ok, "access-control-allow-headers: *"), each(none)},
		{"any header with credentials", with(csrf), respond(204, ok, cred, "access-control-allow-headers: *"), each(header)},
		{"authorization", auth, respond(204, ok, "access-control-allow-headers: Authorization"), each(none)},
		{"authorization by *", auth, respond(204, ok, "access-control-allow-headers: *"), perEngine{header, none, none, none}},
		{"authorization beside *", auth, respond(204, ok, "access-control-allow-headers: *,authorization"), each(none)},
		{"status 199", put, respond(199, ok, "access-control-allow-methods: PUT"), each(status)},
		{"status 300", put, respond(300, ok, "access-control-allow-methods: PUT"), each(status)},
		{"status 302 without a location", put, respond(302, ok), each(status)},
		{
			"status and origin", put, respond(403),
			perEngine{FailureMissingAllowOrigin, FailureMissingAllowOrigin, FailureMissingAllowOrigin, status},
		},
		{
			"a redirect", put, respond(301, ok, "location: /elsewhere"),
			perEngine{status, FailurePreflightRedirect, FailurePreflightRedirect, status},
		},
		{
			"a redirect without an origin", put, respond(301, "location: /elsewhere"),
			perEngine{FailureMissingAllowOrigin, FailurePreflightRedirect, FailureMissingAllowOrigin, status},
		},
		{"bad methods", put, respond(204, ok, "access-control-allow-methods: PUT, a b"), each(badM)},
		{"bad headers", csrf, respond(204, ok, "access-control-allow-headers: x-csrf-token, (x)"), each(badH)},
		{"both bad", put, respond(204, ok, "access-control-allow-methods: (", "access-control-allow-headers: ("), each(badM)},
		{
			"method and bad headers", put, respond(204, ok, "access-control-allow-methods: GET", "access-control-allow-headers: ("),
			perEngine{badH, badH, method, badH},
		},
		{
			"a forced preflight without methods",
			Request{Method: "PUT", UploadListener: true},
			respond(204, ok),
			perEngine{none, method, method, method},
		},
	} {
		for engine := range engineCount {
			r := c.request
			r.Origin, r.URL = shop, mustURL(t, api)
			if got, _ := PreflightCheck(engine, &r, c.response); got != c.want[engine] {
				t.Errorf("%s: %s says %s, want %s", c.name, engine, got, c.want[engine])
			}
		}
	}
}

// Of several refused headers each engine names one.
func TestNamedHeader(t *testing.T) {
	t.Parallel()
	r := Request{
		Origin: shop, URL: mustURL(t, api),
		Headers: []Header{{"X-Zeta", ""}, {"x-alpha", ""}, {"authorization", ""}, {"last-event-id", ""}},
	}
	for engine, want := range map[Engine]string{Standard: "authorization", Chrome: "authorization", Firefox: "authorization", Safari: "Authorization"} {
		if _, got := PreflightCheck(engine, &r, respond(204, "access-control-allow-origin: *")); got != want {
			t.Errorf("%s names %s, want %s", engine, got, want)
		}
	}
	r.Headers = r.Headers[:2]
	if _, got := PreflightCheck(Safari, &r, respond(204, "access-control-allow-origin: *")); got != "X-Zeta" {
		t.Errorf("Safari names %s", got)
	}
	r.Headers = []Header{{"X-Zeta", ""}, {"last-event-id", ""}}
	if _, got := PreflightCheck(Safari, &r, respond(204, "access-control-allow-origin: *")); got != "Last-Event-ID" {
		t.Errorf("Safari names %s", got)
	}
}

type fetchCase struct {
	name      string
	request   Request
	responses []ServerResponse
	access    Access
	failure   Failure
	sent      []string
}

func TestFetch(t *testing.T) {
	t.Parallel()
	const (
		ok    = "access-control-allow-origin: " + shop
		null  = "access-control-allow-origin: null"
		star  = "access-control-allow-origin: *"
		cred  = "access-control-allow-credentials: true"
		other = "https://other.example/"
	)
	for _, c := range []fetchCase{
		{
			"simple",
			Request{},
			[]ServerResponse{respond(500, star)},
			AccessReadable, FailureNone,
			[]string{"GET https://api.example/v1 origin=" + shop},
		},
		{
			"credentials",
			Request{Credentials: CredentialsInclude},
			[]ServerResponse{respond(200, ok, cred)},
			AccessReadable, FailureNone,
			[]string{"GET https://api.example/v1 origin=" + shop + " credentials"},
		},
		{
			"preflighted",
			Request{Method: "PUT", Credentials: CredentialsInclude},
			[]ServerResponse{respond(204, ok, cred, "access-control-allow-methods: PUT"), respond(200, ok, cred)},
			AccessReadable, FailureNone,
			[]string{"OPTIONS https://api.example/v1 origin=" + shop, "PUT https://api.example/v1 origin=" + shop + " credentials"},
		},
		{
			"refused by the preflight",
			Request{Method: "PUT"},
			[]ServerResponse{respond(204, ok)},
			AccessBlocked, FailureMethodNotAllowed,
			[]string{"OPTIONS https://api.example/v1 origin=" + shop},
		},
		{
			"refused afterwards",
			Request{Method: "PUT"},
			[]ServerResponse{respond(204, ok, "access-control-allow-methods: PUT"), respond(200)},
			AccessBlocked, FailureMissingAllowOrigin,
			[]string{"OPTIONS https://api.example/v1 origin=" + shop, "PUT https://api.example/v1 origin=" + shop},
		},
		{"no answer", Request{}, []ServerResponse{{}}, AccessBlocked, FailureNetwork, []string{"GET https://api.example/v1 origin=" + shop}},
		{
			"no answer to the preflight",
			Request{Method: "PUT"},
			[]ServerResponse{{}},
			AccessBlocked, FailureNetwork,
			[]string{"OPTIONS https://api.example/v1 origin=" + shop},
		},
		{"forbidden method", Request{Method: "trace"}, nil, AccessBlocked, FailureForbiddenMethod, nil},
		{
			"its own origin",
			Request{Origin: "https://api.example", Method: "PUT"},
			[]ServerResponse{respond(200)},
			AccessReadable, FailureNone,
			[]string{"PUT https://api.example/v1 origin=https://api.example credentials"},
		},
		{"same-origin mode", Request{Mode: ModeSameOrigin}, nil, AccessBlocked, FailureMode, nil},
		{
			"no-cors",
			Request{Mode: ModeNoCORS},
			[]ServerResponse{respond(200)},
			AccessOpaque, FailureNone,
			[]string{"GET https://api.example/v1 origin="},
		},
		{
			"a beacon",
			Request{Mode: ModeNoCORS, Method: "POST"},
			[]ServerResponse{respond(200)},
			AccessOpaque, FailureNone,
			[]string{"POST https://api.example/v1 origin=" + shop},
		},
		{
			"a beacon without referrer",
			Request{Mode: ModeNoCORS, Method: "POST", ReferrerPolicy: ReferrerNone},
			[]ServerResponse{respond(200)},
			AccessOpaque, FailureNone,
			[]string{"POST https://api.example/v1 origin=null"},
		},
		{"no-cors PUT", Request{Mode: ModeNoCORS, Method: "PUT"}, nil, AccessBlocked, FailureMode, nil},
		{
			"resource policy",
			Request{Mode: ModeNoCORS},
			[]ServerResponse{respond(200, "cross-origin-resource-policy: same-site")},
			AccessBlocked, FailureResourcePolicy,
			[]string{"GET https://api.example/v1 origin="},
		},
		{
			"a form",
			Request{Mode: ModeNavigate, Method: "POST"},
			[]ServerResponse{respond(200)},
			AccessOpaque, FailureNone,
			[]string{"POST https://api.example/v1 origin=" + shop + " credentials"},
		},
		{
			"redirect within the API",
			Request{},
			[]ServerResponse{respond(302, ok, "location: /v2#x"), respond(200, ok)},
			AccessReadable, FailureNone,
			[]string{"GET https://api.example/v1 origin=" + shop, "GET https://api.example/v2 origin=" + shop},
		},
		{
			"redirect from the API to another",
			Request{},
			[]ServerResponse{respond(302, ok, "location: "+other), respond(200, null)},
			AccessReadable, FailureNone,
			[]string{"GET https://api.example/v1 origin=" + shop, "GET https://other.example/ origin=null"},
		},
		{
			"which expects the page",
			Request{},
			[]ServerResponse{respond(302, ok, "location: "+other), respond(200, ok)},
			AccessBlocked, FailureAllowOriginMismatch,
			[]string{"GET https://api.example/v1 origin=" + shop, "GET https://other.example/ origin=null"},
		},
		{
			"redirect from the page's origin",
			Request{Origin: "https://api.example"},
			[]ServerResponse{respond(307, "location: "+other), respond(200, "access-control-allow-origin: https://api.example")},
			AccessReadable, FailureNone,
			[]string{"GET https://api.example/v1 origin= credentials", "GET https://other.example/ origin=https://api.example"},
		},
		{
			"and back",
			Request{Origin: "https://api.example"},
			[]ServerResponse{respond(307, "location: "+other), respond(307, star, "location: "+api), respond(200, null)},
			AccessReadable, FailureNone,
			[]string{"GET https://api.example/v1 origin= credentials", "GET https://other.example/ origin=https://api.example", "GET https://api.example/v1 origin=null"},
		},
		{
			"a redirect that is not shared",
			Request{},
			[]ServerResponse{respond(302, "location: /v2")},
			AccessBlocked, FailureMissingAllowOrigin,
			[]string{"GET https://api.example/v1 origin=" + shop},
		},
		{
			"redirect to a user",
			Request{},
			[]ServerResponse{respond(302, ok, "location: https://u:p@other.example/")},
			AccessBlocked, FailureRedirectCredentials,
			[]string{"GET https://api.example/v1 origin=" + shop},
		},
		{
			"redirect to data",
			Request{},
			[]ServerResponse{respond(302, ok, "location: data:text/plain,x")},
			AccessBlocked, FailureRedirectScheme,
			[]string{"GET https://api.example/v1 origin=" + shop},
		},
		{
			"unwanted redirect",
			Request{Redirect: RedirectError},
			[]ServerResponse{respond(302, ok, "location: /v2")},
			AccessBlocked, FailureRedirectNotAllowed,
			[]string{"GET https://api.example/v1 origin=" + shop},
		},
		{
			"manual redirect",
			Request{Redirect: RedirectManual},
			[]ServerResponse{respond(302, ok, "location: /v2")},
			AccessOpaque, FailureNone,
			[]string{"GET https://api.example/v1 origin=" + shop},
		},
		{
			"POST becomes GET",
			Request{Method: "POST"},
			[]ServerResponse{respond(301, ok, "location: /v2"), respond(200, ok)},
			AccessReadable, FailureNone,
			[]string{"POST https://api.example/v1 origin=" + shop, "GET https://api.example/v2 origin=" + shop},
		},
		{
			"POST stays with 307",
			Request{Method: "POST"},
			[]ServerResponse{respond(307, ok, "location: /v2"), respond(200, ok)},
			AccessReadable, FailureNone,
			[]string{"POST https://api.example/v1 origin=" + shop, "POST https://api.example/v2 origin=" + shop},
		},
		{
			"a stream is not sent twice",
			Request{Method: "POST", Stream: true},
			[]ServerResponse{respond(204, ok), respond(307, ok, "location: /v2")},
			AccessBlocked, FailureRedirectBody,
			[]string{"OPTIONS https://api.example/v1 origin=" + shop, "POST https://api.example/v1 origin=" + shop},
		},
		{
			"each hop is preflighted",
			Request{Method: "DELETE"},
			[]ServerResponse{
				respond(204, ok, "access-control-allow-methods: DELETE"), respond(307, ok, "location: "+other),
				respond(204, null, "access-control-allow-methods: DELETE"), respond(200, null),
			},
			AccessReadable, FailureNone,
			[]string{
				"OPTIONS https://api.example/v1 origin=" + shop, "DELETE https://api.example/v1 origin=" + shop,
				"OPTIONS https://other.example/ origin=null", "DELETE https://other.example/ origin=null",
			},
		},
	} {
		for engine := range engineCount {
			if engine == Firefox && c.name == "each hop is preflighted" || engine == Chrome && c.name == "a beacon without referrer" {
				continue // These have ways of their own: see TestOwnWays.
			}
			t.Run(fmt.Sprintf("%s in %s", c.name, engine), func(t *testing.T) {
				t.Parallel()
				r := c.request
				r.URL = mustURL(t, api)
				if r.Origin == "" {
					r.Origin = shop
				}
				o := Fetch(&r, script(c.responses...), Options{Engine: engine})
				if o.Access != c.access || o.Block.Failure != c.failure {
					t.Errorf("%s, %s; want %s, %s", o.Access, o.Block.Failure, c.access, c.failure)
				}
				if diff := cmp.Diff(c.sent, sent(&o)); diff != "" {
					t.Errorf("sent (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestWebSocket(t *testing.T) {
	t.Parallel()
	r := Request{Origin: shop, URL: mustURL(t, "wss://api.example/feed"), Mode: ModeWebSocket}
	open := Fetch(&r, script(respond(101)), Options{})
	if !open.Shared() || sent(&open)[0] != "GET wss://api.example/feed origin=https://shop.example credentials" {
		t.Errorf("a handshake that succeeds: %s, sent %q", open.Access, sent(&open))
	}
	if site := open.Exchanges[0].Request.Get("sec-fetch-site"); site != "" {
		t.Errorf("a handshake says Sec-Fetch-Site: %s", site)
	}
	refused := Fetch(&r, script(respond(403)), Options{})
	if refused.Access != AccessBlocked || refused.Block.Failure != FailureHandshake {
		t.Errorf("a handshake that fails: %s, %s", refused.Access, refused.Block.Failure)
	}
	r.Mode = ModeCORS
	if wrong := Fetch(&r, script(), Options{}); wrong.Block.Failure != FailureScheme {
		t.Errorf("a fetch over wss: %s", wrong.Block.Failure)
	}
}

// Twenty redirects are followed, the next is one too many.
func TestTooManyRedirects(t *testing.T) {
	t.Parallel()
	r := Request{Origin: shop, URL: mustURL(t, api)}
	o := Fetch(&r, script(respond(302, "access-control-allow-origin: *", "location: /again")), Options{})
	if o.Block.Failure != FailureTooManyRedirects || len(o.Exchanges) != 21 {
		t.Errorf("%s after %d requests", o.Block.Failure, len(o.Exchanges))
	}
}

// What belongs to a body goes with it, and Authorization stays with its origin.
func TestRedirectHeaders(t *testing.T) {
	t.Parallel()
	r := Request{
		Origin: shop, URL: mustURL(t, api), Method: "POST",
		Headers: []Header{{"Authorization", "b"}, {"Content-Type", "application/json"}, {"X-A", "1"}},
	}
	allow := []string{"access-control-allow-origin: *", "access-control-allow-headers: authorization,content-type,x-a"}
	redirect := func(status int, to string) []string {
		o := Fetch(&r, script(
			respond(204, allow...), respond(status, append(slices.Clone(allow), "location: "+to)...), respond(200, allow...),
		), Options{})
		return namesOf(o.Exchanges[len(o.Exchanges)-1].Request.Headers)
	}
	for _, c := range []struct {
		status int
		to     string
		want   []string
	}{
		{303, "/v2", []string{"authorization", "x-a", "origin", "sec-fetch-mode", "sec-fetch-site"}},
		{307, "/v2", []string{"authorization", "content-type", "x-a", "origin", "sec-fetch-mode", "sec-fetch-site"}},
		{302, "https://other.example/", []string{"x-a", "origin", "sec-fetch-mode", "sec-fetch-site"}},
	} {
		if got := redirect(c.status, c.to); !slices.Equal(got, c.want) {
			t.Errorf("behind a %d to %s the request has %q, want %q", c.status, c.to, got, c.want)
		}
	}
}

func TestSecFetchSite(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		origin, url, want string
	}{
		{shop, "https://shop.example/", "same-origin"},
		{shop, "https://api.shop.example/", "same-site"},
		{shop, "https://shop.example:8443/", "same-site"},
		{"http://shop.example", "https://shop.example/", "cross-site"},
		{shop, "https://evil.example/", "cross-site"},
		{OpaqueOrigin, "https://shop.example/", "cross-site"},
		{shop, "http://api.shop.example/", ""},
		{"http://localhost:3000", "http://localhost:8080/", "same-site"},
		{"http://127.0.0.1:3000", "http://127.0.0.1:8080/", "same-site"},
		{"http://127.0.0.1:3000", "http://[::1]:8080/", "cross-site"},
	} {
		r := Request{Origin: c.origin, URL: mustURL(t, c.url)}
		o := Fetch(&r, script(respond(200)), Options{})
		if got := o.Exchanges[0].Request.Get("sec-fetch-site"); got != c.want {
			t.Errorf("from %s to %s: Sec-Fetch-Site %q, want %q", c.origin, c.url, got, c.want)
		}
	}
}

func TestTiming(t *testing.T) {
	t.Parallel()
	r := Request{Origin: shop, URL: mustURL(t, api)}
	o := Fetch(&r, script(respond(200, "access-control-allow-origin: *", "timing-allow-origin: "+shop)), Options{})
	if !o.Timing {
		t.Error("the page may not read the timing")
	}
	o = Fetch(&r, script(respond(200, "access-control-allow-origin: *", "timing-allow-origin: "+evil)), Options{})
	if o.Timing {
		t.Error("the page may read the timing")
	}
}

func TestAuthorizationWarning(t *testing.T) {
	t.Parallel()
	r := Request{Origin: shop, URL: mustURL(t, api), Headers: []Header{{"Authorization", "b"}}}
	for engine, want := range map[Engine]bool{Chrome: true, Firefox: true, Safari: false} {
		o := Fetch(&r, script(respond(204, "access-control-allow-origin: *", "access-control-allow-headers: *")), Options{Engine: engine})
		if !o.Shared() || o.AuthorizationWarning != want {
			t.Errorf("%s: shared %v, warns %v", engine, o.Shared(), o.AuthorizationWarning)
		}
	}
}
