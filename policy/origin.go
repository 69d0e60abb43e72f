package policy

import (
	"net/netip"
	"strings"
)

// originForm is what an Origin header holds.
type originForm uint8

const (
	// formMalformed is a header that no browser sends. It is the zero value.
	formMalformed originForm = iota
	// formAbsent is no header, or an empty one.
	formAbsent
	// formNull is the origin `null`.
	formNull
	// formTuple is a scheme, a host and a port.
	formTuple
)

// Limits of DNS (RFC 1035, section 2.3.4) and of what we take for a scheme.
const (
	maxHostLength   = 253
	maxLabelLength  = 63
	maxSchemeLength = 64
	maxPort         = 65535
)

// origin is a parsed Origin header. Its strings are parts of the header.
type origin struct {
	text   string // the whole header
	scheme string
	host   string // IPv6 with its brackets
	port   uint16 // zero for the scheme's default port, which is never spelled
	isIP   bool
}

// parseOrigin reads an Origin header by the Fetch standard's grammar (section
// "`Origin` header"): one origin, in lower case, its default port left out, no
// path. Underscores and a trailing dot, which browsers do send, are tolerated.
// It does not allocate.
func parseOrigin(s string) (origin, originForm) {
	switch s {
	case "":
		return origin{}, formAbsent
	case "null":
		return origin{text: s}, formNull
	}
	scheme, rest, ok := cutScheme(s)
	if !ok {
		return origin{text: s}, formMalformed
	}
	host, port, ok := splitPort(rest)
	if !ok || (port != 0 && port == defaultPort(scheme)) {
		return origin{text: s}, formMalformed
	}
	isIP, ok := isHost(host)
	if !ok {
		return origin{text: s}, formMalformed
	}
	return origin{text: s, scheme: scheme, host: host, port: port, isIP: isIP}, formTuple
}

// cutScheme cuts the scheme off an origin. Nearly all have one of two.
func cutScheme(s string) (scheme, rest string, ok bool) {
	switch {
	case strings.HasPrefix(s, "https://"):
		return s[:len("https")], s[len("https://"):], true
	case strings.HasPrefix(s, "http://"):
		return s[:len("http")], s[len("http://"):], true
	}
	scheme, rest, ok = strings.Cut(s, "://")
	return scheme, rest, ok && isScheme(scheme)
}

