package e2e_test

import "testing"

// TestUnstripped takes the stripping out of the route: what the service then
// sends itself must still never widen the policy. Headers that only preflight
// answers are read for stay as they are: preflights are never the service's.
func TestUnstripped(t *testing.T) {
	t.Parallel()
	h := build(t, plan{change: func(b *bootstrap) {
		delete(b.host("service"), "response_headers_to_remove")
	}})
	own := headers{
		"vary":                                 fromService["vary"],
		"access-control-allow-origin":          "*",
		"access-control-allow-credentials":     "true",
		"access-control-allow-methods":         "*",
		"access-control-allow-headers":         "*",
		"access-control-expose-headers":        "*",
		"access-control-max-age":               "999",
		"access-control-allow-private-network": "true",
	}
	const harmless = "Content-Type"
	withheld := with(own,
		"access-control-allow-origin", "https://corsgate.invalid",
		"access-control-allow-credentials", "false",
		"access-control-expose-headers", harmless,
	)
	rows := []row{
		{"everything granted", ask("GET", orders, "Origin", shop), forwarded(with(own,
			"access-control-allow-origin", shop, "access-control-expose-headers", "x-request-id",
		)), "origin_allowed", "storefront"},
		{"neither credentials nor headers granted", ask("GET", "http://api.shop.example/plain/orders", "Origin", shop), forwarded(with(own,
			"access-control-allow-origin", shop, "access-control-allow-credentials", "false", "access-control-expose-headers", harmless,
		)), "origin_allowed", "plain"},
		{"the service is silent", ask("GET", "http://api.shop.example/plain/silent", "Origin", shop), forwarded(headers{
			"vary": "Origin", "access-control-allow-origin": shop,
		}), "origin_allowed", "plain"},
		{"PASS grants nothing", ask("GET", "http://api.shop.example/lenient/orders", "Origin", foreign), forwarded(withheld), "origin_not_allowed", "lenient"},
		{"PASS to a silent service", ask("GET", "http://api.shop.example/lenient/silent", "Origin", foreign), forwarded(headers{"vary": "Origin"}), "origin_not_allowed", "lenient"},
		{"a navigation grants nothing", ask("POST", "http://api.shop.example/callback/login", "Origin", foreign, "Sec-Fetch-Mode", "navigate"), forwarded(withheld), "cross_site_navigation", "callback"},
		{"refused all the same", ask("GET", orders, "Origin", foreign), answered(403, refused), "origin_not_allowed", "storefront"},
		{"REPORT_ONLY changes nothing at all", ask("GET", "http://api.shop.example/observed/orders", "Origin", foreign), forwarded(own), "origin_not_allowed", "observed"},
		{"REPORT_ONLY changes no preflight", preflight("http://api.shop.example/observed/orders", shop, "GET", ""), forwarded(own), "origin_allowed", "observed"},
		{"DISABLED changes nothing at all", ask("GET", "http://api.shop.example/off/orders", "Origin", foreign), forwarded(own), "disabled", "off"},
	}
	h.overBoth(t, func(t *testing.T, c *client) {
		for _, r := range rows {
			t.Run(r.name, func(t *testing.T) { r.run(t, c) })
		}
	})
}
