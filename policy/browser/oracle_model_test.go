package browser_test

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// A world is policy documents and what they mean, said anew and plainly: no
// index, no order, no answer prepared. It is what the engine is compared with.
type world struct {
	policies []*corsgatev1.CorsPolicy
	sets     []*corsgatev1.CorsOriginSet
	// passUngoverned lets through what no policy governs.
	passUngoverned bool
	patterns       map[string]*regexp.Regexp
}

// An asker is a request as the policy's document speaks of it.
type asker struct {
	method, scheme, host, path string
	origin, site, mode         string
	requestMethod              string
	requestHeaders             string
	webSocket                  bool
}

// says is what the documents say of a request.
type says struct {
	spec *corsgatev1.CorsPolicySpec
	// notCORS requests are none of our business, and unenforced ones are not
	// decided or not stopped.
	notCORS, unenforced bool
	// origin, method and headers say what of the request is allowed.
	origin, method, headers bool
	preflight               bool
	// reaches says that the request goes on to the service.
	reaches bool
}

func (w *world) says(a *asker) says {
	s := says{spec: w.governing(a), preflight: a.method == "OPTIONS" && a.requestMethod != ""}
	if a.origin == "" || wellFormed(a.origin) && (a.site == "same-origin" || a.site != "same-site" && a.site != "cross-site" && a.isOwnOrigin()) {
		s.notCORS, s.reaches = true, true
		return s
	}
	if s.spec == nil {
		s.reaches = w.passUngoverned
		return s
	}
	method := a.method
	if s.preflight {
		method = a.requestMethod
	}
	s.origin = w.allowsOrigin(s.spec, a.origin)
	s.method = allowsMethod(s.spec, method)
	s.headers = allowsHeaders(s.spec, a.requestHeaders)
	stranger := s.spec.GetOnDisallowedOrigin()
	if a.mode == "navigate" && wellFormed(a.origin) {
		stranger = s.spec.GetNavigations()
	}
	switch {
	case s.spec.GetEnforcement() == corsgatev1.Enforcement_ENFORCEMENT_DISABLED,
		s.spec.GetEnforcement() == corsgatev1.Enforcement_ENFORCEMENT_REPORT_ONLY:
		s.unenforced, s.reaches = true, true
	case s.preflight:
	case a.webSocket:
		s.reaches = s.origin
	case !s.origin:
		s.reaches = stranger == corsgatev1.Disposition_DISPOSITION_PASS
	default:
		s.reaches = s.method
	}
	return s
}

// isOwnOrigin says whether a request comes from the origin that it goes to.
func (a *asker) isOwnOrigin() bool {
	authority := strings.ToLower(a.host)
	for _, scheme := range []string{a.scheme, "https"} { // TLS may have ended before us
		own := scheme + "://" + strings.TrimSuffix(authority, map[string]string{"http": ":80", "https": ":443"}[scheme])
		if a.origin == own {
			return true
		}
	}
	return false
}

// governing returns the spec with the most specific of the targets that match.
func (w *world) governing(a *asker) *corsgatev1.CorsPolicySpec {
	var best *corsgatev1.CorsPolicySpec
	var bestRank []int
	for _, p := range w.policies {
		for _, target := range p.GetSpec().GetTargets() {
			for _, host := range target.GetHosts() {
				paths := target.GetPaths()
				if len(paths) == 0 {
					paths = []string{"*"}
				}
				for _, path := range paths {
					rank := slices.Concat(a.rankHost(host), a.rankPath(path))
					if !slices.Contains(rank, 0) && slices.Compare(rank, bestRank) > 0 {
						best, bestRank = p.GetSpec(), rank
					}
				}
			}
		}
	}
	return best
}

// rankHost says how well a target's host matches, or zero.
func (a *asker) rankHost(pattern string) []int {
	host, port := splitAuthority(strings.ToLower(a.host))
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[a.scheme]
	}
	pattern, wantPort := splitAuthority(strings.ToLower(pattern))
	portRank := 1
	if wantPort != "" {
		portRank = 0
		if wantPort == port {
			portRank = 2
		}
	}
	domain, below := strings.CutPrefix(pattern, "*.")
	switch {
	case pattern == "*":
		return []int{1, portRank}
	case below && strings.HasSuffix(host, "."+domain) && len(host) > len(domain)+1:
		return []int{1 + len(domain), portRank}
	case !below && host == pattern:
		return []int{1000, portRank}
	}
	return []int{0}
}

