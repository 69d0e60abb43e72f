package policy

import (
	"strings"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// originRule is a rule of a guardrail that says something of each origin.
type originRule uint8

const (
	ruleSuffixes originRule = iota
	ruleForbidden
	rulePlainHTTP
	ruleExactHTTPS

	originRuleCount
)

// broken returns which rules an entry of a list of origins breaks, whatever the
// policy that has it excludes, and whether it allows credentials.
func (g *Guardrail) broken(p *pattern) (rules [originRuleCount]bool) {
	rules[ruleSuffixes] = g.has(ruleSuffixes) && !g.keepsWithin(p)
	rules[ruleForbidden] = g.forbidden.meets(p, nil) != nil
	rules[rulePlainHTTP] = g.has(rulePlainHTTP) && (p.form == patternAny || p.isPlainHTTP())
	rules[ruleExactHTTPS] = g.has(ruleExactHTTPS) && (p.form != patternExact || p.scheme != "https")
	return rules
}

// has reports whether the guardrail has a rule.
func (g *Guardrail) has(rule originRule) bool {
	switch rule {
	case ruleSuffixes:
		return len(g.suffixes.list) > 0
	case ruleForbidden:
		return len(g.forbidden.all) > 0
	case rulePlainHTTP:
		return g.spec.GetNoPlainHttp()
	case ruleExactHTTPS:
		return g.spec.GetCredentials() == corsgatev1.GuardrailCredentials_GUARDRAIL_CREDENTIALS_EXACT_HTTPS
	}
	return false
}

// keepsWithin reports whether every origin that a pattern matches lies within the
// suffixes. What stands for a whole label or a part of one differs from origin to
// origin, so the literal end must do.
func (g *Guardrail) keepsWithin(p *pattern) bool {
	return (p.scheme == "https" || p.scheme == "http") && g.suffixes.hold(p.end())
}

// clears reports whether an entry that was checked before plainly breaks no rule: a
// single https origin that lies within the suffixes, and that is nowhere near what is
// forbidden. Nearly all entries of a large set are such, and this is a fraction of
// what it takes to be sure of the others.
func (g *Guardrail) clears(text string) bool {
	rest, ok := strings.CutPrefix(text, "https://")
	if !ok || strings.IndexByte(rest, '*') >= 0 || strings.HasPrefix(rest, "[") {
		return false
	}
	if i := strings.IndexByte(rest, ':'); i >= 0 {
		rest = rest[:i]
	}
	return (!g.has(ruleSuffixes) || g.suffixes.hold(rest)) && !g.forbidden.ends.hold(rest)
}

// domains are hosts that each stand for themselves and all that lies below them.
type domains struct {
	list []string
	// ends holds the domains where they are many, as true, and what they lie below.
	ends map[string]bool
}

// fewDomains are compared sooner than they are looked up.
const fewDomains = 8

func (d *domains) add(domain string) {
	d.list = append(d.list, domain)
	switch {
	case len(d.list) <= fewDomains:
	case d.ends == nil:
		d.ends = map[string]bool{}
		for _, one := range d.list {
			d.enter(one)
		}
	default:
		d.enter(domain)
	}
}

func (d *domains) enter(domain string) {
	for i, c := range domain {
		if above := domain[i+1:]; c == '.' && !d.ends[above] {
			d.ends[above] = false
		}
	}
	d.ends[domain] = true
}

// hold reports whether a host is one of the domains or lies below one.
func (d *domains) hold(host string) bool {
	if d.ends == nil {
		for _, domain := range d.list {
			if cut := len(host) - len(domain); cut >= 0 && host[cut:] == domain && (cut == 0 || host[cut-1] == '.') {
				return true
			}
		}
		return false
	}
	// From the right, since most hosts differ there.
	for end := len(host); end >= 0; {
		end = strings.LastIndexByte(host[:end], '.')
		domain, known := d.ends[host[end+1:]]
		if domain || !known {
			return domain
		}
	}
	return false
}

// end is the host of a pattern, as far as it is spelled out from the right.
func (p *pattern) end() string {
	if p.form == patternSubdomains || p.form == patternGlob {
		return p.tail
	}
	return p.host
}

// forbiddenOrigins finds which of many forbidden patterns an entry shares an origin
// with.
type forbiddenOrigins struct {
	all []*entry
	// byEnd holds those whose literal end is the key, and below those whose end
	// lies below it: nothing else can share an origin with what ends so.
	byEnd, below map[string][]*entry
	ends         domains
}

func (f *forbiddenOrigins) add(e entry) {
	if f.byEnd == nil {
		f.byEnd, f.below = map[string][]*entry{}, map[string][]*entry{}
	}
	f.all = append(f.all, &e)
	end := e.end()
	if len(f.byEnd[end]) == 0 {
		f.ends.add(end)
	}
	f.byEnd[end] = append(f.byEnd[end], &e)
	for {
		_, rest, more := strings.Cut(end, ".")
		if !more {
			return
		}
		end = rest
		f.below[end] = append(f.below[end], &e)
	}
}

// meets returns a forbidden pattern that shares an origin with another, and that
// the excluded ones do not cover, or nil.
func (f *forbiddenOrigins) meets(p *pattern, excluded *originIndex) *entry {
	if len(f.all) == 0 {
		return nil
	}
	first := func(entries []*entry) *entry {
		for _, e := range entries {
			if (OriginPattern{e.pattern}).Overlaps(OriginPattern{*p}) && !excluded.coversWhole(&e.pattern) {
				return e
			}
		}
		return nil
	}
	if p.form == patternAny {
		return first(f.all)
	}
	for end := p.end(); ; {
		if e := first(f.byEnd[end]); e != nil {
			return e
		}
		_, rest, more := strings.Cut(end, ".")
		if !more {
			break
		}
		end = rest
	}
	return first(f.below[p.end()])
}

// coversWhole reports whether one entry of the index matches every origin that a
// pattern does. The index may be nil.
func (x *originIndex) coversWhole(p *pattern) bool {
	switch {
	case x == nil || x.empty() || p.form == patternAny:
		return false
	case p.form == patternNull:
		return x.nullAt != absent
	}
	_, ok := x.covering(p, absent, nil)
	return ok
}

// An originScan finds the entries of one list that break a guardrail's rules. It
// goes through the list once, and no further than it is asked to.
type originScan struct {
	guardrail *Guardrail
	index     *originIndex
	next      int
	found     [originRuleCount][]int32
}

// scanKey names what a scan of an origin set has found: policies that share a set
// share it.
type scanKey struct {
	guardrail *Document
	index     *originIndex
}

// scan returns the scan of an origin set, which remembers what it has found.
func (c *compiler) scan(g *Guardrail, index *originIndex) *originScan {
	key := scanKey{g.doc, index}
	s := c.scans[key]
	if s == nil {
		s = c.inherited.scans[key]
	}
	if s == nil {
		s = &originScan{guardrail: g, index: index}
		if c.scans == nil {
			c.scans = map[scanKey]*originScan{}
		}
		c.scans[key] = s
	}
	return s
}

// doneScans returns the scans that are over and so will not change, of guardrails and
// sets that there are now.
func (c *compiler) doneScans() map[scanKey]*originScan {
	done := map[scanKey]*originScan{}
	for _, g := range c.set.guardrails {
		for _, set := range c.originSets {
			key := scanKey{g.doc, &set.index}
			s := c.scans[key]
			if s == nil {
				s = c.inherited.scans[key]
			}
			if s != nil && s.next == len(s.index.list) {
				done[key] = s
			}
		}
	}
	return done
}

// nth returns the place of the nth entry, counted from zero, that breaks a rule.
func (s *originScan) nth(rule originRule, n int) (at int32, ok bool) {
	for len(s.found[rule]) <= n {
		if s.next >= len(s.index.list) {
			return absent, false
		}
		at := int32(s.next) //nolint:gosec // A list within a protobuf message, which has two gigabytes at the most.
		s.next++
		s.guardrail.weighed++
		if s.guardrail.clears(s.index.list[at]) {
			continue
		}
		p, f := parsePattern(s.index.list[at])
		if f != nil {
			continue // Compile refuses it
		}
		for rule, broken := range s.guardrail.broken(&p) {
			if broken {
				s.found[rule] = append(s.found[rule], at)
			}
		}
	}
	return s.found[rule][n], true
}
