package policy

import "strings"

// covers reports whether every origin that q matches is matched by p. Where it
// is hard to say it reports false.
func (p *pattern) covers(q *pattern) bool {
	if p.form == patternAny {
		return true
	}
	if p.form == patternNull || q.form == patternNull || q.form == patternAny {
		return p.form == q.form
	}
	if p.scheme != q.scheme || (!p.anyPort && (q.anyPort || p.port != q.port)) {
		return false
	}
	switch {
	case q.tail == "": // one host
		return p.matchesHost(q.host)
	case p.tail == "":
		return false
	case p.equalHost(q):
		return true
	}
	// Labels stand in front of q's tail, whatever they are.
	return p.form == patternSubdomains && (q.tail == p.tail || strings.HasSuffix(q.tail, "."+p.tail))
}

func (p *pattern) equalHost(q *pattern) bool {
	same := *q
	same.port, same.anyPort = p.port, p.anyPort
	return p.equal(&same)
}

// matchesHost reports whether one host fits, whatever scheme and port.
func (p *pattern) matchesHost(host string) bool {
	if p.tail == "" {
		return p.host == host
	}
	head, ok := strings.CutSuffix(host, "."+p.tail)
	return ok && p.matchesHead(head)
}

// covering returns an entry that covers a pattern, other than the pattern's own
// entry and its equals.
func (x *originIndex) covering(p *pattern, at int32, from *originIndex) (wider int32, ok bool) {
	if from != x && p.form == patternExact {
		text := p.exact()
		if twin, ok := x.exact.find(text, x.exact.hash(text)); ok {
			return twin, true
		}
	}
	consider := func(entries []entry) bool {
		for i := range entries {
			e := &entries[i]
			if (from == x && e.at == at) || !e.covers(p) {
				continue
			}
			wider = e.at
			return true
		}
		return false
	}
	if p.tail == "" && consider(x.hosts[p.host]) {
		return wider, true
	}
	domain := p.tail
	if domain == "" {
		domain = p.host
	}
	for {
		if consider(x.tails[domain]) {
			return wider, true
		}
		_, rest, more := strings.Cut(domain, ".")
		if !more {
			return absent, false
		}
		domain = rest
	}
}

// mayAllow reports whether the policy lets any origin call that a pattern of
// excludeOrigins matches. In doubt it does.
func (r *originRules) mayAllow(p *pattern) bool {
	if r.any || len(r.sets) > 0 || len(r.regexes) > 0 || p.form != patternExact {
		return true
	}
	text := p.exact()
	o, form := parseOrigin(text)
	for _, index := range []*originIndex{&r.own, &r.temporary} {
		if _, ok := index.find(&o, form, index.exact.hash(text)); ok {
			return true
		}
	}
	return false
}

// each calls f with every entry but `*`.
func (x *originIndex) each(f func(p *pattern, at int32)) {
	if x.nullAt != absent {
		f(&pattern{form: patternNull}, x.nullAt)
	}
	var p pattern
	x.exact.each(func(text string, at int32) {
		p, _ = parsePattern(text)
		f(&p, at)
	})
	for _, m := range []map[string][]entry{x.hosts, x.tails} {
		for _, entries := range m {
			for i := range entries {
				f(&entries[i].pattern, entries[i].at)
			}
		}
	}
}

// drop removes entries.
func (x *originIndex) drop(gone func(at int32) bool) {
	if x.nullAt != absent && gone(x.nullAt) {
		x.nullAt = absent
	}
	x.exact.drop(gone)
	for _, m := range []map[string][]entry{x.hosts, x.tails} {
		for key, entries := range m {
			kept := entries[:0]
			for _, e := range entries {
				if !gone(e.at) {
					kept = append(kept, e)
				}
			}
			m[key] = kept
		}
	}
}
