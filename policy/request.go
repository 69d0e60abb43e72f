package policy

// A Request is what a decision looks at. Every field but the last two is the
// request as the proxy received it. A header that came in several lines is
// joined with commas (RFC 9110, section 5.3), and one that is absent is empty:
// an empty header says no more than none does.
type Request struct {
	// Method is the request's method, case-sensitive.
	Method string
	// Scheme is "http" or "https", as the client used it where the proxy knows.
	Scheme string
	// Host is the authority: a host and perhaps a port.
	Host string
	// Path is the path, before any rewrite. A query is ignored.
	Path string

	// Origin is the header of that name.
	Origin string
	// RequestMethod is Access-Control-Request-Method.
	RequestMethod string
	// RequestHeaders is Access-Control-Request-Headers.
	RequestHeaders string
	// FetchSite is Sec-Fetch-Site.
	FetchSite string
	// FetchMode is Sec-Fetch-Mode.
	FetchMode string
	// Upgrade is the header of that name.
	Upgrade string
	// PrivateNetwork says that Access-Control-Request-Private-Network is "true".
	PrivateNetwork bool

	// PolicyName is the policy that the route names; it wins over targets.
	PolicyName string
	// RouteVaries says that the proxy itself adds "Vary: Origin" to all that
	// comes from this route, so that Decide need not ask for it.
	RouteVaries bool
}
