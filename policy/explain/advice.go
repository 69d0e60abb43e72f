package explain

import "github.com/corsgate/corsgate/policy/browser"

// An advice is what a failure in a console means, and what to do next.
type advice struct{ cause, next string }

// adviceOn returns what is known about a failure.
func adviceOn(why browser.Failure) (advice, bool) {
	for _, list := range [...][]failureAdvice{answerAdvice, preflightAdvice, sendingAdvice, networkAdvice} {
		for i := range list {
			if list[i].why == why {
				return list[i].advice, true
			}
		}
	}
	return advice{}, false
}

type failureAdvice struct {
	why    browser.Failure
	advice advice
}

const (
	askExplain   = "Ask explain with the page's origin, the URL and the method, to see which policy governs and why."
	serviceSends = "Where corsgate stands in front, the service itself must send no CORS headers: have the route strip them."
	withdrawn    = "No browser of today speaks this protocol: Chrome gave it up in version 138. Update the browser; for old Chromium, Electron or WebViews a policy can say privateNetwork: true."
)

// answerAdvice is of the CORS check.
var answerAdvice = []failureAdvice{
	{browser.FailureMissingAllowOrigin, advice{
		"The answer has no Access-Control-Allow-Origin. Either the origin may not call and corsgate refused it, or the answer did not come through corsgate: an error of a load balancer, a route without the filter, a service that is down.",
		askExplain + " If that says it is allowed, look at who sent the answer.",
	}},
	{browser.FailureMultipleAllowOrigin, advice{
		"The answer names several origins in Access-Control-Allow-Origin. Mostly two parties add the header, such as the service and the gateway.",
		serviceSends,
	}},
	{browser.FailureInvalidAllowOrigin, advice{
		"Access-Control-Allow-Origin holds something that is no origin. corsgate sends none such, so somebody else did.",
		serviceSends,
	}},
	{browser.FailureAllowOriginMismatch, advice{
		"Access-Control-Allow-Origin names another origin than the page's. The value https://corsgate.invalid is corsgate's way of taking away what the service grants by itself; any other comes from the service, or from a cache that keeps answers apart by URL alone.",
		askExplain + " If that says it is allowed, see that the answer has Vary: Origin and that caches honour it.",
	}},
	{browser.FailureWildcardWithCredentials, advice{
		"The script asks for cookies, and the answer allows any origin with \"*\", which browsers refuse to take together.",
		"Leave credentials out of the script, or let the policy list the origins and say credentials: true.",
	}},
	{browser.FailureAllowCredentials, advice{
		"The script asks for cookies, and the answer has no Access-Control-Allow-Credentials: true.",
		"Leave credentials out of the script, or let the policy say credentials: true.",
	}},
	{browser.FailureAuthorizationWildcard, advice{
		"Authorization went through under \"*\" in Access-Control-Allow-Headers. Browsers will stop that.",
		"Let the policy list Authorization in requestHeaders by name.",
	}},
	{browser.FailureInvalidResponse, advice{"The answer could not be made out.", "Look at the answer in the network panel; corsgate sends none such."}},
}

// preflightAdvice is of the preflight's answer.
var preflightAdvice = []failureAdvice{
	{browser.FailurePreflightStatus, advice{
		"The preflight was answered with a status that is not 200 to 299. corsgate answers 403 where the origin may not call; a 401, 404 or 405 comes from somebody who took the preflight for a request of its own, before or instead of corsgate.",
		askExplain + " For other statuses let the corsgate filter stand first, before authentication.",
	}},
	{browser.FailurePreflightRedirect, advice{
		"The preflight was redirected, which browsers do not follow: mostly http to https, or a slash at the end of the path.",
		"Call the URL that the redirect leads to.",
	}},
	{browser.FailureInvalidAllowMethods, advice{"Access-Control-Allow-Methods holds something that is no method. corsgate sends none such, so somebody else did.", serviceSends}},
	{browser.FailureInvalidAllowHeaders, advice{"Access-Control-Allow-Headers holds something that is no header's name. corsgate sends none such, so somebody else did.", serviceSends}},
	{browser.FailureMethodNotAllowed, advice{
		"The origin may call, but not with this method. Methods are case-sensitive: patch is not PATCH.",
		"Let the policy list the method in methods.",
	}},
	{browser.FailureHeaderNotAllowed, advice{
		"The origin may call, but not with this request header.",
		"Let the policy list the header in requestHeaders, or do without it: monitoring and tracing scripts often add headers by themselves.",
	}},
}

