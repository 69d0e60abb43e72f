package explain

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/idna"

	"github.com/corsgate/corsgate/policy/browser"
)

// A Question is what a page asks its browser to do, as far as CORS looks at it.
type Question struct {
	// Origin is the page's, as the browser sends it.
	Origin string `json:"origin"`
	// URL is what the page calls, as the browser writes it.
	URL string `json:"url"`
	// Method is the request's, as the script wrote it.
	Method string `json:"method"`
	// Headers are those that the script sets, in its order.
	Headers []Field `json:"headers,omitempty"`
	// Mode is the request's mode: cors, no-cors, navigate or websocket.
	Mode string `json:"mode"`
	// Credentials says that the script asks for them (`credentials: "include"`,
	// `withCredentials`).
	Credentials bool `json:"credentials"`
	// FetchSite is Sec-Fetch-Site, where it is not what the browser would send.
	FetchSite string `json:"fetchSite,omitempty"`
	// UploadListener says that the script listens to the upload's progress, and
	// Stream that the body is a stream.
	UploadListener bool `json:"uploadListener,omitempty"`
	Stream         bool `json:"stream,omitempty"`
	// Preflighted says that a preflight is known to have been sent, though not
	// why.
	Preflighted bool `json:"preflighted,omitempty"`
	// ReadHeaders are response headers that the script wants to read.
	ReadHeaders []string `json:"readHeaders,omitempty"`
	// PolicyName is the policy that the route names.
	PolicyName string `json:"policyName,omitempty"`

	// target is URL, parsed. initiator is what a console said makes the request.
	target    *url.URL
	initiator browser.Initiator
}

// A Field is a header with its value.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// The parameters of a question, by which flags and queries name them.
const (
	paramOrigin         = "origin"
	paramURL            = "url"
	paramMethod         = "method"
	paramHeader         = "header"
	paramMode           = "mode"
	paramCredentials    = "credentials"
	paramFetchSite      = "fetch-site"
	paramUploadListener = "upload-listener"
	paramStream         = "stream"
	paramPreflighted    = "preflighted"
	paramReadHeader     = "read-header"
	paramPolicyName     = "policy-name"
	paramInitiator      = "initiator"
)

const trueWord = "true"

// Modes returns the modes that a question may have.
func Modes() []string { return []string{"cors", "no-cors", "navigate", "websocket"} }

// FetchSites returns the values of Sec-Fetch-Site (Fetch Metadata, section 2.3).
func FetchSites() []string { return []string{"same-origin", "same-site", "cross-site", "none"} }

// ParseQuestion reads a question from the parameters of a query. It reports all
// that is wrong with them at once.
func ParseQuestion(values url.Values) (Question, error) {
	q := Question{
		Origin: values.Get(paramOrigin), URL: values.Get(paramURL), Method: values.Get(paramMethod),
		Mode: values.Get(paramMode), FetchSite: values.Get(paramFetchSite), PolicyName: values.Get(paramPolicyName),
		ReadHeaders: values[paramReadHeader],
	}
	var errs []error
	for name, list := range values {
		if len(list) > 1 && name != paramHeader && name != paramReadHeader {
			errs = append(errs, fmt.Errorf("%s is given %d times; give it once", name, len(list)))
		}
	}
	errs = append(errs, q.readSwitches(values)...)
	for _, text := range values[paramHeader] {
		name, value, _ := strings.Cut(text, ":")
		q.Headers = append(q.Headers, Field{strings.TrimSpace(name), strings.TrimSpace(value)})
	}
	errs = append(errs, q.complete()...)
	return q, errors.Join(errs...)
}

// readSwitches reads what is true or false, and reports what is unknown.
func (q *Question) readSwitches(values url.Values) (errs []error) {
	switches := map[string]*bool{
		paramCredentials: &q.Credentials, paramUploadListener: &q.UploadListener, paramStream: &q.Stream, paramPreflighted: &q.Preflighted,
	}
	for _, name := range sortedKeys(values) {
		if target := switches[name]; target != nil {
			switch value := values.Get(name); value {
			case trueWord:
				*target = true
			case "false", "":
			default:
				errs = append(errs, fmt.Errorf("%s is %q; it must be true or false", name, value))
			}
			continue
		}
		switch name {
		case paramOrigin, paramURL, paramMethod, paramHeader, paramMode, paramFetchSite, paramReadHeader, paramPolicyName:
		case paramInitiator:
			q.initiator = initiatorOf(values.Get(name))
		default:
			errs = append(errs, fmt.Errorf("there is no parameter %q", name))
		}
	}
	return errs
}

// Values returns the parameters from which ParseQuestion makes an equal question.
func (q *Question) Values() url.Values {
	values := url.Values{}
	set := func(name, value string) {
		if value != "" {
			values.Set(name, value)
		}
	}
	set(paramOrigin, q.Origin)
	set(paramURL, q.URL)
	set(paramMethod, q.Method)
	set(paramMode, q.Mode)
	set(paramFetchSite, q.FetchSite)
	set(paramPolicyName, q.PolicyName)
	for name, on := range map[string]bool{
		paramCredentials: q.Credentials, paramUploadListener: q.UploadListener, paramStream: q.Stream, paramPreflighted: q.Preflighted,
	} {
		if on {
			values.Set(name, trueWord)
		}
	}
	for _, h := range q.Headers {
		values.Add(paramHeader, h.Name+": "+h.Value)
	}
	for _, name := range q.ReadHeaders {
		values.Add(paramReadHeader, name)
	}
	if q.initiator != browser.InitiatorFetch {
		values.Set(paramInitiator, initiatorWord(q.initiator))
	}
	return values
}

