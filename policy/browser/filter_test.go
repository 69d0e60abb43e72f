package browser

import (
	"net/url"
	"slices"
	"testing"
)

func namesOf(headers []Header) (names []string) {
	for _, h := range headers {
		names = append(names, h.Name)
	}
	return names
}

func TestFilter(t *testing.T) {
	t.Parallel()
	body := []Header{
		{"Cache-Control", ""},
		{"Content-Language", ""},
		{"Content-Length", ""},
		{"content-type", ""},
		{"Expires", ""},
		{"Last-Modified", ""},
		{"Pragma", ""},
		{"Set-Cookie", ""},
		{"Set-Cookie2", ""},
		{"X-A", ""},
		{"*", ""},
	}
	always := []string{"Cache-Control", "Content-Language", "Content-Length", "content-type", "Expires", "Last-Modified", "Pragma"}
	expose := func(v string) Header { return Header{"Access-Control-Expose-Headers", v} }
	for _, c := range []struct {
		name        string
		credentials Credentials
		extra       []Header
		want        []string
	}{
		{"nothing exposed", CredentialsOmit, nil, nil},
		{"a name in any case", CredentialsOmit, []Header{expose("x-b,\tX-a")}, []string{"X-A"}},
		{"two lines", CredentialsOmit, []Header{expose("x-b"), expose("x-a")}, []string{"X-A"}},
		{"cookies never", CredentialsOmit, []Header{expose("set-cookie, Set-Cookie2")}, nil},
		{"all", CredentialsOmit, []Header{expose("*")}, []string{"X-A", "*", "Access-Control-Expose-Headers"}},
		{"the name *", CredentialsInclude, []Header{expose("*")}, []string{"*"}},
		{"no list", CredentialsOmit, []Header{expose("x-a, b c")}, nil},
		{"no list though all", CredentialsOmit, []Header{expose("*, b c")}, nil},
	} {
		got := namesOf(Filter(c.credentials, append(slices.Clone(body), c.extra...)))
		if want := slices.Concat(always, c.want); !slices.Equal(got, want) {
			t.Errorf("%s: the script sees %q, want %q", c.name, got, want)
		}
	}
}

func TestTimingAllow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []string
		want   bool
	}{
		{nil, false},
		{[]string{""}, false},
		{[]string{"*"}, true},
		{[]string{shop}, true},
		{[]string{"https://Shop.example"}, false},
		{[]string{evil + " ," + shop}, true},
		{[]string{evil, shop}, true},
		{[]string{`"a, * ,b"`}, false},
		{[]string{`"a\", * ,b"`}, false},
		{[]string{"null"}, false},
	} {
		var headers []Header
		for _, v := range c.values {
			headers = append(headers, Header{"Timing-Allow-Origin", v})
		}
		if got := TimingAllow(shop, headers); got != c.want {
			t.Errorf("Timing-Allow-Origin: %q lets %s in: %v, want %v", c.values, shop, got, c.want)
		}
	}
}

func TestResourcePolicy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		origin, target, value string
		want                  bool
	}{
		{shop, shop, "same-origin", true},
		{shop, evil, "", true},
		{shop, evil, "cross-origin", true},
		{shop, evil, "Same-Origin", true},
		{shop, evil, "same-origin, same-origin", true},
		{shop, evil, "same-origin", false},
		{shop, evil, "same-site", false},
		{shop, "https://api.shop.example", "same-site", true},
		{shop, "https://api.shop.example:8443", "same-site", true},
		{shop, "https://api.shop.example", "same-origin", false},
		{"http://shop.example", "https://api.shop.example", "same-site", false},
		{"http://shop.example", "http://api.shop.example", "same-site", true},
		{shop, "http://api.shop.example", "same-site", true},
		{"https://a.github.io", "https://b.github.io", "same-site", false},
		{"https://1.2.3.4", "https://5.2.3.4", "same-site", false},
		{"https://[::1]:8443", "https://[::1]", "same-site", true},
		{OpaqueOrigin, shop, "same-site", false},
		{OpaqueOrigin, shop, "same-origin", false},
	} {
		got := ResourcePolicyAllows(c.origin, c.target, []Header{{"cross-origin-resource-policy", c.value}})
		if got != c.want {
			t.Errorf("%q lets %s load from %s: %v, want %v", c.value, c.origin, c.target, got, c.want)
		}
	}
}

func TestOriginOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://shop.example/a?b#c":   shop,
		"HTTPS://Shop.example:443":     shop,
		"http://shop.example:80/":      "http://shop.example",
		"http://shop.example:8080/":    "http://shop.example:8080",
		"wss://shop.example:443/":      "wss://shop.example",
		"https://u:p@shop.example/":    shop,
		"https://[2001:DB8::1]:8443/x": "https://[2001:db8::1]:8443",
		"https://[::1]/":               "https://[::1]",
		"data:text/plain,x":            OpaqueOrigin,
		"file:///etc/passwd":           OpaqueOrigin,
		"app://desktop/":               OpaqueOrigin,
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := OriginOf(u); got != want {
			t.Errorf("OriginOf(%s) = %s, want %s", text, got, want)
		}
	}
}