// isScheme reports whether s is a scheme in lower case (RFC 3986, section 3.1).
func isScheme(s string) bool {
	if s == "" || len(s) > maxSchemeLength || !isLower(s[0]) {
		return false
	}
	for i := 1; i < len(s); i++ {
		c := s[i]
		if !isLower(c) && !isDigit(c) && c != '+' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// splitPort cuts a port off an authority. It fails for a port that is not
// canonical: 1 to 65535 without a leading zero.
func splitPort(authority string) (host string, port uint16, ok bool) {
	if strings.IndexByte(authority, ':') < 0 || authority[len(authority)-1] == ']' {
		return authority, 0, true
	}
	i := strings.LastIndexByte(authority, ':')
	port, ok = parsePort(authority[i+1:])
	return authority[:i], port, ok
}

func parsePort(s string) (uint16, bool) {
	if s == "" || len(s) > len("65535") || s[0] == '0' {
		return 0, false
	}
	n := 0
	for i := range len(s) {
		if !isDigit(s[i]) {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return uint16(n), n <= maxPort
}

// defaultPort is the port that a scheme implies, or zero (URL standard, section
// "URL miscellaneous").
func defaultPort(scheme string) uint16 {
	switch scheme {
	case "http", "ws":
		return 80
	case "https", "wss":
		return 443
	case "ftp":
		return 21
	}
	return 0
}

// isHost reports whether s is a host as a browser serialises one: a domain in
// lower case, a dotted IPv4 address, or an IPv6 address in brackets.
func isHost(s string) (isIP, ok bool) {
	if strings.HasPrefix(s, "[") {
		return true, strings.HasSuffix(s, "]") && isCanonicalIPv6(s[1:len(s)-1])
	}
	domain := strings.TrimSuffix(s, ".")
	if domain == "" || len(domain) > maxHostLength {
		return false, false
	}
	label := 0 // where the present one begins
	for i := range len(domain) {
		switch c := domain[i]; {
		case isLower(c), isDigit(c), c == '-', c == '_':
		case c != '.' || !fitsLabel(domain[label:i]):
			return false, false
		default:
			label = i + 1
		}
	}
	last := domain[label:]
	if !fitsLabel(last) {
		return false, false
	}
	// A host whose last label is a number is an IPv4 address or nothing (URL
	// standard, "ends in a number checker").
	if isDigit(last[0]) && endsInNumber(last) {
		return true, isCanonicalIPv4(s)
	}
	return false, true
}

func isLabel(s string) bool {
	for i := range len(s) {
		if !isLabelByte(s[i]) && s[i] != '_' {
			return false
		}
	}
	return fitsLabel(s)
}

// fitsLabel reports whether a text is long enough, short enough and free of
// hyphens at its ends, as a label must be.
func fitsLabel(s string) bool {
	return s != "" && len(s) <= maxLabelLength && s[0] != '-' && s[len(s)-1] != '-'
}

func endsInNumber(label string) bool {
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

func isCanonicalIPv4(s string) bool {
	// ParseAddr takes neither leading zeros nor fewer than four parts.
	addr, err := netip.ParseAddr(s)
	return err == nil && addr.Is4()
}

func isCanonicalIPv6(s string) bool {
	addr, err := netip.ParseAddr(s)
	if err != nil || !addr.Is6() || addr.Zone() != "" {
		return false
	}
	var buf [len("[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]")]byte
	return string(appendIPv6(buf[:0], addr)) == s
}

// appendIPv6 writes an address as the URL standard does, which differs from RFC
// 5952 in one thing: an IPv4-mapped address is written in hexadecimal.
func appendIPv6(dst []byte, addr netip.Addr) []byte {
	if !addr.Is4In6() {
		return addr.AppendTo(dst)
	}
	b := addr.As16()
	dst = append(dst, "::ffff:"...)
	dst = appendHex16(dst, b[12], b[13])
	dst = append(dst, ':')
	return appendHex16(dst, b[14], b[15])
}

func appendHex16(dst []byte, hi, lo byte) []byte {
	const digits = "0123456789abcdef"
	written := false
	for _, nibble := range [...]byte{hi >> 4, hi & 0xf, lo >> 4} {
		if written = written || nibble != 0; written {
			dst = append(dst, digits[nibble])
		}
	}
	return append(dst, digits[lo&0xf])
}

func isLower(c byte) bool     { return 'a' <= c && c <= 'z' }
func isDigit(c byte) bool     { return '0' <= c && c <= '9' }
func isLabelByte(c byte) bool { return isLower(c) || isDigit(c) || c == '-' }

// sameAs reports whether o is the origin that the request itself was sent to:
// the same authority and the same scheme, or an https origin where TLS ended
// before the proxy, so that the request arrived as http. The reverse, an http
// page that calls https, is cross-origin.
func (o *origin) sameAs(scheme, authority string) bool {
	if len(authority) < len(o.host) {
		return false
	}
	if !equalFold(scheme, o.scheme) && (o.scheme != "https" || !equalFold(scheme, "http")) {
		return false
	}
	host, port, ok := splitPort(authority)
	if !ok || !equalFold(host, o.host) {
		return false
	}
	return port == o.port || (o.port == 0 && port == defaultPort(o.scheme))
}

// equalFold compares as ASCII does, s in any case with t in lower case.
func equalFold(s, t string) bool {
	if len(s) != len(t) {
		return false
	}
	for i := range len(s) {
		if lower(s[i]) != t[i] {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}
