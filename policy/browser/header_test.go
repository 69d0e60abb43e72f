package browser

import (
	"slices"
	"strings"
	"testing"
)

func TestNormalize(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]string{
		"get": "GET", "Head": "HEAD", "pOST": "POST", "delete": "DELETE", "options": "OPTIONS", "put": "PUT",
		"patch": "patch", "PATCH": "PATCH", "query": "query", "GETX": "GETX", "po\u017ft": "po\u017ft", "": "",
	} {
		if got := Normalize(method); got != want {
			t.Errorf("Normalize(%q) = %q, want %q", method, got, want)
		}
	}
}

func TestMethodKinds(t *testing.T) {
	t.Parallel()
	for method, want := range map[string][2]bool{ // forbidden, safelisted
		"GET": {false, true}, "HEAD": {false, true}, "POST": {false, true}, "get": {false, false},
		"PUT": {false, false}, "OPTIONS": {false, false}, "QUERY": {false, false}, "*": {false, false},
		"CONNECT": {true, false}, "trace": {true, false}, "TrAcK": {true, false}, "trac\u212a": {false, false},
	} {
		if got := [2]bool{IsForbiddenMethod(method), IsSafelistedMethod(method)}; got != want {
			t.Errorf("%q is forbidden %v and safelisted %v, want %v", method, got[0], got[1], want)
		}
	}
}

func TestForbiddenHeaders(t *testing.T) {
	t.Parallel()
	forbidden := []Header{
		{"Accept-Charset", ""},
		{"accept-encoding", ""},
		{"Access-Control-Request-Headers", ""},
		{"Access-Control-Request-Method", ""},
		{"Connection", ""},
		{"Content-Length", ""},
		{"Cookie", ""},
		{"Cookie2", ""},
		{"Date", ""},
		{"DNT", ""},
		{"Expect", ""},
		{"Host", ""},
		{"Keep-Alive", ""},
		{"Origin", ""},
		{"Referer", ""},
		{"Set-Cookie", ""},
		{"TE", ""},
		{"Trailer", ""},
		{"Transfer-Encoding", ""},
		{"Upgrade", ""},
		{"Via", ""},
		{"Proxy-", ""},
		{"proxy-foo", ""},
		{"Sec-", ""},
		{"sec-fetch-mode", ""},
		{"X-HTTP-Method", "TRACE"},
		{"x-http-method-override", "GET, connect"},
		{"X-Method-Override", "track ,POST"},
	}
	for _, h := range forbidden {
		if !IsForbiddenHeader(h.Name, h.Value) {
			t.Errorf("%s: %s may be set", h.Name, h.Value)
		}
	}
	for _, h := range []Header{
		{"X-HTTP-Method", "PATCH"},
		{"X-HTTP-Method-Override", "TRACER"},
		{"X-Method-Override", ""},
		{"Accept", ""},
		{"User-Agent", ""},
		{"Authorization", ""},
		{"Proxy", ""},
		{"Second", ""},
		{"Range", ""},
		{"Access-Control-Allow-Origin", ""},
	} {
		if IsForbiddenHeader(h.Name, h.Value) {
			t.Errorf("%s: %s may not be set", h.Name, h.Value)
		}
	}
}

func TestSafelistedRequestHeaders(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 129)
	for _, c := range []struct {
		name, value string
		safe        bool
	}{
		{"Accept", "text/html, */*;q=0.1", true},
		{"ACCEPT", "", true},
		{"accept", "\t", true},
		{"accept", "\x00", false},
		{"accept", "\x1f", false},
		{"accept", "\x7f", false},
		{"accept", "\x80\xff", true},
		{"accept", `"`, false},
		{"accept", "(", false},
		{"accept", ")", false},
		{"accept", ":", false},
		{"accept", "<", false},
		{"accept", ">", false},
		{"accept", "?", false},
		{"accept", "@", false},
		{"accept", "[", false},
		{"accept", `\`, false},
		{"accept", "]", false},
		{"accept", "{", false},
		{"accept", "}", false},
		{"accept", long[:128], true},
		{"accept", long, false},
		{"Accept-Language", "en-GB,en;q=0.9, *", true},
		{"Accept-Language", "en_GB", false},
		{"Accept-Language", "@", false},
		{"Content-Language", "de=.", true},
		{"Content-Language", "d\tde", false},
		{"Content-Language", long, false},
		{"Content-Type", "text/plain", true},
		{"Content-Type", "TEXT/Plain;charset=utf-8", true},
		{"Content-Type", " text/plain ;x", true},
		{"Content-Type", "multipart/form-data; boundary=something", true},
		{"Content-Type", "application/x-www-form-urlencoded", true},
		{"Content-Type", "application/json", false},
		{"Content-Type", "", false},
		{"Content-Type", "text", false},
		{"Content-Type", "/plain", false},
		{"Content-Type", "text/", false},
		{"Content-Type", "text /plain", false},
		{"Content-Type", "text/plain, text/plain", false},
		{"Content-Type", "text/plain;charset=\"utf-8\"", false},
		{"Content-Type", "application/csp-report", false},
		{"Content-Type", "text/plain; " + long[:110], true},
		{"Content-Type", "text/plain; " + long[:120], false},
		{"Range", "bytes=0-", true},
		{"Range", "bytes=0-255", true},
		{"Range", "bytes=10-9", false},
		{"Range", "bytes=9-10", true},
		{"Range", "bytes=010-9", false},
		{"Range", "bytes=99999999999999999999-99999999999999999998", false},
		{"Range", "bytes=99999999999999999998-99999999999999999999", true},
		{"Range", "bytes=-255", false},
		{"Range", "bytes=0-1,2-3", false},
		{"Range", "bytes= 0-1", false},
		{"Range", "bytes=0 -1", false},
		{"Range", "Bytes=0-1", false},
		{"Range", "bytes=-", false},
		{"Range", "bytes", false},
		{"Authorization", "x", false},
		{"DPR", "1", false},
		{"Save-Data", "on", false},
		{"X-Csrf-Token", "", false},
	} {
		if got := IsSafelistedRequestHeader(c.name, c.value); got != c.safe {
			t.Errorf("%s: %q is safelisted %v, want %v", c.name, c.value, got, c.safe)
		}
	}
}

func TestUnsafeHeaderNames(t *testing.T) {
	t.Parallel()
	safe := func(n int) (headers []Header) {
		for range n {
			headers = append(headers, Header{"Accept", strings.Repeat("a", 128)})
		}
		return headers
	}
	for _, c := range []struct {
		name    string
		headers []Header
		want    []string
	}{
		{"none", nil, nil},
		{"safelisted", []Header{{"Accept", "*/*"}, {"Content-Type", "text/plain"}}, nil},
		{"sorted, lower case, each once", []Header{{"X-B", ""}, {"a", ""}, {"x-b", ""}, {"X-A", ""}}, []string{"a", "x-a", "x-b"}},
		{"a value that is not", []Header{{"Content-Type", "application/json"}}, []string{"content-type"}},
		{"1,024 bytes of safe values", safe(8), nil},
		{"1,025 bytes", append(safe(8), Header{"accept-language", "a"}), []string{"accept", "accept-language"}},
		{"only safelisted ones add up", append(safe(8), Header{"x-a", "abc"}), []string{"x-a"}},
	} {
		if got := UnsafeHeaderNames(c.headers); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
