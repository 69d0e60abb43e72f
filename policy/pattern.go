package policy

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// A fault is what is wrong with one text of a document.
type fault struct {
	code   string
	reason string
	mend   string
}

// patternForm is which of its forms an origin pattern takes.
type patternForm uint8

const (
	// patternExact is one origin.
	patternExact patternForm = iota
	// patternAny is `*`.
	patternAny
	// patternNull is `null`.
	patternNull
	// patternHost is one scheme and host, at any port.
	patternHost
	// patternSubdomains is all that lies below a domain.
	patternSubdomains
	// patternGlob has a `*` inside a label.
	patternGlob
)

// A pattern is a parsed origin pattern. Label-safe by construction: no `*` ever
// stands for a dot, but the leading one, which stands for whole labels.
type pattern struct {
	form    patternForm
	scheme  string
	host    string // patternExact and patternHost
	port    uint16 // zero for the scheme's default port
	anyPort bool

	deep  bool   // a leading "*.": one or more labels
	globs []glob // the labels from the first behind it to the last that holds a `*`
	tail  string // the literal labels behind those

	// overSuffix is the public suffix below which anybody could register a
	// domain that matches. It is empty for patterns that are safe.
	overSuffix string
}

// isPlainHTTP reports whether the pattern lets in pages that anybody on the way
// can change. Names and addresses of the machine itself never leave it.
func (p *pattern) isPlainHTTP() bool {
	if p.scheme != "http" {
		return false
	}
	host := p.host
	if host == "" {
		host = p.tail
	}
	if addr, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return !addr.IsLoopback()
	}
	return host != "localhost" && !strings.HasSuffix(host, ".localhost")
}

// exact returns the origin that a pattern of one origin stands for.
func (p *pattern) exact() string {
	s := p.scheme + "://" + p.host
	if p.port != 0 {
		s += ":" + strconv.Itoa(int(p.port))
	}
	return s
}

// matchesPort reports whether an origin's port fits.
func (p *pattern) matchesPort(port uint16) bool { return p.anyPort || p.port == port }

// A glob is one label: a literal, or a prefix and a suffix with one or more of
// `a-z`, `0-9` and `-` between them.
type glob struct {
	prefix, suffix string
	star           bool
}

func (g glob) matches(label string) bool {
	if !g.star {
		return label == g.prefix
	}
	n := len(label) - len(g.suffix)
	if n <= len(g.prefix) || label[:len(g.prefix)] != g.prefix || label[n:] != g.suffix {
		return false
	}
	for i := len(g.prefix); i < n; i++ {
		if !isLabelByte(label[i]) {
			return false
		}
	}
	return true
}

// matchesHead reports whether the labels of a host in front of p.tail fit.
func (p *pattern) matchesHead(head string) bool {
	for i, g := range slices.Backward(p.globs) {
		rest, label, more := cutLastLabel(head)
		if !g.matches(label) {
			return false
		}
		if !more {
			return i == 0 && !p.deep
		}
		head = rest
	}
	return p.deep
}

func cutLastLabel(s string) (rest, label string, more bool) {
	if i := strings.LastIndexByte(s, '.'); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return "", s, false
}

// parsePattern reads an entry of `origins`.
func parsePattern(s string) (p pattern, f *fault) {
	f = p.parse(s)
	return p, f
}

// parse makes p what an entry of `origins` says.
func (p *pattern) parse(s string) (f *fault) {
	// Nearly all entries of a long list are origins as browsers send them.
	if o, form := parseOrigin(s); form == formTuple && o.scheme != schemeFile && !strings.Contains(o.host, punycodePrefix) {
		*p = pattern{scheme: o.scheme, host: o.host, port: o.port}
		return nil
	}
	*p, f = parseUnusualPattern(s)
	return f
}

// schemeFile is that of pages whose origin browsers never send, and
// punycodePrefix begins labels that must be decoded to be checked.
const (
	schemeFile     = "file"
	punycodePrefix = "xn--"
)

// parseUnusualPattern reads what may be more or less than an origin, and says
// what is wrong with it.
func parseUnusualPattern(s string) (pattern, *fault) {
	switch {
	case s == "*":
		return pattern{form: patternAny}, nil
	case s == "null":
		return pattern{form: patternNull}, nil
	case strings.TrimSpace(s) != s || s == "":
		return pattern{}, &fault{"origin_whitespace", quote(s) + " has white space around it or is empty", "write one origin, such as \"https://shop.example\""}
	}
	scheme, rest, f := parseScheme(s)
	if f != nil {
		return pattern{}, f
	}
	if f := checkNoMore(s, scheme, rest); f != nil {
		return pattern{}, f
	}
	p := pattern{scheme: scheme}
	host, f := p.parsePort(s, rest)
	if f != nil {
		return pattern{}, f
	}
	if strings.Contains(host, "*") {
		return p, p.parseWildcard(s, host)
	}
	if f := checkHost(s, host); f != nil {
		return pattern{}, f
	}
	p.host = host
	if p.anyPort {
		p.form = patternHost
	}
	return p, nil
}

