package e2e_test

import (
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A protocol is a version of HTTP, as a client speaks it to Envoy.
type protocol string

const (
	http1 protocol = "HTTP/1.1"
	http2 protocol = "HTTP/2"
)

// headers holds what of a response CORS and caches look at, by lower-case name.
type headers = map[string]string

// An answer is what of a response matters here. Two answers are equal if they
// have the same headers: one too many is as wrong as one too few.
type answer struct {
	Status  int
	Headers headers
	// Reached says whether the service has seen the request.
	Reached bool
}

// A question is a request.
type question struct {
	method string
	// url is written without a query; the client adds one.
	url     string
	headers [][2]string
}

func ask(method, url string, pairs ...string) question {
	q := question{method: method, url: url}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.headers = append(q.headers, [2]string{pairs[i], pairs[i+1]})
	}
	return q
}

// preflight asks whether an actual request may be made. An empty list of names
// is left out, as browsers do.
func preflight(url, origin, method, names string) question {
	q := ask(http.MethodOptions, url, "Origin", origin, "Access-Control-Request-Method", method)
	if names != "" {
		q.headers = append(q.headers, [2]string{"Access-Control-Request-Headers", names})
	}
	return q
}

// A client speaks one protocol to one Envoy, whatever host a URL names.
type client struct {
	house     *house
	transport *http.Transport
}

func (h *house) client(t *testing.T, p protocol) *client {
	var protocols http.Protocols
	protocols.SetHTTP1(p == http1)
	protocols.SetUnencryptedHTTP2(p == http2)
	transport := &http.Transport{
		Protocols:          &protocols,
		DisableCompression: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, network, h.address())
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &client{house: h, transport: transport}
}

// send sends a question under a new id and returns its answer, the id and the
// body.
func (c *client) send(ctx context.Context, q question) (got answer, id, body string, err error) {
	id = c.house.newID()
	req, err := http.NewRequestWithContext(ctx, q.method, q.url+"?"+id, nil)
	if err != nil {
		return answer{}, id, "", err
	}
	req.Header.Set(requestID, id)
	for _, h := range q.headers {
		req.Header.Add(h[0], h[1])
	}
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return answer{}, id, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, id, "", err
	}
	return answer{
		Status:  resp.StatusCode,
		Headers: relevant(resp.Header),
		Reached: c.house.service.reached(id) > 0,
	}, id, string(text), nil
}

// relevant returns the headers that an answer is made of. Lines of one header
// are shown apart, so that a doubled header is not taken for one with a list.
// The type of a body counts where it is ours.
func relevant(all http.Header) headers {
	out := make(headers)
	for name, lines := range all {
		name = strings.ToLower(name)
		value := strings.Join(lines, " | ")
		switch {
		case name == "vary":
			value = spaced(strings.Join(lines, ","))
		case name == "timing-allow-origin", strings.HasPrefix(name, "access-control-"):
		case name == "content-type" && value == problemType:
		default:
			continue
		}
		out[name] = value
	}
	return out
}

// spaced writes a list with one space after each comma: Envoy joins without, we
// with.
func spaced(listed string) string {
	items := strings.Split(listed, ",")
	for i := range items {
		items[i] = strings.TrimSpace(items[i])
	}
	return strings.Join(items, ", ")
}

// problemType is the type of our refusals' bodies.
const problemType = "application/problem+json"

// with returns headers with others added.
func with(base headers, pairs ...string) headers {
	out := maps.Clone(base)
	if out == nil {
		out = make(headers)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return out
}

func expect(t *testing.T, got, want answer) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the answer differs (-want +got):\n%s", diff)
	}
}

// overBoth runs a test over both protocols.
func (h *house) overBoth(t *testing.T, run func(t *testing.T, c *client)) {
	t.Helper()
	for _, p := range []protocol{http1, http2} {
		c := h.client(t, p)
		t.Run(string(p), func(t *testing.T) { run(t, c) })
	}
}
