package policytest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/spelling"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

const (
	methodGet     = "GET"
	methodOptions = "OPTIONS"
)

// Values of the headers that browsers set (Fetch Metadata, sections 2.3 and
// 2.4). Of the modes, those that a request can have.
func fetchSites() []string { return []string{"cross-site", "same-site", "same-origin", "none"} }

func fetchModes() []string {
	return []string{"cors", "navigate", "no-cors", "same-origin", "websocket"}
}

// wire returns the request as the engine sees it, and reports what is wrong with
// it.
func (d *draft) wire() policy.Request {
	m := d.request()
	r := policy.Request{
		Method:     m.GetMethod(),
		Origin:     m.GetOrigin(),
		FetchSite:  m.GetFetchSite(),
		FetchMode:  m.GetFetchMode(),
		Upgrade:    m.GetUpgrade(),
		PolicyName: m.GetPolicy(),
	}
	d.word(r.FetchSite, fetchSites(), "request", "fetchSite")
	d.word(r.FetchMode, fetchModes(), "request", "fetchMode")
	if m.GetPreflight() != nil {
		d.preflight(&r, m.GetPreflight())
	} else if r.Method == "" {
		r.Method = methodGet
	}
	d.url(&r, m.GetUrl())
	return r
}

// preflight makes the request a preflight.
func (d *draft) preflight(r *policy.Request, m *corsgatev1.TestPreflight) {
	switch {
	case r.Method != "" && r.Method != methodOptions:
		d.fault("preflight_method", "a preflight is an OPTIONS, not "+article(r.Method),
			"leave method out, or write it below preflight if the request that is to follow is meant", "request", "method")
	case r.Origin == "":
		d.fault("origin_missing", "a preflight has an Origin", "write origin: and where the script comes from", "request", "origin")
	case m.GetMethod() == "":
		d.fault("preflight_method", "a preflight names the method of the request that is to follow", "write method: and that method", "request", "preflight", "method")
	}
	for _, name := range m.GetHeaders() {
		if strings.ContainsAny(name, ", \t") {
			d.fault("header_invalid", strconv.Quote(name)+" is more than a header's name", "write each name as an element of its own", "request", "preflight", "headers")
		}
	}
	r.Method = methodOptions
	r.RequestMethod = m.GetMethod()
	r.RequestHeaders = strings.Join(m.GetHeaders(), ",") // as the Fetch standard writes it
}

// url takes the request's scheme, host and path from its URL. The path is taken
// byte for byte: policies look at it in that way.
func (d *draft) url(r *policy.Request, text string) {
	fault := func(code, reason, mend string) { d.fault(code, reason, mend, "request", "url") }
	scheme, rest, ok := strings.Cut(text, "://")
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	host, path := rest[:end], rest[end:]
	switch {
	case text == "":
		fault("url_missing", "the request has no URL", "write url: and the whole URL, such as https://api.shop.example/v1/orders")
	case !ok:
		fault("url_invalid", strconv.Quote(text)+" is not a whole URL", "write one such as https://api.shop.example/v1/orders")
	case scheme == "ws" || scheme == "wss":
		fault("url_scheme", "a WebSocket handshake is a GET over HTTP", "write http"+strings.TrimPrefix(scheme, "ws")+"://"+rest+" and upgrade: websocket")
	case scheme != "http" && scheme != "https":
		fault("url_scheme", strconv.Quote(scheme)+" is not a scheme that Envoy serves", "write http or https")
	case host == "" || strings.ContainsAny(host, "@ \t\\") || hasControl(host):
		fault("url_host", strconv.Quote(host)+" is not a host", "write a host, and perhaps a port, behind ://")
	case strings.ContainsRune(path, '#'):
		fault("url_fragment", "no client sends a fragment", "leave out "+strconv.Quote(path[strings.IndexByte(path, '#'):]))
	case strings.ContainsAny(path, " \t") || hasControl(path):
		fault("url_invalid", "a URL holds no white space", "write it percent-encoded, as clients send it")
	}
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	r.Scheme, r.Host, r.Path = scheme, host, path
}

// time returns when the request comes.
func (d *draft) time() time.Time {
	text := d.request().GetTime()
	if text == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		at, err = time.Parse(time.RFC3339, text)
	}
	if err != nil {
		d.fault("time_invalid", strconv.Quote(text)+" is neither a day nor a time", `write "2027-01-31" or "2027-01-31T18:00:00Z"`, "request", "time")
	}
	return at
}

// word checks that a part, if it is there, is one of the known words.
func (d *draft) word(word string, known []string, names ...string) {
	if word == "" || slices.Contains(known, word) {
		return
	}
	mend := "write one of " + strings.Join(known, ", ")
	if guess := spelling.Closest(word, known); guess != "" {
		mend = "did you mean " + guess + "?"
	}
	d.fault("unknown_word", fmt.Sprintf("%q is none of the words %s", word, strings.Join(known, ", ")), mend, names...)
}

// article puts "a" or "an" before a method.
func article(method string) string {
	if strings.ContainsRune("AEIOUaeiou", rune(method[0])) {
		return "an " + method
	}
	return "a " + method
}

// Describe says the request on one line, for people.
func (t *Test) Describe() string {
	r := &t.Request
	var b strings.Builder
	if r.RequestMethod != "" {
		b.WriteString("preflight for " + visible(r.RequestMethod) + " " + visible(t.URL))
		if r.RequestHeaders != "" {
			b.WriteString(" with " + visible(strings.ReplaceAll(r.RequestHeaders, ",", ", ")))
		}
	} else {
		b.WriteString(visible(r.Method) + " " + visible(t.URL))
	}
	if r.Origin != "" {
		b.WriteString(" from " + visible(r.Origin))
	}
	for _, also := range []struct{ name, value string }{
		{"Upgrade", r.Upgrade},
		{"Sec-Fetch-Site", r.FetchSite},
		{"Sec-Fetch-Mode", r.FetchMode},
		{"policy of the route", r.PolicyName},
		{"time", timeText(t.Time)},
	} {
		if also.value != "" {
			b.WriteString(", " + also.name + ": " + visible(also.value))
		}
	}
	return b.String()
}

// visible quotes a text that a terminal would not show as it is. Requests that no
// browser sends may be tested too.
func visible(s string) string {
	if hasControl(s) {
		return strconv.Quote(s)
	}
	return s
}

func timeText(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.Format(time.RFC3339)
}
