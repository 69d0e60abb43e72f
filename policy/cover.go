package policy

import (
	"slices"
	"strings"
)

// covers reports whether every origin that matches q matches p.
func (p *pattern) covers(q *pattern) bool {
	if p.form == patternAny || p.form == patternNull || q.form == patternAny || q.form == patternNull {
		return p.form == patternAny || p.form == q.form
	}
	if p.scheme != q.scheme || (!p.anyPort && (q.anyPort || p.port != q.port)) {
		return false
	}
	left, right := hostLabels(p), hostLabels(q)
	switch {
	case left.deep && len(right.labels) < len(left.labels):
		return false
	case left.deep && len(right.labels) == len(left.labels) && !right.deep:
		return false // never the apex
	case !left.deep && (right.deep || len(left.labels) != len(right.labels)):
		return false
	}
	for i, label := range left.labels {
		if !label.covers(right.labels[i]) {
			return false
		}
	}
	return true
}

// A labelled host is its labels, the last one first, and whether one or more
// others stand in front of them.
type labelled struct {
	labels []glob
	deep   bool
}

func hostLabels(p *pattern) labelled {
	var out labelled
	literal := p.host
	if p.form == patternSubdomains || p.form == patternGlob {
		literal, out.deep = p.tail, p.deep
	}
	if strings.HasPrefix(literal, "[") {
		return labelled{labels: []glob{{prefix: literal}}}
	}
	parts := strings.Split(literal, ".")
	out.labels = make([]glob, 0, len(parts)+len(p.globs))
	for _, part := range slices.Backward(parts) {
		out.labels = append(out.labels, glob{prefix: part})
	}
	for _, g := range slices.Backward(p.globs) {
		out.labels = append(out.labels, g)
	}
	return out
}

// covers reports whether every label that matches h matches g.
func (g glob) covers(h glob) bool {
	switch {
	case !h.star:
		return g.matches(h.prefix)
	case !g.star:
		return false
	}
	// What h spells out beyond g must be what g's wildcard may stand for.
	front, ok := strings.CutPrefix(h.prefix, g.prefix)
	if !ok {
		return false
	}
	back, ok := strings.CutSuffix(h.suffix, g.suffix)
	return ok && !strings.Contains(front+back, "_")
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
