package browsers

import (
	"fmt"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy/browser"
)

// table is all cases, numbered.
func table() []*testCase {
	var cases []*testCase
	for _, group := range []struct {
		name  string
		cases []testCase
	}{
		{"origin", originCases()},
		{"credentials", credentialsCases()},
		{"preflight", preflightCases()},
		{"method", methodCases()},
		{"value", valueCases()},
		{"name", nameCases()},
		{"allow headers", allowHeadersCases()},
		{"cache", cacheCases()},
		{"redirect", redirectCases()},
		{"expose", exposeCases()},
		{"initiator", initiatorCases()},
		{"mode", modeCases()},
		{"opaque", opaqueCases()},
		{"timing", timingCases()},
	} {
		for _, c := range group.cases {
			c.id, c.name = len(cases), group.name+"/"+c.name
			cases = append(cases, &c)
		}
	}
	return cases
}

// The table's names tell its cases apart.
func TestTableNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range table() {
		if seen[c.name] {
			t.Errorf("two cases are called %q", c.name)
		}
		seen[c.name] = true
	}
}

// respond is an answer; each line is "Name: value".
func respond(status int, lines ...string) browser.ServerResponse {
	r := browser.ServerResponse{Status: status, Body: "body"}
	if status == 204 || status == 304 {
		r.Body = ""
	}
	for _, text := range lines {
		name, value, _ := strings.Cut(text, ": ")
		r.Headers = append(r.Headers, browser.Header{Name: name, Value: value})
	}
	return r
}

// list is a list of answers.
func list(answers ...browser.ServerResponse) []browser.ServerResponse { return answers }

const (
	allowPage  = "Access-Control-Allow-Origin: {page}"
	allowAny   = "Access-Control-Allow-Origin: *"
	allowCreds = "Access-Control-Allow-Credentials: true"
	allowPut   = "Access-Control-Allow-Methods: PUT"
	allowXA    = "Access-Control-Allow-Headers: x-a"
	longAge    = "Access-Control-Max-Age: 600"
)

func acao(value string) string { return "Access-Control-Allow-Origin: " + value }
func acac(value string) string { return "Access-Control-Allow-Credentials: " + value }
func acam(value string) string { return "Access-Control-Allow-Methods: " + value }
func acah(value string) string { return "Access-Control-Allow-Headers: " + value }
func aceh(value string) string { return "Access-Control-Expose-Headers: " + value }
func acma(value string) string { return "Access-Control-Max-Age: " + value }

// get is a simple request's case.
func get(name string, r browser.Request, answer browser.ServerResponse) testCase {
	return testCase{name: name, calls: []call{{Request: r}}, routes: []route{{answers: list(answer)}}}
}

// ask is the case of one request with a preflight, which an allowed actual
// request follows.
func ask(name string, r browser.Request, preflight browser.ServerResponse) testCase {
	answer := respond(200, allowPage)
	if r.Credentials == browser.CredentialsInclude {
		answer = respond(200, allowPage, allowCreds)
	}
	return testCase{name: name, calls: []call{{Request: r}}, routes: []route{{preflights: list(preflight), answers: list(answer)}}}
}

// with is a GET with headers, each "Name: value".
func with(lines ...string) browser.Request {
	return browser.Request{Headers: respond(200, lines...).Headers}
}

func using(method string) browser.Request { return browser.Request{Method: method} }

// including makes a request one with credentials.
func including(r browser.Request) browser.Request {
	r.Credentials = browser.CredentialsInclude
	return r
}

// xhr makes a request one of XMLHttpRequest.
func xhr(r browser.Request) browser.Request {
	r.Initiator = browser.InitiatorXHR
	return r
}

// named prefixes the names of cases.
func named(prefix string, cases ...testCase) []testCase {
	for i := range cases {
		cases[i].name = fmt.Sprintf("%s: %s", prefix, cases[i].name)
	}
	return cases
}
