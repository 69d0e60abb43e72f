package browsers

import (
	"github.com/corsgate/corsgate/policy/browser"
)

// An answerText is what a server says of origins, by a name.
type answerText struct {
	name  string
	lines []string
}

// allowOrigins are right and wrong ways to name an origin.
func allowOrigins() []answerText {
	return []answerText{
		{"absent", nil},
		{"any", []string{allowAny}},
		{"exact", []string{allowPage}},
		{"another", []string{acao("https://evil.example")}},
		{"null", []string{acao("null")}},
		{"two on one line", []string{acao("{page}, https://evil.example")}},
		{"two lines", []string{allowPage, acao("https://evil.example")}},
		{"the same twice", []string{allowPage, allowPage}},
		{"any twice", []string{allowAny, allowAny}},
		{"any and exact", []string{acao("*, {page}")}},
		{"trailing slash", []string{acao("{page}/")}},
		{"empty", []string{acao("")}},
		{"no origin", []string{acao("shop")}},
		{"upper case", []string{acao("HTTP://SHOP.LOCALHOST")}},
		{"pattern", []string{acao("http://*.localhost")}},
		{"pattern of ports", []string{acao("http://shop.localhost:*")}},
		{"space inside", []string{acao("http://shop localhost")}},
		{"space around", []string{acao("  {page}\t")}},
		{"bad host", []string{acao("http://[::1")}},
		{"bad address", []string{acao("http://256.256.256.256")}},
		{"bad port", []string{acao("http://a.example:99999")}},
		{"another scheme", []string{acao("app://shop")}},
		{"scheme alone", []string{acao("https:")}},
		{"quoted", []string{acao("'{page}'")}},
		{"true", []string{acao("true")}},
		{"byte above 127", []string{acao("http://caf\xe9.example")}},
		{"tab inside", []string{acao("http://a.example\thttp://b.example")}},
	}
}

func originCases() []testCase {
	var cases []testCase
	for _, o := range allowOrigins() {
		cases = append(cases,
			get(o.name, browser.Request{}, respond(200, o.lines...)),
			get(o.name+" with credentials", including(browser.Request{}), respond(200, append(o.lines, allowCreds)...)),
			ask(o.name+" in a preflight", using("PUT"), respond(204, append(o.lines, allowPut)...)),
		)
	}
	for _, status := range []int{201, 204, 400, 401, 403, 404, 500, 503} {
		cases = append(cases,
			get("denied with "+statusText(status), browser.Request{}, respond(status)),
			get("allowed with "+statusText(status), browser.Request{}, respond(status, allowPage)))
	}
	return cases
}

func credentialsCases() []testCase {
	var cases []testCase
	for _, a := range []answerText{
		{"absent", nil},
		{"true", []string{allowCreds}},
		{"upper case", []string{acac("TRUE")}},
		{"false", []string{acac("false")}},
		{"empty", []string{acac("")}},
		{"twice", []string{allowCreds, allowCreds}},
		{"a list", []string{acac("true, true")}},
		{"space around", []string{acac(" true ")}},
		{"one", []string{acac("1")}},
	} {
		exact, anyone := append([]string{allowPage}, a.lines...), append([]string{allowAny}, a.lines...)
		cases = append(cases,
			get("exact, "+a.name, including(browser.Request{}), respond(200, exact...)),
			get("exact by XHR, "+a.name, xhr(including(browser.Request{})), respond(200, exact...)),
			get("exact without credentials, "+a.name, browser.Request{}, respond(200, exact...)),
			ask("preflight, "+a.name, including(using("PUT")), respond(204, append(exact, allowPut)...)),
		)
		if a.name == "absent" || a.name == "true" {
			cases = append(cases,
				get("any, "+a.name, including(browser.Request{}), respond(200, anyone...)),
				get("any by XHR, "+a.name, xhr(including(browser.Request{})), respond(200, anyone...)),
				get("any, omitting, "+a.name, browser.Request{Credentials: browser.CredentialsOmit}, respond(200, anyone...)),
				ask("preflight for any, "+a.name, including(using("PUT")), respond(204, append(anyone, allowPut)...)),
				ask("preflight for any by XHR, "+a.name, xhr(including(using("PUT"))), respond(204, append(anyone, allowPut)...)),
			)
		}
	}
	for _, c := range []browser.Credentials{browser.CredentialsOmit, browser.CredentialsSameOrigin, browser.CredentialsInclude} {
		for _, at := range []site{siteNear, sitePage, siteAPI} {
			where := map[site]string{siteNear: "the same site", sitePage: "the page's origin", siteAPI: "another site"}[at]
			one := get("cookies to "+where+", "+c.String(), browser.Request{Credentials: c}, respond(200, allowPage, allowCreds))
			one.routes[0].at = at
			two := ask("cookies after a preflight to "+where+", "+c.String(), browser.Request{Method: "PUT", Credentials: c},
				respond(204, allowPage, allowCreds, allowPut))
			two.routes[0].at = at
			two.routes[0].answers = one.routes[0].answers
			cases = append(cases, one, two)
		}
	}
	return cases
}

