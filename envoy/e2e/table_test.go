package e2e_test

import (
	"encoding/json"
	"net/http"
	"testing"
)

// The headers that the answers below share.
var (
	// fromService is on whatever the service itself answers: its own Vary and
	// the route's.
	fromService = headers{"vary": "Accept-Encoding, Origin"}
	// refused is a 403 to an actual request.
	refused = headers{"vary": "Origin", "content-type": problemType}
	// refusedPreflight is a 403 to a preflight.
	refusedPreflight = headers{
		"vary":         "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
		"content-type": problemType,
	}
	// storefront is what the policy of that name grants to an actual request.
	storefront = headers{
		"vary":                             "Accept-Encoding, Origin",
		"access-control-allow-origin":      "https://shop.example",
		"access-control-allow-credentials": "true",
		"access-control-expose-headers":    "x-request-id",
	}
	// diagnosis is what the same policy says to a preflight that fails by its
	// method or headers.
	diagnosis = headers{
		"vary":                             "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
		"access-control-allow-origin":      "https://shop.example",
		"access-control-allow-credentials": "true",
		"access-control-allow-methods":     "DELETE, GET, POST",
		"access-control-allow-headers":     "content-type, x-csrf-token",
	}
	// storefrontPreflight is what it says to one that succeeds.
	storefrontPreflight = with(diagnosis, "access-control-expose-headers", "x-request-id", "access-control-max-age", "7200")
)

// A row is one request and all that must come of it.
type row struct {
	name   string
	ask    question
	want   answer
	reason string // empty where corsgate is not asked
	policy string
}

func forwarded(h headers) answer { return answer{Status: http.StatusOK, Headers: h, Reached: true} }

func answered(status int, h headers) answer { return answer{Status: status, Headers: h} }

const (
	orders  = "http://api.shop.example/v1/orders"
	shop    = "https://shop.example"
	foreign = "https://evil.example"
)

// TestTable sends each row of the design's table "What a request gets", and the
// fine print under it, over both protocols.
func TestTable(t *testing.T) {
	t.Parallel()
	groups := map[string][]row{
		"NotCrossOrigin": notCrossOrigin(),
		"Malformed":      malformedOrigins(),
		"Preflights":     preflights(),
		"Actual":         actualRequests(),
		"Public":         publicRequests(),
		"Lenient":        lenientPolicies(),
		"Governance":     governance(),
	}
	h := build(t, plan{})
	for name, rows := range groups {
		t.Run(name, func(t *testing.T) {
			h.overBoth(t, func(t *testing.T, c *client) {
				for _, r := range rows {
					t.Run(r.name, func(t *testing.T) { r.run(t, c) })
				}
			})
		})
	}
}

// run sends a row and compares the answer, its body, and what the access log
// says of it.
func (r *row) run(t *testing.T, c *client) {
	t.Helper()
	got, id, body, err := c.send(t.Context(), r.ask)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, got, r.want)
	switch _, problem := r.want.Headers["content-type"]; {
	case problem:
		expectProblem(t, body, r.reason)
	case body != "":
		t.Errorf("the answer has a body: %q", body)
	}

	line := c.house.logged(t, id)
	if line.Reason != r.reason || line.Policy != r.policy || line.Status != r.want.Status {
		t.Errorf("the access log says reason %q, policy %q, status %d; want %q, %q, %d",
			line.Reason, line.Policy, line.Status, r.reason, r.policy, r.want.Status)
	}
	if asked := r.reason != ""; (line.Verdict != "") != asked || (line.Revision != "") != asked {
		t.Errorf("the access log says verdict %q, revision %q; corsgate asked: %t", line.Verdict, line.Revision, asked)
	}
}

// expectProblem reads the body of a refusal (RFC 9457).
func expectProblem(t *testing.T, body, reason string) {
	t.Helper()
	var problem struct {
		Title, Detail, Reason string
		Status                int
	}
	if err := json.Unmarshal([]byte(body), &problem); err != nil {
		t.Fatalf("the refusal's body is no JSON: %v\n%s", err, body)
	}
	if problem.Status != http.StatusForbidden || problem.Reason != reason || problem.Title == "" || problem.Detail == "" {
		t.Errorf("the refusal says %+v, want status 403, reason %q, a title and a detail", problem, reason)
	}
}

