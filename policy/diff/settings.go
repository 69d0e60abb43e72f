package diff

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/corsgate/corsgate/policy"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// flags compares what is either allowed or not.
func (c *comparison) flags() {
	switch before, after := c.before.credentials(), c.after.credentials(); {
	case after && !before:
		c.addf(Gain, AspectCredentials, "credentials", "calls may carry cookies, client certificates and HTTP authentication")
		c.riskf(RiskCredentials, c.at("credentials"), "credentials: true")
	case before && !after:
		c.addf(Loss, AspectCredentials, "credentials", "calls may not carry cookies, client certificates and HTTP authentication any more")
	}
	switch before, after := c.before.privateNetwork(), c.after.privateNetwork(); {
	case after && !before:
		c.addf(Gain, AspectPrivateNetwork, "privateNetwork", "preflights for a private network succeed")
		c.riskf(RiskPrivateNetwork, c.at("privateNetwork"), "privateNetwork: true")
	case before && !after:
		c.addf(Loss, AspectPrivateNetwork, "privateNetwork", "preflights for a private network no longer succeed")
	}
}

func (g *governor) credentials() bool    { return g.mode.decides() && g.spec.GetCredentials() }
func (g *governor) privateNetwork() bool { return g.mode.decides() && g.spec.GetPrivateNetwork() }

// defaultMaxAge is for how long browsers remember a preflight answer that does
// not say (Fetch standard, "CORS-preflight fetch").
const defaultMaxAge = 5 * time.Second

// maxAge compares for how long preflight answers are remembered.
func (c *comparison) maxAge() {
	if !c.before.mode.decides() || !c.after.mode.decides() {
		return
	}
	was, saidBefore := c.before.maxAge()
	is, saidAfter := c.after.maxAge()
	if was == is && saidBefore == saidAfter {
		return
	}
	d := Same
	switch {
	case is > was:
		d = Gain
	case is < was:
		d = Loss
	}
	c.addf(d, AspectMaxAge, "maxAge", "browsers remember preflights for %s; before it was %s", ageText(is, saidAfter), ageText(was, saidBefore))
}

func (g *governor) maxAge() (age time.Duration, said bool) {
	if g.spec.GetMaxAge() == "" {
		return defaultMaxAge, false
	}
	age, _ = time.ParseDuration(g.spec.GetMaxAge()) // Compile has checked it
	return age, true
}

func ageText(age time.Duration, said bool) string {
	text := age.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	if !said {
		text += " (not said)"
	}
	return text
}

// timing compares who may read detailed timings.
func (c *comparison) timing() {
	was, is := c.before.timing(), c.after.timing()
	if was == is {
		return
	}
	c.addf(bySize(was, is), AspectTiming, "timingAllowOrigin", "%s", timingTexts[is])
	// What passes without CORS headers is told apart by whether the policy says
	// anything: then the service's own header does not count.
	passes := func(g *governor) bool {
		actual, navigations := g.passes()
		return actual || navigations
	}
	if !passes(c.before) || !passes(c.after) {
		return
	}
	switch {
	case was == timingUnsaid:
		c.addf(Loss, AspectTiming, "timingAllowOrigin", "what the service itself says of timings to origins that may not call does not count any more")
	case is == timingUnsaid:
		c.addf(Gain, AspectTiming, "timingAllowOrigin", "what the service itself says of timings to origins that may not call counts again")
	}
}

// timing is what a policy says of timings, by how much it lets through.
type timing int

const (
	timingNobody timing = iota
	timingUnsaid
	timingAllowed
)

var timingTexts = [...]string{
	timingNobody:  "detailed timings are for nobody",
	timingUnsaid:  "detailed timings are what the service itself says",
	timingAllowed: "origins that may call may read detailed timings",
}

func (g *governor) timing() timing {
	switch {
	case g.mode != modeEnforce || g.spec.TimingAllowOrigin == nil:
		return timingUnsaid
	case g.spec.GetTimingAllowOrigin():
		return timingAllowed
	}
	return timingNobody
}

