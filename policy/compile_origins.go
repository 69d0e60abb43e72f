package policy

import (
	"fmt"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"time"
)

// origins compiles who may call.
func (b *policyBuilder) origins() {
	rules := &b.policy.origins
	list, excluded := b.spec.GetOrigins(), b.spec.GetExcludeOrigins()
	rules.own = newOriginIndex(b.seed, b.doc, partOrigins, list)
	rules.excluded = newOriginIndex(b.seed, b.doc, partExcludeOrigins, excluded)
	b.addOrigins(&rules.own, b.checkOwn)
	b.addOrigins(&rules.excluded, func(_ int32, p *pattern) *fault {
		if p.form == patternAny {
			return misplacedAny()
		}
		return nil
	})
	b.temporaryOrigins(rules)
	b.regexes(rules)
	b.originSetsOf(rules)
	rules.any = rules.own.anyAt != absent
	rules.constant = rules.any && rules.excluded.empty() && !b.spec.GetCredentials()
	b.policy.direct = b.policy.Enforcement == EnforcementEnforce && !rules.constant && rules.excluded.empty()
	others := len(b.spec.GetOriginSets()) + len(b.spec.GetOriginRegexes()) + len(b.spec.GetTemporaryOrigins())
	switch {
	case len(list)+others == 0:
		b.fail("origins", &fault{"origins_missing", "the policy lets no origin call", "list origins or originSets"})
	case rules.any && len(list)+others > 1:
		b.failItem("origins", int(rules.own.anyAt), &fault{"any_origin_not_alone", "\"*\" lets every origin call, so what stands beside it says nothing", "keep \"*\" alone, or remove it"})
	}
}

// checkOwn refuses what is too dangerous, unless the policy takes it upon itself.
func (b *policyBuilder) checkOwn(_ int32, p *pattern) *fault {
	if p.overSuffix != "" && !b.accepts(exceptPublicSuffix) {
		return publicSuffixFault(p)
	}
	return b.checkCredentials(p)
}

func (b *policyBuilder) checkCredentials(p *pattern) *fault {
	switch {
	case !b.spec.GetCredentials():
		return nil
	case p.form == patternAny && !b.accepts(exceptAnyOrigin):
		return &fault{
			"any_origin_with_credentials", "\"*\" with credentials: true would let every site on the web act as the person who visits it",
			"list the origins, or leave credentials out",
		}
	case p.form == patternNull && !b.accepts(exceptAnyOrigin):
		return &fault{
			"null_with_credentials", "any site can make a sandboxed document, whose origin is null, so with credentials: true every site could act as the person who visits it",
			"remove \"null\", or leave credentials out",
		}
	case p.isPlainHTTP() && !b.accepts(exceptPlainHTTP):
		return plainHTTPFault()
	}
	return nil
}

func plainHTTPFault() *fault {
	return &fault{
		"plain_http_with_credentials", "anybody on the way can change a page that comes over http, and with credentials: true act as the person who reads it",
		"use https, leave credentials out, or write down in dangerously.plainHttpWithCredentials why it must be",
	}
}

// temporaryOrigins compiles those that are not over yet.
func (b *policyBuilder) temporaryOrigins(rules *originRules) {
	entries := b.spec.GetTemporaryOrigins()
	texts := make([]string, len(entries))
	ends := make([]time.Time, len(entries))
	for i, entry := range entries {
		texts[i] = entry.GetOrigin()
		ends[i] = b.until(i, entry.GetUntil())
	}
	b.ends, b.part.passing = ends, len(entries) > 0
	rules.temporary = newOriginIndex(b.seed, b.doc, partTemporaryOrigins, texts)
	b.addOrigins(&rules.temporary, func(at int32, p *pattern) *fault {
		if p.form == patternAny {
			return misplacedAny()
		}
		return b.checkOwn(at, p)
	})
	rules.temporary.drop(func(at int32) bool { return b.isOver(ends[at]) })
}

