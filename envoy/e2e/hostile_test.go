package e2e_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// mark is what each hostile value tries to smuggle into a response.
const mark = "x-smuggled"

// hostileBytes are the bytes that have no business in a header, as a client may
// write them, and forms of them that something might decode.
func hostileBytes() []string {
	var out []string
	for b := range 0x20 {
		out = append(out, string(rune(b)))
	}
	return append(out, "\x7f", "\x80", "\xff", "\r\n", "\n\n", "\r\n ", "\r\n\r\n",
		"%0d%0a", "%0D%0A", "%00", "%250d%250a", `\r\n`, "\u2028", "\u0085", "\u560d\u560a", "&#13;&#10;")
}

// hostileHeaders are where a hostile value can stand in a request to the policy
// that answers with what was asked for.
var hostileHeaders = []struct{ name, format, rest string }{
	{"Origin", "https://shop.example%s" + mark + ": 1", ""},
	{"Origin", "%shttps://shop.example", ""},
	{"Access-Control-Request-Method", "PURGE%s" + mark + ": 1", "Origin: https://shop.example"},
	{"Access-Control-Request-Headers", "x-one,x-two%s" + mark + ": 1", "Origin: https://shop.example|Access-Control-Request-Method: GET"},
	{"Access-Control-Request-Headers", "x-one%s,x-two", "Origin: https://shop.example|Access-Control-Request-Method: GET"},
}

// TestHostileBytes sends what an HTTP library would not, byte by byte, and wants
// to see none of it again.
func TestHostileBytes(t *testing.T) {
	t.Parallel()
	h := build(t, plan{change: func(b *bootstrap) {
		// After a 400 Envoy waits a second for the client to hang up.
		b.manager()["delayed_close_timeout"] = "0.01s"
	}})
	for _, send := range []struct {
		protocol protocol
		exchange func(*testing.T, *house, []hpack.HeaderField) []byte
	}{{http1, exchangeRaw1}, {http2, exchangeRaw2}} {
		for i, where := range hostileHeaders {
			t.Run(fmt.Sprintf("%s/%s-%d", send.protocol, where.name, i), func(t *testing.T) {
				for _, hostile := range hostileBytes() {
					value := fmt.Sprintf(where.format, hostile)
					fields := []hpack.HeaderField{{Name: where.name, Value: value}}
					for other := range strings.SplitSeq(where.rest, "|") {
						if name, value, found := strings.Cut(other, ": "); found {
							fields = append(fields, hpack.HeaderField{Name: name, Value: value})
						}
					}
					expectNothingBack(t, value, hostile, send.exchange(t, h, fields))
				}
			})
		}
	}
	// Whatever was logged is still one JSON object a line, and says that not all
	// of it was refused by Envoy before corsgate saw it.
	met := make(map[string]int)
	for _, line := range h.accessLog(t) {
		met[line.Reason]++
	}
	for _, reason := range []string{"origin_malformed", "method_not_allowed", "header_not_allowed"} {
		if met[reason] == 0 {
			t.Errorf("no request came to %s: %v", reason, met)
		}
	}
}

// expectNothingBack looks for traces of a hostile value in all that came back.
func expectNothingBack(t *testing.T, value, hostile string, got []byte) {
	t.Helper()
	if bytes.Contains(bytes.ToLower(got), []byte(mark)) {
		t.Errorf("%q: what was smuggled came back:\n%q", value, got)
	}
	head, _, _ := strings.Cut(string(got), "\r\n\r\n")
	for line := range strings.SplitSeq(head, "\r\n") {
		if strings.ContainsAny(line, "\x00\r\n\x7f") || strings.HasPrefix(line, " ") {
			t.Errorf("%q: a line of the response holds control bytes: %q", value, line)
		}
		name, sent, _ := strings.Cut(strings.ToLower(line), ": ")
		if !strings.HasPrefix(name, "access-control-") {
			continue
		}
		// A percent sign may be a part of a name (RFC 9110, section 5.6.2), and then
		// comes back as it is where any name is allowed. It must not be decoded.
		if strings.Trim(hostile, " \t\r\n") != "" && hostile[0] != '%' && strings.Contains(sent, strings.ToLower(hostile)) {
			t.Errorf("%q: came back: %q", value, line)
		}
		if name == "access-control-allow-origin" && sent != shop {
			t.Errorf("%q: another origin was allowed: %q", value, line)
		}
	}
}

// exchangeRaw1 writes a preflight over HTTP/1.1 as it stands and returns all
// that comes back.
func exchangeRaw1(t *testing.T, h *house, fields []hpack.HeaderField) []byte {
	t.Helper()
	conn := dial(t, h)
	defer conn.Close()
	var request bytes.Buffer
	request.WriteString("OPTIONS /wide/orders HTTP/1.1\r\nHost: api.shop.example\r\nConnection: close\r\n")
	for _, f := range fields {
		fmt.Fprintf(&request, "%s: %s\r\n", f.Name, f.Value)
	}
	request.WriteString("\r\n")
	if _, err := conn.Write(request.Bytes()); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil && len(got) == 0 {
		t.Fatal(err)
	}
	if _, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(got)), nil); err != nil {
		t.Errorf("%q: the response is none: %v\n%q", fields[0].Value, err, got)
	}
	return got
}

