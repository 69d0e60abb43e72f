package policytest_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/document"
	"github.com/corsgate/corsgate/policy/policytest"
)

// head begins a test document; what follows are fields of its spec, from line 5.
const head = `apiVersion: corsgate.dev/v1
kind: CorsPolicyTest
metadata: {name: shop}
spec:
`

// tests reads a document that must be free of errors, and makes its tests.
func tests(t *testing.T, spec string) []policytest.Test {
	t.Helper()
	suites, problems := compile(t, head+spec)
	if len(problems) > 0 || len(suites) != 1 {
		t.Fatalf("%d suites, problems:\n%v", len(suites), problems)
	}
	return suites[0].Tests
}

func compile(t *testing.T, text string) ([]policytest.Suite, policy.Problems) {
	t.Helper()
	docs, problems := document.ReadTests("t.yaml", []byte(text))
	if len(problems) > 0 {
		t.Fatalf("the document cannot be read:\n%v", problems)
	}
	return policytest.Compile(docs)
}

// TestRequests checks what becomes of a request, of rows, and of what they share.
func TestRequests(t *testing.T) {
	t.Parallel()
	got := tests(t, `  request: {url: "https://api.example:8443/v1/a%2Fb?q=1", origin: https://shop.example, fetchSite: cross-site}
  tests:
  - name: plain
    request: {method: PUT, fetchMode: cors, policy: routed, time: "2027-01-31"}
    expect: {verdict: allow}
  - name: table
    request: {preflight: {method: DELETE, headers: [X-A, X-B]}, time: "2027-01-31T18:00:00+01:00"}
    expect: {verdict: allow}
    rows:
    - {}
    - {name: other, request: {url: "http://api.example", origin: "null", preflight: {headers: [X-C]}}}
    - {request: {method: OPTIONS, preflight: {method: PATCH}, fetchSite: same-site, upgrade: websocket}}
`)
	url := "https://api.example:8443/v1/a%2Fb?q=1"
	want := []policytest.Test{
		{
			Suite: "shop", Name: "plain", Position: policy.Position{File: "t.yaml", Line: 7, Column: 5}, URL: url,
			Request: policy.Request{
				Method: "PUT", Scheme: "https", Host: "api.example:8443", Path: "/v1/a%2Fb?q=1", Origin: "https://shop.example",
				FetchSite: "cross-site", FetchMode: "cors", PolicyName: "routed",
			},
			Time: time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC),
		},
		{
			Suite: "shop", Name: "table/1", Position: policy.Position{File: "t.yaml", Line: 14, Column: 7}, URL: url,
			Request: policy.Request{
				Method: "OPTIONS", Scheme: "https", Host: "api.example:8443", Path: "/v1/a%2Fb?q=1", Origin: "https://shop.example",
				FetchSite: "cross-site", RequestMethod: "DELETE", RequestHeaders: "X-A,X-B",
			},
			Time: time.Date(2027, 1, 31, 17, 0, 0, 0, time.UTC),
		},
		{
			Suite: "shop", Name: "table/other", Position: policy.Position{File: "t.yaml", Line: 15, Column: 7}, URL: "http://api.example",
			Request: policy.Request{
				Method: "OPTIONS", Scheme: "http", Host: "api.example", Path: "/", Origin: "null",
				FetchSite: "cross-site", RequestMethod: "DELETE", RequestHeaders: "X-C",
			},
			Time: time.Date(2027, 1, 31, 17, 0, 0, 0, time.UTC),
		},
		{
			Suite: "shop", Name: "table/3", Position: policy.Position{File: "t.yaml", Line: 16, Column: 7}, URL: url,
			Request: policy.Request{
				Method: "OPTIONS", Scheme: "https", Host: "api.example:8443", Path: "/v1/a%2Fb?q=1", Origin: "https://shop.example",
				FetchSite: "same-site", Upgrade: "websocket", RequestMethod: "PATCH", RequestHeaders: "X-A,X-B",
			},
			Time: time.Date(2027, 1, 31, 17, 0, 0, 0, time.UTC),
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(policytest.Test{}), cmpopts.EquateApproxTime(0)); diff != "" {
		t.Errorf("the tests differ (-want +got):\n%s", diff)
	}
	for i, want := range []string{
		"PUT " + url + " from https://shop.example, Sec-Fetch-Site: cross-site, Sec-Fetch-Mode: cors, policy of the route: routed, time: 2027-01-31T00:00:00Z",
		"preflight for DELETE " + url + " with X-A, X-B from https://shop.example, Sec-Fetch-Site: cross-site, time: 2027-01-31T18:00:00+01:00",
	} {
		if described := got[i].Describe(); described != want {
			t.Errorf("test %d is described as\n%s\nwant\n%s", i, described, want)
		}
	}
	if name := got[2].FullName(); name != "shop/table/other" {
		t.Errorf("full name %q", name)
	}
}

