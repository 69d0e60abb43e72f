package browsers

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/policy/browser"
)

func statusText(status int) string { return strconv.Itoa(status) }

func methodCases() []testCase {
	var cases []testCase
	for _, method := range []string{"GET", "get", "HEAD", "POST", "post", "PUT", "put", "DELETE", "delete", "PATCH", "patch", "QUERY", "OPTIONS", "x-Own"} {
		upper, r := strings.ToUpper(method), using(method)
		cases = append(cases, named(method,
			ask("absent", r, respond(204, allowPage)),
			ask("any", r, respond(204, allowPage, acam("*"))),
			ask("upper case", r, respond(204, allowPage, acam(upper))),
			ask("lower case", r, respond(204, allowPage, acam(strings.ToLower(method)))),
			ask("others", r, respond(204, allowPage, acam("GET, HEAD, POST"))),
			ask("any with credentials", including(r), respond(204, allowPage, allowCreds, acam("*"))),
		)...)
	}
	r := using("PUT")
	return append(cases, named("list",
		ask("empty", r, respond(204, allowPage, acam(""))),
		ask("empty elements", r, respond(204, allowPage, acam(",, PUT ,"))),
		ask("two lines", r, respond(204, allowPage, acam("GET"), acam("PUT"))),
		ask("tabs", r, respond(204, allowPage, acam("GET,\tPUT\t"))),
		ask("not a token behind", r, respond(204, allowPage, acam("PUT, P(T"))),
		ask("not a token in front", r, respond(204, allowPage, acam("P(T, PUT"))),
		ask("spaces for commas", r, respond(204, allowPage, acam("GET PUT"))),
		ask("quoted", r, respond(204, allowPage, acam(`"PUT"`))),
		ask("any among others", r, respond(204, allowPage, acam("GET, *"))),
		ask("not a token for a simple method", with("X-A: 1"), respond(204, allowPage, acam("G(T"), allowXA)),
		ask("a semicolon", r, respond(204, allowPage, acam("GET; PUT"))),
	)...)
}

// valueCases are safelisted headers: which values need permission. The preflight
// grants nothing, so that the console names the header.
func valueCases() []testCase {
	long := strings.Repeat("a", 128)
	var cases []testCase
	for _, h := range []struct {
		name   string
		values []string
	}{
		{"Accept", []string{
			"*/*", "text/html", "text/html, */*;q=0.1", long, long + "a", "a\tb", `a"b`, "a(b", "a)b", "a:b", "a<b", "a>b", "a?b", "a@b",
			"a[b", `a\b`, "a]b", "a{b", "a}b", "a'b", "a\x80b", "a\x7fb", "a\x01b", "",
		}},
		{"Accept-Language", []string{"en", "en-US,en;q=0.5", "*", "en_US", "en\xe9", `e"n`, "a/b", long, long + "a", ""}},
		{"Content-Language", []string{"de-CH, fr", "de_CH", "d:e", long, long + "a"}},
		{"Content-Type", []string{
			"text/plain", "TEXT/Plain", "text/plain;charset=utf-8", "text/plain; charset=UTF-8", " text/plain ", "text/plain;", "text/plain;x",
			"application/x-www-form-urlencoded", "multipart/form-data; boundary=x", `multipart/form-data; boundary="x"`, "application/json",
			"application/json; charset=utf-8", "text/html", "text/plain, application/json", "text/plain,text/plain", "text", "text/", "/plain", "",
			"text/plain;" + strings.Repeat("a", 117), "text/plain;" + strings.Repeat("a", 118), "text/plain; a=(b)", "text /plain", "application/grpc-web+proto",
			"application/csp-report",
		}},
		{"Range", []string{
			"bytes=0-", "bytes=0-99", "bytes=7-7", "bytes=-5", "bytes=0-1,3-4", "bytes= 0-", "bytes=0 -", "bytes=9-3", "BYTES=0-", "items=0-", "bytes=-",
			"bytes=" + strings.Repeat("9", 30) + "-", "bytes=0-" + strings.Repeat("9", 30),
			"bytes=9223372036854775807-", "bytes=9223372036854775806-", "bytes=0-9223372036854775807", "bytes=9223372036854775808-", "bytes=18446744073709551616-", "bytes=18446744073709551615-", "bytes=2147483648-",
		}},
	} {
		for i, value := range h.values {
			cases = append(cases, ask(fmt.Sprintf("%s %d: %.40q", h.name, i, value), with(h.name+": "+value), respond(204, allowPage)))
		}
	}
	return append(cases, named("several",
		ask("all five, safe", with("Accept: "+long, "Accept-Language: "+long, "Content-Language: "+long, "Range: bytes=0-", "Content-Type: text/plain"),
			respond(204, allowPage)),
		ask("one line each of two short ones", with("Accept: a/b", "Accept: c/d"), respond(204, allowPage)),
		ask("two lines above the bound together", with("Accept-Language: "+long[:100], "Accept-Language: "+long[:100]), respond(204, allowPage)),
		ask("two lines of XHR above the bound together", xhr(with("Accept-Language: "+long[:100], "Accept-Language: "+long[:100])), respond(204, allowPage)),
		ask("twelve lines above the bound of all", with(slices.Repeat([]string{"Accept-Language: " + long[:100]}, 12)...), respond(204, allowPage)),
		ask("the same unsafe line twice", with("Accept: (", "Accept: ("), respond(204, allowPage, acah("accept"))),
		ask("safe and unsafe", with("Accept: a/b", "X-A: 1", "Accept-Language: en_US"), respond(204, allowPage)),
		ask("unsafe, listed", with("Accept: (", "Content-Language: _", "Range: bytes=-1"), respond(204, allowPage, acah("accept,content-language,range"))),
	)...)
}

