package browser

// chromeKinds is how Chrome names what makes a request.
var chromeKinds = [initiatorCount]string{
	InitiatorFetch: "fetch", InitiatorXHR: "XMLHttpRequest", InitiatorEventSource: "resource", InitiatorFont: "font",
	InitiatorImage: "image", InitiatorScript: "script", InitiatorStylesheet: "CSS stylesheet", InitiatorAudio: "audio",
	InitiatorVideo: "video", InitiatorTextTrack: "text track", InitiatorManifest: "manifest",
}

// safariStarts begins Safari's second line. Elements have none that is known.
var safariStarts = [initiatorCount]string{
	InitiatorFetch: "Fetch API cannot load ", InitiatorXHR: "XMLHttpRequest cannot load ",
	InitiatorEventSource: "EventSource cannot load ",
}

// chromeSchemes is the list of a Chrome of 2026. It is read in any form.
const chromeSchemes = "chrome, chrome-experimental-site-token-provider, chrome-extension, chrome-untrusted, data, http, https, isolated-app"

const (
	chromeSendValid   = " Have the server send the header with a valid value."
	chromeXHRIncluded = " The credentials mode of requests initiated by the XMLHttpRequest is controlled by the withCredentials attribute."
	chromeOnlySchemes = "Cross origin requests are only supported for protocol schemes: {schemes}."
	chromeMismatch    = "The 'Access-Control-Allow-Origin' header has a value '{value}' that is not equal to the supplied origin."

	firefoxStart     = "Cross-Origin Request Blocked: The Same Origin Policy disallows reading the remote resource at "
	firefoxReason    = firefoxStart + "{url}. (Reason: "
	firefoxStatus    = "). Status code: {status}."
	firefoxEnd       = ")."
	firefoxPreflight = firefoxReason + "CORS preflight response did not succeed" + firefoxStatus
	firefoxFailed    = firefoxReason + "CORS request did not succeed" + firefoxStatus
)

