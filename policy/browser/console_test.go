package browser

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// blockOf is a block with everything that some console prints.
func blockOf(why Failure) Block {
	b := Block{
		Failure: why, URL: "https://api.example/v1?q='1'", Origin: shop, SentOrigin: shop, Value: "https://a.example, b", Token: "a b", Status: 403,
	}
	switch why {
	case FailureMethodNotAllowed:
		b.Value = "PATCH"
	case FailureHeaderNotAllowed:
		b.Value = "x-csrf-token"
	case FailureMode:
		b.Value = "same-origin"
	case FailureNetwork, FailureTooManyRedirects:
		b.Status = 0
	case FailureLocalMismatch:
		b.Spaces = []string{"local", "loopback"}
	case FailureLocalInsecure, FailureLocalDenied, FailurePrivateMissing, FailurePrivateInvalid, FailurePrivateUnexpected,
		FailurePrivateID, FailurePrivateName, FailurePrivateUnavailable:
		b.Spaces = []string{"local"}
	}
	return b
}

func TestConsole(t *testing.T) {
	t.Parallel()
	const (
		fetch = "Access to fetch at 'https://api.example/v1' from origin 'https://shop.example' has been blocked by CORS policy: "
		xhr   = "Access to XMLHttpRequest at 'https://api.example/v1' from origin 'https://shop.example' has been blocked by CORS policy: "
		pre   = "Response to preflight request doesn't pass access control check: "
		fox   = "Cross-Origin Request Blocked: The Same Origin Policy disallows reading the remote resource at https://api.example/v1. (Reason: "
		fails = "\n" + fox + "CORS request did not succeed). Status code: (null)."
		load  = "\nFetch API cannot load https://api.example/v1 due to access control checks."
		ok    = "access-control-allow-origin: " + shop
		put   = "PUT"
	)
	for _, c := range []struct {
		name                    string
		request                 Request
		responses               []ServerResponse
		chrome, firefox, safari string
	}{
		{
			"no origin",
			Request{},
			[]ServerResponse{respond(403)},
			fetch + "No 'Access-Control-Allow-Origin' header is present on the requested resource.",
			fox + "CORS header ‘Access-Control-Allow-Origin’ missing). Status code: 403.",
			"Origin https://shop.example is not allowed by Access-Control-Allow-Origin. Status code: 403" + load,
		},
		{
			"no origin in the preflight",
			Request{Method: put},
			[]ServerResponse{respond(403)},
			fetch + pre + "No 'Access-Control-Allow-Origin' header is present on the requested resource.",
			fox + "CORS header ‘Access-Control-Allow-Origin’ missing). Status code: 403." + fails,
			"Preflight response is not successful. Status code: 403" + load,
		},
		{
			"another origin",
			Request{},
			[]ServerResponse{respond(200, "access-control-allow-origin: https://evil.example")},
			fetch + "The 'Access-Control-Allow-Origin' header has a value 'https://evil.example' that is not equal to the supplied origin. " +
				"Have the server send the header with a valid value.",
			fox + "CORS header ‘Access-Control-Allow-Origin’ does not match ‘https://evil.example’).",
			"Origin https://shop.example is not allowed by Access-Control-Allow-Origin. Status code: 200" + load,
		},
		{
			"no such origin",
			Request{Initiator: InitiatorXHR},
			[]ServerResponse{respond(200, "access-control-allow-origin: shop\x80.example")},
			xhr + `The 'Access-Control-Allow-Origin' header contains the invalid value 'shop\u0080.example'.`,
			fox + "CORS header ‘Access-Control-Allow-Origin’ does not match ‘shop\ufffd.example’).",
			"Origin https://shop.example is not allowed by Access-Control-Allow-Origin. Status code: 200" +
				"\nXMLHttpRequest cannot load https://api.example/v1 due to access control checks.",
		},
		{
			"two origins",
			Request{Initiator: InitiatorFont},
			[]ServerResponse{respond(200, ok, "access-control-allow-origin: *")},
			strings.Replace(fetch, "fetch", "font", 1) +
				"The 'Access-Control-Allow-Origin' header contains multiple values 'https://shop.example, *', but only one is allowed.",
			fox + "Multiple CORS header ‘Access-Control-Allow-Origin’ not allowed).",
			"Access-Control-Allow-Origin cannot contain more than one origin.",
		},
		{
			"any with credentials",
			Request{Initiator: InitiatorXHR, Credentials: CredentialsInclude},
			[]ServerResponse{respond(200, "access-control-allow-origin: *")},
			xhr + "The value of the 'Access-Control-Allow-Origin' header in the response must not be the wildcard '*' when the request's " +
				"credentials mode is 'include'. The credentials mode of requests initiated by the XMLHttpRequest is controlled by the " +
				"withCredentials attribute.",
			"Cross-Origin Request Blocked: The Same Origin Policy disallows reading the remote resource at ‘https://api.example/v1’. " +
				"(Reason: Credential is not supported if the CORS header ‘Access-Control-Allow-Origin’ is ‘*’).",
			"Cannot use wildcard in Access-Control-Allow-Origin when credentials flag is true." +
				"\nXMLHttpRequest cannot load https://api.example/v1 due to access control checks.",
		},
		{
			"no credentials",
			Request{Credentials: CredentialsInclude},
			[]ServerResponse{respond(200, ok)},
			fetch + "The value of the 'Access-Control-Allow-Credentials' header in the response is '' which must be 'true' when the request's " +
				"credentials mode is 'include'.",
			fox + "expected ‘true’ in CORS header ‘Access-Control-Allow-Credentials’).",
			`Credentials flag is true, but Access-Control-Allow-Credentials is not "true".` + load,
		},
		{
			"preflight's status",
			Request{Method: put},
			[]ServerResponse{respond(405, ok)},
			fetch + pre + "It does not have HTTP ok status.",
			fox + "CORS preflight response did not succeed). Status code: 405." + fails,
			"Preflight response is not successful. Status code: 405" + load,
		},
		{
			"preflight's redirect",
			Request{Method: put},
			[]ServerResponse{respond(301, ok, "location: /login")},
			fetch + pre + "Redirect is not allowed for a preflight request.",
			fox + "CORS request external redirect not allowed).\n" + fox + "CORS preflight response did not succeed). Status code: 301." + fails,
			"Preflight response is not successful. Status code: 301" + load,
		},
		{
			"method",
			Request{Method: "patch"},
			[]ServerResponse{respond(204, ok, "access-control-allow-methods: PATCH")},
			fetch + "Method patch is not allowed by Access-Control-Allow-Methods in preflight response.",
			fox + "Did not find method in CORS header ‘Access-Control-Allow-Methods’)." + fails,
			"Method patch is not allowed by Access-Control-Allow-Methods." + load,
		},
		{
			"header",
			Request{Headers: []Header{{"X-Csrf-Token", "1"}}},
			[]ServerResponse{respond(204, ok)},
			fetch + "Request header field x-csrf-token is not allowed by Access-Control-Allow-Headers in preflight response.",
			fox + "header ‘x-csrf-token’ is not allowed according to header ‘Access-Control-Allow-Headers’ from CORS preflight response)." + fails,
			"Request header field X-Csrf-Token is not allowed by Access-Control-Allow-Headers." + load,
		},
		{
			"methods that are none",
			Request{Method: put},
			[]ServerResponse{respond(204, ok, "access-control-allow-methods: GET, P U T")},
			fetch + "Cannot parse Access-Control-Allow-Methods response header field in preflight response.",
			fox + "invalid token ‘P U T’ in CORS header ‘Access-Control-Allow-Methods’)." + fails,
			"Header Access-Control-Allow-Methods has an invalid value: GET, P U T" + load,
		},
		{
			"headers that are none",
			Request{Method: put},
			[]ServerResponse{respond(204, ok, "access-control-allow-methods: PUT", "access-control-allow-headers: (x)")},
			fetch + "Cannot parse Access-Control-Allow-Headers response header field in preflight response.",
			fox + "invalid token ‘(x)’ in CORS header ‘Access-Control-Allow-Headers’)." + fails,
			"Header Access-Control-Allow-Headers has an invalid value: (x)" + load,
		},
		{
			"behind a redirect",
			Request{},
			[]ServerResponse{respond(302, ok, "location: https://b.example/"), respond(200)},
			"Access to fetch at 'https://b.example/' (redirected from 'https://api.example/v1') from origin 'https://shop.example' has been " +
				"blocked by CORS policy: No 'Access-Control-Allow-Origin' header is present on the requested resource.",
			strings.Replace(fox, "api.example/v1", "b.example/", 1) + "CORS header ‘Access-Control-Allow-Origin’ missing). Status code: 200.",
			"Origin null is not allowed by Access-Control-Allow-Origin. Status code: 200" +
				"\nFetch API cannot load https://b.example/ due to access control checks.",
		},
		{
			"the redirect itself",
			Request{},
			[]ServerResponse{respond(302, "location: https://b.example/")},
			fetch + "No 'Access-Control-Allow-Origin' header is present on the requested resource.",
			fox + "CORS header ‘Access-Control-Allow-Origin’ missing). Status code: 302." + fails,
			"Cross-origin redirection to https://b.example/ denied by Cross-Origin Resource Sharing policy: " +
				"Origin https://shop.example is not allowed by Access-Control-Allow-Origin. Status code: 302" + load,
		},
		{"readable", Request{}, []ServerResponse{respond(200, ok)}, "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for engine, want := range map[Engine]string{Standard: "", Chrome: c.chrome, Firefox: c.firefox, Safari: c.safari} {
				r := c.request
				r.Origin, r.URL = shop, mustURL(t, api)
				o := Fetch(&r, script(c.responses...), Options{Engine: engine})
				if diff := cmp.Diff(want, Console(engine, &o.Block)); diff != "" {
					t.Errorf("%s prints (-want +got):\n%s", engine, diff)
				}
			}
		})
	}
}