func notCrossOrigin() []row {
	const own = "same_origin"
	return []row{
		{"no Origin", ask("GET", orders), forwarded(fromService), "", ""},
		{"no Origin, a method beyond the policy", ask("PUT", orders), forwarded(fromService), "", ""},
		{"no Origin, and a preflight's other headers", ask("OPTIONS", orders, "Access-Control-Request-Method", "GET"), forwarded(fromService), "", ""},
		{"an empty Origin", ask("GET", orders, "Origin", ""), forwarded(fromService), "", ""},
		{"the browser says same-origin", ask("POST", orders, "Origin", "https://api.shop.example", "Sec-Fetch-Site", "same-origin"), forwarded(fromService), "", ""},
		{"the browser says same-origin of null", ask("POST", orders, "Origin", "null", "Sec-Fetch-Site", "same-origin"), forwarded(fromService), "", ""},
		{"its own origin", ask("POST", orders, "Origin", "http://api.shop.example"), forwarded(fromService), own, "storefront"},
		{"its own origin, TLS ended before Envoy", ask("PUT", orders, "Origin", "https://api.shop.example"), forwarded(fromService), own, "storefront"},
		{"its own origin with another port", ask("GET", orders, "Origin", "http://api.shop.example:81"), answered(403, refused), "origin_not_allowed", "storefront"},
		{"the same site is not the same origin", ask("GET", orders, "Origin", "https://api.example", "Sec-Fetch-Site", "same-site"), answered(403, refused), "origin_not_allowed", "storefront"},
		{"same-origin and more", ask("GET", orders, "Origin", foreign, "Sec-Fetch-Site", "same-origin,cross-site"), answered(403, refused), "origin_not_allowed", "storefront"},
		{"same-origin in one line of two", ask("GET", orders, "Origin", foreign, "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Site", "none"), answered(403, refused), "origin_not_allowed", "storefront"},
		{"same-origin in upper case", ask("GET", orders, "Origin", foreign, "Sec-Fetch-Site", "Same-Origin"), answered(403, refused), "origin_not_allowed", "storefront"},
	}
}

func malformedOrigins() []row {
	var rows []row
	for name, origins := range map[string][]string{
		"two in one line":        {"https://shop.example, https://evil.example"},
		"two lines":              {"https://shop.example", "https://evil.example"},
		"the same twice":         {"https://shop.example", "https://shop.example"},
		"two with a space":       {"https://shop.example https://shop.example"},
		"upper case":             {"https://Shop.example"},
		"upper case scheme":      {"HTTPS://shop.example"},
		"a slash at the end":     {"https://shop.example/"},
		"the default port":       {"https://shop.example:443"},
		"port zero":              {"https://shop.example:0"},
		"a port that is none":    {"https://shop.example:99999"},
		"user information":       {"https://user@shop.example"},
		"no scheme":              {"shop.example"},
		"no host":                {"https://"},
		"an empty label":         {"https://a..shop.example"},
		"percent forms":          {"https://shop%2eexample"},
		"a tab":                  {"https://shop.example\tx"},
		"letters beyond ASCII":   {"https://shöp.example"},
		"a null in upper case":   {"NULL"},
		"IPv4 with leading zero": {"http://127.0.0.01"},
		"IPv6 not shortened":     {"http://[0:0:0:0:0:0:0:1]"},
	} {
		q := ask("GET", orders)
		p := ask("OPTIONS", orders, "Access-Control-Request-Method", "GET")
		for _, origin := range origins {
			q.headers = append(q.headers, [2]string{"Origin", origin})
			p.headers = append(p.headers, [2]string{"Origin", origin})
		}
		rows = append(rows,
			row{name, q, answered(403, refused), "origin_malformed", "storefront"},
			row{name + ", a preflight", p, answered(403, refusedPreflight), "origin_malformed", "storefront"},
		)
	}
	return rows
}