// until reads the moment at which an entry is over, and warns where it is.
func (b *policyBuilder) until(i int, text string) time.Time {
	place := b.place.Field("temporaryOrigins").Item(i).Field("until")
	path := fmt.Sprintf("spec.temporaryOrigins[%d].until", i)
	end, err := time.Parse(time.DateOnly, text)
	if err != nil {
		end, err = time.Parse(time.RFC3339, text)
	}
	if err != nil {
		b.report(b.doc, place, SeverityError, path, &fault{"until_invalid", quote(text) + " is neither a day nor a time", "write \"2027-01-31\" or \"2027-01-31T18:00:00Z\""})
		return time.Time{}
	}
	if b.isOver(end) {
		b.expired++
		b.report(b.doc, place, SeverityWarning, path, &fault{"origin_expired", "the origin may no longer call since " + text, "remove the entry"})
	} else if b.set.expires.IsZero() || end.Before(b.set.expires) {
		b.set.expires = end
	}
	return end
}

func (b *policyBuilder) isOver(end time.Time) bool { return !b.now.IsZero() && !b.now.Before(end) }

// strangers are origins that no careful expression matches.
var strangers = [...]string{"https://corsgate-stranger.invalid", "http://a.b.corsgate-stranger.invalid:8080", "https://x.stranger.example"}

func (b *policyBuilder) regexes(rules *originRules) {
	steps := 0
	for i, text := range b.spec.GetOriginRegexes() {
		if steps += regexSteps(text); steps > maxRegexSteps {
			b.failItem("originRegexes", i, &fault{
				"origin_regex_size", fmt.Sprintf("with this one the regular expressions take some %d steps for each character of an origin, and %d are the limit: whoever sends requests could keep corsgate busy", steps, maxRegexSteps),
				"use the wildcards of origins, or fewer and smaller repetitions",
			})
			return
		}
		// By itself first: what is in brackets could close them.
		re, err := regexp.Compile(text)
		if err == nil && b.spec.GetCredentials() && !isSecureRegex(re) && !b.accepts(exceptPlainHTTP) {
			b.failItem("originRegexes", i, plainHTTPRegexFault(text))
			continue
		}
		if err == nil {
			re, err = regexp.Compile(`\A(?:` + text + `)\z`)
		}
		if err != nil {
			b.failItem("originRegexes", i, &fault{"origin_regex_invalid", quote(text) + " is not a regular expression that RE2 knows: " + regexProblem(err), "mend it, or use the wildcards of origins"})
			continue
		}
		if slices.ContainsFunc(strangers[:], re.MatchString) {
			b.failItem("originRegexes", i, &fault{"origin_regex_any", quote(text) + " matches origins of strangers, such as " + strangers[0], "spell out the registrable domain; if every origin may call, write origins: [\"*\"]"})
			continue
		}
		b.warnItem("originRegexes", i, regexWarning(text))
		rules.regexes = append(rules.regexes, originRegex{re, int32(i)})
	}
}

// maxRegexSteps bounds the regular expressions of one policy, of which some strangers'
// origins see all: these take a few milliseconds at the worst.
const maxRegexSteps = 10_000

// regexSteps is how large an expression is once its repetitions are written out, more
// or less. What cannot be parsed is told elsewhere.
func regexSteps(text string) int {
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return 0
	}
	return stepsOf(tree, false)
}

func stepsOf(re *syntax.Regexp, repeated bool) int {
	steps := 1
	if repeated && re.Op == syntax.OpLiteral {
		steps = len(re.Rune)
	}
	for _, sub := range re.Sub {
		steps += stepsOf(sub, repeated || re.Op == syntax.OpRepeat)
	}
	if re.Op == syntax.OpRepeat {
		steps *= max(re.Min+1, re.Max)
	}
	return steps
}

// isSecureRegex reports whether an expression plainly begins with a scheme that is
// not http.
func isSecureRegex(re *regexp.Regexp) bool {
	prefix, _ := re.LiteralPrefix()
	scheme, _, ok := strings.Cut(prefix, "://")
	return ok && scheme != "http"
}