func splitAuthority(s string) (host, port string) {
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		return s[:i], s[i+1:]
	}
	return s, ""
}

// rankPath says how well a target's path matches, or zero.
func (a *asker) rankPath(pattern string) []int {
	path, _, _ := strings.Cut(a.path, "?")
	folder, below := strings.CutSuffix(pattern, "/*")
	switch {
	case pattern == "*":
		return []int{1}
	case below && (path == folder || strings.HasPrefix(path, folder+"/")):
		return []int{1 + len(folder)}
	case !below && path == pattern:
		return []int{1000}
	}
	return []int{0}
}

func (w *world) allowsOrigin(spec *corsgatev1.CorsPolicySpec, origin string) bool {
	if slices.Contains(spec.GetOrigins(), "*") && len(spec.GetExcludeOrigins()) == 0 && !spec.GetCredentials() {
		return true
	}
	if !wellFormed(origin) || w.matchesAny(spec.GetExcludeOrigins(), origin) {
		return false
	}
	if w.matchesAny(spec.GetOrigins(), origin) {
		return true
	}
	for _, t := range spec.GetTemporaryOrigins() {
		if !isOver(t.GetUntil()) && w.matches(t.GetOrigin(), origin) {
			return true
		}
	}
	for _, text := range spec.GetOriginRegexes() {
		if origin != "null" && w.whole(text).MatchString(origin) {
			return true
		}
	}
	return slices.ContainsFunc(w.sets, func(set *corsgatev1.CorsOriginSet) bool {
		return slices.Contains(spec.GetOriginSets(), set.GetMetadata().GetName()) && w.matchesAny(set.GetSpec().GetOrigins(), origin)
	})
}

// whole is an expression that matches the whole of a text or nothing.
func (w *world) whole(text string) *regexp.Regexp {
	re := w.patterns["regex "+text]
	if re == nil {
		re = regexp.MustCompile("^(?:" + regexp.MustCompile(text).String() + ")$")
		w.patterns["regex "+text] = re
	}
	return re
}

// today is when the tests play.
const today = "2026-06-01T00:00:00Z"

// isOver says whether a moment has come, which is a day or a time.
func isOver(until string) bool {
	if !strings.Contains(until, "T") {
		until += "T00:00:00Z"
	}
	end, err := time.Parse(time.RFC3339, until)
	return err == nil && !mustTime(today).Before(end)
}

func mustTime(text string) time.Time {
	moment, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return moment
}

func (w *world) matchesAny(patterns []string, origin string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return w.matches(p, origin) })
}

// matches reads a pattern as a regular expression over a whole origin.
func (w *world) matches(pattern, origin string) bool {
	switch {
	case pattern == "*":
		return true
	case pattern == "null" || origin == "null":
		return pattern == origin
	}
	re := w.patterns[pattern]
	if re == nil {
		re = regexp.MustCompile(expression(pattern))
		w.patterns[pattern] = re
	}
	_, host, _ := strings.Cut(origin, "://")
	if strings.Contains(strings.TrimSuffix(pattern, ":*"), "*") {
		if host, _ := splitAuthority(host); isAddress(host) {
			return false
		}
	}
	return re.MatchString(origin)
}

func expression(pattern string) string {
	scheme, rest, _ := strings.Cut(pattern, "://")
	rest, anyPort := strings.CutSuffix(rest, ":*")
	host, port := splitAuthority(rest)
	host, deep := strings.CutPrefix(host, "*.")
	var b strings.Builder
	b.WriteString("^" + regexp.QuoteMeta(scheme) + "://")
	if deep {
		b.WriteString(`(?:[a-z0-9_-]+\.)+`)
	}
	b.WriteString(strings.ReplaceAll(regexp.QuoteMeta(host), `\*`, "[a-z0-9-]+"))
	switch {
	case anyPort:
		b.WriteString("(?::[0-9]+)?")
	case port != "":
		b.WriteString(":" + port)
	}
	return b.String() + "$"
}

var originShape = regexp.MustCompile(`^([a-z][a-z0-9+.-]{0,63})://(\[[0-9a-f:]+\]|[a-z0-9_.-]+)(?::([1-9][0-9]{0,4}))?$`)