func preflights() []row {
	const (
		plain = "http://api.shop.example/plain/orders"
		wide  = "http://api.shop.example/wide/orders"
	)
	named := with(diagnosis, "access-control-allow-headers", "content-type, x-csrf-token, accept, range")
	plainAnswer := headers{
		"vary":                         storefrontPreflight["vary"],
		"access-control-allow-origin":  shop,
		"access-control-allow-methods": "GET, HEAD, POST",
	}
	wideAnswer := headers{
		"vary":                             storefrontPreflight["vary"],
		"access-control-allow-origin":      shop,
		"access-control-allow-credentials": "true",
	}
	return []row{
		{"a method", preflight(orders, shop, "DELETE", ""), answered(204, storefrontPreflight), "origin_allowed", "storefront"},
		{"a method and headers", preflight(orders, shop, "POST", "content-type,x-csrf-token"), answered(204, storefrontPreflight), "origin_allowed", "storefront"},
		{"headers in any order, case and spacing", preflight(orders, shop, "POST", "X-CSRF-Token , Content-Type,"), answered(204, storefrontPreflight), "origin_allowed", "storefront"},
		{"HEAD rides on GET", preflight(orders, shop, "HEAD", ""), answered(204, storefrontPreflight), "origin_allowed", "storefront"},
		{"a subdomain", preflight(orders, "https://a.b.shop.example", "GET", ""), answered(204, with(storefrontPreflight, "access-control-allow-origin", "https://a.b.shop.example")), "origin_allowed", "storefront"},
		{"safelisted headers are named", preflight(orders, shop, "GET", "range,accept"), answered(204, with(storefrontPreflight, "access-control-allow-headers", named["access-control-allow-headers"])), "origin_allowed", "storefront"},
		{"a method not allowed", preflight(orders, shop, "PATCH", "content-type"), answered(204, diagnosis), "method_not_allowed", "storefront"},
		{"a method in the wrong case", preflight(orders, shop, "delete", ""), answered(204, diagnosis), "method_not_allowed", "storefront"},
		{"a method that is no token", preflight(orders, shop, "GET POST", ""), answered(204, diagnosis), "method_not_allowed", "storefront"},
		{"a header not allowed", preflight(orders, shop, "POST", "content-type,x-other"), answered(204, diagnosis), "header_not_allowed", "storefront"},
		{"a header that is no token", preflight(orders, shop, "POST", "x csrf"), answered(204, diagnosis), "header_not_allowed", "storefront"},
		{"neither allowed", preflight(orders, shop, "PATCH", "x-other"), answered(204, diagnosis), "method_not_allowed", "storefront"},
		{"an origin not allowed", preflight(orders, foreign, "GET", ""), answered(403, refusedPreflight), "origin_not_allowed", "storefront"},
		{"an origin excluded", preflight(orders, "https://legacy.shop.example", "GET", ""), answered(403, refusedPreflight), "origin_excluded", "storefront"},
		{"null", preflight(orders, "null", "GET", ""), answered(403, refusedPreflight), "origin_null", "storefront"},
		{"a status of its own, and any header", preflight(plain, shop, "POST", "x-any"), answered(200, with(plainAnswer, "access-control-allow-headers", "x-any")), "origin_allowed", "plain"},
		{"null where it is listed", preflight(plain, "null", "POST", ""), answered(200, with(plainAnswer, "access-control-allow-origin", "null")), "origin_allowed", "plain"},
		{"any header is not Authorization", preflight(plain, shop, "POST", "authorization,x-any"), answered(200, with(plainAnswer, "access-control-allow-headers", "x-any")), "header_not_allowed", "plain"},
		{"any method and header, with credentials", preflight(wide, shop, "PURGE", "x-one,X-Two"), answered(204, with(wideAnswer, "access-control-allow-methods", "PURGE", "access-control-allow-headers", "x-one, x-two")), "origin_allowed", "wide"},
		{"any method is still a token", preflight(wide, shop, "GET, POST", "x-one"), answered(204, with(wideAnswer, "access-control-allow-headers", "x-one")), "method_not_allowed", "wide"},
	}
}

