package browser

import (
	"net/netip"
	"net/url"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Headers of responses in the CORS protocol.
const (
	allowOriginName      = "access-control-allow-origin"
	allowCredentialsName = "access-control-allow-credentials"
	allowMethodsName     = "access-control-allow-methods"
	allowHeadersName     = "access-control-allow-headers"
	exposeHeadersName    = "access-control-expose-headers"
	maxAgeName           = "access-control-max-age"
	timingAllowName      = "timing-allow-origin"
	resourcePolicyName   = "cross-origin-resource-policy"
)

// CORSCheck decides whether a response may be shared with a request's origin,
// serialised (Fetch standard, "CORS check"). It returns the failure and the value
// at fault, in the words of an engine: they tell failures apart that the standard
// does not.
func CORSCheck(engine Engine, origin string, credentials Credentials, headers []Header) (why Failure, value string) {
	include := credentials == CredentialsInclude
	allow, present := combine(headers, allowOriginName)
	if engine == Firefox && countLines(headers, allowOriginName) > 1 {
		return FailureMultipleAllowOrigin, allow
	}
	switch {
	case !present:
		return FailureMissingAllowOrigin, ""
	case allow == "*" && !include:
		return FailureNone, ""
	case allow == "*":
		return FailureWildcardWithCredentials, allow
	case allow != origin:
		return classifyAllowOrigin(engine, allow), allow
	case !include:
		return FailureNone, ""
	}
	if granted, _ := combine(headers, allowCredentialsName); granted != "true" {
		return FailureAllowCredentials, granted
	}
	return FailureNone, ""
}

// classifyAllowOrigin says in what way a value is not the request's origin.
func classifyAllowOrigin(engine Engine, value string) Failure {
	switch {
	case engine == Firefox:
		return FailureAllowOriginMismatch
	case engine == Safari && strings.Contains(value, ","), engine != Safari && strings.ContainsAny(value, " ,"):
		return FailureMultipleAllowOrigin
	case engine == Safari, value == OpaqueOrigin, isURL(withoutTabs(value)):
		return FailureAllowOriginMismatch
	}
	return FailureInvalidAllowOrigin
}

// withoutTabs drops what the URL standard's parser does not see.
func withoutTabs(s string) string {
	return strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(s)
}

// isURL reports whether a text without spaces parses as an absolute URL (URL
// standard), which is how Chrome tells a wrong origin from none.
func isURL(s string) bool {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || !isURLScheme(scheme) {
		return false
	}
	scheme = lowerASCII(scheme)
	if _, special := schemePort(scheme); !special {
		return true
	}
	authority := strings.TrimLeft(rest, `/\`)
	if i := strings.IndexAny(authority, `/\?#`); i >= 0 {
		authority = authority[:i]
	}
	authority = authority[strings.LastIndexByte(authority, '@')+1:]
	return isURLAuthority(authority)
}

func isURLScheme(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		switch {
		case 'a' <= c && c <= 'z':
		case i > 0 && strings.IndexByte("0123456789+-.", s[i]) >= 0:
		default:
			return false
		}
	}
	return s != ""
}

// isURLAuthority reports whether a host and port are those of a special URL.
func isURLAuthority(s string) bool {
	host, port := s, ""
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		host, port = s[:i], s[i+1:]
	}
	if port != "" && (!isDigits(port) || lessDigits("65535", port)) {
		return false
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		addr, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		return err == nil && addr.Is6() && addr.Zone() == "" && strings.HasSuffix(inner, "]")
	}
	host, err := url.PathUnescape(host)
	if err != nil || !utf8.ValidString(host) {
		return false
	}
	host, err = urlDomains.ToASCII(host)
	if err != nil || !isASCIIHost(host) {
		return false
	}
	return !endsInNumber(host) || isURLIPv4(host)
}

// urlDomains maps domains as the URL standard does ("domain to ASCII").
var urlDomains = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false), idna.VerifyDNSLength(false))

// isASCIIHost reports whether a host holds nothing that no host may.
func isASCIIHost(host string) bool {
	for i := range len(host) {
		if host[i] <= 0x20 || host[i] >= 0x7f || strings.IndexByte("#/:<>?@[\\]^|%", host[i]) >= 0 {
			return false
		}
	}
	return host != ""
}

// endsInNumber reports whether a host must be an IPv4 address (URL standard,
// "ends in a number checker").
func endsInNumber(host string) bool {
	host = strings.TrimSuffix(host, ".")
	last := host[strings.LastIndexByte(host, '.')+1:]
	if hex, ok := strings.CutPrefix(lowerASCII(last), "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return isDigits(last)
}

// isURLIPv4 takes the forms of addresses that the URL standard takes: one to four
// numbers, decimal, octal or hexadecimal, of which the last fills up the rest.
func isURLIPv4(host string) bool {
	parts := strings.Split(strings.TrimSuffix(host, "."), ".")
	if len(parts) > 4 {
		return false
	}
	for i, part := range parts {
		limit := 256
		if i == len(parts)-1 {
			limit = 1 << (8 * (5 - len(parts)))
		}
		if n, ok := ipv4Number(part); !ok || n >= limit {
			return false
		}
	}
	return true
}

// ipv4Number reads a part of an IPv4 address (URL standard, "IPv4 number parser").
func ipv4Number(s string) (n int, ok bool) {
	if s == "" {
		return 0, false
	}
	base, digits := 10, lowerASCII(s)
	switch {
	case strings.HasPrefix(digits, "0x"):
		base, digits = 16, digits[2:]
	case len(digits) > 1 && digits[0] == '0':
		base, digits = 8, digits[1:]
	}
	for i := range len(digits) {
		d := strings.IndexByte("0123456789abcdef", digits[i])
		if d < 0 || d >= base {
			return 0, false
		}
		n = min(n*base+d, 1<<32)
	}
	return n, true
}