// nameCases are headers that are safelisted by no value, that scripts may not
// set, and the order in which a preflight names several.
func nameCases() []testCase {
	const connection = "ECT: " //nolint:misspell // It is the header's name.
	var cases []testCase
	for i, text := range []string{
		"X-A: 1", "x-A: ", "Authorization: Bearer x", "Cache-Control: no-cache", "Pragma: no-cache", "If-None-Match: \"x\"", "User-Agent: own",
		"X-Requested-With: XMLHttpRequest", "Last-Event-ID: 7", "Save-Data: on", "DPR: 2", "Viewport-Width: 100", "Width: 100", "Device-Memory: 8",
		"Downlink: 1", "RTT: 50", "Content-Encoding: gzip", "X-HTTP-Method-Override: PUT", "X-Method-Override: PATCH", "Priority: u=1",
		"Access-Control-Allow-Origin: *", "X_Under: 1", "!odd~: 1", "Upgrade-Insecure-Requests: 1", "Origin-Agent-Cluster: 1", "Purpose: prefetch",
		"Access-Control-Request-Private-Network: true", "Service-Worker: script", "X-Forwarded-For: 1.2.3.4", "Forwarded: for=1", "Early-Data: 1",
		"Device-Memory: 0.5", "Device-Memory: x", "DPR: 2x", "DPR: 1.", "Width: 1.5", "Viewport-Width: -1", "Save-Data: ON", "Save-Data: off", "Downlink: x", "RTT: x",
		connection + "4g", connection + "x(y", connection + "5g", connection + "4G", connection + "slow-2g", "Downlink: 1.5", "RTT: 1.5",
		"Intervention: (", "Intervention: " + strings.Repeat("a", 129), "Intervention: x", "Lang: en", "UA: x", "Prefers-Color-Scheme: dark", "Sec-GPC: 1",
		"Access-Control-Request-Local-Network: true", "Signature: 1", "Idempotency-Key: k", "Traceparent: 00-0-0-0", "Set-Cookie2: x=1",
	} {
		name, _, _ := strings.Cut(text, ":")
		cases = append(cases, ask(fmt.Sprintf("%s %d", name, i), with(text), respond(204, allowPage)))
	}
	for _, text := range []string{
		"Accept-Charset: utf-8", "Accept-Encoding: br", "Access-Control-Request-Headers: x", "Access-Control-Request-Method: PUT", "Connection: close",
		"Content-Length: 5", "Cookie: a=b", "Cookie2: 1", "Date: x", "DNT: 1", "Expect: 100-continue", "Host: x", "Keep-Alive: 1", "Origin: http://x",
		"Referer: http://x", "Set-Cookie: a=b", "TE: trailers", "Trailer: x", "Transfer-Encoding: chunked", "Upgrade: h2c", "Via: x", "Proxy-X: 1",
		"Sec-X: 1", "Sec-CH-UA: x", "X-HTTP-Method: TRACE", "X-HTTP-Method-Override: connect", "X-Method-Override: GET, track",
	} {
		name, _, _ := strings.Cut(text, ":")
		cases = append(cases,
			get("forbidden: "+name, with(text), respond(200, allowPage)),
			ask("forbidden beside another: "+name, with(text, "X-A: 1"), respond(204, allowPage, allowXA)))
	}
	return append(cases,
		ask("several, none listed", with("X-Only: 1"), respond(204, allowPage, acah("x-b"))),
		ask("several, sorted", with("Z-Last: 1", "X-B: 2", "x-a: 3", "Authorization: t", "X-A-B: 4"),
			respond(204, allowPage, acah("z-last, x-b, x-a, authorization, x-a-b"))),
		ask("the same twice", with("X-A: 1", "x-a: 2"), respond(204, allowPage, allowXA)),
		ask("by XHR", xhr(with("X-B: 1", "X-A: 2", "X-B: 3")), respond(204, allowPage, acah("X-A, X-B"))),
		ask("by XHR, denied", xhr(with("X-Csrf-Token: 1")), respond(204, allowPage)),
		ask("content-type by XHR", xhr(browser.Request{Method: "POST", Headers: with("Content-Type: application/json").Headers}), respond(204, allowPage)),
		ask("many", with(manyHeaders()...), respond(204, allowPage, acah(strings.Join(manyNames(), ",")))),
	)
}