// wellFormed is the grammar of an Origin header, with underscores and a trailing
// dot.
func wellFormed(origin string) bool {
	if origin == "null" {
		return true
	}
	m := originShape.FindStringSubmatch(origin)
	if m == nil {
		return false
	}
	if m[3] != "" {
		port, err := strconv.Atoi(m[3])
		if err != nil || port > 65535 || m[3] == map[string]string{"http": "80", "https": "443", "ws": "80", "wss": "443", "ftp": "21"}[m[1]] {
			return false
		}
	}
	return isAddress(m[2]) || m[2][0] != '[' && isDomain(strings.TrimSuffix(m[2], "."))
}

func isDomain(host string) bool {
	labels := strings.Split(host, ".")
	last := labels[len(labels)-1]
	if len(host) > 253 || strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") && strings.Trim(last[2:], "0123456789abcdef") == "" {
		return false
	}
	return !slices.ContainsFunc(labels, func(l string) bool {
		return l == "" || len(l) > 63 || strings.HasPrefix(l, "-") || strings.HasSuffix(l, "-")
	})
}

// isAddress says whether a host is an IP address as browsers write one.
func isAddress(host string) bool {
	inner, six := strings.CutPrefix(host, "[")
	inner = strings.TrimSuffix(inner, "]")
	addr, err := netip.ParseAddr(inner)
	if err != nil {
		return false
	}
	text := addr.String()
	if addr.Is4In6() {
		b := addr.As16()
		text = fmt.Sprintf("::ffff:%x:%x", uint16(b[12])<<8|uint16(b[13]), uint16(b[14])<<8|uint16(b[15]))
	}
	return text == inner && six == addr.Is6()
}

var tokenShape = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

func allowsMethod(spec *corsgatev1.CorsPolicySpec, method string) bool {
	methods := spec.GetMethods()
	if len(methods) == 0 {
		methods = []string{"GET", "HEAD", "POST"}
	}
	switch {
	case slices.Contains(methods, "*"):
		return tokenShape.MatchString(method) && method != "*" && !slices.Contains([]string{"CONNECT", "TRACE", "TRACK"}, strings.ToUpper(method))
	case method == "HEAD" && slices.Contains(methods, "GET"):
		return true
	}
	return slices.Contains(methods, method)
}

// protocols are what the presets stand for: what each protocol's own documents
// ask for.
var protocols = map[string]struct{ request, expose string }{
	"grpc-web": {
		"Content-Type, Grpc-Timeout, X-Grpc-Web, X-User-Agent",
		"Grpc-Message, Grpc-Status, Grpc-Status-Details-Bin",
	},
	"connect": {
		"Connect-Protocol-Version, Connect-Timeout-Ms, Content-Type, Grpc-Timeout, X-Grpc-Web, X-User-Agent",
		"Grpc-Message, Grpc-Status, Grpc-Status-Details-Bin",
	},
	"mcp": {"Content-Type, Last-Event-ID, Mcp-Protocol-Version, Mcp-Session-Id", "Mcp-Session-Id"},
}

// methodOverrides are what services take for the request's real method.
var methodOverrides = []string{"x-http-method", "x-http-method-override", "x-method-override"}

func allowsHeaders(spec *corsgatev1.CorsPolicySpec, asked string) bool {
	allowed := append([]string{"accept,accept-language,content-language,range"}, spec.GetRequestHeaders()...)
	for _, preset := range spec.GetPresets() {
		allowed = append(allowed, protocols[preset].request)
	}
	names := namesIn(asked)
	if len(names) > 128 || len(asked) > 8192 {
		return false
	}
	list := namesIn(strings.Join(allowed, ","))
	return !slices.ContainsFunc(names, func(name string) bool {
		if name == "*" { // it would be taken for all names
			return true
		}
		if slices.Contains(list, name) {
			return false
		}
		covered := name != "authorization" && !slices.Contains(methodOverrides, name) && tokenShape.MatchString(name)
		return !slices.Contains(list, "*") || !covered
	})
}

// exposes returns the names that a script may read beyond those that it always
// may; "*" is all.
func exposes(spec *corsgatev1.CorsPolicySpec) []string {
	exposed := slices.Clone(spec.GetExposeHeaders())
	for _, preset := range spec.GetPresets() {
		exposed = append(exposed, protocols[preset].expose)
	}
	return namesIn(strings.Join(exposed, ","))
}

// namesIn splits a list of names and takes them in lower case.
func namesIn(list string) []string {
	var names []string
	for name := range strings.SplitSeq(strings.ToLower(list), ",") {
		if name = strings.Trim(name, " \t"); name != "" {
			names = append(names, name)
		}
	}
	return names
}