// parseScheme cuts the scheme off.
func parseScheme(s string) (scheme, rest string, f *fault) {
	scheme, rest, ok := strings.Cut(s, "://")
	switch {
	case !ok && strings.EqualFold(s, "null"):
		return "", "", &fault{"origin_case", quote(s) + " is not an origin", "write \"null\" in lower case"}
	case !ok:
		return "", "", &fault{"origin_scheme", quote(s) + " has no scheme, and an origin is a scheme, a host and perhaps a port", "write \"https://" + strings.TrimPrefix(s, "//") + "\""}
	case strings.Contains(scheme, "*"):
		return "", "", &fault{"origin_scheme", quote(s) + " has a wildcard in its scheme", "list one origin for each scheme"}
	case scheme == schemeFile:
		return "", "", &fault{"origin_scheme", "browsers send the origin of a file as null", "to let such pages in, which lets every sandboxed document in as well, write \"null\""}
	case !isScheme(strings.ToLower(scheme)):
		return "", "", &fault{"origin_scheme", quote(scheme) + " is not a scheme", "a scheme is a letter and then letters, digits, \"+\", \"-\" or \".\""}
	case strings.ToLower(s) != s && isASCII(s):
		return "", "", &fault{"origin_case", "browsers send origins in lower case, so " + quote(s) + " would never match", "write " + quote(strings.ToLower(s))}
	}
	return scheme, rest, nil
}

// checkNoMore refuses what may follow the host in a URL but not in an origin.
func checkNoMore(s, scheme, rest string) *fault {
	if i := strings.IndexAny(rest, " \t\r\n,;"); i >= 0 {
		return &fault{"origin_several", quote(s) + " holds " + quote(rest[i:i+1]) + ", which no origin does", "write each origin as an entry of its own"}
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		return &fault{"origin_path", quote(s) + " has a path, and an origin ends with its host or port", "write " + quote(scheme+"://"+rest[:i])}
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		return &fault{"origin_userinfo", quote(s) + " names a user, which no origin does", "write " + quote(scheme+"://"+rest[i+1:])}
	}
	return nil
}

// parsePort cuts the port off and returns the host.
func (p *pattern) parsePort(s, authority string) (string, *fault) {
	if host, ok := strings.CutSuffix(authority, ":*"); ok {
		p.anyPort = true
		return host, nil
	}
	if strings.Count(authority, ":") > 1 && !strings.HasPrefix(authority, "[") {
		return "", &fault{"origin_ipv6", quote(s) + " has an IPv6 address without brackets, or two ports", "write an IPv6 address in brackets, such as \"https://[2001:db8::1]:8443\""}
	}
	host, port, ok := splitPort(authority)
	without := p.scheme + "://" + host
	if !ok {
		return "", &fault{"origin_port", quote(s) + " has a port that is none", "write a port from 1 to 65535 without leading zeros, \":*\" for any, or " + quote(without)}
	}
	if port != 0 && port == defaultPort(p.scheme) {
		return "", &fault{"origin_default_port", "browsers leave out the default port of " + p.scheme + ", so " + quote(s) + " would never match", "write " + quote(without)}
	}
	p.port = port
	return host, nil
}

// checkHost refuses hosts that no browser would send.
func checkHost(s, host string) *fault {
	if _, ok := isHost(host); !ok {
		return hostFault(s, host)
	}
	return checkPunycode(s, host)
}

