package main

import "strings"

// Kind is what a page uses to make a call.
type Kind string

const (
	// KindFetch is fetch(), CORS mode.
	KindFetch Kind = "fetch"
	// KindFont is a web font, which browsers always load in CORS mode.
	KindFont Kind = "font"
	// KindImage is an <img>: with the attribute crossorigin in CORS mode, without it in no-cors mode.
	KindImage Kind = "image"
	// KindWebSocket is a WebSocket, to which browsers do not apply CORS.
	KindWebSocket Kind = "websocket"
)

// A Call is one thing that a page does to the API. The pages make it as a
// button, the driver makes it in a headless browser.
//
// No two calls use one method on one path, so that each line of Envoy's access
// log belongs to one call; a preflight, which is an OPTIONS, belongs to the only
// preflighted call of its path.
type Call struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	// Note says what the call shows, for a person.
	Note string `json:"note"`

	Kind        Kind              `json:"kind"`
	Method      string            `json:"method"`
	Path        string            `json:"path"`
	Headers     map[string]string `json:"headers,omitempty"`
	Body        string            `json:"body,omitempty"`
	Credentials bool              `json:"credentials,omitempty"`
	// CrossOrigin is the attribute of that name, on an image.
	CrossOrigin bool `json:"crossOrigin,omitempty"`
	// Twice makes the call a second time, and looks at the second reply.
	Twice bool `json:"twice,omitempty"`
	// Read names a response header that the script tries to read.
	Read string `json:"read,omitempty"`

	// Shop and Foreign are what must come of the call on either page.
	Shop    Outcome `json:"-"`
	Foreign Outcome `json:"-"`
}

// An Outcome is what comes of a call.
type Outcome struct {
	// Through is whether the browser let the page have the reply.
	Through bool `json:"through"`
	// Saw is what the page could see of it.
	Saw string `json:"saw"`
	// Console is the exact text of each line that the browser wrote to its
	// console, with {api}, {ws} and {origin} for the addresses.
	Console []string `json:"-"`
	// Decision is what corsgate said, by Envoy's access log.
	Decision Decision `json:"-"`
}

// A Row is one line of the demo's table: a call, from a page.
type Row struct {
	// Page is the host of the page that makes the call.
	Page string
	Call Call
	// Want is what must come of it.
	Want Outcome
}

// rowKey tells rows apart.
type rowKey struct{ page, call string }

func (r Row) key() rowKey { return rowKey{page: r.Page, call: r.Call.ID} }

// Hosts of the demo. Browsers resolve *.localhost to the loopback address.
const (
	apiHost  = "api.localhost"
	shopHost = "shop.localhost"
	evilHost = "evil.localhost"
)

// rows returns the demo's table: each call from either page.
func rows() []Row {
	var all []Row
	for _, c := range calls() {
		all = append(all, Row{Page: shopHost, Call: c, Want: c.Shop}, Row{Page: evilHost, Call: c, Want: c.Foreign})
	}
	return all
}

// Texts of Chromium's console, after "Access to … has been blocked by CORS
// policy: ".
const (
	noAllowOrigin  = "No 'Access-Control-Allow-Origin' header is present on the requested resource."
	preflightCheck = "Response to preflight request doesn't pass access control check: "
	noCredentials  = "The value of the 'Access-Control-Allow-Credentials' header in the response is '' which must be 'true' " +
		"when the request's credentials mode is 'include'."
	loadFailed = "Failed to load resource: net::ERR_FAILED"
	status403  = "Failed to load resource: the server responded with a status of 403 (Forbidden)"
	status500  = "Failed to load resource: the server responded with a status of 500 (Internal Server Error)"
)

// blocked is an outcome of which script learns nothing: the browser writes why
// to its console, for the developer alone.
func blocked(kind, path, why string, decision Decision) Outcome {
	saw := "TypeError: Failed to fetch"
	switch kind {
	case "font":
		saw = "NetworkError: A network error occurred."
	case "image":
		saw = "error event"
	}
	return Outcome{
		Saw: saw,
		Console: []string{
			"Access to " + kind + " at '{api}" + path + "' from origin '{origin}' has been blocked by CORS policy: " + why,
			loadFailed,
		},
		Decision: decision,
	}
}

// expand puts addresses into a text of an Outcome.
func expand(text, api, origin string) string {
	return strings.NewReplacer(
		"{api}", api,
		"{ws}", strings.Replace(api, "http://", "ws://", 1),
		"{origin}", origin,
	).Replace(text)
}
