package browser

import "strings"

// httpWhitespace is the standards' HTTP whitespace, which is wider than what may
// surround a header's value.
const httpWhitespace = " \t\r\n"

// essence returns the type and subtype of a media type, in lower case and without
// parameters, or "" where the value is none (MIME Sniffing standard, "parse a MIME
// type"). It is not "extract a MIME type": a comma makes the subtype invalid.
func essence(value string) string {
	kind, rest, ok := strings.Cut(strings.Trim(value, httpWhitespace), "/")
	if !ok || !isToken(kind) {
		return ""
	}
	subtype, _, _ := strings.Cut(rest, ";")
	subtype = strings.TrimRight(subtype, httpWhitespace)
	if !isToken(subtype) {
		return ""
	}
	return lowerASCII(kind) + "/" + lowerASCII(subtype)
}