func TestCompileProblems(t *testing.T) {
	t.Parallel()
	const good = "expect: {verdict: allow}"
	for name, c := range map[string]struct {
		test string // the second line of a test, line 7
		want string
	}{
		"no URL":             {"request: {origin: https://a.example}\n    " + good, `7:5: spec.tests[0].request.url: the request has no URL; write url: and the whole URL, such as https://api.shop.example/v1/orders [url_missing]`},
		"a path":             {"request: {url: /v1}\n    " + good, `7:20: spec.tests[0].request.url: "/v1" is not a whole URL; write one such as https://api.shop.example/v1/orders [url_invalid]`},
		"a WebSocket's URL":  {"request: {url: \"wss://a.example/x\"}\n    " + good, `7:20: spec.tests[0].request.url: a WebSocket handshake is a GET over HTTP; write https://a.example/x and upgrade: websocket [url_scheme]`},
		"another scheme":     {"request: {url: \"ftp://a.example/x\"}\n    " + good, `7:20: spec.tests[0].request.url: "ftp" is not a scheme that Envoy serves; write http or https [url_scheme]`},
		"no host":            {"request: {url: \"https:///x\"}\n    " + good, `7:20: spec.tests[0].request.url: "" is not a host; write a host, and perhaps a port, behind :// [url_host]`},
		"a user":             {"request: {url: \"https://u@a.example/x\"}\n    " + good, `7:20: spec.tests[0].request.url: "u@a.example" is not a host; write a host, and perhaps a port, behind :// [url_host]`},
		"a fragment":         {"request: {url: \"https://a.example/x#y\"}\n    " + good, `7:20: spec.tests[0].request.url: no client sends a fragment; leave out "#y" [url_fragment]`},
		"white space":        {"request: {url: \"https://a.example/x y\"}\n    " + good, `7:20: spec.tests[0].request.url: a URL holds no white space; write it percent-encoded, as clients send it [url_invalid]`},
		"a fetch site":       {"request: {url: \"https://a.example\", fetchSite: crossite}\n    " + good, `7:52: spec.tests[0].request.fetchSite: "crossite" is none of the words cross-site, same-site, same-origin, none; did you mean cross-site? [unknown_word]`},
		"a fetch mode":       {"request: {url: \"https://a.example\", fetchMode: x}\n    " + good, `7:52: spec.tests[0].request.fetchMode: "x" is none of the words cors, navigate, no-cors, same-origin, websocket; write one of cors, navigate, no-cors, same-origin, websocket [unknown_word]`},
		"a time":             {"request: {url: \"https://a.example\", time: tomorrow}\n    " + good, `7:47: spec.tests[0].request.time: "tomorrow" is neither a day nor a time; write "2027-01-31" or "2027-01-31T18:00:00Z" [time_invalid]`},
		"a preflight PUT":    {"request: {url: \"https://a.example\", method: PUT, origin: \"null\", preflight: {method: PUT}}\n    " + good, `7:49: spec.tests[0].request.method: a preflight is an OPTIONS, not a PUT; leave method out, or write it below preflight if the request that is to follow is meant [preflight_method]`},
		"a preflight of no":  {"request: {url: \"https://a.example\", origin: \"null\", preflight: {headers: [X-A]}}\n    " + good, `7:57: spec.tests[0].request.preflight.method: a preflight names the method of the request that is to follow; write method: and that method [preflight_method]`},
		"a preflight's own":  {"request: {url: \"https://a.example\", preflight: {method: PUT}}\n    " + good, `7:5: spec.tests[0].request.origin: a preflight has an Origin; write origin: and where the script comes from [origin_missing]`},
		"names in one":       {"request: {url: \"https://a.example\", origin: \"null\", preflight: {method: PUT, headers: [\"X-A, X-B\"]}}\n    " + good, `7:82: spec.tests[0].request.preflight.headers: "X-A, X-B" is more than a header's name; write each name as an element of its own [header_invalid]`},
		"no expectation":     {"request: {url: \"https://a.example\"}", `6:5: spec.tests[0].expect: the test checks nothing, so it cannot fail; say what the request must get, such as expect: {verdict: allow} [expect_missing]`},
		"empty expectation":  {"request: {url: \"https://a.example\"}\n    expect: {headersExactly: false}", `6:5: spec.tests[0].expect: the test checks nothing, so it cannot fail; say what the request must get, such as expect: {verdict: allow} [expect_missing]`},
		"a verdict":          {"request: {url: \"https://a.example\"}\n    expect: {verdict: alow}", `8:23: spec.tests[0].expect.verdict: "alow" is none of the words allow, deny, pass; did you mean allow? [unknown_word]`},
		"a kind":             {"request: {url: \"https://a.example\"}\n    expect: {kind: prefligth}", `8:20: spec.tests[0].expect.kind: "prefligth" is none of the words not_cors, preflight, actual, websocket; did you mean preflight? [unknown_word]`},
		"an action":          {"request: {url: \"https://a.example\"}\n    expect: {action: refused}", `8:22: spec.tests[0].expect.action: "refused" is none of the words forward, answer, refuse; did you mean refuse? [unknown_word]`},
		"a status":           {"request: {url: \"https://a.example\"}\n    expect: {status: 100}", `8:22: spec.tests[0].expect.status: 100 is not a status of an answer; write one from 200 to 599; for a request that goes on to the service, write action: forward [status_invalid]`},
		"a header's name":    {"request: {url: \"https://a.example\"}\n    expect: {headers: {\"a b\": c}}", `8:31: spec.tests[0].expect.headers["a b"]: "a b" is not a header's name; write one such as "access-control-allow-origin" [header_invalid]`},
		"a header twice":     {"request: {url: \"https://a.example\"}\n    expect: {headers: {Vary: a, vary: b}}", `8:39: spec.tests[0].expect.headers["vary"]: "Vary" and "vary" are the same header; keep one of the two [header_duplicate]`},
		"a name of lines":    {"request: {url: \"https://a.example\"}\n    " + good + "\n    rows: [{name: \"a\\nb\"}]", `9:19: spec.tests[0].rows[0].name: the name holds a line break or another control character; write it on one line [name_invalid]`},
		"rows of a name":     {"request: {url: \"https://a.example\"}\n    " + good + "\n    rows: [{name: a}, {name: a}]", `9:30: spec.tests[0].rows[1].name: "a" is there already, at t.yaml:9:19; give one of them another name [name_duplicate]`},
		"tests of a name":    {"request: {url: \"https://a.example\"}\n    " + good + "\n  - name: one\n    request: {url: \"https://a.example\"}\n    " + good, `9:11: spec.tests[1].name: "one" is there already, at t.yaml:6:11; give one of them another name [name_duplicate]`},
		"a nameless test":    {"request: {url: \"https://a.example\"}\n    " + good + "\n  - request: {url: \"https://a.example\"}\n    " + good, `9:5: spec.tests[1].name: the test has no name; say in a few words what it shows [name_missing]`},
		"a fault of all":     {"request: {url: https}\n    " + good + "\n    rows: [{name: a}, {name: b}]", `7:20: spec.tests[0].request.url: "https" is not a whole URL; write one such as https://api.shop.example/v1/orders [url_invalid]`},
		"a fault of the row": {"request: {url: \"https://a.example\"}\n    rows: [{expect: {verdict: allow}}, {name: b}]", `8:40: spec.tests[0].rows[1].expect: the test checks nothing, so it cannot fail; say what the request must get, such as expect: {verdict: allow} [expect_missing]`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			suites, problems := compile(t, head+"  tests:\n  - name: one\n    "+c.test+"\n")
			if got, want := problems.Error(), "t.yaml:"+c.want; got != want || suites != nil {
				t.Errorf("%d suites and\n%s\nwant none and\n%s", len(suites), got, want)
			}
		})
	}
}