// sendingAdvice is of requests and redirects that browsers do not make.
var sendingAdvice = []failureAdvice{
	{browser.FailureRedirectCredentials, advice{"The call was redirected to a URL with a user's name and password in it.", "Take them out of the redirect's Location."}},
	{browser.FailureRedirectScheme, advice{"The call was redirected to something that is not http or https.", "Mend the redirect's Location; a login page in between is a frequent cause."}},
	{browser.FailureRedirectNotAllowed, advice{"The call was redirected, and the script does not want that.", "Call the URL that the redirect leads to."}},
	{browser.FailureRedirectBody, advice{"The call was redirected, and its body is a stream, which cannot be sent twice.", "Call the URL that the redirect leads to."}},
	{browser.FailureTooManyRedirects, advice{"The call was redirected more than 20 times.", "Look for redirects that lead in a circle; a missing session cookie is a frequent cause."}},
	{browser.FailureForbiddenMethod, advice{"No script may use the methods CONNECT, TRACE and TRACK.", "Use another method."}},
	{browser.FailureMode, advice{"The request's mode does not allow this call: same-origin to another origin, or no-cors with a method that no form has.", "Use mode cors, fetch's default."}},
	{browser.FailureScheme, advice{"CORS is for http and https alone: the page or the URL has another scheme, such as file.", "Serve the page from a web server, and call the API over https."}},
	{browser.FailureResourcePolicy, advice{"The answer's Cross-Origin-Resource-Policy shuts this page out of loading it without CORS.", "Load it in mode cors (crossorigin), or let the policy set crossOriginResourcePolicy."}},
	{browser.FailureHandshake, advice{
		"The WebSocket's handshake was not answered with 101. A 403 is corsgate's, where the origin may not call; browsers themselves check nothing here.",
		"Ask explain with --mode websocket.",
	}},
	{browser.FailureDisabled, advice{"CORS is switched off in this browser (content.cors.disable).", "Switch it on in about:config."}},
	{browser.FailureNoOriginHeader, advice{"The browser could not add an Origin, which happens to extensions.", "Ask for the host's permission in the extension's manifest."}},
}

// networkAdvice is of networks, and of failures that say little.
var networkAdvice = []failureAdvice{
	{browser.FailureNetwork, advice{
		"There was no answer: the server is down, its name or certificate is wrong, an extension or mixed content blocked the call.",
		"Open the URL in a tab of its own. This is not CORS.",
	}},
	{browser.FailureUnexplained, advice{
		"This text says that the call failed, and not why: scripts are not told. The line above or below it in the console does.",
		"Paste the whole of the console's text, or ask explain with the page's origin, the URL and the method.",
	}},
	{browser.FailureLocalInsecure, advice{
		"An insecure page (http) calls into a local network or this machine, which Chrome no longer lets it.",
		"Serve the page over https; no header helps.",
	}},
	{browser.FailureLocalMismatch, advice{
		"The page said where in the network the server stands (targetAddressSpace), and it stands elsewhere.",
		"Correct targetAddressSpace in the script.",
	}},
	{browser.FailureLocalDenied, advice{
		"The person, or their administrator, did not permit the page to call into a local network or this machine. This is not CORS, and no header grants it.",
		"Allow it in the site's settings; an administrator can with the policy LocalNetworkAccessAllowedForUrls. For frames the page must delegate it (allow=\"local-network-access\").",
	}},
	{browser.FailurePrivateMissing, advice{"An old Chromium asked for Access-Control-Allow-Private-Network, and the answer has none.", withdrawn}},
	{browser.FailurePrivateInvalid, advice{"An old Chromium asked for Access-Control-Allow-Private-Network, and its value is not true.", withdrawn}},
	{browser.FailurePrivateUnexpected, advice{"The server stood in a private network although nothing had said so before.", withdrawn}},
	{browser.FailurePrivateID, advice{"An old Chromium asked for Private-Network-Access-ID, and the answer has none.", withdrawn}},
	{browser.FailurePrivateName, advice{"An old Chromium asked for Private-Network-Access-Name, and the answer has none.", withdrawn}},
	{browser.FailurePrivateUnavailable, advice{"An old Chromium could not ask the person for permission to call into a private network.", withdrawn}},
}
