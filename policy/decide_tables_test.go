package policy_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/corsgate/corsgate/policy"
)

// strict is a policy that uses most of what a policy has.
const strict = `
origins:
  - https://shop.example
  - https://*.shop.example
  - http://localhost:*
  - app://desktop
excludeOrigins: [https://old.shop.example]
methods: [GET, POST, DELETE]
requestHeaders: [Content-Type, X-Csrf-Token, Authorization]
exposeHeaders: [X-Request-Id, ETag]
credentials: true
maxAge: 2h
timingAllowOrigin: true
`

const (
	withCredentials = "access-control-allow-credentials: true"
	exposed         = "access-control-expose-headers: etag, x-request-id"
	timing          = "timing-allow-origin: " + shop
	methods         = allowMethods + "DELETE, GET, POST"
	names           = allowHeaders + "authorization, content-type, x-csrf-token"
	twoHours        = "access-control-max-age: 7200"
)

// The strict policy's answers.
var (
	strictActual     = allowed(allowShop, withCredentials, exposed, timing, varyAppended)
	strictPreflight  = answered(allowShop, withCredentials, methods, names, exposed, twoHours, varyPreflight)
	strictDiagnostic = headers{allowShop, withCredentials, methods, names, varyPreflight}
	strictMethod     = want{policy.VerdictDeny, policy.ActionRefuse, policy.ReasonMethodNotAllowed, 403, headers{allowShop, withCredentials, varyOrigin, problemJSON}}
)

const resourcePolicy = "cross-origin-resource-policy: same-site"

func private(r policy.Request) policy.Request {
	r.PrivateNetwork = true
	return r
}

func manyNames(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("x-%04d", i)
	}
	return strings.Join(list, ",")
}

