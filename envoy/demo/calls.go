package main

// The policies of the demo, in policies/.
const (
	storefront   = "storefront"
	catalog      = "catalog"
	publicAssets = "public-assets"
)

// jsonType is the media type of the API.
const jsonType = "application/json"

func allowed(policy string) Decision {
	return Decision{Verdict: "allow", Reason: "origin_allowed", Policy: policy}
}

func denied(policy, reason string) Decision {
	return Decision{Verdict: "deny", Reason: reason, Policy: policy}
}

// foreign is what corsgate says of an origin that a policy does not list.
func foreign(policy string) Decision { return denied(policy, "origin_not_allowed") }

// calls returns what the pages do to the API, in the order of the table.
func calls() []Call { //nolint:funlen // One table, read as a whole.
	return []Call{
		{
			ID: "get", Kind: KindFetch, Method: "GET", Path: "/v1/items",
			Title:   "GET /v1/items",
			Note:    "A simple request: the browser sends it without asking, and hides the reply unless it is allowed.",
			Shop:    Outcome{Through: true, Saw: `200 {"items":["lamp","rug"]}`, Decision: allowed(catalog)},
			Foreign: blocked("fetch", "/v1/items", noAllowOrigin, foreign(catalog)),
		},
		{
			ID: "post", Kind: KindFetch, Method: "POST", Path: "/v1/orders",
			Headers: map[string]string{"Content-Type": jsonType, "X-Csrf-Token": "t0ken"}, Body: `{"item":"lamp"}`,
			Title:   "POST /v1/orders, JSON and X-Csrf-Token",
			Note:    "Not simple: the browser asks first, with a preflight, which corsgate answers in the service's place.",
			Shop:    Outcome{Through: true, Saw: `201 {"order":1,"item":"lamp"}`, Decision: allowed(storefront)},
			Foreign: blocked("fetch", "/v1/orders", preflightCheck+noAllowOrigin, foreign(storefront)),
		},
		{
			ID: "me", Kind: KindFetch, Method: "GET", Path: "/v1/me", Credentials: true, Twice: true,
			Title:   "GET /v1/me, with credentials, twice",
			Note:    "The policy allows credentials: the cookie that the first reply sets comes with the second request.",
			Shop:    Outcome{Through: true, Saw: `200 {"visits":2}`, Decision: allowed(storefront)},
			Foreign: blocked("fetch", "/v1/me", noAllowOrigin, foreign(storefront)),
		},
		{
			ID: "nocred", Kind: KindFetch, Method: "GET", Path: "/v1/items/7", Credentials: true,
			Title:   "GET /v1/items/7, with credentials",
			Note:    "The policy of /v1/items does not allow credentials. The service says that it does; nobody hears it.",
			Shop:    blocked("fetch", "/v1/items/7", noCredentials, allowed(catalog)),
			Foreign: blocked("fetch", "/v1/items/7", noAllowOrigin, foreign(catalog)),
		},
		{
			ID: "header", Kind: KindFetch, Method: "GET", Path: "/v1/orders/3",
			Headers: map[string]string{"X-Debug": "1"},
			Title:   "GET /v1/orders/3, with X-Debug",
			Note:    "X-Debug is not among the policy's requestHeaders. The preflight's answer makes the browser name it.",
			Shop: blocked("fetch", "/v1/orders/3",
				"Request header field x-debug is not allowed by Access-Control-Allow-Headers in preflight response.",
				denied(storefront, "header_not_allowed")),
			Foreign: blocked("fetch", "/v1/orders/3", preflightCheck+noAllowOrigin, foreign(storefront)),
		},
		{
			ID: "exposed", Kind: KindFetch, Method: "GET", Path: "/v1/orders/4", Read: "X-Order-Version",
			Title: "GET /v1/orders/4, read X-Order-Version",
			Note:  "Among the policy's exposeHeaders: script may read it.",
			Shop: Outcome{
				Through: true, Saw: `200 {"order":4} X-Order-Version: 7`, Decision: allowed(storefront),
			},
			Foreign: blocked("fetch", "/v1/orders/4", noAllowOrigin, foreign(storefront)),
		},
		{
			ID: "hidden", Kind: KindFetch, Method: "GET", Path: "/v1/orders/5", Read: "X-Backend-Node",
			Title: "GET /v1/orders/5, read X-Backend-Node",
			Note:  "Not among them: script gets the reply, and null for the header.",
			Shop: Outcome{
				Through: true, Saw: `200 {"order":5} X-Backend-Node: null`,
				Decision: allowed(storefront),
			},
			Foreign: blocked("fetch", "/v1/orders/5", noAllowOrigin, foreign(storefront)),
		},
		{
			ID: "patch", Kind: KindFetch, Method: "PATCH", Path: "/v1/orders/1",
			Headers: map[string]string{"Content-Type": jsonType}, Body: `{"count":2}`,
			Title:   "PATCH /v1/orders/1",
			Note:    "Among the policy's methods.",
			Shop:    Outcome{Through: true, Saw: `200 {"order":1,"count":2}`, Decision: allowed(storefront)},
			Foreign: blocked("fetch", "/v1/orders/1", preflightCheck+noAllowOrigin, foreign(storefront)),
		},
		{
			ID: "delete", Kind: KindFetch, Method: "DELETE", Path: "/v1/orders/2",
			Title: "DELETE /v1/orders/2",
			Note:  "Not among them. The request never leaves the browser.",
			Shop: blocked("fetch", "/v1/orders/2",
				"Method DELETE is not allowed by Access-Control-Allow-Methods in preflight response.",
				denied(storefront, "method_not_allowed")),
			Foreign: blocked("fetch", "/v1/orders/2", preflightCheck+noAllowOrigin, foreign(storefront)),
		},
		{
			ID: "gate", Kind: KindFetch, Method: "POST", Path: "/v1/items/8",
			Headers: map[string]string{"Content-Type": "text/plain"}, Body: "a rug",
			Title: "POST /v1/items/8, plain text",
			Note: "A POST needs no browser's permission, but the policy of /v1/items is for GET alone: " +
				"the gate refuses, and script can read why.",
			Shop: Outcome{
				Through: true, Saw: "403 problem+json, reason: method_not_allowed", Console: []string{status403}, Decision: denied(catalog, "method_not_allowed"),
			},
			Foreign: blocked("fetch", "/v1/items/8", noAllowOrigin, foreign(catalog)),
		},
		{
			ID: "error", Kind: KindFetch, Method: "GET", Path: "/v1/fail",
			Title: "GET /v1/fail",
			Note:  "The service fails with 500: error replies carry CORS headers too, so script sees status and body.",
			Shop: Outcome{
				Through: true, Saw: `500 {"error":"the stock database is away"}`,
				Console: []string{status500}, Decision: allowed(storefront),
			},
			Foreign: blocked("fetch", "/v1/fail", noAllowOrigin, foreign(storefront)),
		},
		{
			ID: "font", Kind: KindFont, Method: "GET", Path: "/fonts/demo.woff2",
			Title:   "web font /fonts/demo.woff2",
			Note:    "Under a public policy, origins: [\"*\"], with Timing-Allow-Origin: any page may use it and read its timing.",
			Shop:    Outcome{Through: true, Saw: "font loaded, timing readable", Decision: allowed(publicAssets)},
			Foreign: Outcome{Through: true, Saw: "font loaded, timing readable", Decision: allowed(publicAssets)},
		},
		{
			ID: "image", Kind: KindImage, Method: "GET", Path: "/v1/photos/lamp.png", CrossOrigin: true,
			Title:   "<img crossorigin> /v1/photos/lamp.png",
			Note:    "In CORS mode: script may draw the image on a canvas and read its pixels.",
			Shop:    Outcome{Through: true, Saw: "image shown, pixels readable", Decision: allowed(storefront)},
			Foreign: blocked("image", "/v1/photos/lamp.png", noAllowOrigin, foreign(storefront)),
		},
		{
			ID: "plain", Kind: KindImage, Method: "GET", Path: "/v1/photos/rug.png",
			Title:   "<img> /v1/photos/rug.png",
			Note:    "Without crossorigin no Origin is sent, and CORS says nothing: shown anywhere, its pixels hidden from script.",
			Shop:    Outcome{Through: true, Saw: "image shown, pixels hidden"},
			Foreign: Outcome{Through: true, Saw: "image shown, pixels hidden"},
		},
		{
			ID: "websocket", Kind: KindWebSocket, Method: "GET", Path: "/v1/live",
			Title: "WebSocket /v1/live",
			Note:  "Browsers open a WebSocket to any host without asking. Only a gate can refuse the handshake.",
			Shop:  Outcome{Through: true, Saw: "open, echo: hello", Decision: allowed(storefront)},
			Foreign: Outcome{
				Saw: "closed 1006",
				Console: []string{
					"WebSocket connection to '{ws}/v1/live' failed: Error during WebSocket handshake: Unexpected response code: 403",
				},
				Decision: foreign(storefront),
			},
		},
	}
}
