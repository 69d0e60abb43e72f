package policy

import (
	"net/url"
	"strconv"
	"strings"
	"testing"
)

func TestParseOrigin(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		header string
		form   originForm
		host   string
		port   uint16
	}{
		{"", formAbsent, "", 0},
		{"null", formNull, "", 0},
		{"https://shop.example", formTuple, "shop.example", 0},
		{"http://localhost:3000", formTuple, "localhost", 3000},
		{"https://shop.example:65535", formTuple, "shop.example", 65535},
		{"https://127.0.0.1:8443", formTuple, "127.0.0.1", 8443},
		{"http://[::1]:80", formMalformed, "", 0},
		{"https://[2001:db8::1]:8443", formTuple, "[2001:db8::1]", 8443},
		{"https://[::ffff:102:304]", formTuple, "[::ffff:102:304]", 0},
		{"https://[::ffff:1.2.3.4]", formMalformed, "", 0},
		{"https://[::ffff:0:1]", formTuple, "[::ffff:0:1]", 0},
		{"chrome-extension://abcdefghijklmnop", formTuple, "abcdefghijklmnop", 0},
		{"capacitor://localhost", formTuple, "localhost", 0},
		{"https://under_score.example", formTuple, "under_score.example", 0},
		{"https://shop.example.", formTuple, "shop.example.", 0},
		{"https://xn--mnchen-3ya.example", formTuple, "xn--mnchen-3ya.example", 0},
		{"https://a." + strings.Repeat("b", 63), formTuple, "a." + strings.Repeat("b", 63), 0},

		{"NULL", formMalformed, "", 0},
		{" null", formMalformed, "", 0},
		{"*", formMalformed, "", 0},
		{"shop.example", formMalformed, "", 0},
		{"//shop.example", formMalformed, "", 0},
		{"https:/shop.example", formMalformed, "", 0},
		{"https://", formMalformed, "", 0},
		{"https://.", formMalformed, "", 0},
		{"https://..", formMalformed, "", 0},
		{"https://.shop.example", formMalformed, "", 0},
		{"https://a..example", formMalformed, "", 0},
		{"https://-a.example", formMalformed, "", 0},
		{"https://a-.example", formMalformed, "", 0},
		{"https://" + strings.Repeat("b", 64) + ".example", formMalformed, "", 0},
		{"https://" + strings.Repeat("b.", 127) + "example", formMalformed, "", 0},
		{"HTTPS://shop.example", formMalformed, "", 0},
		{"https://Shop.example", formMalformed, "", 0},
		{"1https://shop.example", formMalformed, "", 0},
		{strings.Repeat("a", 65) + "://shop.example", formMalformed, "", 0},
		{"https://shop.example/", formMalformed, "", 0},
		{"https://shop.example?q", formMalformed, "", 0},
		{"https://shop.example#f", formMalformed, "", 0},
		{"https://user@shop.example", formMalformed, "", 0},
		{"https://evil.example/.shop.example", formMalformed, "", 0},
		{"https://shop.example https://b.example", formMalformed, "", 0},
		{"https://shop.example,https://b.example", formMalformed, "", 0},
		{"https://shop.example:", formMalformed, "", 0},
		{"https://shop.example:0", formMalformed, "", 0},
		{"https://shop.example:080", formMalformed, "", 0},
		{"https://shop.example:443", formMalformed, "", 0},
		{"http://shop.example:80", formMalformed, "", 0},
		{"https://shop.example:65536", formMalformed, "", 0},
		{"https://shop.example:99999999999999999999", formMalformed, "", 0},
		{"https://shop.example:+1", formMalformed, "", 0},
		{"https://127.0.0.1.", formMalformed, "", 0},
		{"https://127.1", formMalformed, "", 0},
		{"https://0x7f.0.0.1", formMalformed, "", 0},
		{"https://a.0x7f", formMalformed, "", 0},
		{"https://256.0.0.1", formMalformed, "", 0},
		{"https://01.2.3.4", formMalformed, "", 0},
		{"https://[::1", formMalformed, "", 0},
		{"https://[::1]x", formMalformed, "", 0},
		{"https://[::1%25eth0]", formMalformed, "", 0},
		{"https://[0:0:0:0:0:0:0:1]", formMalformed, "", 0},
		{"https://[2001:DB8::1]", formMalformed, "", 0},
		{"https://[127.0.0.1]", formMalformed, "", 0},
		{"https://m\u00fcnchen.example", formMalformed, "", 0},
		{"https://shop.example\x00", formMalformed, "", 0},
		{"https://shop.example\r\nset-cookie: a=b", formMalformed, "", 0},
		{"https://shop\xff.example", formMalformed, "", 0},
	} {
		o, form := parseOrigin(tc.header)
		if form != tc.form || (form == formTuple && (o.host != tc.host || o.port != tc.port || o.text != tc.header)) {
			t.Errorf("parseOrigin(%q) = %+v, form %d; want form %d, host %q, port %d", tc.header, o, form, tc.form, tc.host, tc.port)
		}
	}
}

func TestParseOriginDoesNotAllocate(t *testing.T) {
	for _, s := range []string{"https://a.shop.example:8443", "https://[::ffff:102:304]", "https://127.0.0.1", "https://127.0.0.300", "nonsense"} {
		if n := testing.AllocsPerRun(100, func() { parseOrigin(s) }); n > 1 || (n > 0 && s != "https://127.0.0.300") {
			t.Errorf("parseOrigin(%q) allocates %v times", s, n)
		}
	}
}

// What we take for an origin must be one for net/url too, which knows nothing of
// our parser, and must be all there is to it.
func FuzzParseOrigin(f *testing.F) {
	for _, s := range []string{
		"https://shop.example", "http://localhost:3000", "null", "https://[2001:db8::1]:8443", "https://127.0.0.1", "app://desktop",
		"https://shop.example:443", "https://a_b.example.", "https://[::ffff:102:304]", "https://0x7f.1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		o, form := parseOrigin(s)
		if form != formTuple {
			return
		}
		u, err := url.Parse(s)
		if err != nil {
			t.Fatalf("%q is no URL: %v", s, err)
		}
		if u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || u.Scheme != o.scheme || strings.ToLower(s) != s {
			t.Fatalf("%q is not an origin: %+v", s, u)
		}
		port := ""
		if o.port != 0 {
			port = strconv.Itoa(int(o.port))
		}
		if u.Port() != port || u.Hostname() != strings.Trim(o.host, "[]") {
			t.Fatalf("%q: host %q, port %q; we took %q and %q", s, u.Hostname(), u.Port(), o.host, port)
		}
	})
}