// resource compares which pages may load responses without CORS.
func (c *comparison) resource() {
	was, is := c.before.resource(), c.after.resource()
	if was != is {
		c.addf(bySize(was, is), AspectResource, string(AspectResource), "%s; before: %s", resourceTexts[is], resourceTexts[was])
	}
}

// resource is a cross-origin resource policy, by how much it lets through.
type resource int

const (
	resourceSameOrigin resource = iota
	resourceSameSite
	resourceUnsaid
	resourceCrossOrigin
)

var resourceTexts = [...]string{
	resourceSameOrigin:  "pages of the same origin may load responses without CORS",
	resourceSameSite:    "pages of the same site may load responses without CORS",
	resourceUnsaid:      "which pages may load responses without CORS is what the service itself says",
	resourceCrossOrigin: "all pages may load responses without CORS",
}

func (g *governor) resource() resource {
	if g.mode != modeEnforce {
		return resourceUnsaid
	}
	switch g.spec.GetCrossOriginResourcePolicy() {
	case corsgatev1.ResourcePolicy_RESOURCE_POLICY_SAME_ORIGIN:
		return resourceSameOrigin
	case corsgatev1.ResourcePolicy_RESOURCE_POLICY_SAME_SITE:
		return resourceSameSite
	case corsgatev1.ResourcePolicy_RESOURCE_POLICY_CROSS_ORIGIN:
		return resourceCrossOrigin
	default:
		return resourceUnsaid
	}
}

func bySize[T cmp.Ordered](was, is T) Direction {
	if is > was {
		return Gain
	}
	return Loss
}

// preflight compares how the same is answered.
func (c *comparison) preflight() {
	if c.before.mode != modeEnforce || c.after.mode != modeEnforce {
		return
	}
	if was, is := c.before.status(), c.after.status(); was != is {
		c.addf(Same, AspectPreflight, "preflightStatus", "preflights are answered with status %s; before it was %s", strconv.Itoa(is), strconv.Itoa(was))
	}
	if was, is := c.before.spec.GetPreflightLists(), c.after.spec.GetPreflightLists(); asked(was) != asked(is) {
		text := "preflight answers name all that is allowed"
		if asked(is) {
			text = "preflight answers name only what was asked for"
		}
		c.addf(Same, AspectPreflight, "preflightLists", "%s", text)
	}
	b, a := c.before.grants, c.after.grants
	c.spelled(AspectMethods, b.Methods, a.Methods)
	c.spelled(AspectRequestHeaders, b.RequestHeaders, a.RequestHeaders)
	if !b.ExposeHeaders.Any { // beside `*` nothing else is sent
		c.spelled(AspectExposeHeaders, b.ExposeHeaders, a.ExposeHeaders)
	}
}

// spelled notes that answers name the same methods or headers in other words.
func (c *comparison) spelled(a Aspect, was, is policy.NameList) {
	if was.Any == is.Any && slices.Equal(was.Names, is.Names) {
		return
	}
	for i := range c.items {
		if c.items[i].Aspect == a {
			return // more than words have changed
		}
	}
	c.addf(Same, a, string(a), "answers name them as %s; before it was %s", listText(is), listText(was))
}

func listText(l policy.NameList) string {
	names := slices.Clone(l.Names)
	if l.Any {
		names = append([]string{"*"}, names...)
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func (g *governor) status() int {
	if g.spec.PreflightStatus == nil {
		return 204
	}
	return int(g.spec.GetPreflightStatus())
}

func asked(l corsgatev1.PreflightLists) bool {
	return l == corsgatev1.PreflightLists_PREFLIGHT_LISTS_ASKED
}

// exceptions finds dangers that the new policy takes upon itself and the old did
// not.
func (c *comparison) exceptions() {
	if c.after.policyDoc == nil {
		return
	}
	known := map[string]bool{}
	if c.before.policyDoc != nil {
		for _, e := range c.before.side.Set.Exceptions() {
			if e.Policy == c.before.policy.Name {
				known[e.Field] = true
			}
		}
	}
	for _, e := range c.after.side.Set.Exceptions() {
		if e.Policy == c.after.policy.Name && !known[e.Field] {
			at := e.Position
			c.riskf(RiskException, &at, "%s: %s", strings.TrimPrefix(e.Field, "spec."), e.Justification)
		}
	}
}
