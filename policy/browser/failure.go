package browser

// Failure is why a browser keeps a response from a script. The list is closed.
// Some failures are only ever read from a console, see [ParseConsole]: this
// package does not know where in the network a server stands.
type Failure uint8

const (
	// FailureNone is no failure.
	FailureNone Failure = iota

	// FailureMissingAllowOrigin is an answer without Access-Control-Allow-Origin.
	FailureMissingAllowOrigin
	// FailureMultipleAllowOrigin is one that names several origins.
	FailureMultipleAllowOrigin
	// FailureInvalidAllowOrigin is one that names no origin.
	FailureInvalidAllowOrigin
	// FailureAllowOriginMismatch is one that names another origin.
	FailureAllowOriginMismatch
	// FailureWildcardWithCredentials is `*` for a request with credentials.
	FailureWildcardWithCredentials
	// FailureAllowCredentials is Access-Control-Allow-Credentials that is not
	// `true`.
	FailureAllowCredentials

	// FailurePreflightStatus is a preflight's status outside 200 to 299.
	FailurePreflightStatus
	// FailurePreflightRedirect is a preflight that was redirected.
	FailurePreflightRedirect
	// FailureInvalidAllowMethods is Access-Control-Allow-Methods that is no list
	// of tokens.
	FailureInvalidAllowMethods
	// FailureInvalidAllowHeaders is Access-Control-Allow-Headers that is none.
	FailureInvalidAllowHeaders
	// FailureMethodNotAllowed is a method that the preflight's answer lacks.
	FailureMethodNotAllowed
	// FailureHeaderNotAllowed is a header that it lacks.
	FailureHeaderNotAllowed

	// FailureRedirectCredentials is a redirect to a URL with a user's name.
	FailureRedirectCredentials
	// FailureRedirectScheme is a redirect to what is not HTTP.
	FailureRedirectScheme
	// FailureRedirectNotAllowed is a redirect that the script does not want.
	FailureRedirectNotAllowed
	// FailureRedirectBody is a redirect that would send a stream anew.
	FailureRedirectBody
	// FailureTooManyRedirects is more than 20 of them.
	FailureTooManyRedirects

	// FailureForbiddenMethod is a method that no script may use.
	FailureForbiddenMethod
	// FailureMode is a request that its mode does not allow.
	FailureMode
	// FailureScheme is a URL that is not HTTP.
	FailureScheme
	// FailureResourcePolicy is a Cross-Origin-Resource-Policy that shuts the page
	// out.
	FailureResourcePolicy
	// FailureNetwork is no answer at all.
	FailureNetwork
	// FailureHandshake is a WebSocket's handshake without a 101.
	FailureHandshake

	// FailureDisabled is CORS switched off in the browser.
	FailureDisabled
	// FailureNoOriginHeader is an extension's request that can have no Origin.
	FailureNoOriginHeader
	// FailureAuthorizationWildcard is a warning that `*` will one day no longer
	// cover Authorization.
	FailureAuthorizationWildcard
	// FailureInvalidResponse is an answer that Chrome could not make out.
	FailureInvalidResponse
	// FailureUnexplained is a refusal without its cause.
	FailureUnexplained

	// FailureLocalInsecure is an insecure page that calls into a local network.
	FailureLocalInsecure
	// FailureLocalMismatch is a server that stands elsewhere in the network than
	// the page said.
	FailureLocalMismatch
	// FailureLocalDenied is a person who did not permit a page to call into
	// their local network.
	FailureLocalDenied

	// The rest was retired with Private Network Access, in Chrome 138.

	// FailurePrivateMissing is a preflight's answer without
	// Access-Control-Allow-Private-Network.
	FailurePrivateMissing
	// FailurePrivateInvalid is one where it is not `true`.
	FailurePrivateInvalid
	// FailurePrivateUnexpected is a server that stood in a private network
	// although nothing had said so.
	FailurePrivateUnexpected
	// FailurePrivateID is a preflight's answer without Private-Network-Access-ID.
	FailurePrivateID
	// FailurePrivateName is one without Private-Network-Access-Name.
	FailurePrivateName
	// FailurePrivateUnavailable is a permission that could not be asked for.
	FailurePrivateUnavailable

	failureCount
)

