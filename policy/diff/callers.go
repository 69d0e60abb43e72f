package diff

import (
	"slices"
	"strings"
	"time"

	"github.com/corsgate/corsgate/policy"
)

// origins compares who may call.
func (c *comparison) origins() {
	more, fewer := gained(c.before, c.after), gained(c.after, c.before)
	if len(more) > 0 {
		c.listOrigins(Gain, more, "may call")
		c.originRisks(more)
	}
	if len(fewer) > 0 {
		c.listOrigins(Loss, fewer, "may not call any more")
	}
	switch {
	case c.before.constant && c.after.any && !c.after.constant:
		c.addf(Loss, AspectOrigins, "origins", "requests whose Origin is malformed may not call any more, and answers name the origin in place of \"*\"")
	case c.after.constant && c.before.any && !c.before.constant:
		c.addf(Gain, AspectOrigins, "origins", "requests whose Origin is malformed may call as well, and answers say \"*\" in place of the origin")
	}
	c.swapped(len(more) > 0, len(fewer) > 0)
}

func (c *comparison) listOrigins(d Direction, entries []entry, what string) {
	text := count(len(entries), "origin", "origins")
	switch {
	case d == Gain && c.after.any && !c.before.any:
		if text = "any origin"; len(c.after.excludes.texts) > 0 {
			what += ", but for excludeOrigins"
		}
	case d == Loss && c.before.any && !c.after.any:
		text = "any origin that is not listed"
	case slices.ContainsFunc(entries, func(e entry) bool { return e.wide || e.regex }):
		text = count(len(entries), "origin or pattern", "origins or patterns")
	}
	item := c.addf(d, AspectOrigins, "", "%s %s", text, what)
	item.Count = len(entries)
	for i := range entries {
		if c.examples >= 0 && i >= c.examples {
			break
		}
		item.Values = append(item.Values, entries[i].value())
	}
}

// originRisks flags what is risky in origins that may call now, each kind once.
func (c *comparison) originRisks(entries []entry) {
	first := map[Code]*entry{}
	counts := map[Code]int{}
	note := func(code Code, e *entry) {
		if first[code] == nil {
			first[code] = e
		}
		counts[code]++
	}
	for i := range entries {
		for _, code := range entries[i].risks() {
			note(code, &entries[i])
		}
	}
	for _, kind := range riskKinds {
		e := first[kind.Code]
		if e == nil {
			continue
		}
		at, text := e.list.position(e.at), e.value().Text
		if more := counts[kind.Code] - 1; more > 0 {
			text += " and " + count(more, "other", "others")
		}
		c.riskf(kind.Code, &at, "%s", text)
	}
}

// risks returns what is risky in an origin that may call now.
func (e *entry) risks() []Code {
	var out []Code
	switch {
	case e.text == "*" && !e.regex:
		return []Code{RiskAnyOrigin}
	case e.exclusion:
		out = append(out, RiskExclusion)
	case e.regex:
		return []Code{RiskRegex}
	case e.wide:
		out = append(out, RiskWildcard)
	case e.text == "null":
		out = append(out, RiskNull)
	}
	if strings.HasPrefix(e.text, "http://") {
		out = append(out, RiskPlainHTTP)
	}
	return out
}

// until compares when origins that may call on both sides end.
func (c *comparison) until() {
	if !c.before.mode.decides() || !c.after.mode.decides() {
		return
	}
	seen := map[string]struct{}{}
	for _, g := range []*governor{c.after, c.before} {
		g.includes[1].eachEntry(func(e entry) bool {
			if _, ok := seen[e.text]; !ok {
				seen[e.text] = struct{}{}
				c.horizon(&e)
			}
			return true
		})
	}
}

// horizon compares until when one temporary origin may call.
func (c *comparison) horizon(e *entry) {
	was, before := c.before.endOf(e)
	is, after := c.after.endOf(e)
	if !before || !after || was.Equal(is) {
		return
	}
	at := e.list.position(e.at)
	d, text := Gain, "%s may call until %s; before it was until %s"
	args := []any{e.text, endText(is), endText(was)}
	switch {
	case is.IsZero():
		text, args = "%s may call without an end; before it was until %s", []any{e.text, endText(was)}
	case was.IsZero():
		d, text, args = Loss, "%s may call until %s only; before there was no end", []any{e.text, endText(is)}
	case is.Before(was):
		d = Loss
	}
	item := c.addf(d, AspectUntil, "", text, args...)
	item.Position = &at
}

// endOf returns until when origins that an entry matches may call; zero is for
// ever. It reports false where they may not, or where it is hard to say.
func (g *governor) endOf(e *entry) (end time.Time, ok bool) {
	if g.any {
		return time.Time{}, true
	}
	pattern, ok := policy.ParseOriginPattern(e.text)
	if !ok || (!e.wide && !g.allows(e.text)) || g.permanents.covers(pattern) {
		return time.Time{}, ok && (e.wide || g.allows(e.text))
	}
	for _, list := range g.includes {
		if list.ends == nil && list.has(e.text) {
			return time.Time{}, true
		}
	}
	temporary := g.includes[1]
	found := false
	temporary.eachEntry(func(other entry) bool {
		if policy.PatternCovers(other.text, e.text) {
			found = true
			if temporary.ends[other.at].After(end) {
				end = temporary.ends[other.at]
			}
		}
		return true
	})
	return end, found
}
