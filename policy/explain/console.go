package explain

import (
	"net/url"
	"strings"

	"github.com/corsgate/corsgate/policy/browser"
)

// A Console is what a console's text says.
type Console struct {
	// Known says whether the text is one that a browser prints.
	Known bool `json:"known"`
	// Engine is who printed it, and Failure why.
	Engine  string `json:"engine,omitempty"`
	Failure string `json:"failure,omitempty"`
	// Preflight says that it was the preflight's answer.
	Preflight bool `json:"preflight,omitempty"`
	// Origin, URL, Method, Header and Status are what the text names.
	Origin string `json:"origin,omitempty"`
	URL    string `json:"url,omitempty"`
	Method string `json:"method,omitempty"`
	Header string `json:"header,omitempty"`
	Status int    `json:"status,omitempty"`
	// Value is what was wrong, such as a header's value.
	Value string `json:"value,omitempty"`
	// Cause and Next say what it means, and what to do.
	Cause string `json:"cause"`
	Next  string `json:"next"`
	MDN   string `json:"mdn,omitempty"`

	block browser.Block
}

// ReadConsole says what a text from a browser's console means.
func ReadConsole(text string) *Console {
	engine, block, ok := browser.ParseConsole(text)
	if !ok {
		return &Console{
			Cause: "This is no CORS error of Chrome, Firefox or Safari that is known. Looked for were Chrome's \"Access to … has been blocked by CORS policy\", " +
				"Firefox's \"Cross-Origin Request Blocked\" and Safari's \"… is not allowed by Access-Control-Allow-Origin\" and its kin, failed WebSocket handshakes, " +
				"Cross-Origin-Resource-Policy, and the texts about private and local networks.",
			Next: "Paste the whole line from the console, not the exception that the script caught. " + askExplain,
		}
	}
	c := &Console{
		Known: true, Engine: engine.String(), Failure: block.Failure.String(), Preflight: block.Preflight,
		Origin: block.Origin, URL: block.URL, Status: block.Status, MDN: block.Failure.MDN(), block: block,
	}
	if c.Origin == "" {
		c.Origin = block.SentOrigin
	}
	switch block.Failure {
	case browser.FailureMethodNotAllowed:
		c.Method = block.Value
	case browser.FailureHeaderNotAllowed:
		c.Header = block.Value
	default:
		c.Value = block.Value
	}
	found, _ := adviceOn(block.Failure)
	c.Cause, c.Next = found.cause, found.next
	if engine == browser.Safari && block.Failure == browser.FailureAllowOriginMismatch {
		// Safari has one text for both, and the more frequent one is the other.
		found, _ = adviceOn(browser.FailureMissingAllowOrigin)
		c.Cause = "Safari prints this where Access-Control-Allow-Origin names another origin, and where there is none, which is more frequent. " + found.cause
		c.Next = found.next
	}
	return c
}

// Ask adds what a console's text says to the parameters of a question. Those that
// are given stay.
func (c *Console) Ask(values url.Values) {
	fill := func(name, value string) {
		if value != "" && !values.Has(name) {
			values.Set(name, value)
		}
	}
	fill(paramOrigin, c.Origin)
	fill(paramURL, c.URL)
	fill(paramMethod, c.Method)
	if c.Header != "" && !namesHeader(values[paramHeader], c.Header) {
		values.Add(paramHeader, c.Header)
	}
	switch c.block.Failure {
	case browser.FailureWildcardWithCredentials, browser.FailureAllowCredentials:
		fill(paramCredentials, trueWord)
	case browser.FailureHandshake:
		fill(paramMode, browser.ModeWebSocket.String())
	}
	if c.Preflight {
		fill(paramPreflighted, trueWord)
	}
	fill(paramInitiator, initiatorWord(c.block.Initiator))
}

func namesHeader(list []string, name string) bool {
	for _, text := range list {
		if one, _, _ := strings.Cut(text, ":"); strings.EqualFold(strings.TrimSpace(one), name) {
			return true
		}
	}
	return false
}
