package explain_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
	"github.com/corsgate/corsgate/policy/document"
	"github.com/corsgate/corsgate/policy/explain"
)

func readDocuments(text string) []policy.Document {
	docs, _ := document.Read("more.yaml", []byte(text))
	return docs
}

func TestQuestionURL(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://API.Shop.example":                "https://api.shop.example/",
		"HTTPS://api.shop.example:443/a?b#c":      "https://api.shop.example/a?b",
		"http://api.shop.example:80/a/../b/./c":   "http://api.shop.example/b/c",
		"https://bücher.example/a":                "https://xn--bcher-kva.example/a",
		"https://me:secret@api.shop.example/a%2F": "https://api.shop.example/a%2F",
		"http://[::1]:8080/":                      "http://[::1]:8080/",
		"wss://api.shop.example:443":              "wss://api.shop.example/",
	} {
		q, err := explain.ParseQuestion(url.Values{"origin": {"https://shop.example"}, "url": {text}})
		if err != nil || q.URL != want {
			t.Errorf("%s: %s, want %s (%v)", text, q.URL, want, err)
		}
	}
}

func TestQuestionErrors(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"":                                                "no origin; say where the page comes from, such as https://shop.example\nno URL; say what the page calls, such as https://api.shop.example/v1/orders",
		"origin=a&url=/v1":                                `url "/v1": it is not a whole URL; write one such as https://api.shop.example/v1/orders`,
		"origin=a&url=http://%25zz":                       `url "http://%zz" cannot be read: invalid URL escape "%zz"`,
		"origin=a&url=http://b&mode=corse":                `mode is "corse"; it must be one of cors, no-cors, navigate, websocket`,
		"origin=a&url=http://b&fetch-site=x":              `fetch-site is "x"; it must be one of same-origin, same-site, cross-site, none`,
		"origin=a&url=http://b&method=G%20T":              `method is "G T", which is not a method`,
		"origin=a&url=http://b&header=X%20Y":              `header "X Y" is none; write it as NAME or 'NAME: VALUE'`,
		"origin=a&url=http://b&read-header=":              `read-header "" is not the name of a header`,
		"origin=a&url=http://b&credentials=maybe":         `credentials is "maybe"; it must be true or false`,
		"origin=a&url=http://b&origin=c":                  "origin is given 2 times; give it once",
		"origin=a&url=http://b&colour=c":                  `there is no parameter "colour"`,
		"origin=a&url=http://b&credentials=false&stream=": "",
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		_, err = explain.ParseQuestion(values)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

// Values are what a question is made of.
func TestQuestionValues(t *testing.T) {
	t.Parallel()
	want := url.Values{
		"origin": {"https://shop.example"}, "url": {"https://api.shop.example/v1?a=b&c"}, "method": {"PUT"}, "mode": {"cors"},
		"header": {"X-A: 1, 2", "X-B: x:y"}, "credentials": {"true"}, "upload-listener": {"true"}, "stream": {"true"}, "preflighted": {"true"},
		"fetch-site": {"none"}, "policy-name": {"shop"}, "read-header": {"ETag", "X-C"}, "initiator": {"xhr"},
	}
	q, err := explain.ParseQuestion(want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, q.Values()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Whatever an engine prints is understood, has a cause and a next step, and is
// explained anew as the same failure where the text says enough.
func TestConsoleKnowsEveryText(t *testing.T) {
	t.Parallel()
	for _, engine := range browser.Engines() {
		for _, failure := range browser.Failures() {
			block := browser.Block{
				Failure: failure, Preflight: true, Value: "PUT", Token: "P T", Status: 403, URL: "https://api.shop.example/v1/x",
				Origin: "https://shop.example", SentOrigin: "https://shop.example", Spaces: []string{"local"},
			}
			if failure == browser.FailureLocalMismatch {
				block.Spaces = []string{"local", "loopback"}
			}
			text := browser.Console(engine, &block)
			if text == "" {
				continue
			}
			c := explain.ReadConsole(text)
			if !c.Known || c.Engine != engine.String() || c.Cause == "" || c.Next == "" {
				t.Errorf("%s %s: %+v", engine, failure, c)
			}
		}
	}
}

func TestEveryFailureHasAdvice(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"TypeError: Failed to fetch", "TypeError: Load failed", "NetworkError when attempting to fetch resource."} {
		if c := explain.ReadConsole(text); !c.Known || c.Failure != "unexplained" || c.Cause == "" {
			t.Errorf("%s: %+v", text, c)
		}
	}
	unknown := explain.ReadConsole("Uncaught ReferenceError: foo is not defined")
	if unknown.Known || !strings.Contains(unknown.Cause, "Looked for were Chrome's") || unknown.Engine != "" {
		t.Errorf("%+v", unknown)
	}
}

func TestConsoleAsks(t *testing.T) {
	t.Parallel()
	given := url.Values{"header": {"X-TRACE: 1"}, "origin": {"https://given.example"}}
	c := explain.ReadConsole("Access to XMLHttpRequest at 'https://api.shop.example/v1/x' from origin 'https://shop.example' has been blocked by CORS policy: " +
		"Request header field x-trace is not allowed by Access-Control-Allow-Headers in preflight response.")
	c.Ask(given)
	want := url.Values{
		"header": {"X-TRACE: 1"}, "origin": {"https://given.example"}, "url": {"https://api.shop.example/v1/x"},
		"preflighted": {"true"}, "initiator": {"xhr"},
	}
	if diff := cmp.Diff(want, given); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
