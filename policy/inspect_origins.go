package policy

import (
	"strconv"
	"strings"
)

// OriginKind is which form an entry of a list of origins takes.
type OriginKind uint8

const (
	// OriginExact is one origin.
	OriginExact OriginKind = iota
	// OriginAnyPort is one scheme and host at any port.
	OriginAnyPort
	// OriginSubdomains is all that lies below a domain.
	OriginSubdomains
	// OriginGlob has a `*` inside a label.
	OriginGlob
	// OriginNull is `null`.
	OriginNull
	// OriginAny is `*`.
	OriginAny
)

// An OriginPattern is an entry of a list of origins, for those who ask which
// origins lists have in common. Whether one origin may call, [Set.Decide] says.
type OriginPattern struct{ p pattern }

// ParseOriginPattern reads an entry. It reports false for one that Compile
// refuses.
func ParseOriginPattern(text string) (OriginPattern, bool) {
	p, f := parsePattern(text)
	return OriginPattern{p}, f == nil
}

// PatternCovers reports whether every origin that matches b matches a. It
// reports false where either is no pattern.
func PatternCovers(a, b string) bool {
	p, okA := ParseOriginPattern(a)
	q, okB := ParseOriginPattern(b)
	return okA && okB && p.Covers(q)
}

// Kind returns the form of the pattern.
func (a OriginPattern) Kind() OriginKind {
	switch a.p.form {
	case patternHost:
		return OriginAnyPort
	case patternSubdomains:
		return OriginSubdomains
	case patternGlob:
		return OriginGlob
	case patternNull:
		return OriginNull
	case patternAny:
		return OriginAny
	default:
		return OriginExact
	}
}

// Wide reports whether the pattern matches more than one origin.
func (a OriginPattern) Wide() bool {
	return a.p.form != patternExact && a.p.form != patternNull
}

// Scheme returns the pattern's scheme. It is empty for `null` and `*`.
func (a OriginPattern) Scheme() string { return a.p.scheme }

// LiteralEnd returns the labels of the host behind the last wildcard, or the
// whole host where there is none. One pattern can cover another only if its own
// is an end of the other's, by labels.
func (a OriginPattern) LiteralEnd() string {
	if a.p.form == patternSubdomains || a.p.form == patternGlob {
		return a.p.tail
	}
	return a.p.host
}

// String returns the pattern as a document writes it.
func (a OriginPattern) String() string {
	p := &a.p
	switch p.form {
	case patternAny:
		return "*"
	case patternNull:
		return "null"
	case patternExact:
		return p.exact()
	}
	var b strings.Builder
	b.WriteString(p.scheme)
	b.WriteString("://")
	if p.deep {
		b.WriteString("*.")
	}
	for _, g := range p.globs {
		b.WriteString(g.String())
		b.WriteByte('.')
	}
	b.WriteString(a.LiteralEnd())
	switch {
	case p.anyPort:
		b.WriteString(":*")
	case p.port != 0:
		b.WriteByte(':')
		b.WriteString(strconv.Itoa(int(p.port)))
	}
	return b.String()
}

// String returns the label as a document writes it.
func (g glob) String() string {
	if g.star {
		return g.prefix + "*" + g.suffix
	}
	return g.prefix
}

// Covers reports whether every origin that matches b matches a.
func (a OriginPattern) Covers(b OriginPattern) bool { return a.p.covers(&b.p) }

// Overlaps reports whether some origin may match both.
func (a OriginPattern) Overlaps(b OriginPattern) bool {
	p, q := &a.p, &b.p
	if p.form == patternAny || p.form == patternNull || q.form == patternAny || q.form == patternNull {
		return p.form == patternAny || q.form == patternAny || p.form == q.form
	}
	if p.scheme != q.scheme || (!p.anyPort && !q.anyPort && p.port != q.port) {
		return false
	}
	left, right := hostLabels(p), hostLabels(q)
	if len(left.labels) > len(right.labels) || (len(left.labels) == len(right.labels) && left.deep) {
		left, right = right, left
	}
	// Now left has the fewer labels, or it ends where right does.
	switch {
	case len(left.labels) < len(right.labels) && !left.deep:
		return false
	case len(left.labels) == len(right.labels) && left.deep != right.deep:
		return false
	}
	for i, label := range left.labels {
		if !label.overlaps(right.labels[i]) {
			return false
		}
	}
	return true
}

// overlaps reports whether some label may match both.
func (g glob) overlaps(h glob) bool {
	switch {
	case !h.star:
		return g.matches(h.prefix)
	case !g.star:
		return h.matches(g.prefix)
	}
	return (strings.HasPrefix(g.prefix, h.prefix) || strings.HasPrefix(h.prefix, g.prefix)) &&
		(strings.HasSuffix(g.suffix, h.suffix) || strings.HasSuffix(h.suffix, g.suffix))
}