func hostFault(s, host string) *fault {
	switch {
	case host == "":
		return &fault{"origin_host", quote(s) + " has no host", "write a host behind \"://\""}
	case !isASCII(host):
		ascii, err := idna.Lookup.ToASCII(host)
		if err != nil {
			return &fault{"origin_unicode", quote(s) + " is not a domain name", "write it as browsers send it, in Punycode"}
		}
		return &fault{"origin_unicode", "browsers send domain names in Punycode, so " + quote(s) + " would never match", "write " + quote(strings.Replace(s, host, ascii, 1))}
	case strings.HasPrefix(host, "["):
		return &fault{"origin_ipv6", quote(host) + " is not an IPv6 address as browsers write one", "write it compressed and in lower case, such as \"[2001:db8::1]\""}
	case endsInNumber(host[strings.LastIndexByte(host, '.')+1:]):
		return &fault{"origin_ipv4", quote(host) + " is not an IPv4 address as browsers write one", "write four numbers from 0 to 255 without leading zeros"}
	case len(host) > maxHostLength:
		return &fault{"origin_host", "the host has " + strconv.Itoa(len(host)) + " characters, and DNS knows 253 at the most", ""}
	}
	return &fault{"origin_host", quote(s) + " has a host that no browser sends", "write labels of 1 to 63 of a-z, 0-9, \"-\" and \"_\" that neither begin nor end with \"-\", with dots between them"}
}

// checkPunycode refuses labels that look like Punycode and are none.
func checkPunycode(s, host string) *fault {
	if !strings.Contains(host, punycodePrefix) {
		return nil
	}
	if _, err := idna.Lookup.ToUnicode(host); err != nil {
		return &fault{"origin_punycode", quote(s) + " holds a label that is not valid Punycode, so no browser sends it", "check the spelling behind \"xn--\""}
	}
	return nil
}

// parseWildcard reads a host with at least one `*`.
func (p *pattern) parseWildcard(s, host string) *fault {
	domain, rooted := strings.CutSuffix(host, ".")
	labels := strings.Split(domain, ".")
	if labels[0] == "*" {
		p.deep, labels = true, labels[1:]
	}
	last := -1
	for i, label := range labels {
		g, f := parseGlob(s, label)
		if f != nil {
			return f
		}
		p.globs = append(p.globs, g)
		if g.star {
			last = i
		}
	}
	p.globs = p.globs[:last+1]
	p.tail = strings.Join(labels[last+1:], ".")
	if rooted {
		p.tail += "."
	}
	p.form = patternGlob
	if last < 0 {
		p.form = patternSubdomains
	}
	return p.checkTail(s)
}

func parseGlob(s, label string) (glob, *fault) {
	if strings.Count(label, "*") > 1 {
		return glob{}, &fault{"origin_wildcard", quote(s) + " has two wildcards in one label", "keep one \"*\" a label"}
	}
	// What the wildcard stands for is checked in its place: a letter.
	if !isLabel(strings.Replace(label, "*", "a", 1)) {
		return glob{}, hostFault(s, label)
	}
	prefix, suffix, star := strings.Cut(label, "*")
	return glob{prefix: prefix, suffix: suffix, star: star}, nil
}

// checkTail refuses wildcards that anybody could step into by registering a
// domain: the registrable domain must be spelled out.
func (p *pattern) checkTail(s string) *fault {
	if p.tail == "" {
		return &fault{"origin_wildcard_domain", quote(s) + " would let in domains that anybody can register", "spell out the domain behind the wildcard, such as \"https://*.shop.example\""}
	}
	if isIP, ok := isHost(p.tail); !ok || isIP {
		if ok || endsInNumber(p.tail[strings.LastIndexByte(p.tail, '.')+1:]) {
			return &fault{"origin_wildcard_ip", quote(s) + " has a wildcard in an IP address, which has no subdomains", "list the addresses"}
		}
		return hostFault(s, p.tail)
	}
	// Nobody can register a name below localhost (RFC 6761, section 6.3).
	if p.tail == "localhost" || strings.HasSuffix(p.tail, ".localhost") {
		return nil
	}
	domain := strings.TrimSuffix(p.tail, ".")
	if suffix, _ := publicsuffix.PublicSuffix(domain); suffix == domain {
		p.overSuffix = suffix
	}
	return checkPunycode(s, p.tail)
}

// publicSuffixFault says what is wrong with a wildcard below a public suffix, and
// by which list.
func publicSuffixFault(p *pattern) *fault {
	return &fault{
		"origin_public_suffix",
		"the wildcard would let in whoever registers a name below " + quote(p.overSuffix) + ", which is a public suffix (" + suffixList() + ")",
		"spell out the registrable domain behind the wildcard, or write down in a policy's dangerously.publicSuffix why it must be",
	}
}

// suffixList names the list of public suffixes that is built in, by its day.
func suffixList() string {
	list := publicsuffix.List.String()
	if _, day, ok := strings.Cut(list, "("); ok && len(day) > len(time.DateOnly) {
		return "Public Suffix List of " + day[:len(time.DateOnly)]
	}
	return list
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

func quote(s string) string { return strconv.Quote(s) }