var failureWords = [failureCount]string{ //nolint:gosec // words, no secrets
	FailureNone:                    "none",
	FailureMissingAllowOrigin:      "missing_allow_origin",
	FailureMultipleAllowOrigin:     "multiple_allow_origin",
	FailureInvalidAllowOrigin:      "invalid_allow_origin",
	FailureAllowOriginMismatch:     "allow_origin_mismatch",
	FailureWildcardWithCredentials: "wildcard_with_credentials",
	FailureAllowCredentials:        "allow_credentials",
	FailurePreflightStatus:         "preflight_status",
	FailurePreflightRedirect:       "preflight_redirect",
	FailureInvalidAllowMethods:     "invalid_allow_methods",
	FailureInvalidAllowHeaders:     "invalid_allow_headers",
	FailureMethodNotAllowed:        "method_not_allowed",
	FailureHeaderNotAllowed:        "header_not_allowed",
	FailureRedirectCredentials:     "redirect_credentials",
	FailureRedirectScheme:          "redirect_scheme",
	FailureRedirectNotAllowed:      "redirect_not_allowed",
	FailureRedirectBody:            "redirect_body",
	FailureTooManyRedirects:        "too_many_redirects",
	FailureForbiddenMethod:         "forbidden_method",
	FailureMode:                    "mode",
	FailureScheme:                  "scheme",
	FailureResourcePolicy:          "resource_policy",
	FailureNetwork:                 "network",
	FailureHandshake:               "handshake",
	FailureDisabled:                "disabled",
	FailureNoOriginHeader:          "no_origin_header",
	FailureAuthorizationWildcard:   "authorization_wildcard",
	FailureInvalidResponse:         "invalid_response",
	FailureUnexplained:             "unexplained",
	FailureLocalInsecure:           "local_insecure",
	FailureLocalMismatch:           "local_mismatch",
	FailureLocalDenied:             "local_denied",
	FailurePrivateMissing:          "private_missing",
	FailurePrivateInvalid:          "private_invalid",
	FailurePrivateUnexpected:       "private_unexpected",
	FailurePrivateID:               "private_id",
	FailurePrivateName:             "private_name",
	FailurePrivateUnavailable:      "private_unavailable",
}

// String returns the word for f in output that programs read.
func (f Failure) String() string {
	if f >= failureCount {
		return "unknown"
	}
	return failureWords[f]
}

// Failures returns all failures but [FailureNone].
func Failures() []Failure {
	all := make([]Failure, 0, failureCount-1)
	for f := FailureNone + 1; f < failureCount; f++ {
		all = append(all, f)
	}
	return all
}

const mdn = "https://developer.mozilla.org/en-US/docs/Web/HTTP/Guides/CORS/Errors/"

// MDN returns the address of MDN's page about f, or "" where it has none.
func (f Failure) MDN() string {
	var page string
	switch f {
	case FailureMissingAllowOrigin:
		page = "CORSMissingAllowOrigin"
	case FailureMultipleAllowOrigin:
		page = "CORSMultipleAllowOriginNotAllowed"
	case FailureInvalidAllowOrigin, FailureAllowOriginMismatch:
		page = "CORSAllowOriginNotMatchingOrigin"
	case FailureWildcardWithCredentials:
		page = "CORSNotSupportingCredentials"
	case FailureAllowCredentials:
		page = "CORSMissingAllowCredentials"
	case FailurePreflightStatus:
		page = "CORSPreflightDidNotSucceed"
	case FailurePreflightRedirect:
		page = "CORSExternalRedirectNotAllowed"
	case FailureInvalidAllowMethods:
		page = "CORSInvalidAllowMethod"
	case FailureInvalidAllowHeaders:
		page = "CORSInvalidAllowHeader"
	case FailureMethodNotAllowed:
		page = "CORSMethodNotFound"
	case FailureHeaderNotAllowed:
		page = "CORSMissingAllowHeaderFromPreflight"
	case FailureScheme, FailureRedirectScheme:
		page = "CORSRequestNotHttp"
	case FailureNetwork:
		page = "CORSDidNotSucceed"
	case FailureDisabled:
		page = "CORSDisabled"
	case FailureNoOriginHeader:
		page = "CORSOriginHeaderNotAdded"
	default:
		return ""
	}
	return mdn + page
}

// A Block is one refusal of a browser, with all that its console may print.
type Block struct {
	Failure Failure
	// Preflight says that it was the preflight's answer.
	Preflight bool
	// Value is what was wrong: a header's value, a method, a header's name, a
	// redirect's location. Where a list cannot be read it is the whole list.
	Value string
	// Token is the first element of such a list that is no token.
	Token string
	// Status is that of the answer, or zero.
	Status int

	// URL is where the request went in the end, and RedirectedFrom where it set
	// out for, if that is elsewhere.
	URL, RedirectedFrom string
	// Location is where a redirect that was refused would have led.
	Location string
	// Origin is the page's, and SentOrigin what the server was told.
	Origin, SentOrigin string
	Initiator          Initiator
	// Spaces are the address spaces that a console names, such as "local".
	Spaces []string
}
