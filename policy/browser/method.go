package browser

// Methods that the standard names.
const (
	methodGet     = "GET"
	methodHead    = "HEAD"
	methodPost    = "POST"
	methodOptions = "OPTIONS"
)

// Normalize mends the case of the six methods that browsers mend (Fetch
// standard, "normalize"). PATCH is not among them.
func Normalize(method string) string {
	for _, m := range [...]string{"DELETE", methodGet, methodHead, methodOptions, methodPost, "PUT"} {
		if equalFold(m, method) {
			return m
		}
	}
	return method
}

// IsForbiddenMethod reports whether a browser refuses to send a method at all
// (Fetch standard, "forbidden method").
func IsForbiddenMethod(method string) bool {
	for _, m := range [...]string{"CONNECT", "TRACE", "TRACK"} {
		if equalFold(m, method) {
			return true
		}
	}
	return false
}

// IsSafelistedMethod reports whether a normalised method needs no permission
// (Fetch standard, "CORS-safelisted method").
func IsSafelistedMethod(method string) bool {
	return method == methodGet || method == methodHead || method == methodPost
}

// equalFold compares as ASCII does. strings.EqualFold takes the long s and the
// Kelvin sign for letters of it.
func equalFold(a, b string) bool { return len(a) == len(b) && lowerASCII(a) == lowerASCII(b) }

// lowerASCII is the standard's byte-lowercase.
func lowerASCII(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
