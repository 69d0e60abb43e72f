package policy_test

import (
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy"
)

// governors are policies that differ only in their targets.
func governors(targets map[string]string) string {
	var b strings.Builder
	for name, target := range targets {
		b.WriteString("---\napiVersion: corsgate.dev/v1\nkind: CorsPolicy\nmetadata: {name: " + name + "}\nspec:\n  origins: [https://page.example]\n")
		if target != "" {
			b.WriteString("  targets: [" + target + "]\n")
		}
	}
	return b.String()
}

func TestTargets(t *testing.T) {
	t.Parallel()
	set := compile(t, governors(map[string]string{
		"any":        `{hosts: ["*"]}`,
		"any-health": `{hosts: ["*"], paths: [/health]}`,
		"host":       `{hosts: [api.shop.example]}`,
		"port":       `{hosts: ["api.shop.example:8443"]}`,
		"v1":         `{hosts: [api.shop.example], paths: [/v1/*]}`,
		"v1-orders":  `{hosts: [api.shop.example], paths: [/v1/orders/*]}`,
		"v1-exact":   `{hosts: [api.shop.example], paths: [/v1/orders]}`,
		"below":      `{hosts: ["*.shop.example"]}`,
		"below-eu":   `{hosts: ["*.eu.shop.example"], paths: [/v1/*]}`,
		"ip":         `{hosts: ["127.0.0.1", "[::1]"]}`,
		"named":      "",
	}), policy.Options{})
	for _, tc := range []struct{ host, path, name, want string }{
		{"api.shop.example", "/", "", "host"},
		{"API.SHOP.EXAMPLE", "/", "", "host"},
		{"api.shop.example:80", "/", "", "host"},
		{"api.shop.example:8443", "/v1/orders", "", "port"},
		{"api.shop.example", "/v1", "", "v1"},
		{"api.shop.example", "/v1/", "", "v1"},
		{"api.shop.example", "/v1/a/b", "", "v1"},
		{"api.shop.example", "/v10", "", "host"},
		{"api.shop.example", "/V1/a", "", "host"},
		{"api.shop.example", "/v1/orders", "", "v1-exact"},
		{"api.shop.example", "/v1/orders?a=/x/y", "", "v1-exact"},
		{"api.shop.example", "/v1/orders/", "", "v1-orders"},
		{"api.shop.example", "/v1/orders/7?x", "", "v1-orders"},
		{"api.shop.example", "/v1/ordersx", "", "v1"},
		{"api.shop.example", "/v1/" + strings.Repeat("a/", 4000), "", "v1"},
		{"api.shop.example", "/health", "", "host"},
		{"api.shop.example", "*", "", "host"},
		{"a.shop.example", "/v1/orders", "", "below"},
		{"a.b.shop.example", "/", "", "below"},
		{"a.eu.shop.example", "/v1/x", "", "below-eu"},
		{"a.eu.shop.example", "/v2", "", "below"},
		{"eu.shop.example", "/v1/x", "", "below"},
		{"shop.example", "/health", "", "any-health"},
		{"shop.example", "/healthy", "", "any"},
		{"api.shop.example.", "/", "", "any"},
		{"127.0.0.1:3000", "/", "", "ip"},
		{"[::1]:3000", "/", "", "ip"},
		{"[::1]", "/", "", "ip"},
		{"", "/", "", "any"},
		{"api.shop.example", "/v1", "named", "named"},
		{"api.shop.example", "/v1", "v1-orders", "v1-orders"},
		{"api.shop.example", "/v1", "nobody", ""},
		{"api.shop.example:port", "/v1", "", ""},
		{strings.Repeat("a.", 5000) + "shop.example", "/", "", ""},
	} {
		d := set.Decide(&policy.Request{Method: "GET", Scheme: "https", Host: tc.host, Path: tc.path, Origin: "https://page.example", PolicyName: tc.name})
		got := ""
		if d.Policy != nil {
			got = d.Policy.Name
		}
		if got != tc.want {
			t.Errorf("%.40s%.40s (route names %q) is governed by %q, want %q", tc.host, tc.path, tc.name, got, tc.want)
		}
	}
}

// A port in a target is the port that the client used, spelled or not.
func TestTargetPorts(t *testing.T) {
	t.Parallel()
	set := compile(t, governors(map[string]string{
		"tls":   `{hosts: ["api.shop.example:443"]}`,
		"plain": `{hosts: ["api.shop.example:80"]}`,
		"below": `{hosts: ["*.shop.example:443"]}`,
	}), policy.Options{})
	for _, tc := range []struct{ scheme, host, want string }{
		{"https", "api.shop.example", "tls"},
		{"https", "api.shop.example:443", "tls"},
		{"http", "api.shop.example", "plain"},
		{"http", "api.shop.example:443", "tls"},
		{"https", "b.shop.example", "below"},
		{"http", "b.shop.example", ""},
	} {
		d := set.Decide(&policy.Request{Method: "GET", Scheme: tc.scheme, Host: tc.host, Path: "/", Origin: "https://page.example"})
		if got := d.Policy; (got == nil) != (tc.want == "") || (got != nil && got.Name != tc.want) {
			t.Errorf("%s://%s is governed by %v, want %q", tc.scheme, tc.host, got, tc.want)
		}
	}
}