func actualRequests() []row {
	methodRefused := headers{
		"vary":                             "Origin",
		"content-type":                     problemType,
		"access-control-allow-origin":      shop,
		"access-control-allow-credentials": "true",
	}
	plain := headers{"vary": fromService["vary"], "access-control-allow-origin": shop}
	return []row{
		{"GET", ask("GET", orders, "Origin", shop), forwarded(storefront), "origin_allowed", "storefront"},
		{"HEAD", ask("HEAD", orders, "Origin", shop), forwarded(storefront), "origin_allowed", "storefront"},
		{"POST", ask("POST", orders, "Origin", shop, "Content-Type", "application/json"), forwarded(storefront), "origin_allowed", "storefront"},
		{"DELETE", ask("DELETE", orders, "Origin", shop), forwarded(storefront), "origin_allowed", "storefront"},
		{"a subdomain", ask("GET", orders, "Origin", "https://www.shop.example"), forwarded(with(storefront, "access-control-allow-origin", "https://www.shop.example")), "origin_allowed", "storefront"},
		{"without credentials", ask("GET", "http://api.shop.example/plain/orders", "Origin", shop), forwarded(plain), "origin_allowed", "plain"},
		{"null where it is listed", ask("GET", "http://api.shop.example/plain/orders", "Origin", "null"), forwarded(with(plain, "access-control-allow-origin", "null")), "origin_allowed", "plain"},
		{"the service's own timing header stays", ask("GET", "http://api.shop.example/v1/timing", "Origin", shop), forwarded(with(storefront, "timing-allow-origin", "https://service.example")), "origin_allowed", "storefront"},
		{"a method not allowed", ask("PUT", orders, "Origin", shop), answered(403, methodRefused), "method_not_allowed", "storefront"},
		{"OPTIONS that is no preflight", ask("OPTIONS", orders, "Origin", shop), answered(403, methodRefused), "method_not_allowed", "storefront"},
		{"an origin not allowed", ask("GET", orders, "Origin", foreign), answered(403, refused), "origin_not_allowed", "storefront"},
		{"a suffix that is no subdomain", ask("GET", orders, "Origin", "https://evilshop.example"), answered(403, refused), "origin_not_allowed", "storefront"},
		{"another scheme", ask("GET", orders, "Origin", "http://shop.example"), answered(403, refused), "origin_not_allowed", "storefront"},
		{"another port", ask("GET", orders, "Origin", "https://shop.example:8443"), answered(403, refused), "origin_not_allowed", "storefront"},
		{"a trailing dot is another host", ask("GET", orders, "Origin", "https://shop.example."), answered(403, refused), "origin_not_allowed", "storefront"},
		{"an origin excluded", ask("POST", orders, "Origin", "https://legacy.shop.example"), answered(403, refused), "origin_excluded", "storefront"},
		{"null", ask("POST", orders, "Origin", "null"), answered(403, refused), "origin_null", "storefront"},
		{"a form post from another site", ask("POST", orders, "Origin", foreign, "Sec-Fetch-Mode", "navigate"), answered(403, refused), "cross_site_navigation", "storefront"},
		{"a form post from an allowed origin", ask("POST", orders, "Origin", shop, "Sec-Fetch-Mode", "navigate"), forwarded(storefront), "origin_allowed", "storefront"},
	}
}

func publicRequests() []row {
	const font = "http://assets.shop.example/font.woff2"
	// Where corsgate is not asked, the route alone speaks.
	static := headers{"vary": "Accept-Encoding", "access-control-allow-origin": "*"}
	asked := with(static, "access-control-expose-headers", "x-request-id", "timing-allow-origin", "*")
	preflightAnswer := headers{
		"vary":                          "Access-Control-Request-Method, Access-Control-Request-Headers",
		"access-control-allow-origin":   "*",
		"access-control-allow-methods":  "GET, HEAD, POST",
		"access-control-expose-headers": "x-request-id",
		"access-control-max-age":        "0",
	}
	return []row{
		{"no Origin", ask("GET", font), forwarded(static), "", ""},
		{"same-origin", ask("GET", font, "Origin", "null", "Sec-Fetch-Site", "same-origin"), forwarded(static), "", ""},
		{"its own origin", ask("GET", font, "Origin", "http://assets.shop.example"), forwarded(asked), "same_origin", "assets"},
		{"an origin", ask("GET", font, "Origin", foreign), forwarded(asked), "origin_allowed", "assets"},
		{"null", ask("GET", font, "Origin", "null"), forwarded(asked), "origin_allowed", "assets"},
		{"two origins", ask("GET", font, "Origin", shop, "Origin", foreign), forwarded(asked), "origin_allowed", "assets"},
		{"with a port", ask("GET", "http://assets.shop.example:8080/font.woff2", "Origin", foreign), forwarded(asked), "origin_allowed", "assets"},
		{"a preflight", preflight(font, foreign, "GET", ""), answered(204, preflightAnswer), "origin_allowed", "assets"},
		{"a method not allowed", ask("PUT", font, "Origin", foreign), answered(403, headers{"access-control-allow-origin": "*", "content-type": problemType}), "method_not_allowed", "assets"},
	}
}

