package browsers

import (
	"fmt"

	"github.com/corsgate/corsgate/policy/browser"
)

// along is the case of a request that is redirected from one site to the next,
// each of which allows the page.
func along(name string, r browser.Request, status int, way ...site) testCase {
	c := testCase{name: name, calls: []call{{Request: r}}}
	for n, at := range way {
		grant := respond(204, acao("{page}"), allowCreds, acam("PUT, DELETE, PATCH"), acah("x-a, authorization"))
		answer := respond(200, acao("{page}"), allowCreds)
		if n+1 < len(way) {
			answer = respond(status, acao("{page}"), allowCreds, fmt.Sprintf("Location: {%d}", n+1))
		}
		c.routes = append(c.routes, route{at: at, preflights: list(grant), answers: list(answer)})
	}
	return c
}

// last changes what the last site on the way allows.
func last(c testCase, lines ...string) testCase {
	r := &c.routes[len(c.routes)-1]
	r.preflights = list(respond(204, append(lines, acam("PUT"), acah("x-a, authorization"))...))
	r.answers = list(respond(200, lines...))
	return c
}

// answering changes what the first site answers.
func answering(c testCase, status int, lines ...string) testCase {
	c.routes[0].answers = list(respond(status, lines...))
	return c
}

func redirectCases() []testCase {
	var plain browser.Request
	put, one, auth := using("PUT"), with("X-A: 1"), with("Authorization: t")
	var cases []testCase
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := statusText(status)
		cases = append(cases, named(s,
			along("the page's origin to another", plain, status, sitePage, siteAPI),
			along("within another", plain, status, siteAPI, siteAPI),
			along("from one to another", plain, status, siteAPI, siteOther),
			last(along("from one to another, which allows null", plain, status, siteAPI, siteOther), acao("null"), allowCreds),
			along("POST within another", using("POST"), status, siteAPI, siteAPI),
			along("PUT within another", put, status, siteAPI, siteAPI),
			along("PUT from the page's origin", put, status, sitePage, siteAPI),
			last(along("PUT from one to another, which allows null", put, status, siteAPI, siteOther), acao("null")),
			answering(along("not allowed by the first", plain, status, siteAPI, siteOther), status, "Location: {1}"),
			answering(along("no location", plain, status, siteAPI), status, allowPage),
		)...)
	}
	cases = append(cases, named("way",
		along("out and back", plain, 302, siteAPI, sitePage),
		last(along("out and back, which allows null", plain, 302, siteAPI, sitePage), acao("null")),
		last(along("out and back, which allows nobody", plain, 302, siteAPI, sitePage)),
		along("out, out and back", plain, 302, siteAPI, siteOther, siteAPI),
		along("home, out, out", plain, 302, sitePage, siteAPI, siteAPI),
		last(along("three sites", plain, 302, siteAPI, siteOther, siteNear), acao("null")),
		last(along("to any", plain, 302, siteAPI, siteOther), allowAny),
		last(along("to any with credentials", including(plain), 302, siteAPI, siteOther), allowAny, allowCreds),
		last(along("to null with credentials", including(plain), 302, siteAPI, siteOther), acao("null"), allowCreds),
		last(along("to nobody", plain, 302, siteAPI, siteOther)),
		last(along("to nobody by XHR", xhr(plain), 302, siteAPI, siteOther)),
		along("with a header, home to another", one, 302, sitePage, siteAPI),
		last(along("with a header, from one to another", one, 302, siteAPI, siteOther), acao("null")),
		along("with Authorization, within another", auth, 302, siteAPI, siteAPI),
		taintedPreflight("PUT, the page in the preflight, null in the answer", put),
		taintedPreflight("a header, the page in the preflight, null in the answer", one),
		last(along("POST with a type, from one to another", browser.Request{Method: "POST", Headers: with("Content-Type: text/html").Headers}, 302, siteAPI, siteAPI),
			allowPage, acah("x-a, content-type")),
		last(along("with Authorization, from one to another", auth, 302, siteAPI, siteOther), acao("null")),
		along("with Authorization, home to another", auth, 302, sitePage, siteAPI),
		last(along("PUT denied behind a redirect", put, 307, siteAPI, siteAPI), acao("https://evil.example")),
		along("cookies within a site", including(plain), 302, siteNear, siteNear),
		along("cookies home to the same site", plain, 302, sitePage, siteNear),
	)...)
	return append(cases, namedLocations()...)
}

// taintedPreflight is a request that is redirected from one site to another, which
// allows the page in its preflight and nobody with an origin in its answer.
func taintedPreflight(name string, r browser.Request) testCase {
	c := along(name, r, 307, siteAPI, siteOther)
	c.routes[1].answers = list(respond(200, acao("null")))
	return c
}

// namedLocations are redirects to odd places.
func namedLocations() []testCase {
	var plain browser.Request
	to := func(location string) []string { return []string{allowPage, "Location: " + location} }
	modal := func(name string, mode browser.Redirect) testCase {
		return along(name, browser.Request{Redirect: mode}, 302, siteAPI, siteAPI)
	}
	many := make([]site, 23)
	return named("location",
		answering(along("credentials in another", plain, 302, siteAPI, siteOther), 302, to("{user@1}")...),
		answering(along("credentials within another", plain, 302, siteAPI, siteAPI), 302, to("{user@1}")...),
		answering(along("credentials, home to another", plain, 302, sitePage, siteAPI), 302, to("{user@1}")...),
		answering(along("credentials after PUT", using("PUT"), 307, siteAPI, siteOther), 307, to("{user@1}")...),
		answering(along("relative", plain, 302, siteAPI, siteAPI), 302, to("1")...),
		answering(along("data", plain, 302, siteAPI), 302, to("data:text/plain,x")...),
		answering(along("ftp", plain, 302, siteAPI), 302, to("ftp://a.example/")...),
		answering(along("mailto", plain, 302, siteAPI), 302, to("mailto:ann@a.example")...),
		answering(along("own scheme", plain, 302, siteAPI), 302, to("app://x/")...),
		answering(along("fragment", plain, 302, siteAPI, siteOther), 302, to("{1}#part")...),
		along("twenty", plain, 302, many[:21]...),
		along("twenty-one", plain, 302, many[:22]...),
		along("twenty-two", plain, 302, many...),
		modal("an error", browser.RedirectError),
		modal("manual", browser.RedirectManual),
		answering(modal("manual and denied", browser.RedirectManual), 302, "Location: {1}"),
		answering(modal("an error and denied", browser.RedirectError), 302, "Location: {1}"),
	)
}