// complete fills in what was left out and writes the URL as a browser does. It
// returns what is wrong.
func (q *Question) complete() (errs []error) {
	if q.Origin == "" {
		errs = append(errs, errors.New("no origin; say where the page comes from, such as https://shop.example"))
	}
	target, err := parseTarget(q.URL)
	if err != nil {
		errs = append(errs, err)
	} else {
		q.target, q.URL = target, target.String()
	}
	if q.Mode == "" {
		q.Mode = browser.ModeCORS.String()
		if target != nil && (target.Scheme == "ws" || target.Scheme == "wss") {
			q.Mode = browser.ModeWebSocket.String()
		}
	}
	if q.Method == "" {
		q.Method = "GET"
	}
	if !slices.Contains(Modes(), q.Mode) {
		errs = append(errs, fmt.Errorf("mode is %q; it must be one of %s", q.Mode, strings.Join(Modes(), ", ")))
	}
	if q.FetchSite != "" && !slices.Contains(FetchSites(), q.FetchSite) {
		errs = append(errs, fmt.Errorf("fetch-site is %q; it must be one of %s", q.FetchSite, strings.Join(FetchSites(), ", ")))
	}
	if !isToken(q.Method) {
		errs = append(errs, fmt.Errorf("method is %q, which is not a method", q.Method))
	}
	for i, h := range q.Headers {
		if !isToken(h.Name) {
			errs = append(errs, fmt.Errorf("header %q is none; write it as NAME or 'NAME: VALUE'", h.Name))
		}
		if h.Value == "" {
			q.Headers[i].Value = assumedValue(h.Name)
		}
	}
	for _, name := range q.ReadHeaders {
		if !isToken(name) {
			errs = append(errs, fmt.Errorf("read-header %q is not the name of a header", name))
		}
	}
	return errs
}

// assumedValue is the value of a header that was given without one, where a
// browser looks at it: what people mean who name it at all.
func assumedValue(name string) string {
	if strings.EqualFold(name, "content-type") {
		return "application/json"
	}
	return ""
}

var errRelativeURL = errors.New("it is not a whole URL; write one such as https://api.shop.example/v1/orders")

// parseTarget reads a URL and writes it as browsers do: lower case, Punycode, no
// default port, no dot segments, no fragment.
func parseTarget(text string) (*url.URL, error) {
	if text == "" {
		return nil, errors.New("no URL; say what the page calls, such as https://api.shop.example/v1/orders")
	}
	u, err := url.Parse(text)
	if err != nil {
		if detail, ok := errors.AsType[*url.Error](err); ok {
			err = detail.Err
		}
		return nil, fmt.Errorf("url %q cannot be read: %w", text, err)
	}
	if u.Scheme == "" || u.Host == "" {
		return nil, fmt.Errorf("url %q: %w", text, errRelativeURL)
	}
	u.Scheme = strings.ToLower(u.Scheme)
	host := strings.ToLower(u.Hostname())
	if ascii, err := idna.Lookup.ToASCII(host); err == nil {
		host = ascii
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port := u.Port(); port != "" && port != schemePort(u.Scheme) {
		host += ":" + port
	}
	u.Host, u.User, u.Fragment, u.RawFragment = host, nil, "", ""
	if u.Path == "" {
		u.Path = "/"
	}
	return u.ResolveReference(&url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}), nil
}

func schemePort(scheme string) string {
	switch scheme {
	case "http", "ws":
		return "80"
	case "https", "wss":
		return "443"
	}
	return ""
}

// request is the question as package browser takes it.
func (q *Question) request() *browser.Request {
	r := &browser.Request{
		Origin: q.Origin, URL: q.target, Method: q.Method, Initiator: q.initiator,
		UploadListener: q.UploadListener, Stream: q.Stream,
	}
	switch q.Mode {
	case "no-cors":
		r.Mode = browser.ModeNoCORS
	case "navigate":
		r.Mode = browser.ModeNavigate
	case "websocket":
		r.Mode, r.Method = browser.ModeWebSocket, "GET"
	}
	if q.Credentials {
		r.Credentials = browser.CredentialsInclude
	}
	if q.UploadListener {
		r.Initiator = browser.InitiatorXHR
	}
	for _, h := range q.Headers {
		r.Headers = append(r.Headers, browser.Header{Name: h.Name, Value: h.Value})
	}
	// A preflight of which only that much is known is one without a cause of its
	// own, as a listener makes it.
	if needs, _ := browser.NeedsPreflight(r); q.Preflighted && !needs {
		r.UploadListener = true
	}
	return r
}

// initiators are those that are not fetch and that a console can name.
var initiators = map[string]browser.Initiator{
	"xhr": browser.InitiatorXHR, "event-source": browser.InitiatorEventSource, "font": browser.InitiatorFont,
	"image": browser.InitiatorImage, "script": browser.InitiatorScript, "stylesheet": browser.InitiatorStylesheet,
	"audio": browser.InitiatorAudio, "video": browser.InitiatorVideo, "text-track": browser.InitiatorTextTrack,
	"manifest": browser.InitiatorManifest,
}

func initiatorOf(word string) browser.Initiator { return initiators[word] }

func initiatorWord(i browser.Initiator) string {
	for word, one := range initiators {
		if one == i {
			return word
		}
	}
	return ""
}

// isToken reports whether s is a token (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}
