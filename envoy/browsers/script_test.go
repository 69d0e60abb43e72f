package browsers

import (
	"strings"

	"github.com/corsgate/corsgate/policy/browser"
)

// pageCall is a call as the page's script reads it.
type pageCall struct {
	Way            string      `json:"way"`
	URL            string      `json:"url"`
	Method         string      `json:"method"`
	Headers        [][2]string `json:"headers"`
	Mode           string      `json:"mode"`
	Credentials    string      `json:"credentials"`
	Redirect       string      `json:"redirect"`
	ReferrerPolicy string      `json:"referrerPolicy,omitempty"`
	Body           bool        `json:"body"`
	Upload         bool        `json:"upload"`
	Timing         bool        `json:"timing"`
}

type pageCase struct {
	ID    int        `json:"id"`
	Calls []pageCall `json:"calls"`
}

type pageScriptData struct {
	Cases []pageCase `json:"cases"`
	End   string     `json:"end"`
}

// A result is what a page's script learned of one call.
type result struct {
	Access  string      `json:"access"`
	Headers [][2]string `json:"headers"`
	Body    string      `json:"body"`
	Timing  *bool       `json:"timing"`
	Error   string      `json:"error"`
}

// ways are the page's functions that make a request.
func ways() map[browser.Initiator]string {
	return map[browser.Initiator]string{
		browser.InitiatorFetch: "fetch", browser.InitiatorXHR: "xhr", browser.InitiatorEventSource: "eventsource",
		browser.InitiatorFont: "font", browser.InitiatorImage: "image", browser.InitiatorScript: "script",
		browser.InitiatorStylesheet: "stylesheet", browser.InitiatorAudio: "audio", browser.InitiatorVideo: "video",
	}
}

// hasHeaders reports whether a way to make requests shows the answer's headers
// and body to the script.
func hasHeaders(i browser.Initiator) bool {
	return i == browser.InitiatorFetch || i == browser.InitiatorXHR
}

// script is all that a page is to do.
func (s *stage) script(page string) pageScriptData {
	data := pageScriptData{End: s.at[siteAPI] + pathEnd + page}
	for _, c := range s.cases {
		if c.opaque != (page == pathOpaque) {
			continue
		}
		requests, err := c.requests(s.at)
		s.report(err)
		p := pageCase{ID: c.id}
		for i := range requests {
			p.Calls = append(p.Calls, pageCallOf(&requests[i], c.calls[i].timing))
		}
		data.Cases = append(data.Cases, p)
	}
	return data
}

func pageCallOf(r *browser.Request, timing bool) pageCall {
	p := pageCall{
		Way: ways()[r.Initiator], URL: r.URL.String(), Method: r.Method, Headers: [][2]string{},
		Mode: r.Mode.String(), Credentials: r.Credentials.String(), Upload: r.UploadListener, Timing: timing,
		Redirect:       [...]string{browser.RedirectFollow: "follow", browser.RedirectError: "error", browser.RedirectManual: "manual"}[r.Redirect],
		ReferrerPolicy: [...]string{"", "no-referrer", "same-origin", "unsafe-url"}[r.ReferrerPolicy],
	}
	if p.Method == "" {
		p.Method = "GET"
	}
	p.Body = strings.EqualFold(p.Method, "post") || r.UploadListener
	for _, h := range r.Headers {
		p.Headers = append(p.Headers, [2]string{h.Name, asCharacters(h.Value)})
	}
	return p
}

// asCharacters writes each byte as the character of that number, as scripts take
// and give headers.
func asCharacters(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}

// asBytes undoes asCharacters.
func asBytes(s string) string {
	var b strings.Builder
	for _, r := range s {
		b.WriteByte(byte(r))
	}
	return b.String()
}
