package browser

import "slices"

// isSafelistedResponseHeader reports whether every script may read a header
// (Fetch standard, "CORS-safelisted response-header name").
func isSafelistedResponseHeader(name string) bool {
	switch lowerASCII(name) {
	case "cache-control", "content-language", "content-length", "content-type", "expires", "last-modified", "pragma":
		return true
	}
	return false
}

// isForbiddenResponseHeader reports whether no script may (Fetch standard,
// "forbidden response-header name").
func isForbiddenResponseHeader(name string) bool {
	return equalFold(name, "set-cookie") || equalFold(name, "set-cookie2")
}

// Filter returns those of a cross-origin response's headers that a script sees,
// once the response is shared with it (Fetch standard, "CORS filtered response").
// With credentials `*` is the name of a header.
func Filter(credentials Credentials, headers []Header) []Header {
	exposed := parseList(headers, exposeHeadersName)
	if exposed.invalid {
		exposed.tokens = nil
	}
	all := credentials != CredentialsInclude && exposed.has("*")
	return slices.DeleteFunc(slices.Clone(headers), func(h Header) bool {
		if isForbiddenResponseHeader(h.Name) {
			return true
		}
		return !all && !isSafelistedResponseHeader(h.Name) && !exposed.hasFold(h.Name)
	})
}

// filterBasic returns the headers that a script sees of a response from its own
// origin (Fetch standard, "basic filtered response").
func filterBasic(headers []Header) []Header {
	return slices.DeleteFunc(slices.Clone(headers), func(h Header) bool { return isForbiddenResponseHeader(h.Name) })
}

// TimingAllow reports whether a page may read the detailed timing of a response
// from another origin (Fetch standard, "TAO check").
func TimingAllow(origin string, headers []Header) bool {
	value, _ := combine(headers, timingAllowName)
	return slices.ContainsFunc(splitValue(value), func(v string) bool { return v == "*" || v == origin })
}

// splitValue is "get, decode, and split" of a combined value, which leaves commas
// within quotes alone.
func splitValue(value string) []string {
	var values []string
	start, quoted := 0, false
	for i := 0; i <= len(value); i++ {
		switch {
		case i == len(value), value[i] == ',' && !quoted:
			values, start = append(values, trimSpace(value[start:i])), i+1
		case value[i] == '"':
			quoted = !quoted
		case value[i] == '\\' && quoted && i+1 < len(value):
			i++
		}
	}
	return values
}

// ResourcePolicyAllows reports whether Cross-Origin-Resource-Policy lets a page
// load a response in mode no-cors (Fetch standard, "cross-origin resource policy
// internal check", for a page that embeds as pages do by default). target is the
// origin of the response.
func ResourcePolicyAllows(origin, target string, headers []Header) bool {
	if sameOrigin(origin, target) {
		return true
	}
	value, _ := combine(headers, resourcePolicyName)
	switch value {
	case "same-origin":
		return false
	case "same-site":
		return sameHostSite(origin, target) && (schemeOf(origin) == "https" || schemeOf(target) != "https")
	}
	return true
}