// phrases are all texts. Where a text has several failures the first is what it
// parses to.
var phrases = []phrase{
	{
		engine: Chrome, failure: FailureMissingAllowOrigin, frame: frameChrome,
		text: "No 'Access-Control-Allow-Origin' header is present on the requested resource.",
	},
	{
		engine: Chrome, failure: FailureMultipleAllowOrigin, frame: frameChrome, suffix: chromeSendValid,
		text: "The 'Access-Control-Allow-Origin' header contains multiple values '{value}', but only one is allowed.",
	},
	{
		engine: Chrome, failure: FailureInvalidAllowOrigin, frame: frameChrome, suffix: chromeSendValid,
		text: "The 'Access-Control-Allow-Origin' header contains the invalid value '{value}'.",
	},
	{engine: Chrome, failure: FailureAllowOriginMismatch, frame: frameChrome, suffix: chromeSendValid, text: chromeMismatch},
	{
		engine: Chrome, failure: FailureWildcardWithCredentials, frame: frameChrome,
		suffix: chromeXHRIncluded, suffixInitiator: InitiatorXHR,
		text: "The value of the 'Access-Control-Allow-Origin' header in the response must not be the wildcard '*' " +
			"when the request's credentials mode is 'include'.",
	},
	{
		engine: Chrome, failure: FailureAllowCredentials, frame: frameChrome,
		suffix: chromeXHRIncluded, suffixInitiator: InitiatorXHR,
		text: "The value of the 'Access-Control-Allow-Credentials' header in the response is '{value}' " +
			"which must be 'true' when the request's credentials mode is 'include'.",
	},
	{
		engine: Chrome, failure: FailurePreflightStatus, frame: frameChrome, preflight: true,
		text: "It does not have HTTP ok status.",
	},
	{
		engine: Chrome, failure: FailurePreflightRedirect, frame: frameChrome, preflight: true,
		text: "Redirect is not allowed for a preflight request.",
	},
	{
		engine: Chrome, failure: FailureInvalidAllowMethods, frame: frameChrome, preflight: true,
		text: "Cannot parse Access-Control-Allow-Methods response header field in preflight response.",
	},
	{
		engine: Chrome, failure: FailureInvalidAllowHeaders, frame: frameChrome, preflight: true,
		text: "Cannot parse Access-Control-Allow-Headers response header field in preflight response.",
	},
	{
		engine: Chrome, failure: FailureMethodNotAllowed, frame: frameChrome, preflight: true,
		text: "Method {value} is not allowed by Access-Control-Allow-Methods in preflight response.",
	},
	{
		engine: Chrome, failure: FailureHeaderNotAllowed, frame: frameChrome, preflight: true,
		text: "Request header field {value} is not allowed by Access-Control-Allow-Headers in preflight response.",
	},
	{
		engine: Chrome, failure: FailureRedirectCredentials, frame: frameChrome,
		text: "Redirect location '{hint}' contains a username and password, which is disallowed for cross-origin requests.",
	},
	{
		engine: Chrome, failure: FailureMode,
		text: `Fetch API cannot load {url}. Request mode is "same-origin" but the URL's origin is not same as the request origin {origin}.`,
	},
	{
		engine: Chrome, failure: FailureMode, frame: frameChrome, readOnly: true,
		text: "Cross origin requests are not allowed by request mode.",
	},
	{engine: Chrome, failure: FailureInvalidResponse, frame: frameChrome, text: "The response is invalid."},
	{
		engine: Chrome, failure: FailureScheme, frame: frameChrome,
		text: chromeOnlySchemes,
	},
	{engine: Chrome, failure: FailureRedirectScheme, frame: frameChrome, text: chromeOnlySchemes},
	{
		engine: Chrome, failure: FailureLocalInsecure, frame: frameChrome,
		text: "The request client is not a secure context and the resource is in more-private address space `{space}`.",
	},
	{
		engine: Chrome, failure: FailureLocalMismatch, frame: frameChrome,
		text: "Request had a target IP address space of `{space}` yet the resource is in address space `{space2}`.",
	},
	{
		engine: Chrome, failure: FailureLocalDenied, frame: frameChrome,
		text: "Permission was denied for this request to access the `{space}` address space.",
	},
	{
		engine: Chrome, failure: FailurePrivateMissing, frame: frameChrome, preflight: true,
		text: "No 'Access-Control-Allow-Private-Network' header was present in the preflight response " +
			"for this private network request targeting the `{space}` address space.",
	},
	{
		engine: Chrome, failure: FailurePrivateInvalid, frame: frameChrome, preflight: true,
		text: "The 'Access-Control-Allow-Private-Network' header in the preflight response " +
			"for this private network request targeting the `{space}` address space had a value of '{value}',  not 'true'.",
	},
	{
		engine: Chrome, failure: FailurePrivateUnexpected, frame: frameChrome,
		text: "Request had no target IP address space, yet the resource is in address space `{space}`.",
	},
	{
		engine: Chrome, failure: FailurePrivateID, frame: frameChrome, preflight: true,
		text: "No 'Private-Network-Access-Id' header was present in the preflight response " +
			"for this private network request targeting the `{space}` address space.",
	},
	{
		engine: Chrome, failure: FailurePrivateName, frame: frameChrome, preflight: true,
		text: "No 'Private-Network-Access-Name' header was present in the preflight response " +
			"for this private network request targeting the `{space}` address space.",
	},
	{
		engine: Chrome, failure: FailurePrivateUnavailable, frame: frameChrome,
		text: "Unable to ask for permission to access the `{space}` IP address space.",
	},
	{
		engine: Chrome, failure: FailureHandshake,
		text: "WebSocket connection to '{url}' failed: Error during WebSocket handshake: Unexpected response code: {status}",
	},
	{engine: Chrome, failure: FailureResourcePolicy, readOnly: true, text: "net::ERR_BLOCKED_BY_RESPONSE.NotSameOrigin"},
	{engine: Chrome, failure: FailureResourcePolicy, readOnly: true, text: "net::ERR_BLOCKED_BY_RESPONSE.NotSameSite"},
	{engine: Chrome, failure: FailureUnexplained, readOnly: true, text: "TypeError: Failed to fetch"},

	{
		engine: Firefox, frame: frameFirefox, failure: FailureMissingAllowOrigin,
		text: firefoxReason + "CORS header ‘Access-Control-Allow-Origin’ missing" + firefoxStatus,
	},
	{
		engine: Firefox, frame: frameFirefox, failure: FailureMultipleAllowOrigin,
		text: firefoxReason + "Multiple CORS header ‘Access-Control-Allow-Origin’ not allowed" + firefoxEnd,
	},
	{
		engine: Firefox, frame: frameFirefox, failure: FailureAllowOriginMismatch,
		text: firefoxReason + "CORS header ‘Access-Control-Allow-Origin’ does not match ‘{value}’" + firefoxEnd,
	},
	{
		engine: Firefox, frame: frameFirefox, failure: FailureWildcardWithCredentials,
		text: firefoxStart + "‘{url}’. (Reason: Credential is not supported if the CORS header " +
			"‘Access-Control-Allow-Origin’ is ‘*’" + firefoxEnd,
	},
	{
		engine: Firefox, frame: frameFirefox, failure: FailureAllowCredentials,
		text: firefoxReason + "expected ‘true’ in CORS header ‘Access-Control-Allow-Credentials’" + firefoxEnd,
	},
	{
		engine: Firefox, frame: frameFirefox, failure: FailurePreflightStatus, preflight: true,
		text: firefoxPreflight,
	},
	{
		engine: Firefox, frame: frameFirefox, failure: FailurePreflightRedirect, preflight: true,
		text: firefoxReason + "CORS request external redirect not allowed" + firefoxEnd,
	},
	{
		engine: Firefox, frame: frameFirefox, failure: FailureInvalidAllowMethods, preflight: true,
		text: firefoxReason + "invalid token ‘{token}’ in CORS header ‘Access-Control-Allow-Methods’" + firefoxEnd,
	},
	{
		engine: Firefox, frame: frameFirefox, failure: FailureInvalidAllowHeaders, preflight: true,
		text: firefoxReason + "invalid token ‘{token}’ in CORS header ‘Access-Control-Allow-Headers’" + firefoxEnd,
	},
	{
		engine: Firefox, frame: frameFirefox, failure: FailureMethodNotAllowed, preflight: true,
		text: firefoxReason + "Did not find method in CORS header ‘Access-Control-Allow-Methods’" + firefoxEnd,
	},
	{
		engine: Firefox, frame: frameFirefox, failure: FailureHeaderNotAllowed, preflight: true,
		text: firefoxReason + "header ‘{value}’ is not allowed according to header " +
			"‘Access-Control-Allow-Headers’ from CORS preflight response" + firefoxEnd,
	},
	{engine: Firefox, frame: frameFirefox, failure: FailureNetwork, text: firefoxFailed},
	{engine: Firefox, failure: FailureTooManyRedirects, text: firefoxStart + "{url}. (Reason: CORS request did not succeed). Status code: (null)."},
	{engine: Firefox, failure: FailureRedirectCredentials, text: firefoxStart + "{url}. (Reason: CORS request did not succeed). Status code: (null)."},
	{engine: Firefox, failure: FailureScheme, text: firefoxReason + "CORS request not http" + firefoxEnd},
	{engine: Firefox, failure: FailureRedirectScheme, text: firefoxStart + "{url}. (Reason: CORS request did not succeed). Status code: (null)."},
	{engine: Firefox, failure: FailureDisabled, text: firefoxReason + "CORS disabled" + firefoxEnd},
	{engine: Firefox, failure: FailureNoOriginHeader, text: firefoxReason + "CORS header ‘Origin’ cannot be added" + firefoxEnd},
	{
		engine: Firefox, failure: FailureAuthorizationWildcard, preflight: true,
		text: "Cross-Origin Request Warning: The Same Origin Policy will disallow reading the remote resource at {url} soon. " +
			"(Reason: When the `Access-Control-Allow-Headers` is `*`, the `Authorization` header is not covered. " +
			"To include the `Authorization` header, it must be explicitly listed in CORS header `Access-Control-Allow-Headers`).",
	},
	{
		engine: Firefox, failure: FailureResourcePolicy,
		text: "The resource at “{url}” was blocked due to its Cross-Origin-Resource-Policy header (or lack thereof). " +
			"See https://developer.mozilla.org/docs/Web/HTTP/Cross-Origin_Resource_Policy_(CORP)#",
	},
	{engine: Firefox, failure: FailureHandshake, text: "Firefox can’t establish a connection to the server at {url}."},
	{engine: Firefox, failure: FailureUnexplained, readOnly: true, text: "NetworkError when attempting to fetch resource."},

	{
		engine: Safari, failure: FailureAllowOriginMismatch, frame: frameSafari,
		text: "Origin {sent} is not allowed by Access-Control-Allow-Origin. Status code: {status}",
	},
	{
		engine: Safari, failure: FailureMissingAllowOrigin, frame: frameSafari,
		text: "Origin {sent} is not allowed by Access-Control-Allow-Origin. Status code: {status}",
	},
	{
		engine: Safari, failure: FailureMultipleAllowOrigin, frame: frameSafari,
		text: "Access-Control-Allow-Origin cannot contain more than one origin.",
	},
	{
		engine: Safari, failure: FailureWildcardWithCredentials, frame: frameSafari,
		text: "Cannot use wildcard in Access-Control-Allow-Origin when credentials flag is true.",
	},
	{
		engine: Safari, failure: FailureAllowCredentials, frame: frameSafari,
		text: `Credentials flag is true, but Access-Control-Allow-Credentials is not "true".`,
	},
	{
		engine: Safari, failure: FailurePreflightStatus, frame: frameSafari, preflight: true,
		text: "Preflight response is not successful. Status code: {status}",
	},
	{
		engine: Safari, failure: FailureInvalidAllowMethods, frame: frameSafari, preflight: true,
		text: "Header Access-Control-Allow-Methods has an invalid value: {value}",
	},
	{
		engine: Safari, failure: FailureInvalidAllowHeaders, frame: frameSafari, preflight: true,
		text: "Header Access-Control-Allow-Headers has an invalid value: {value}",
	},
	{
		engine: Safari, failure: FailureMethodNotAllowed, frame: frameSafari, preflight: true,
		text: "Method {value} is not allowed by Access-Control-Allow-Methods.",
	},
	{
		engine: Safari, failure: FailureHeaderNotAllowed, frame: frameSafari, preflight: true,
		text: "Request header field {value} is not allowed by Access-Control-Allow-Headers.",
	},
	{
		engine: Safari, failure: FailureRedirectCredentials, frame: frameSafari,
		text: "redirection URL {value} has credentials",
	},
	{
		engine: Safari, failure: FailureRedirectScheme, frame: frameSafari,
		text: "not allowed to follow a cross-origin CORS redirection with non CORS scheme",
	},
	{engine: Safari, failure: FailureRedirectNotAllowed, frame: frameSafari, text: "Not allowed to follow a redirection while loading {url}"},
	{engine: Safari, failure: FailureTooManyRedirects, frame: frameSafari, text: "Load cannot follow more than 20 redirections"},
	{engine: Safari, failure: FailureScheme, frame: frameSafari, text: "Cross origin requests are only supported for HTTP."},
	{
		engine: Safari, failure: FailureResourcePolicy,
		text: "Cancelled load to {url} because it violates the resource's Cross-Origin-Resource-Policy response header.",
	},
	{engine: Safari, failure: FailureHandshake, text: "WebSocket connection to '{url}' failed: Unexpected response code: {status}"},
	{engine: Safari, failure: FailureUnexplained, readOnly: true, text: "TypeError: Load failed"},
}
