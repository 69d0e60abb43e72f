package diff

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// A cell is a part of all requests for which each side has one governing policy:
// those that match its key and no more specific key of its partition.
type cell struct {
	key           policy.TargetKey
	before, after *policy.Policy
	// written says that a document has the key as a target; other cells lie
	// where a path of one target meets the host of another.
	written bool
}

// hostKey is a host pattern.
type hostKey struct {
	host  string
	below bool
}

// pathKey is a path pattern.
type pathKey struct {
	path  string
	under bool
}

var everyPath = pathKey{under: true}

// A partition divides all requests by the targets of both sides.
type partition struct {
	before, after *side
	// hosts holds what targets say, by host pattern and port.
	hosts map[hostKey]map[uint16]map[pathKey]struct{}
	// A label, a path segment and a port that no target names, to make requests
	// of that match a pattern and nothing beside it.
	label, segment string
	port           uint16
	cells          map[policy.TargetKey]cell
}

// cellsOf returns the cells, without those that say nothing beside the cell
// around them.
func cellsOf(before, after *side) []cell {
	p := &partition{
		before: before, after: after,
		hosts: map[hostKey]map[uint16]map[pathKey]struct{}{{}: {}},
		cells: map[policy.TargetKey]cell{},
	}
	for _, s := range []*side{before, after} {
		for key := range s.targets {
			p.add(key)
		}
	}
	p.chooseUnused()
	for host := range p.hosts {
		p.divide(host)
	}
	var out []cell
	for _, c := range p.cells {
		if c.written || !p.follows(c) {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b cell) int { return compareKeys(a.key, b.key) })
	return out
}

func (p *partition) add(key policy.TargetKey) {
	host := hostKey{key.Host, key.Below}
	if p.hosts[host] == nil {
		p.hosts[host] = map[uint16]map[pathKey]struct{}{}
	}
	if p.hosts[host][key.Port] == nil {
		p.hosts[host][key.Port] = map[pathKey]struct{}{}
	}
	p.hosts[host][key.Port][pathKey{key.Path, key.Under}] = struct{}{}
}

// chain returns the host patterns that match what a pattern matches, the most
// specific first.
func (p *partition) chain(host hostKey) []hostKey {
	out := []hostKey{host}
	if host.host == "" {
		return out
	}
	for rest := host.host; ; {
		_, domain, more := strings.Cut(rest, ".")
		if !more {
			return append(out, hostKey{})
		}
		if wider := (hostKey{domain, true}); p.hosts[wider] != nil {
			out = append(out, wider)
		}
		rest = domain
	}
}

// divide makes the cells of one host pattern. A path of a wider host pattern
// counts as well, for requests that no path of this one matches.
func (p *partition) divide(host hostKey) {
	ports := map[uint16]struct{}{0: {}}
	var levels []map[uint16]map[pathKey]struct{}
	for _, level := range p.chain(host) {
		levels = append(levels, p.hosts[level])
		for port := range p.hosts[level] {
			ports[port] = struct{}{}
		}
		if p.complete(p.before, level) && p.complete(p.after, level) {
			break // nothing falls through to the next
		}
	}
	for port := range ports {
		paths := map[pathKey]struct{}{everyPath: {}}
		for _, level := range levels {
			for _, of := range []uint16{port, 0} {
				for path := range level[of] {
					paths[path] = struct{}{}
				}
			}
		}
		for path := range paths {
			p.ask(policy.TargetKey{Host: host.host, Below: host.below, Port: port, Path: path.path, Under: path.under})
		}
	}
}

// complete reports whether a side has a policy for every path of a host pattern.
func (p *partition) complete(s *side, host hostKey) bool {
	_, ok := s.targets[policy.TargetKey{Host: host.host, Below: host.below, Under: true}]
	return ok
}

// ask finds the governing policies of a cell by a request that lies in it.
func (p *partition) ask(key policy.TargetKey) {
	request := p.request(key)
	before, after := p.before.Set.Decide(&request), p.after.Set.Decide(&request)
	_, written := p.before.targets[key]
	if !written {
		_, written = p.after.targets[key]
	}
	p.cells[key] = cell{key: key, before: before.Policy, after: after.Policy, written: written}
}

// request makes a request that matches a key and nothing more specific.
func (p *partition) request(key policy.TargetKey) policy.Request {
	host := key.Host
	switch {
	case host == "":
		host = p.label
	case key.Below:
		host = p.label + "." + host
	}
	port := key.Port
	if port == 0 {
		port = p.port
	}
	path := key.Path
	if key.Under {
		path += "/" + p.segment
	}
	return policy.Request{Method: "GET", Scheme: "https", Host: host + ":" + strconv.Itoa(int(port)), Path: path}
}

// chooseUnused finds names that no target uses.
func (p *partition) chooseUnused() {
	labels, segments, ports := map[string]bool{}, map[string]bool{}, map[uint16]bool{}
	for host, byPort := range p.hosts {
		for label := range strings.SplitSeq(host.host, ".") {
			labels[label] = true
		}
		for port, paths := range byPort {
			ports[port] = true
			for path := range paths {
				for segment := range strings.SplitSeq(path.path, "/") {
					segments[segment] = true
				}
			}
		}
	}
	p.label, p.segment = unused(labels), unused(segments)
	p.port = 1
	for ports[p.port] {
		p.port++
	}
}

func unused(used map[string]bool) string {
	for i := 0; ; i++ {
		if name := "other" + strconv.Itoa(i); !used[name] {
			return name
		}
	}
}

// follows reports whether a cell that no document wrote has the policies of the
// cell around it: the next wider path, else any port, else the next wider host.
func (p *partition) follows(c cell) bool {
	around, ok := p.around(c.key)
	return ok && around.before == c.before && around.after == c.after
}

func (p *partition) around(key policy.TargetKey) (cell, bool) {
	if (pathKey{key.Path, key.Under}) != everyPath {
		rest := key.Path
		if key.Under {
			rest = parent(rest)
		}
		for ; ; rest = parent(rest) {
			wider := key
			wider.Path, wider.Under = rest, true
			if c, ok := p.cells[wider]; ok {
				return c, true
			}
		}
	}
	if key.Port != 0 {
		key.Port = 0
		c, ok := p.cells[key]
		return c, ok
	}
	for _, wider := range p.chain(hostKey{key.Host, key.Below})[1:] {
		if c, ok := p.cells[policy.TargetKey{Host: wider.host, Below: wider.below, Under: true}]; ok {
			return c, true
		}
	}
	return cell{}, false
}

// parent cuts the last segment off a path. Every host and port has a cell for
// every path, which is the parent of all.
func parent(path string) string { return path[:max(strings.LastIndexByte(path, '/'), 0)] }

// compareKeys orders keys by host, port and path, the wider ones last.
func compareKeys(a, b policy.TargetKey) int {
	return cmp.Or(
		cmp.Compare(boolRank(a.Host == ""), boolRank(b.Host == "")),
		cmp.Compare(a.Host, b.Host),
		cmp.Compare(boolRank(a.Below), boolRank(b.Below)),
		cmp.Compare(boolRank(a.Port == 0), boolRank(b.Port == 0)),
		cmp.Compare(a.Port, b.Port),
		cmp.Compare(boolRank(a.Under && a.Path == ""), boolRank(b.Under && b.Path == "")),
		cmp.Compare(a.Path, b.Path),
		cmp.Compare(boolRank(a.Under), boolRank(b.Under)),
	)
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}