// exchangeRaw2 does the same over HTTP/2 and returns the response in the form of
// HTTP/1.1, or what Envoy had to say instead of one.
func exchangeRaw2(t *testing.T, h *house, fields []hpack.HeaderField) []byte {
	t.Helper()
	conn := dial(t, h)
	defer conn.Close()
	if _, err := io.WriteString(conn, xhttp2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	framer := xhttp2.NewFramer(conn, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, f := range append([]hpack.HeaderField{
		{Name: ":method", Value: "OPTIONS"},
		{Name: ":scheme", Value: "http"},
		{Name: ":authority", Value: "api.shop.example"},
		{Name: ":path", Value: "/wide/orders"},
	}, fields...) {
		f.Name = strings.ToLower(f.Name)
		if err := encoder.WriteField(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := framer.WriteHeaders(xhttp2.HeadersFrameParam{
		StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true,
	}); err != nil {
		t.Fatal(err)
	}
	return readStream(t, framer)
}

// readStream reads the only stream of a connection to its end.
func readStream(t *testing.T, framer *xhttp2.Framer) []byte {
	t.Helper()
	var got bytes.Buffer
	for {
		frame, err := framer.ReadFrame()
		if errors.Is(err, io.EOF) {
			return got.Bytes() // Envoy hung up on what is no HTTP/2
		}
		if err != nil {
			t.Fatalf("reading from Envoy: %v", err)
		}
		ended := false
		switch frame := frame.(type) {
		case *xhttp2.MetaHeadersFrame:
			for _, f := range frame.Fields {
				fmt.Fprintf(&got, "%s: %s\r\n", f.Name, f.Value)
			}
			got.WriteString("\r\n")
			ended = frame.StreamEnded()
		case *xhttp2.DataFrame:
			got.Write(frame.Data())
			ended = frame.StreamEnded()
		case *xhttp2.RSTStreamFrame:
			ended = true
		case *xhttp2.GoAwayFrame:
			ended = true
		}
		if ended {
			return got.Bytes()
		}
	}
}

func dial(t *testing.T, h *house) net.Conn {
	t.Helper()
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", h.address())
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestLongHeaders asks for more headers than anybody needs.
func TestLongHeaders(t *testing.T) {
	t.Parallel()
	const kib = 1 << 10
	names := func(size int) string {
		return strings.Repeat("x-csrf-token,", size/len("x-csrf-token,"))
	}
	h := build(t, plan{})
	silent := with(diagnosis)
	delete(silent, "access-control-allow-headers")
	h.overBoth(t, func(t *testing.T, c *client) {
		for name, tt := range map[string]struct {
			names  string
			want   answer
			reason string
		}{
			// Over HTTP/2 Envoy counts each header's 32 octets of overhead too.
			"59 KiB":      {names(59 * kib), answered(http.StatusNoContent, silent), "too_many_headers"},
			"9 KiB":       {names(9 * kib), answered(http.StatusNoContent, silent), "too_many_headers"},
			"129 names":   {strings.Repeat("a,", 129), answered(http.StatusNoContent, silent), "too_many_headers"},
			"128 names":   {strings.Repeat("range,", 127) + "content-type", answered(http.StatusNoContent, with(storefrontPreflight, "access-control-allow-headers", "content-type, x-csrf-token, range")), "origin_allowed"},
			"only commas": {strings.Repeat(",", 7*kib), answered(http.StatusNoContent, storefrontPreflight), "origin_allowed"},
		} {
			t.Run(name, func(t *testing.T) {
				got, id, _, err := c.send(t.Context(), preflight(orders, shop, "POST", tt.names))
				if err != nil {
					t.Fatal(err)
				}
				expect(t, got, tt.want)
				if line := h.logged(t, id); line.Reason != tt.reason {
					t.Errorf("the access log says %q, want %q", line.Reason, tt.reason)
				}
			})
		}
		t.Run("more than Envoy takes", func(t *testing.T) {
			before := h.checks(t)
			got, _, _, err := c.send(t.Context(), preflight(orders, shop, "POST", names(61*kib)))
			// Over HTTP/2 Envoy resets the stream.
			if err == nil && (got.Status != http.StatusRequestHeaderFieldsTooLarge || len(got.Headers) != 0 || got.Reached) {
				t.Errorf("got %+v, want 431 and no CORS header", got)
			}
			if made := h.checks(t) - before; made != 0 {
				t.Errorf("Envoy asked %d times, want none", made)
			}
		})
	})
}

// TestLongOrigins sends an Origin as long as Envoy lets through.
func TestLongOrigins(t *testing.T) {
	t.Parallel()
	h := build(t, plan{})
	h.overBoth(t, func(t *testing.T, c *client) {
		expectAll(t, c, map[string]outcome{
			"a label too long": {ask("GET", orders, "Origin", "https://"+strings.Repeat("a", 64)+".shop.example"), answered(http.StatusForbidden, refused)},
			"the longest label": {ask("GET", orders, "Origin", "https://"+strings.Repeat("a", 63)+".shop.example"), forwarded(with(storefront,
				"access-control-allow-origin", "https://"+strings.Repeat("a", 63)+".shop.example"))},
			"a host too long": {ask("GET", orders, "Origin", "https://"+strings.Repeat("a.", 130)+"shop.example"), answered(http.StatusForbidden, refused)},
			"50 KB":           {ask("GET", orders, "Origin", "https://"+strings.Repeat("a.", 25_000)+"shop.example"), answered(http.StatusForbidden, refused)},
		})
	})
}