// Whatever is printed is read again, as what printed it.
func TestConsoleRoundTrip(t *testing.T) {
	t.Parallel()
	// Texts that stand for several failures are read as the first of them.
	same := map[Engine]map[Failure]Failure{
		Firefox: {
			FailureTooManyRedirects: FailureNetwork, FailureRedirectCredentials: FailureNetwork, FailureRedirectScheme: FailureNetwork,
		},
		Chrome: {FailureRedirectScheme: FailureScheme},
		Safari: {FailureMissingAllowOrigin: FailureAllowOriginMismatch},
	}
	printed := map[Failure]bool{}
	for _, engine := range Engines() {
		for _, why := range Failures() {
			for initiator := range initiatorCount {
				for _, preflight := range []bool{false, true} {
					b := blockOf(why)
					b.Initiator, b.Preflight = initiator, preflight
					text := Console(engine, &b)
					if text == "" {
						continue
					}
					printed[why] = true
					want := why
					if first, ok := same[engine][why]; ok {
						want = first
					}
					for _, pasted := range []string{text, "page.html:12 " + text, "\n[Error] " + text + " (page.html, line 12)\n"} {
						gotEngine, got, ok := ParseConsole(pasted)
						if !ok || gotEngine != engine || got.Failure != want {
							t.Errorf("%s %s: read as %s %s from\n%s", engine, want, gotEngine, got.Failure, pasted)
						}
					}
					_, got, _ := ParseConsole(text)
					if again := Console(engine, &got); got.Failure == b.Failure && engine != Safari && again != text {
						t.Errorf("printed\n%s, read and printed again\n%s", text, again)
					}
				}
			}
		}
	}
	for _, why := range []Failure{
		FailureRedirectBody, FailureForbiddenMethod, FailureUnexplained,
	} {
		if printed[why] {
			t.Errorf("some engine prints %s", why)
		}
		printed[why] = true
	}
	for _, why := range Failures() {
		if !printed[why] {
			t.Errorf("no engine prints %s", why)
		}
	}
}