func preflightCases() []testCase {
	var cases []testCase
	for _, status := range []int{200, 201, 204, 226, 299, 300, 304, 400, 401, 403, 404, 405, 500, 502} {
		cases = append(cases,
			ask("status "+statusText(status), using("PUT"), respond(status, allowPage, allowPut)),
			ask("no origin and status "+statusText(status), using("PUT"), respond(status, allowPut)))
	}
	for _, status := range []int{301, 302, 303, 307, 308} {
		c := ask("redirect "+statusText(status), using("PUT"), respond(status, allowPage, allowPut, "Location: {1}"))
		c.routes = append(c.routes, route{preflights: list(respond(204, allowPage, allowPut)), answers: list(respond(200, allowPage))})
		bare := ask("redirect without an origin "+statusText(status), using("PUT"), respond(status, "Location: {1}"))
		bare.routes = append(bare.routes, c.routes[1])
		cases = append(cases, c, bare,
			ask("no location with "+statusText(status), using("PUT"), respond(status, allowPage, allowPut)))
	}
	denied := ask("the answer is denied", using("PUT"), respond(204, allowPage, allowPut))
	denied.routes[0].answers = list(respond(403))
	failed := ask("the answer is an error", using("PUT"), respond(204, allowPage, allowPut))
	failed.routes[0].answers = list(respond(500, allowPage))
	listener := xhr(browser.Request{Method: "POST", UploadListener: true})
	return append(
		append(cases, denied, failed,
			ask("no lists at all", using("PUT"), respond(204, allowPage)),
			ask("upload listener", listener, respond(204, allowPage)),
			ask("upload listener, POST not listed", listener, respond(204, allowPage, allowPut)),
			ask("upload listener, denied", listener, respond(403)),
			ask("by XHR", xhr(using("PUT")), respond(204, allowPage, allowPut)),
			ask("by XHR, denied", xhr(using("PUT")), respond(403)),
			ask("method and header", browser.Request{Method: "PUT", Headers: with("X-A: 1").Headers}, respond(204, allowPage)),
		),
		orderCases()...)
}

// orderCases have two faults each: which is told shows the order of checks.
func orderCases() []testCase {
	r := browser.Request{Method: "PUT", Headers: with("X-A: 1").Headers}
	return named("order",
		ask("status and wrong origin", r, respond(403, acao("https://evil.example"))),
		ask("status and bad lists", r, respond(500, allowPage, acam("P U T"), acah("x a"))),
		ask("bad methods and bad headers", r, respond(204, allowPage, acam("P U T"), acah("x a"))),
		ask("no method and bad headers", r, respond(204, allowPage, acam("GET"), acah("x a"))),
		ask("bad methods and no header", r, respond(204, allowPage, acam("P U T"), acah("x-b"))),
		ask("no method and no header", r, respond(204, allowPage, acam("GET"), acah("x-b"))),
		ask("no credentials and status", including(r), respond(500, allowPage)),
		ask("any with credentials and status", including(r), respond(500, allowAny)),
	)
}