func TestCompileDocuments(t *testing.T) {
	t.Parallel()
	const one = "  tests: [{name: a, request: {url: \"http://a\"}, expect: {verdict: pass}}]\n"
	_, problems := compile(t, head+one+"---\n"+head+one+"---\n"+head+"  request: {url: \"http://a\"}\n")
	want := `t.yaml:9:18: metadata.name: the test document "shop" is there already, at t.yaml:3:18; give one of them another name [name_duplicate]
t.yaml:15:18: metadata.name: the test document "shop" is there already, at t.yaml:9:18; give one of them another name [name_duplicate]
t.yaml:16:1: spec.tests: the document tests nothing; list tests, or remove the document [tests_missing]`
	if got := problems.Error(); got != want {
		t.Errorf("problems\n%s\nwant\n%s", got, want)
	}
	if suites, problems := policytest.Compile([]policy.Document{{File: "x"}}); suites != nil || problems != nil {
		t.Errorf("what is no test document gives %v and %v", suites, problems)
	}
}

// TestReasons checks that a test may expect every reason that there is.
func TestReasons(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/answers.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(doc), "\n## Reasons\n")
	rows := 0
	for line := range strings.Lines(list) {
		rest, ok := strings.CutPrefix(line, "| `")
		if !ok {
			continue
		}
		rows++
		reason, _, _ := strings.Cut(rest, "`")
		tests(t, "  tests: [{name: a, request: {url: \"http://a\"}, expect: {reason: "+reason+"}}]\n")
	}
	const known = 14 // when this was written
	if rows < known {
		t.Errorf("docs/answers.md lists %d reasons", rows)
	}
}
