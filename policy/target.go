package policy

import (
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// A targetIndex finds the policy that governs a request: the most specific
// target wins, and the host decides before the path.
type targetIndex struct {
	exact map[string]*hostTargets // by host
	below map[string]*hostTargets // "*.": by the domain behind it
	any   *hostTargets            // "*"
}

// hostTargets is what one host pattern leads to: a port of its own is more
// specific than none.
type hostTargets struct {
	ports   map[uint16]*pathTargets
	anyPort *pathTargets
}

// pathTargets is what one host and port lead to.
type pathTargets struct {
	exact map[string]*Policy
	// below holds "/v1/*" as "/v1", and every path as the empty text.
	below   map[string]*Policy
	longest int // of the keys of below, so that a long path costs no more
	// all is what below holds for every path, and more says that it or exact holds
	// others, so that a host without paths costs no look-up.
	all  *Policy
	more bool
}

// find returns the policy for an authority and a path, or nil.
func (t *targetIndex) find(scheme, authority, path string) *Policy {
	host, port, ok := splitPort(authority)
	if !ok || len(host) > maxHostLength+1 {
		return nil
	}
	// As it came first: all but few clients send hosts in lower case.
	if p := t.exact[host].find(scheme, port, path); p != nil {
		return p
	}
	var buf [maxHostLength + 1]byte
	lowered := buf[:len(host)]
	for i := range len(host) {
		lowered[i] = lower(host[i])
	}
	if p := t.exact[string(lowered)].find(scheme, port, path); p != nil {
		return p
	}
	for i := 1; i < len(lowered) && len(t.below) > 0; i++ {
		if lowered[i] != '.' {
			continue
		}
		if p := t.below[string(lowered[i+1:])].find(scheme, port, path); p != nil {
			return p
		}
	}
	return t.any.find(scheme, port, path)
}

// find returns the policy for a port, zero for the scheme's own, and a path, or nil.
func (h *hostTargets) find(scheme string, port uint16, path string) *Policy {
	if h == nil {
		return nil
	}
	if len(h.ports) > 0 {
		if port == 0 {
			port = defaultPort(scheme)
		}
		if p := h.ports[port].find(path); p != nil {
			return p
		}
	}
	return h.anyPort.find(path)
}

func (t *pathTargets) find(path string) *Policy {
	if t == nil {
		return nil
	}
	if !t.more {
		return t.all
	}
	path, _, _ = strings.Cut(path, "?")
	if p := t.exact[path]; p != nil {
		return p
	}
	// "/v1" and what lies under it: cut at each slash, the longest first.
	rest := path
	if len(rest) > t.longest {
		cut := strings.LastIndexByte(rest[:t.longest+1], '/')
		rest = rest[:max(cut, 0)]
	}
	for rest != "" {
		if p := t.below[rest]; p != nil {
			return p
		}
		rest = rest[:max(strings.LastIndexByte(rest, '/'), 0)]
	}
	return t.all
}

// above returns the policy that would govern what lies under a key if the key were
// not there, at the same host and port, or nil.
func (t *pathTargets) above(key TargetKey) *Policy {
	if key.Path == "" {
		return nil
	}
	if !key.Under {
		if p := t.below[key.Path]; p != nil {
			return p
		}
	}
	for path := key.Path; path != ""; {
		path = path[:max(strings.LastIndexByte(path, '/'), 0)]
		if p := t.below[path]; p != nil {
			return p
		}
	}
	return nil
}

// eachHost calls f with every host pattern.
func (t *targetIndex) eachHost(f func(key hostKey, h *hostTargets)) {
	for host, h := range t.exact {
		f(hostKey{host: host}, h)
	}
	for host, h := range t.below {
		f(hostKey{host: host, below: true}, h)
	}
	if t.any != nil {
		f(hostKey{}, t.any)
	}
}

// at returns what a host pattern leads to, or nil.
func (t *targetIndex) at(key hostKey) *hostTargets {
	switch {
	case key.host == "":
		return t.any
	case key.below:
		return t.below[key.host]
	default:
		return t.exact[key.host]
	}
}

// remove takes a host pattern out.
func (t *targetIndex) remove(key hostKey) {
	switch {
	case key.host == "":
		t.any = nil
	case key.below:
		delete(t.below, key.host)
	default:
		delete(t.exact, key.host)
	}
}

// each calls f with every key of a host pattern and the policy that has it.
func (h *hostTargets) each(key TargetKey, f func(key TargetKey, paths *pathTargets, p *Policy)) {
	visit := func(key TargetKey, paths *pathTargets) {
		for under, m := range map[bool]map[string]*Policy{false: paths.exact, true: paths.below} {
			for path, p := range m {
				key.Path, key.Under = path, under
				f(key, paths, p)
			}
		}
	}
	if h.anyPort != nil {
		visit(key, h.anyPort)
	}
	for port, paths := range h.ports {
		key.Port = port
		visit(key, paths)
	}
}

// hasPaths reports whether any of the keys of a host pattern names a path.
func (h *hostTargets) hasPaths() bool {
	if h.anyPort != nil && h.anyPort.more {
		return true
	}
	for _, paths := range h.ports {
		if paths.more {
			return true
		}
	}
	return false
}

// A TargetKey is one host and one path of a policy's targets: the smallest part
// of a target that governs requests by itself.
type TargetKey struct {
	// Host is a name in lower case, or an address. It is empty where any host
	// matches. Below says that it is the domain behind "*.".
	Host  string
	Below bool
	// Port is zero where any port matches.
	Port uint16
	// Path is one path or, where Under is true, the path under which all lie; it
	// is empty where every path matches.
	Path  string
	Under bool
}

// claim gives a key to a policy. It returns the policy that has it already.
func (t *targetIndex) claim(key TargetKey, p *Policy) (rival *Policy) {
	paths := t.host(key).port(key.Port)
	m := paths.exact
	if key.Under {
		m = paths.below
		paths.longest = max(paths.longest, len(key.Path))
	}
	if rival := m[key.Path]; rival != nil {
		return rival
	}
	m[key.Path] = p
	if key.Under && key.Path == "" {
		paths.all = p
	} else {
		paths.more = true
	}
	return nil
}

func (t *targetIndex) host(key TargetKey) *hostTargets {
	if key.Host == "" {
		if t.any == nil {
			t.any = &hostTargets{}
		}
		return t.any
	}
	m := t.exact
	if key.Below {
		m = t.below
	}
	h := m[key.Host]
	if h == nil {
		h = &hostTargets{}
		m[key.Host] = h
	}
	return h
}

func (h *hostTargets) port(port uint16) *pathTargets {
	t := h.anyPort
	if port != 0 {
		t = h.ports[port]
	}
	if t != nil {
		return t
	}
	t = &pathTargets{exact: map[string]*Policy{}, below: map[string]*Policy{}}
	if port == 0 {
		h.anyPort = t
		return t
	}
	if h.ports == nil {
		h.ports = map[uint16]*pathTargets{}
	}
	h.ports[port] = t
	return t
}

// parseTargetHost reads an entry of a target's `hosts`.
func parseTargetHost(s string) (TargetKey, *fault) {
	if s == "*" {
		return TargetKey{}, nil
	}
	if scheme, rest, ok := strings.Cut(s, "://"); ok {
		return TargetKey{}, &fault{"host_scheme", quote(s) + " names the scheme " + scheme + ", and a target is a host", "write " + quote(rest)}
	}
	if i := strings.IndexAny(s, "/?#@"); i >= 0 {
		return TargetKey{}, &fault{"host_invalid", quote(s) + " is more than a host", "write paths in the target's own paths"}
	}
	host, port, ok := splitPort(strings.ToLower(s))
	if !ok {
		return TargetKey{}, &fault{"host_port", quote(s) + " has a port that is none", "write a port from 1 to 65535, or leave it out to match every port"}
	}
	domain, below := strings.CutPrefix(host, "*.")
	if strings.Contains(domain, "*") {
		return TargetKey{}, &fault{"host_wildcard", quote(s) + " has a wildcard that is not its whole first label", "write \"*.\" and a domain, or \"*\""}
	}
	if f := checkTargetDomain(s, domain, below); f != nil {
		return TargetKey{}, f
	}
	return TargetKey{Below: below, Host: domain, Port: port}, nil
}

func checkTargetDomain(s, domain string, below bool) *fault {
	isIP, ok := isHost(domain)
	if ok && isIP && below {
		return &fault{"host_wildcard", quote(s) + " has a wildcard in front of an IP address, which has no subdomains", "list the addresses"}
	}
	if ok {
		return nil
	}
	if !isASCII(domain) {
		if ascii, err := idna.Lookup.ToASCII(domain); err == nil {
			return &fault{"host_invalid", "clients send host names in Punycode, so " + quote(s) + " would never match", "write " + quote(strings.Replace(strings.ToLower(s), domain, ascii, 1))}
		}
	}
	return &fault{"host_invalid", quote(s) + " is not a host", "write a name such as \"api.shop.example\" or \"*.shop.example\""}
}

// parseTargetPath reads an entry of a target's `paths` into a key that has its
// host already.
func parseTargetPath(s string, key TargetKey) (TargetKey, *fault) {
	path, under := strings.CutSuffix(s, "/*")
	key.Path, key.Under = path, under
	switch {
	case !strings.HasPrefix(s, "/"):
		return key, &fault{"path_invalid", quote(s) + " does not begin with \"/\"", "write " + quote("/"+s)}
	case strings.Contains(path, "*"):
		return key, &fault{"path_wildcard", quote(s) + " has a wildcard that is not its whole last segment", "write one path, or a path and all under it, such as \"/v1/*\""}
	case strings.ContainsAny(path, "?#"):
		return key, &fault{"path_query", quote(s) + " has a query or a fragment, and policies look at the path alone", "write " + quote(path[:strings.IndexAny(path, "?#")])}
	case strings.ContainsAny(path, " \\") || !isASCII(path) || !isPrintable(path):
		return key, &fault{"path_invalid", quote(s) + " has characters that no request path holds", "write it percent-encoded, as clients send it"}
	case !isNormal(path):
		return key, &fault{"path_not_normal", quote(s) + " is not a normal path (it has \".\", \"..\" or an empty segment), so a proxy that normalises paths would never match it", ""}
	}
	return key, nil
}

func isNormal(path string) bool {
	if path == "" {
		return true
	}
	segments := strings.Split(path[1:], "/")
	for i, segment := range segments {
		if segment == "." || segment == ".." || (segment == "" && i < len(segments)-1) {
			return false
		}
	}
	return true
}

func isPrintable(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == 0x7f {
			return false
		}
	}
	return true
}

// String returns the key as a document writes it.
func (k TargetKey) String() string {
	s := k.Host
	switch {
	case k.Host == "":
		s = "*"
	case k.Below:
		s = "*." + k.Host
	}
	if k.Port != 0 {
		s += ":" + strconv.Itoa(int(k.Port))
	}
	switch {
	case !k.Under:
		s += k.Path
	case k.Path != "":
		s += k.Path + "/*"
	}
	return s
}