func lenientPolicies() []row {
	const (
		lenient  = "http://api.shop.example/lenient/orders"
		callback = "http://api.shop.example/callback/login"
		observed = "http://api.shop.example/observed/orders"
		off      = "http://api.shop.example/off/orders"
	)
	return []row{
		{"PASS, an origin not allowed", ask("GET", lenient, "Origin", foreign), forwarded(fromService), "origin_not_allowed", "lenient"},
		{"PASS, a malformed origin", ask("GET", lenient, "Origin", "https://shop.example/"), forwarded(fromService), "origin_malformed", "lenient"},
		{"PASS, an origin allowed", ask("GET", lenient, "Origin", shop), forwarded(with(fromService, "access-control-allow-origin", shop, "access-control-allow-credentials", "true")), "origin_allowed", "lenient"},
		{"PASS is not for preflights", preflight(lenient, foreign, "GET", ""), answered(403, refusedPreflight), "origin_not_allowed", "lenient"},
		{"PASS is not for navigations", ask("POST", lenient, "Origin", foreign, "Sec-Fetch-Mode", "navigate"), answered(403, refused), "cross_site_navigation", "lenient"},
		{"navigations PASS, a form post", ask("POST", callback, "Origin", foreign, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Site", "cross-site"), forwarded(fromService), "cross_site_navigation", "callback"},
		{"navigations PASS, a form post of null", ask("POST", callback, "Origin", "null", "Sec-Fetch-Mode", "navigate"), forwarded(fromService), "cross_site_navigation", "callback"},
		{"navigations PASS, a script", ask("POST", callback, "Origin", foreign, "Sec-Fetch-Mode", "cors"), answered(403, refused), "origin_not_allowed", "callback"},
		{"REPORT_ONLY, an origin not allowed", ask("GET", observed, "Origin", foreign), forwarded(fromService), "origin_not_allowed", "observed"},
		{"REPORT_ONLY, an origin allowed", ask("GET", observed, "Origin", shop), forwarded(fromService), "origin_allowed", "observed"},
		{"REPORT_ONLY, a preflight", preflight(observed, foreign, "GET", ""), forwarded(fromService), "origin_not_allowed", "observed"},
		{"DISABLED", ask("GET", off, "Origin", foreign), forwarded(fromService), "disabled", "off"},
		{"DISABLED, a preflight", preflight(off, shop, "GET", ""), forwarded(fromService), "disabled", "off"},
	}
}

func governance() []row {
	const partner = "https://partner.example"
	granted := with(fromService, "access-control-allow-origin", partner, "timing-allow-origin", partner)
	return []row{
		{"no policy", ask("GET", "http://other.example/v1/orders", "Origin", shop), answered(403, refused), "no_policy", ""},
		{"no policy, a preflight", preflight("http://other.example/v1/orders", shop, "GET", ""), answered(403, refusedPreflight), "no_policy", ""},
		{"no policy for the path", ask("GET", "http://api.shop.example/v10/orders", "Origin", shop), answered(403, refused), "no_policy", ""},
		{"the target's own path", ask("GET", "http://api.shop.example/v1", "Origin", shop), forwarded(storefront), "origin_allowed", "storefront"},
		{"the host in upper case and with a port", ask("GET", "http://API.shop.example:8080/v1/orders", "Origin", shop), forwarded(storefront), "origin_allowed", "storefront"},
		{"the path is normalised first", ask("GET", "http://api.shop.example/v1/%2e%2e//off/orders", "Origin", foreign), forwarded(fromService), "disabled", "off"},
		{"escaped slashes too", ask("GET", "http://api.shop.example/off%2f..%2Fv1/orders", "Origin", foreign), answered(403, refused), "origin_not_allowed", "storefront"},
		{"the route names the policy", ask("GET", "http://api.shop.example/partners/orders", "Origin", partner), forwarded(granted), "origin_allowed", "partners"},
		{"the route's policy wins over targets", ask("GET", "http://api.partner.example/partners", "Origin", partner), forwarded(granted), "origin_allowed", "partners"},
		{"and so it refuses", ask("GET", "http://api.partner.example/partners", "Origin", shop), answered(403, refused), "origin_not_allowed", "partners"},
		{"beside the route targets hold", ask("GET", "http://api.partner.example/other", "Origin", shop), forwarded(with(fromService, "access-control-allow-origin", shop)), "origin_allowed", "everything"},
	}
}