func manyNames() []string {
	var names []string
	for i := range 40 {
		names = append(names, fmt.Sprintf("x-many-%d", i))
	}
	return names
}

func manyHeaders() []string {
	var lines []string
	for _, name := range manyNames() {
		lines = append(lines, name+": 1")
	}
	return lines
}

func allowHeadersCases() []testCase {
	one, two, auth := with("X-A: 1"), with("X-A: 1", "X-B: 2"), with("Authorization: Bearer x")
	authAndOne, jsonType := with("Authorization: Bearer x", "X-A: 1"), with("Content-Type: application/json")
	var cases []testCase
	for _, value := range []string{
		"x-a", "X-A", "x-a,x-b", "X-B , X-A", "*", "x-b, *", "", ",,x-a,", "x a", "x-a, x b", "x(, x-a", "x-a;", `"x-a"`, "x-b", "x_a", "x-aa",
	} {
		cases = append(cases, ask(fmt.Sprintf("x-a by %q", value), one, respond(204, allowPage, acah(value))))
	}
	for _, value := range []string{"*", "authorization", "Authorization", "*,authorization", "* , Authorization", "x-a"} {
		cases = append(cases,
			ask(fmt.Sprintf("authorization by %q", value), auth, respond(204, allowPage, acah(value))),
			ask(fmt.Sprintf("authorization with credentials by %q", value), including(auth), respond(204, allowPage, allowCreds, acah(value))))
	}
	return append(cases,
		ask("two lines", two, respond(204, allowPage, acah("x-a"), acah("x-b"))),
		ask("the second is missing", two, respond(204, allowPage, acah("x-a"))),
		ask("the first is missing", two, respond(204, allowPage, acah("x-b"))),
		ask("any with credentials", including(one), respond(204, allowPage, allowCreds, acah("*"))),
		ask("any with credentials by XHR", xhr(including(one)), respond(204, allowPage, allowCreds, acah("*"))),
		ask("any for any", one, respond(204, allowAny, acah("*"))),
		ask("authorization and another by any", authAndOne, respond(204, allowPage, acah("*"))),
		ask("authorization and another by both", authAndOne, respond(204, allowPage, acah("*, authorization"))),
		ask("authorization by any by XHR", xhr(auth), respond(204, allowPage, acah("*"))),
		ask("content-type absent", jsonType, respond(204, allowPage)),
		ask("content-type listed", jsonType, respond(204, allowPage, acah("Content-Type"))),
		ask("content-type by any", jsonType, respond(204, allowPage, acah("*"))),
		ask("bad list for a method alone", using("PUT"), respond(204, allowPage, allowPut, acah("x a"))),
		ask("a thousand names", one, respond(204, allowPage, acah(strings.Repeat("x-b,", 1000)+"x-a"))),
	)
}

func exposeCases() []testCase {
	answer := func(lines ...string) browser.ServerResponse {
		return respond(200, append([]string{
			"X-A: 1", "X-B: 2", "X-B: 3", "ETag: \"e\"", "Pragma: p", "Expires: 0", "Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT", "Content-Language: en",
			"Content-Type: application/json", "Cache-Control: no-store, x", "Set-Cookie: s=1", "Authorization: a", "Date: Mon, 01 Jan 2024 00:00:00 GMT",
			"Vary: Origin", "Link: </x>", "X-Empty: ",
		}, lines...)...)
	}
	var cases []testCase
	for _, value := range []string{
		"", "x-a", "X-A", "x-a, x-b", "*", "x-a,*", "*, authorization", "authorization", "set-cookie", "x a", "x-a, x b", "x(, x-a", "x-a;", "date", ",x-a,,",
		"x-empty", "access-control-allow-origin", `"x-a"`,
	} {
		cases = append(cases,
			get(fmt.Sprintf("%q", value), browser.Request{}, answer(allowPage, aceh(value))),
			get(fmt.Sprintf("%q by XHR", value), xhr(browser.Request{}), answer(allowPage, aceh(value))),
			get(fmt.Sprintf("%q with credentials", value), including(browser.Request{}), answer(allowPage, allowCreds, aceh(value))))
	}
	own := get("the page's own", browser.Request{}, answer())
	own.routes[0].at = sitePage
	return append(cases, own,
		get("absent", browser.Request{}, answer(allowPage)),
		get("two lines", browser.Request{}, answer(allowPage, aceh("x-a"), aceh("x-b"))),
		get("by any origin", browser.Request{}, answer(allowAny, aceh("*"))),
	)
}