func plainHTTPRegexFault(text string) *fault {
	f := plainHTTPFault()
	f.reason = quote(text) + " may match http origins: " + f.reason
	f.mend = "begin it with https://, leave credentials out, or write down in dangerously.plainHttpWithCredentials why it must be"
	return f
}

func regexProblem(err error) string {
	if detail, ok := err.(*syntax.Error); ok { //nolint:errorlint // regexp.Compile returns this type as it is
		return string(detail.Code)
	}
	return err.Error()
}

// regexWarning says what to look at twice.
func regexWarning(text string) *fault {
	f := &fault{
		"origin_regex", "a regular expression is easily wider than it looks; this one is matched against the whole origin",
		"use the wildcards of origins where they can say it, such as \"https://*.shop.example\" or \"https://pr-*.shop.example\"",
	}
	if tree, err := syntax.Parse(text, syntax.Perl); err == nil && hasLooseDot(tree, false) {
		f.reason = quote(text) + " has a dot that stands for any character"
		f.mend = "write \\. for a dot; better, " + f.mend
	}
	return f
}

// hasLooseDot reports whether an expression has a "." that nothing repeats, which
// most likely was meant to be a dot.
func hasLooseDot(re *syntax.Regexp, repeated bool) bool {
	switch re.Op {
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return !repeated
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		repeated = true
	}
	return slices.ContainsFunc(re.Sub, func(sub *syntax.Regexp) bool { return hasLooseDot(sub, repeated && len(re.Sub) == 1) })
}

// originSetsOf finds the sets that the policy names.
func (b *policyBuilder) originSetsOf(rules *originRules) {
	seen := map[*originSet]bool{}
	for i, name := range b.spec.GetOriginSets() {
		full := OriginSetName(b.policy.Namespace, name)
		set, ok := b.originSets[full]
		switch {
		case !ok:
			b.failItem("originSets", i, &fault{"origin_set_unknown", fmt.Sprintf("there is no origin set %q", full), b.nearestSet(name)})
		case seen[set]:
			b.warnItem("originSets", i, &fault{"origin_set_duplicate", fmt.Sprintf("%q is listed already", name), "remove one of them"})
		default:
			seen[set] = true
			b.used[set] = struct{}{}
			b.part.sets = append(b.part.sets, namedSet{full, set})
			b.checkSet(i, set)
			rules.sets = append(rules.sets, &set.index)
		}
	}
}

// nearestSet says which origin set was most likely meant, as the policy would write
// its name.
func (b *policyBuilder) nearestSet(reference string) string {
	_, base, ok := strings.Cut(reference, "/")
	if !ok {
		base = reference
	}
	var known, namesakes []string
	for _, full := range slices.Sorted(maps.Keys(b.originSets)) {
		written := b.reference(full)
		known = append(known, written)
		if b.originSets[full].doc.Key().Name == base {
			namesakes = append(namesakes, written)
		}
	}
	if len(namesakes) > 0 {
		return "did you mean " + quote(namesakes[0]) + "?"
	}
	return nearest(reference, known)
}

// reference is how the policy names an origin set in originSets.
func (b *policyBuilder) reference(full string) string {
	namespace, name, ok := strings.Cut(full, "/")
	switch {
	case !ok && b.policy.Namespace == "":
		return full
	case !ok:
		return "/" + full
	case namespace == b.policy.Namespace:
		return name
	}
	return full
}

// checkSet refuses a set that the policy's credentials must not go to.
func (b *policyBuilder) checkSet(i int, set *originSet) {
	if !b.spec.GetCredentials() {
		return
	}
	refuse := func(at int32, text string, f *fault) {
		place, _ := set.index.item(at)
		f.reason = fmt.Sprintf("the set holds %s, at %s: %s", text, set.doc.at(place), f.reason)
		b.failItem("originSets", i, f)
	}
	if set.null != absent && !b.accepts(exceptAnyOrigin) {
		refuse(set.null, "null", b.checkCredentials(&pattern{form: patternNull}))
	}
	if set.plainHTTP != absent && !b.accepts(exceptPlainHTTP) {
		refuse(set.plainHTTP, "an http origin", plainHTTPFault())
	}
}