var decisionTables = []struct {
	name    string
	policy  string
	options policy.Options
	warns   bool // the policy is odd
	cases   []decisionCase
}{
	{
		name: "a policy with credentials", policy: onePolicy(strict),
		cases: []decisionCase{
			{"no Origin", policy.Request{}, notCORS},
			{"no Origin, any method", policy.Request{Method: "PATCH"}, notCORS},
			{"no Origin, the route varies", policy.Request{RouteVaries: true}, want{policy.VerdictPass, policy.ActionForward, policy.ReasonNoOrigin, 0, headers{}}},
			{"same origin by Fetch metadata", policy.Request{Origin: evil, FetchSite: "same-origin"}, sameOrigin},
			{"same origin, null by Fetch metadata", policy.Request{Origin: "null", FetchSite: "same-origin"}, sameOrigin},
			{"same origin by authority", policy.Request{Origin: "https://api.shop.example", Method: "PATCH"}, sameOrigin},
			{"same origin, host in capitals", policy.Request{Origin: "https://api.shop.example", Host: "API.Shop.Example"}, sameOrigin},
			{"same origin, default port in the authority", policy.Request{Origin: "https://evil.example", Host: "evil.example:443"}, sameOrigin},
			{"same origin, TLS ended before the proxy", policy.Request{Origin: "https://evil.example", Host: "evil.example", Scheme: "http"}, sameOrigin},
			{"an http page calls https", policy.Request{Origin: "http://evil.example", Host: "evil.example"}, refused},
			{"a page that the browser calls cross-site, TLS ended before the proxy", policy.Request{Origin: "http://evil.example", Host: "evil.example", Scheme: "http", FetchSite: "cross-site"}, refused},
			{"a page that the browser calls same-site, by authority its own", policy.Request{Origin: "https://evil.example", Host: "evil.example", FetchSite: "same-site"}, refused},
			{"an address typed by hand is no other site", policy.Request{Origin: "https://evil.example", Host: "evil.example", FetchSite: "none"}, sameOrigin},
			{"another port is cross-origin", policy.Request{Origin: "https://evil.example:8443", Host: "evil.example"}, refused},
			{"same-site is cross-origin", policy.Request{Origin: evil, FetchSite: "same-site"}, refused},
			{"malformed beats Fetch metadata", policy.Request{Origin: "https://a.example,https://b.example", FetchSite: "same-origin"}, because(refused, policy.ReasonOriginMalformed)},

			{"actual", policy.Request{Origin: shop}, strictActual},
			{"actual, the route varies", policy.Request{Origin: shop, RouteVaries: true}, allowed(allowShop, withCredentials, exposed, timing)},
			{"actual, HEAD rides on GET", policy.Request{Origin: shop, Method: "HEAD"}, strictActual},
			{"actual, other method", policy.Request{Origin: shop, Method: "PUT"}, strictMethod},
			{"actual, method in lower case", policy.Request{Origin: shop, Method: "delete"}, strictMethod},
			{"actual, method is not a token", policy.Request{Origin: shop, Method: "GET, POST"}, strictMethod},
			{"OPTIONS without a requested method is actual", policy.Request{Origin: shop, Method: "OPTIONS"}, strictMethod},
			{"a requested method without OPTIONS is actual", policy.Request{Origin: shop, RequestMethod: "PUT"}, strictActual},
			{"disallowed", policy.Request{Origin: evil}, refused},
			{"the apex is no subdomain", policy.Request{Origin: "https://xshop.example"}, refused},
			{"excluded", policy.Request{Origin: "https://old.shop.example"}, because(refused, policy.ReasonOriginExcluded)},
			{"null", policy.Request{Origin: "null"}, because(refused, policy.ReasonOriginNull)},
			{"several origins", policy.Request{Origin: shop + "," + shop}, because(refused, policy.ReasonOriginMalformed)},
			{"control bytes", policy.Request{Origin: shop + "\r\nx: y"}, because(refused, policy.ReasonOriginMalformed)},
			{"cross-site form post", policy.Request{Origin: evil, Method: "POST", FetchMode: "navigate"}, because(refused, policy.ReasonCrossSiteNavigation)},
			{"cross-site form post without a referrer", policy.Request{Origin: "null", Method: "POST", FetchMode: "navigate"}, because(refused, policy.ReasonCrossSiteNavigation)},
			{"form post from an allowed origin", policy.Request{Origin: shop, Method: "POST", FetchMode: "navigate"}, strictActual},

			{"preflight", preflight(shop, "DELETE", "content-type,x-csrf-token"), strictPreflight},
			{"preflight without headers", preflight(shop, "DELETE", ""), strictPreflight},
			{"preflight, headers in any order, case and spacing", preflight(shop, "POST", "X-CSRF-Token ,,\tAuthorization"), strictPreflight},
			{"preflight, a safelisted header is named", preflight(shop, "POST", "accept,range"), answered(allowShop, withCredentials, methods, names+", accept, range", exposed, twoHours, varyPreflight)},
			{"preflight, other method", preflight(shop, "PUT", "content-type"), diagnosed(policy.ReasonMethodNotAllowed, strictDiagnostic...)},
			{"preflight, method is not a token", preflight(shop, "DELETE, GET", ""), diagnosed(policy.ReasonMethodNotAllowed, strictDiagnostic...)},
			{"preflight, other header", preflight(shop, "POST", "content-type,x-evil"), diagnosed(policy.ReasonHeaderNotAllowed, strictDiagnostic...)},
			{"preflight, header is not a token", preflight(shop, "POST", "x\r\ny: z"), diagnosed(policy.ReasonHeaderNotAllowed, strictDiagnostic...)},
			{"preflight, too many headers", preflight(shop, "POST", manyNames(129)), diagnosed(policy.ReasonTooManyHeaders, allowShop, withCredentials, methods, varyPreflight)},
			{"preflight, too long a list", preflight(shop, "POST", strings.Repeat(",", 8193)), diagnosed(policy.ReasonTooManyHeaders, allowShop, withCredentials, methods, varyPreflight)},
			{"preflight, as long a list as we read", preflight(shop, "POST", strings.Repeat(",", 8192)), strictPreflight},
			{"preflight, disallowed", preflight(evil, "DELETE", ""), refusedPreflight},
			{"preflight, null", preflight("null", "DELETE", ""), because(refusedPreflight, policy.ReasonOriginNull)},

			{"WebSocket", policy.Request{Origin: shop, Upgrade: "websocket"}, allowed()},
			{"WebSocket in capitals among others", policy.Request{Origin: shop, Upgrade: "h2c, WebSocket"}, allowed()},
			{"WebSocket, disallowed", policy.Request{Origin: evil, Upgrade: "websocket"}, refused},
			{"another upgrade is no WebSocket", policy.Request{Origin: shop, Method: "PUT", Upgrade: "websocket"}, strictMethod},
		},
	},
	{
		name: "a policy with little", policy: onePolicy("origins: [https://shop.example]"),
		cases: []decisionCase{
			{"actual", policy.Request{Origin: shop}, allowed(allowShop, noCredentials, nothingMore, varyAppended)},
			{"simple methods are the default", policy.Request{Origin: shop, Method: "POST"}, allowed(allowShop, noCredentials, nothingMore, varyAppended)},
			{"others are not", policy.Request{Origin: shop, Method: "PUT"}, want{policy.VerdictDeny, policy.ActionRefuse, policy.ReasonMethodNotAllowed, 403, headers{allowShop, varyOrigin, problemJSON}}},
			{"preflight", preflight(shop, "POST", ""), answered(allowShop, allowMethods+"GET, HEAD, POST", varyPreflight)},
			{"preflight, a safelisted header", preflight(shop, "GET", "Accept-Language"), answered(allowShop, allowMethods+"GET, HEAD, POST", allowHeaders+"accept-language", varyPreflight)},
			{"preflight, other header", preflight(shop, "GET", "x-a"), diagnosed(policy.ReasonHeaderNotAllowed, allowShop, allowMethods+"GET, HEAD, POST", varyPreflight)},
		},
	},
	{
		name: "a public policy", policy: onePolicy("origins: [\"*\"]\nmethods: [\"*\"]\nrequestHeaders: [\"*\"]\nexposeHeaders: [\"*\"]\nmaxAge: 0s\ntimingAllowOrigin: true\npreflightStatus: 200"),
		cases: []decisionCase{
			{"no Origin gets the constant headers", policy.Request{}, want{policy.VerdictPass, policy.ActionForward, policy.ReasonNoOrigin, 0, headers{"access-control-allow-origin: *", noCredentials, "access-control-expose-headers: *", "timing-allow-origin: *"}}},
			{"actual", policy.Request{Origin: evil, Method: "PURGE"}, allowed("access-control-allow-origin: *", noCredentials, "access-control-expose-headers: *", "timing-allow-origin: *")},
			{"null", policy.Request{Origin: "null"}, allowed("access-control-allow-origin: *", noCredentials, "access-control-expose-headers: *", "timing-allow-origin: *")},
			{"malformed", policy.Request{Origin: "x\r\ny"}, allowed("access-control-allow-origin: *", noCredentials, "access-control-expose-headers: *", "timing-allow-origin: *")},
			{"preflight", preflight(evil, "PURGE", "x-a"), want{policy.VerdictAllow, policy.ActionAnswer, policy.ReasonOriginAllowed, 200, headers{"access-control-allow-origin: *", allowMethods + "*", allowHeaders + "x-a", "access-control-expose-headers: *", "access-control-max-age: 0", "vary: Access-Control-Request-Method, Access-Control-Request-Headers"}}},
			{"preflight, Authorization is not covered", preflight(evil, "PURGE", "authorization,X-A"), want{policy.VerdictDeny, policy.ActionAnswer, policy.ReasonHeaderNotAllowed, 200, headers{"access-control-allow-origin: *", allowMethods + "*", allowHeaders + "x-a", "vary: Access-Control-Request-Method, Access-Control-Request-Headers"}}},
			{"preflight, a method that no browser sends", preflight(evil, "trace", ""), want{policy.VerdictDeny, policy.ActionAnswer, policy.ReasonMethodNotAllowed, 200, headers{"access-control-allow-origin: *", "vary: Access-Control-Request-Method, Access-Control-Request-Headers"}}},
			{"preflight, a header by the name of the wildcard", preflight(evil, "PURGE", "*,x-a"), want{policy.VerdictDeny, policy.ActionAnswer, policy.ReasonHeaderNotAllowed, 200, headers{"access-control-allow-origin: *", allowMethods + "*", allowHeaders + "x-a", "vary: Access-Control-Request-Method, Access-Control-Request-Headers"}}},
			{"preflight, a method by the name of the wildcard", preflight(evil, "*", ""), want{policy.VerdictDeny, policy.ActionAnswer, policy.ReasonMethodNotAllowed, 200, headers{"access-control-allow-origin: *", "vary: Access-Control-Request-Method, Access-Control-Request-Headers"}}},
		},
	},
	{
		name: "wildcards with credentials name what was asked for", policy: onePolicy("origins: [https://shop.example]\nmethods: [\"*\"]\nrequestHeaders: [\"*\", Authorization]\ncredentials: true"),
		cases: []decisionCase{
			{"preflight", preflight(shop, "PURGE", "X-B,authorization"), answered(allowShop, withCredentials, allowMethods+"PURGE", allowHeaders+"x-b, authorization", varyPreflight)},
			{"nothing asked for", preflight(shop, "PURGE", ""), answered(allowShop, withCredentials, allowMethods+"PURGE", varyPreflight)},
			{"a header by the name of the wildcard", preflight(shop, "PURGE", "*"), diagnosed(policy.ReasonHeaderNotAllowed, allowShop, withCredentials, allowMethods+"PURGE", varyPreflight)},
			{"a method by the name of the wildcard", preflight(shop, "*", ""), diagnosed(policy.ReasonMethodNotAllowed, allowShop, withCredentials, varyPreflight)},
			{"a name that is none", preflight(shop, "PURGE", "x-b,x y"), diagnosed(policy.ReasonHeaderNotAllowed, allowShop, withCredentials, allowMethods+"PURGE", allowHeaders+"x-b", varyPreflight)},
		},
	},
	{
		name: "a long list is not sent whole", policy: onePolicy("origins: [https://shop.example]\nmethods: [GET, POST]\nrequestHeaders: [" + manyNames(140) + "]"),
		cases: []decisionCase{
			{"what was asked for", preflight(shop, "GET", "x-0100,x-0001"), answered(allowShop, allowMethods+"GET, POST", allowHeaders+"x-0100, x-0001", varyPreflight)},
			{"less what is not allowed", preflight(shop, "GET", "x-0100,x-9999"), diagnosed(policy.ReasonHeaderNotAllowed, allowShop, allowMethods+"GET, POST", allowHeaders+"x-0100", varyPreflight)},
			{"nothing asked for", preflight(shop, "GET", ""), answered(allowShop, allowMethods+"GET, POST", varyPreflight)},
		},
	},
	{
		name: "any origin but some", policy: onePolicy("origins: [\"*\"]\nexcludeOrigins: [https://evil.example]\nmethods: [GET]"),
		cases: []decisionCase{
			{"others are named", policy.Request{Origin: shop}, allowed(allowShop, noCredentials, nothingMore, varyAppended)},
			{"null is any origin", policy.Request{Origin: "null"}, allowed("access-control-allow-origin: null", noCredentials, nothingMore, varyAppended)},
			{"malformed is none", policy.Request{Origin: "https://evil.example/"}, because(refused, policy.ReasonOriginMalformed)},
			{"excluded", policy.Request{Origin: evil}, because(refused, policy.ReasonOriginExcluded)},
		},
	},
	{
		name: "PASS", policy: onePolicy("origins: [https://shop.example]\nmethods: [GET]\nonDisallowedOrigin: PASS\ntimingAllowOrigin: false"),
		cases: []decisionCase{
			{"actual, disallowed", policy.Request{Origin: evil, Method: "PUT"}, want{policy.VerdictPass, policy.ActionForward, policy.ReasonOriginNotAllowed, 0, headers{
				"access-control-allow-origin?: https://corsgate.invalid", noCredentials, nothingMore, "timing-allow-origin?: https://corsgate.invalid", varyAppended,
			}}},
			{"actual, malformed", policy.Request{Origin: "x y"}, want{policy.VerdictPass, policy.ActionForward, policy.ReasonOriginMalformed, 0, headers{
				"access-control-allow-origin?: https://corsgate.invalid", noCredentials, nothingMore, "timing-allow-origin?: https://corsgate.invalid", varyAppended,
			}}},
			{"actual, allowed", policy.Request{Origin: shop}, allowed(allowShop, noCredentials, nothingMore, "timing-allow-origin?: https://corsgate.invalid", varyAppended)},
			{"actual, allowed, other method", policy.Request{Origin: shop, Method: "PUT"}, want{policy.VerdictDeny, policy.ActionRefuse, policy.ReasonMethodNotAllowed, 403, headers{allowShop, varyOrigin, problemJSON}}},
			{"preflights are answered all the same", preflight(evil, "GET", ""), refusedPreflight},
			{"WebSockets are refused all the same", policy.Request{Origin: evil, Upgrade: "websocket"}, refused},
			{"navigations have a field of their own", policy.Request{Origin: evil, Method: "POST", FetchMode: "navigate"}, because(refused, policy.ReasonCrossSiteNavigation)},
		},
	},
	{
		name: "navigations PASS", policy: onePolicy("origins: [https://shop.example]\nnavigations: PASS"),
		cases: []decisionCase{
			{"form post", policy.Request{Origin: evil, Method: "POST", FetchMode: "navigate"}, want{policy.VerdictPass, policy.ActionForward, policy.ReasonCrossSiteNavigation, 0, headers{
				"access-control-allow-origin?: https://corsgate.invalid", noCredentials, nothingMore, varyAppended,
			}}},
			{"script", policy.Request{Origin: evil, Method: "POST", FetchMode: "cors"}, refused},
			{"malformed", policy.Request{Origin: "a b", Method: "POST", FetchMode: "navigate"}, because(refused, policy.ReasonOriginMalformed)},
		},
	},
	{
		name: "null spelled out", policy: onePolicy("origins: [\"null\"]"),
		cases: []decisionCase{
			{"null", policy.Request{Origin: "null"}, allowed("access-control-allow-origin: null", noCredentials, nothingMore, varyAppended)},
			{"null in capitals is malformed", policy.Request{Origin: "NULL"}, because(refused, policy.ReasonOriginMalformed)},
		},
	},
	{
		name: "REPORT_ONLY changes nothing", policy: onePolicy("origins: [https://shop.example]\nenforcement: REPORT_ONLY"),
		cases: []decisionCase{
			{"no Origin", policy.Request{}, want{policy.VerdictPass, policy.ActionForward, policy.ReasonNoOrigin, 0, nil}},
			{"allowed", policy.Request{Origin: shop}, want{policy.VerdictAllow, policy.ActionForward, policy.ReasonOriginAllowed, 0, nil}},
			{"disallowed", policy.Request{Origin: evil}, want{policy.VerdictDeny, policy.ActionForward, policy.ReasonOriginNotAllowed, 0, nil}},
			{"preflight", preflight(shop, "PUT", ""), want{policy.VerdictDeny, policy.ActionForward, policy.ReasonMethodNotAllowed, 0, nil}},
			{"WebSocket", policy.Request{Origin: evil, Upgrade: "websocket"}, want{policy.VerdictDeny, policy.ActionForward, policy.ReasonOriginNotAllowed, 0, nil}},
		},
	},
	{
		name: "DISABLED decides nothing", policy: onePolicy("origins: [https://shop.example]\nenforcement: DISABLED"),
		cases: []decisionCase{
			{"no Origin", policy.Request{}, want{policy.VerdictPass, policy.ActionForward, policy.ReasonNoOrigin, 0, nil}},
			{"disallowed", policy.Request{Origin: evil}, want{policy.VerdictPass, policy.ActionForward, policy.ReasonDisabled, 0, nil}},
			{"preflight", preflight(shop, "PUT", ""), want{policy.VerdictPass, policy.ActionForward, policy.ReasonDisabled, 0, nil}},
		},
	},
	{
		name: "any origin with credentials, dangerously", policy: onePolicy("origins: [\"*\"]\ncredentials: true\ndangerously: {anyOriginWithCredentials: the gateway behind it checks a token}"),
		cases: []decisionCase{
			{"every origin is named", policy.Request{Origin: evil}, allowed("access-control-allow-origin: "+evil, withCredentials, nothingMore, varyAppended)},
			{"malformed is not", policy.Request{Origin: evil + "\r\n"}, because(refused, policy.ReasonOriginMalformed)},
			{"no Origin gets no grant", policy.Request{}, notCORS},
		},
	},
	{
		name: "a regular expression matches the whole origin", policy: onePolicy("originRegexes: ['https://[a-z]+\\.shop\\.example']"), warns: true,
		cases: []decisionCase{
			{"match", policy.Request{Origin: "https://a.shop.example"}, allowed("access-control-allow-origin: https://a.shop.example", noCredentials, nothingMore, varyAppended)},
			{"longer", policy.Request{Origin: "https://a.shop.example.evil.example"}, refused},
			{"with a port", policy.Request{Origin: "https://a.shop.example:8443"}, refused},
			{"null", policy.Request{Origin: "null"}, because(refused, policy.ReasonOriginNull)},
		},
	},
	{
		name: "temporary origins end", warns: true, options: policy.Options{Now: time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)},
		policy: onePolicy("temporaryOrigins: [{origin: https://shop.example, until: \"2027-01-31T00:00:01Z\"}, {origin: https://evil.example, until: \"2027-01-31\"}, {origin: \"https://*.evil.example\", until: \"2027-01-31\"}]"),
		cases: []decisionCase{
			{"in time", policy.Request{Origin: shop}, allowed(allowShop, noCredentials, nothingMore, varyAppended)},
			{"over", policy.Request{Origin: evil}, refused},
			{"over, a wildcard", policy.Request{Origin: "https://a.evil.example"}, refused},
		},
	},
	{
		name: "resource policy and private network", policy: onePolicy("origins: [https://shop.example]\ncrossOriginResourcePolicy: SAME_SITE\nprivateNetwork: true\nonDisallowedOrigin: PASS"), warns: true,
		cases: []decisionCase{
			{"no Origin", policy.Request{RouteVaries: true}, want{policy.VerdictPass, policy.ActionForward, policy.ReasonNoOrigin, 0, headers{resourcePolicy}}},
			{"actual", policy.Request{Origin: shop}, allowed(allowShop, noCredentials, nothingMore, resourcePolicy, varyAppended)},
			{"passed", policy.Request{Origin: evil}, want{policy.VerdictPass, policy.ActionForward, policy.ReasonOriginNotAllowed, 0, headers{
				"access-control-allow-origin?: https://corsgate.invalid", noCredentials, nothingMore, resourcePolicy, varyAppended,
			}}},
			{"preflight for a private network", private(preflight(shop, "GET", "")), answered(allowShop, allowMethods+"GET, HEAD, POST", "access-control-allow-private-network: true", varyPreflight)},
			{"preflight for a private network that fails", private(preflight(shop, "PUT", "")), diagnosed(policy.ReasonMethodNotAllowed, allowShop, allowMethods+"GET, HEAD, POST", varyPreflight)},
			{"preflight", preflight(shop, "GET", ""), answered(allowShop, allowMethods+"GET, HEAD, POST", varyPreflight)},
		},
	},
	{
		name: "private network not asked to be let in", policy: onePolicy("origins: [https://shop.example]"),
		cases: []decisionCase{{"preflight", private(preflight(shop, "GET", "")), answered(allowShop, allowMethods+"GET, HEAD, POST", varyPreflight)}},
	},
	{
		name: "lists that name what was asked for", policy: onePolicy("origins: [https://shop.example]\nmethods: [GET, PUT]\nrequestHeaders: [X-A, X-B]\npreflightLists: ASKED"),
		cases: []decisionCase{
			{"preflight", preflight(shop, "PUT", "x-b"), answered(allowShop, allowMethods+"PUT", allowHeaders+"x-b", varyPreflight)},
			{"other method", preflight(shop, "DELETE", "x-b"), diagnosed(policy.ReasonMethodNotAllowed, allowShop, allowHeaders+"x-b", varyPreflight)},
			{"other header", preflight(shop, "PUT", "x-b,x-c"), diagnosed(policy.ReasonHeaderNotAllowed, allowShop, allowMethods+"PUT", allowHeaders+"x-b", varyPreflight)},
		},
	},
	{
		name: "a method override is no header like others", policy: onePolicy("origins: [https://shop.example]\nrequestHeaders: [\"*\"]"),
		cases: []decisionCase{{"preflight", preflight(shop, "POST", "x-a,x-http-method-override"), diagnosed(policy.ReasonHeaderNotAllowed, allowShop, allowMethods+"GET, HEAD, POST", allowHeaders+"x-a", varyPreflight)}},
	},
	{
		name: "no policy", policy: "",
		cases: []decisionCase{
			{"no Origin", policy.Request{}, notCORS},
			{"no Origin, unknown policy", policy.Request{PolicyName: "gone"}, notCORS},
			{"same origin", policy.Request{Origin: "https://api.shop.example"}, sameOrigin},
			{"actual", policy.Request{Origin: shop}, because(refused, policy.ReasonNoPolicy)},
			{"preflight", preflight(shop, "GET", ""), because(refusedPreflight, policy.ReasonNoPolicy)},
			{"unknown policy", policy.Request{Origin: shop, PolicyName: "gone"}, because(refused, policy.ReasonUnknownPolicy)},
		},
	},
	{
		name: "no policy, to pass", policy: "", options: policy.Options{NoPolicy: policy.DispositionPass},
		cases: []decisionCase{
			{"no Origin", policy.Request{}, want{policy.VerdictPass, policy.ActionForward, policy.ReasonNoOrigin, 0, nil}},
			{"actual", policy.Request{Origin: shop}, want{policy.VerdictPass, policy.ActionForward, policy.ReasonNoPolicy, 0, nil}},
			{"preflight", preflight(shop, "GET", ""), want{policy.VerdictPass, policy.ActionForward, policy.ReasonNoPolicy, 0, nil}},
			{"unknown policy is refused all the same", policy.Request{Origin: shop, PolicyName: "gone"}, because(refused, policy.ReasonUnknownPolicy)},
		},
	},
}
