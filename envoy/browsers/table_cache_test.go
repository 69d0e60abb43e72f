package browsers

import (
	"fmt"
	"strings"

	"github.com/corsgate/corsgate/policy/browser"
)

// again is the case of several requests to one URL, whose preflights are all
// answered alike.
func again(name string, preflight browser.ServerResponse, requests ...browser.Request) testCase {
	c := testCase{name: name, routes: []route{{
		preflights: list(preflight), answers: list(respond(200, allowPage, allowCreds)),
	}}}
	for _, r := range requests {
		c.calls = append(c.calls, call{Request: r})
	}
	return c
}

// replaced is again with an answer to each preflight.
func replaced(name string, preflights []browser.ServerResponse, requests ...browser.Request) testCase {
	c := again(name, respond(204), requests...)
	c.routes[0].preflights = preflights
	return c
}

func cacheCases() []testCase {
	put, del, one, two := using("PUT"), using("DELETE"), with("X-A: 1"), with("X-B: 1")
	both, auth, post := with("X-A: 1", "X-B: 1"), with("Authorization: t"), using("POST")
	all := respond(204, allowPage, allowCreds, acam("PUT, DELETE"), acah("x-a, x-b, authorization"), longAge)
	stars := respond(204, allowPage, acam("*"), acah("*"), longAge)
	var cases []testCase
	for _, age := range []string{"600", "1", "0", "-1", "x", "600x", "+600", "6e2", "600.5", " 600 ", "600, 600", "", "9999999999", "99999999999999999999", "0x258", "00600"} {
		if age == "1" {
			continue // A second may pass.
		}
		cases = append(cases, again(fmt.Sprintf("age %q", age), respond(204, allowPage, allowPut, acma(age)), put, put))
	}
	return append(append(cases,
		again("age on two lines", respond(204, allowPage, allowPut, acma("600"), acma("600")), put, put),
		again("the same header", all, one, one),
		again("another value", all, with("X-A: 1"), with("X-A: 2")),
		again("another method of the list", all, put, del),
		again("another header of the list", all, one, two),
		again("fewer headers", all, both, one),
		again("more headers", all, one, both),
		again("a simple method after another", all, put, post, using("HEAD")),
		again("a method and then a header", all, put, one),
		again("in another case", all, with("X-A: 1"), with("x-a: 1")),
		again("only the method asked for", respond(204, allowPage, allowPut, longAge), put, put, one),
		again("any method", stars, put, put, del),
		again("any header", stars, one, one, two),
		again("any header, authorization", stars, auth, auth),
		again("any header, authorization after another", stars, one, auth),
		again("any and authorization", respond(204, allowPage, acah("*, authorization"), longAge), auth, auth, one),
		again("authorization listed", all, auth, auth),
		again("credentials, then without", all, including(put), put),
		again("without, then credentials", all, put, including(put)),
		again("credentials twice", all, including(put), including(put)),
		again("omitting and same-origin", all, browser.Request{Method: "PUT", Credentials: browser.CredentialsOmit}, put),
		again("XHR after fetch", all, put, xhr(put)),
		again("upload listener", all, xhr(browser.Request{Method: "POST", UploadListener: true}), xhr(browser.Request{Method: "POST", UploadListener: true})),
		again("upload listener, nothing listed", respond(204, allowPage, longAge),
			xhr(browser.Request{Method: "POST", UploadListener: true}), xhr(browser.Request{Method: "POST", UploadListener: true})),
	), replacedCases()...)
}

func replacedCases() []testCase {
	put, del, one, two := using("PUT"), using("DELETE"), with("X-A: 1"), with("X-B: 1")
	puts, dels := respond(204, allowPage, allowPut, longAge), respond(204, allowPage, acam("DELETE"), longAge)
	xa, xb := respond(204, allowPage, allowXA, longAge), respond(204, allowPage, acah("x-b"), longAge)
	denied, unlisted := respond(403), respond(204, allowPage, longAge)
	long := again("a long URL", puts, put, put)
	long.routes[0].query = "?" + strings.Repeat("q", 1200)
	query := again("two URLs", puts, put, put)
	query.routes = append(query.routes, query.routes[0])
	failing := again("the actual request fails", puts, put, put, put)
	failing.routes[0].answers = list(respond(200, allowPage), respond(200), respond(200, allowPage))
	return append([]testCase{long, failing}, named("replaced",
		replaced("methods", list(puts, dels, puts), put, del, put),
		replaced("headers", list(xa, xb, xa), one, two, one),
		replaced("method and header", list(puts, xa, puts), put, one, put),
		replaced("denied between", list(puts, denied, dels), put, del, put),
		replaced("unlisted between", list(puts, unlisted, puts), put, del, put),
		replaced("unlisted header between", list(xa, unlisted, xa), one, two, one),
		replaced("bad list between", list(puts, respond(204, allowPage, acam("(")), puts), put, del, put),
		replaced("an age of nothing", list(puts, respond(204, allowPage, acam("DELETE"), acma("0")), puts), put, del, put),
		replaced("credentials between", list(puts, respond(204, allowPage, allowCreds, acam("PUT"), longAge), puts), put, including(put), put, including(put)),
		replaced("denied first", list(denied, puts), put, put, put),
		replaced("status between", list(puts, respond(500, allowPage), puts), put, del, put),
		replaced("two methods known", list(puts, dels, puts), put, del, put, del),
	)...)
}