func TestParseConsole(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		engine     Engine
		want       Block
	}{
		{
			"Chrome behind a redirect",
			"(index):7 Access to XMLHttpRequest at 'https://b.example/?from origin' (redirected from 'https://a.example/x') " +
				"from origin 'http://localhost:3000' has been blocked by CORS policy: Response to preflight request doesn't pass access control check: " +
				"The 'Access-Control-Allow-Origin' header has a value 'https://it's.example' that is not equal to the supplied origin.",
			Chrome,
			Block{
				Failure: FailureAllowOriginMismatch, Preflight: true, Value: "https://it's.example", URL: "https://b.example/?from origin",
				RedirectedFrom: "https://a.example/x", Origin: "http://localhost:3000", Initiator: InitiatorXHR,
			},
		},
		{
			"an older Chrome",
			"Access to fetch at 'https://a.example/' from origin 'https://b.example' has been blocked by CORS policy: No 'Access-Control-Allow-Origin' " +
				"header is present on the requested resource. If an opaque response serves your needs, set the request's mode to 'no-cors' to fetch " +
				"the resource with CORS disabled.",
			Chrome,
			Block{Failure: FailureMissingAllowOrigin, URL: "https://a.example/", Origin: "https://b.example"},
		},
		{
			"Chrome's Issues tab",
			"Access blocked by CORS policy: Request header field x-a is not allowed by Access-Control-Allow-Headers in preflight response.",
			Chrome,
			Block{Failure: FailureHeaderNotAllowed, Preflight: true, Value: "x-a"},
		},
		{
			"local network",
			"Access to fetch at 'http://192.168.0.1/' from origin 'https://b.example' has been blocked by CORS policy: " +
				"Permission was denied for this request to access the `local` address space.",
			Chrome,
			Block{Failure: FailureLocalDenied, URL: "http://192.168.0.1/", Origin: "https://b.example", Spaces: []string{"local"}},
		},
		{
			"private network, retired",
			"Access to fetch at 'http://192.168.0.1/' from origin 'https://b.example' has been blocked by CORS policy: " +
				"Response to preflight request doesn't pass access control check: No 'Access-Control-Allow-Private-Network' header was present " +
				"in the preflight response for this private network request targeting the `local` address space.",
			Chrome,
			Block{
				Failure: FailurePrivateMissing, Preflight: true, URL: "http://192.168.0.1/", Origin: "https://b.example", Spaces: []string{"local"},
			},
		},
		{
			"Firefox with straight quotes",
			"Cross-Origin Request Blocked: The Same Origin Policy disallows reading the remote resource at https://a.example/. " +
				"(Reason: header 'x-a' is not allowed according to header 'Access-Control-Allow-Headers' from CORS preflight response).",
			Firefox,
			Block{Failure: FailureHeaderNotAllowed, Preflight: true, Value: "x-a", URL: "https://a.example/"},
		},
		{
			"Firefox's preflight",
			"Cross-Origin Request Blocked: The Same Origin Policy disallows reading the remote resource at https://a.example/. " +
				"(Reason: CORS header ‘Access-Control-Allow-Origin’ missing). Status code: 403.\n" +
				"Cross-Origin Request Blocked: The Same Origin Policy disallows reading the remote resource at https://a.example/. " +
				"(Reason: CORS request did not succeed). Status code: (null).",
			Firefox,
			Block{Failure: FailureMissingAllowOrigin, Preflight: true, Status: 403, URL: "https://a.example/"},
		},
		{
			"Firefox's redirect",
			"Cross-Origin Request Blocked: The Same Origin Policy disallows reading the remote resource at https://a.example/. " +
				"(Reason: CORS header ‘Access-Control-Allow-Origin’ missing). Status code: 302.\n" +
				"Cross-Origin Request Blocked: The Same Origin Policy disallows reading the remote resource at https://a.example/. " +
				"(Reason: CORS request did not succeed). Status code: (null).",
			Firefox,
			Block{Failure: FailureMissingAllowOrigin, Status: 302, URL: "https://a.example/"},
		},
		{
			"Chrome's mode same-origin",
			`Fetch API cannot load https://a.example/. Request mode is "same-origin" but the URL's origin is not same as the request origin https://b.example.`,
			Chrome,
			Block{Failure: FailureMode, Value: "same-origin", URL: "https://a.example/", Origin: "https://b.example"},
		},
		{
			"Firefox without a status",
			"Cross-Origin Request Blocked: The Same Origin Policy disallows reading the remote resource at https://a.example/. " +
				"(Reason: CORS request did not succeed). Status code: (null).",
			Firefox,
			Block{Failure: FailureNetwork, URL: "https://a.example/"},
		},
		{
			"Safari",
			"[Error] Origin https://b.example is not allowed by Access-Control-Allow-Origin. Status code: 403\n" +
				"[Error] Fetch API cannot load https://a.example/ due to access control checks.",
			Safari,
			Block{Failure: FailureAllowOriginMismatch, SentOrigin: "https://b.example", Status: 403, URL: "https://a.example/"},
		},
		{
			"Safari's redirect",
			"Cross-origin redirection to https://c.example/ denied by Cross-Origin Resource Sharing policy: " +
				"Origin https://b.example is not allowed by Access-Control-Allow-Origin. Status code: 302",
			Safari,
			Block{Failure: FailureAllowOriginMismatch, SentOrigin: "https://b.example", Status: 302, Location: "https://c.example/"},
		},
		{
			"Safari's second line alone", "XMLHttpRequest cannot load https://a.example/ due to access control checks.",
			Safari,
			Block{Failure: FailureUnexplained, URL: "https://a.example/", Initiator: InitiatorXHR},
		},
		{"an exception", "Uncaught (in promise) TypeError: Failed to fetch", Chrome, Block{Failure: FailureUnexplained}},
		{"nothing known", "ReferenceError: x is not defined", Standard, Block{}},
		{"a half", "Access to fetch at 'https://a.example/' from origin 'https://b.example' has been", Standard, Block{}},
		{"nothing", "", Standard, Block{}},
	} {
		engine, got, ok := ParseConsole(c.text)
		if engine != c.engine || ok != (c.engine != Standard) {
			t.Errorf("%s: %s, %v", c.name, engine, ok)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestMDN(t *testing.T) {
	t.Parallel()
	var pages []string
	for _, why := range Failures() {
		if page := why.MDN(); page != "" && !slices.Contains(pages, page) {
			pages = append(pages, page)
		}
	}
	if len(pages) != 15 {
		t.Errorf("MDN has 15 pages on failures of CORS, and %d are linked: %q", len(pages), pages)
	}
	if got := FailureHeaderNotAllowed.MDN(); got != "https://developer.mozilla.org/en-US/docs/Web/HTTP/Guides/CORS/Errors/CORSMissingAllowHeaderFromPreflight" {
		t.Errorf("the page on headers is %s", got)
	}
}

// Each closed list has a word for each of its members.
func TestWords(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, why := range append(Failures(), FailureNone) {
		if word := why.String(); word == "" || seen[word] {
			t.Errorf("failure %d has the word %q", why, word)
		} else {
			seen[word] = true
		}
	}
	if failureCount.String() != "unknown" || engineCount.String() != "an unknown engine" {
		t.Error("what is not in a list has a word")
	}
}
