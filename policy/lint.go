package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// chromeMaxAge is how long Chrome remembers a preflight answer at the most.
const chromeMaxAge = 2 * time.Hour

// lint reports what is only odd.
func (b *policyBuilder) lint() {
	rules := &b.policy.origins
	for _, index := range []*originIndex{&rules.own, &rules.temporary} {
		b.lintSubsumed(index, rules)
	}
	b.lintExcluded(rules)
	b.lintLists()
	if age, err := time.ParseDuration(b.spec.GetMaxAge()); err == nil && age > chromeMaxAge && age <= longestMaxAge {
		b.warn("maxAge", &fault{"max_age_over_cap", "Chrome remembers a preflight for two hours at the most, and Safari for ten minutes", "write \"2h\" or less"})
	}
	if b.spec.GetPrivateNetwork() {
		b.warn("privateNetwork", &fault{"private_network_retired", "browsers have given this protocol up; Chrome since version 138", "remove it, unless old Chromium, Electron or WebViews call"})
	}
}

// lintSubsumed warns of patterns that another one of the policy covers.
func (b *policyBuilder) lintSubsumed(index *originIndex, rules *originRules) {
	if index == &rules.own && len(index.hosts)+len(index.tails) == 0 {
		return // exact origins cover none but themselves
	}
	index.each(func(p *pattern, at int32) {
		wider, ok := rules.own.covering(p, at, index)
		if !ok {
			return
		}
		place, path := index.item(at)
		first, _ := rules.own.item(wider)
		b.report(b.doc, place, SeverityWarning, path, &fault{
			"origin_subsumed", fmt.Sprintf("%q at %s lets it call already", b.spec.GetOrigins()[wider], b.doc.at(first)), "remove one of them",
		})
	})
}

// lintExcluded warns of exclusions that exclude nothing, and of origins that are
// listed and excluded.
func (b *policyBuilder) lintExcluded(rules *originRules) {
	rules.excluded.each(func(p *pattern, at int32) {
		if !rules.mayAllow(p) {
			b.warnItem("excludeOrigins", int(at), &fault{"exclusion_useless", "no origin that the policy lets call is excluded by this", "remove it"})
		}
	})
	if rules.excluded.empty() {
		return
	}
	rules.own.each(func(p *pattern, at int32) {
		if by, ok := rules.excluded.covering(p, absent, nil); ok {
			place, _ := rules.excluded.item(by)
			b.warnItem("origins", int(at), &fault{"origin_listed_and_excluded", fmt.Sprintf("the origin is excluded, at %s", b.doc.at(place)), "remove one of them"})
		}
	})
}

// lintLists warns of entries that change nothing.
func (b *policyBuilder) lintLists() {
	b.lintNames("methods", b.spec.GetMethods(), func(string) bool { return false })
	b.lintNames("requestHeaders", b.spec.GetRequestHeaders(), func(name string) bool { return safelistedHeader(name) != 0 })
	b.lintNames("exposeHeaders", b.spec.GetExposeHeaders(), isSafelistedResponseHeader)
}

func (b *policyBuilder) lintNames(field string, list []string, needless func(string) bool) {
	fold := func(s string) string {
		if field == "methods" {
			return s
		}
		return strings.ToLower(s)
	}
	for i, name := range list {
		switch {
		case slices.IndexFunc(list, func(other string) bool { return fold(other) == fold(name) }) < i:
			b.warnItem(field, i, &fault{"list_duplicate", quote(name) + " is listed already", "remove one of them"})
		case needless(fold(name)):
			b.warnItem(field, i, &fault{"header_needless", "the Fetch standard allows " + quote(name) + " without it being listed", "remove it"})
		}
	}
}

// isSafelistedResponseHeader reports whether scripts may read a header, named in
// lower case, as it is (Fetch standard, "CORS-safelisted response-header name").
func isSafelistedResponseHeader(name string) bool {
	switch name {
	case "cache-control", "content-language", "content-length", "content-type", "expires", "last-modified", "pragma":
		return true
	}
	return false
}
