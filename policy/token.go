package policy

import "strings"

// isToken reports whether s is a token (RFC 9110, section 5.6.2): what a method
// and a header name must be.
func isToken(s string) bool {
	for i := range len(s) {
		if !isTokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

func isTokenByte(c byte) bool {
	c = lower(c)
	return isLower(c) || isDigit(c) || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// isForbiddenMethod reports whether browsers refuse to send a method at all
// (Fetch standard, "forbidden method").
func isForbiddenMethod(s string) bool {
	return equalFold(s, "connect") || equalFold(s, "trace") || equalFold(s, "track")
}

// normalMethods are those whose case browsers mend (Fetch standard, "normalize").
// PATCH is not among them.
var normalMethods = [...]string{"DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"}

// A safelisted request header needs no listing: a preflight asks for it only
// where its value is unusual (Fetch standard, "CORS-safelisted request-header").
// Content-Type is not among ours, because the values that make it one are what
// keeps JSON out.
type safelisted uint8

const (
	safeAccept safelisted = 1 << iota
	safeAcceptLanguage
	safeContentLanguage
	safeRange
)

var safelistedNames = [...]struct {
	bit  safelisted
	name string
}{
	{safeAccept, "accept"},
	{safeAcceptLanguage, "accept-language"},
	{safeContentLanguage, "content-language"},
	{safeRange, "range"},
}

// safelistedHeader returns the bit of a name in any case, or zero.
func safelistedHeader(name string) safelisted {
	for i := range safelistedNames {
		if equalFold(name, safelistedNames[i].name) {
			return safelistedNames[i].bit
		}
	}
	return 0
}

// isForbiddenRequestHeader reports whether browsers keep scripts from setting a
// header, named in lower case (Fetch standard, "forbidden request-header").
func isForbiddenRequestHeader(name string) bool {
	switch name {
	case "accept-charset", "accept-encoding", "access-control-request-headers", "access-control-request-method",
		"connection", "content-length", "cookie", "cookie2", "date", "dnt", "expect", "host", "keep-alive", "origin",
		"referer", "set-cookie", "te", "trailer", "transfer-encoding", "upgrade", "via":
		return true
	}
	return strings.HasPrefix(name, "proxy-") || strings.HasPrefix(name, "sec-")
}

// isMethodOverride reports whether services take a header, named in any case, for
// the request's real method: whoever may send it may do what `methods` refuses.
func isMethodOverride(name string) bool {
	return equalFold(name, "x-http-method") || equalFold(name, "x-http-method-override") || equalFold(name, "x-method-override")
}

// isCORSResponseHeader reports whether a header, named in lower case, is one that
// only a server sends in the CORS protocol.
func isCORSResponseHeader(name string) bool {
	switch name {
	case "access-control-allow-origin", "access-control-allow-credentials", "access-control-allow-methods",
		"access-control-allow-headers", "access-control-expose-headers", "access-control-max-age":
		return true
	}
	return false
}

// isForbiddenResponseHeader reports whether browsers hide a header, named in
// lower case, whatever the server exposes (Fetch standard, "forbidden
// response-header name").
func isForbiddenResponseHeader(name string) bool {
	return name == "set-cookie" || name == "set-cookie2"
}
