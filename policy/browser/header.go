package browser

import (
	"slices"
	"strings"
)

// Bounds of safelisted values (Fetch standard, "CORS-safelisted request-header"
// and "CORS-unsafe request-header names").
const (
	maxSafeValue  = 128
	maxSafeValues = 1024
)

// nonWildcardName is the one header that `*` does not stand for (Fetch standard,
// "CORS non-wildcard request-header name").
const nonWildcardName = "authorization"

// IsForbiddenHeader reports whether a browser keeps a script from setting a
// header, named in any case (Fetch standard, "forbidden request-header").
func IsForbiddenHeader(name, value string) bool {
	name = lowerASCII(name)
	switch name {
	case "accept-charset", "accept-encoding", "access-control-request-headers", "access-control-request-method",
		"connection", "content-length", "cookie", "cookie2", "date", "dnt", "expect", "host", "keep-alive", "origin",
		"referer", "set-cookie", "te", "trailer", "transfer-encoding", "upgrade", "via":
		return true
	case "x-http-method", "x-http-method-override", "x-method-override":
		for method := range strings.SplitSeq(value, ",") {
			if IsForbiddenMethod(strings.Trim(method, httpSpace)) {
				return true
			}
		}
		return false
	}
	return strings.HasPrefix(name, "proxy-") || strings.HasPrefix(name, "sec-")
}

// IsSafelistedRequestHeader reports whether a header needs no permission (Fetch
// standard, "CORS-safelisted request-header").
func IsSafelistedRequestHeader(name, value string) bool {
	if len(value) > maxSafeValue {
		return false
	}
	switch lowerASCII(name) {
	case "accept":
		return !hasUnsafeByte(value)
	case "accept-language", "content-language":
		return isLanguageValue(value)
	case "content-type":
		return !hasUnsafeByte(value) && isFormType(essence(value))
	case "range":
		return isSimpleRange(value)
	}
	return false
}

// hasUnsafeByte reports whether a value holds a CORS-unsafe request-header byte.
func hasUnsafeByte(value string) bool {
	for i := range len(value) {
		c := value[i]
		if c < 0x20 && c != '\t' || c == 0x7f || strings.IndexByte(`"():<>?@[\]{}`, c) >= 0 {
			return true
		}
	}
	return false
}

func isLanguageValue(value string) bool {
	for i := range len(value) {
		c := value[i]
		switch {
		case '0' <= c && c <= '9', 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z':
		case strings.IndexByte(" *,-.;=", c) >= 0:
		default:
			return false
		}
	}
	return true
}

// isFormType reports whether a media type is one that an HTML form can send.
func isFormType(essence string) bool {
	switch essence {
	case "application/x-www-form-urlencoded", "multipart/form-data", "text/plain":
		return true
	}
	return false
}

// isSimpleRange reports whether a Range asks for one range with a beginning
// (Fetch standard, "parse a single range header value", without white space).
func isSimpleRange(value string) bool {
	rest, ok := strings.CutPrefix(value, "bytes=")
	if !ok {
		return false
	}
	first, last, ok := strings.Cut(rest, "-")
	if !ok || !isDigits(first) || (last != "" && !isDigits(last)) {
		return false
	}
	return last == "" || !lessDigits(last, first)
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// lessDigits compares numbers of any size.
func lessDigits(a, b string) bool {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return len(a) < len(b)
	}
	return a < b
}

// UnsafeHeaderNames returns the names of the headers that need permission, in
// lower case, sorted, each once (Fetch standard, "CORS-unsafe request-header
// names"). Safelisted ones need it too where their values come to more than
// 1,024 bytes.
func UnsafeHeaderNames(headers []Header) []string {
	return slices.Compact(unsafeNames(Standard, headers))
}

// unsafeNames is UnsafeHeaderNames as an engine has it. Firefox asks twice for
// what the script sets twice, and does not add up what needs no permission.
func unsafeNames(engine Engine, headers []Header) []string {
	var unsafe, safe []string
	size := 0
	for _, h := range headers {
		if name := lowerASCII(h.Name); engine.safelists(name, h.Value) {
			safe, size = append(safe, name), size+len(h.Value)
		} else {
			unsafe = append(unsafe, name)
		}
	}
	if size > maxSafeValues && engine != Firefox {
		unsafe = append(unsafe, safe...)
	}
	slices.Sort(unsafe)
	if engine != Firefox {
		unsafe = slices.Compact(unsafe)
	}
	return unsafe
}

// safelists is IsSafelistedRequestHeader as an engine has it, for a name in lower
// case: in Chrome client hints need no permission, in Firefox bytes above 127 do,
// and in both so do ranges with numbers that they cannot hold.
func (e Engine) safelists(name, value string) bool {
	if e == Chrome && len(value) <= maxSafeValue && isClientHint(name, value) {
		return true
	}
	if !IsSafelistedRequestHeader(name, value) {
		return false
	}
	switch {
	case e == Firefox && name == "accept":
		return !strings.ContainsFunc(value, func(r rune) bool { return r > 0x7f })
	case e == Chrome && name == "range":
		return !exceeds(value, "9223372036854775806") // The end of a signed number stands for no number.
	case e == Firefox && name == "range":
		return !exceeds(value, "18446744073709551615")
	}
	return true
}

// exceeds reports whether a simple range has a number above most.
func exceeds(value, most string) bool {
	first, last, _ := strings.Cut(strings.TrimPrefix(value, "bytes="), "-")
	return lessDigits(most, first) || lessDigits(most, last)
}

// isClientHint reports whether a header is one of those that Chrome may add by
// itself, with a value as it writes them.
func isClientHint(name, value string) bool {
	switch name {
	case "save-data":
		return equalFold(value, "on")
	case "device-memory", "downlink", "dpr":
		whole, part, dot := strings.Cut(value, ".")
		return isDigits(whole) && (!dot || isDigits(part))
	case "rtt", "viewport-width", "width":
		return isDigits(value)
	case "ect": //nolint:misspell // The effective connection type.
		return value == "slow-2g" || value == "2g" || value == "3g" || value == "4g"
	case "intervention":
		return true
	}
	return false
}
