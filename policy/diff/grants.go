package diff

import (
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// reach is a set of methods or headers: names, or all but few.
type reach struct {
	any bool
	// names is sorted; with any, it holds those that `*` does not cover.
	names []string
	// beyond holds those of names that `*` does not cover.
	beyond []string
}

// without returns what r holds and other does not, with `*` for all that is not
// named.
func (r reach) without(other reach) []string {
	names := r.names
	if other.any {
		names = r.beyond
	}
	out := without(names, other.names)
	if r.any && !other.any {
		out = append([]string{"*"}, out...)
	}
	return out
}

// methods compares what origins may do.
func (c *comparison) methods() {
	before, after := methodReach(c.before.grants.Methods), methodReach(c.after.grants.Methods)
	more := c.names(AspectMethods, before, after)
	if slices.Contains(more, "*") {
		c.riskf(RiskAnyMethod, c.at("methods"), "methods: [\"*\"]")
		return
	}
	for _, method := range more {
		switch method {
		case "PUT", "PATCH", "DELETE":
			at := c.after.atName("methods", c.after.spec.GetMethods(), method)
			c.riskf(RiskUnsafeMethod, &at, "%s", method)
		}
	}
}

func methodReach(l policy.NameList) reach {
	if l.Any {
		return reach{any: true}
	}
	names := slices.Clone(l.Names)
	// HEAD rides on GET.
	if slices.Contains(names, "GET") && !slices.Contains(names, "HEAD") {
		names = append(names, "HEAD")
		slices.Sort(names)
	}
	return reach{names: names}
}

// requestHeaders compares which headers may be sent.
func (c *comparison) requestHeaders() {
	before, after := headerReach(c.before.grants.RequestHeaders), headerReach(c.after.grants.RequestHeaders)
	more := c.names(AspectRequestHeaders, before, after)
	if slices.Contains(more, "*") {
		c.riskf(RiskAnyHeader, c.at("requestHeaders"), "requestHeaders: [\"*\"]")
	}
	if slices.Contains(more, "authorization") {
		at := c.after.atName("requestHeaders", c.after.spec.GetRequestHeaders(), "authorization")
		c.riskf(RiskAuthorization, &at, "Authorization")
	}
}

// headerReach leaves out what needs no listing.
func headerReach(l policy.NameList) reach {
	if l.Any {
		return reach{any: true, names: l.Beyond, beyond: l.Beyond}
	}
	return reach{names: without(l.Names, safeRequestHeaders), beyond: l.Beyond}
}

// exposeHeaders compares what scripts may read.
func (c *comparison) exposeHeaders() {
	before, after := exposeReach(c.before.grants.ExposeHeaders), exposeReach(c.after.grants.ExposeHeaders)
	if slices.Contains(c.names(AspectExposeHeaders, before, after), "*") {
		c.riskf(RiskAnyExposed, c.at("exposeHeaders"), "exposeHeaders: [\"*\"]")
	}
}

func exposeReach(l policy.NameList) reach {
	if l.Any {
		return reach{any: true}
	}
	return reach{names: without(l.Names, safeResponseHeaders)}
}

// names compares two sets of names and returns what was gained.
func (c *comparison) names(a Aspect, before, after reach) (more []string) {
	more, fewer := after.without(before), before.without(after)
	for _, change := range []struct {
		direction Direction
		names     []string
		of        *governor
	}{{Gain, more, c.after}, {Loss, fewer, c.before}} {
		if len(change.names) > 0 {
			item := c.addf(change.direction, a, "", "%s", strings.Join(change.names, ", "))
			item.Count = len(change.names)
			for _, name := range change.names {
				item.Values = append(item.Values, Value{Text: name, Position: change.of.atListed(a, name)})
			}
			item.Position = &item.Values[0].Position
		}
	}
	return more
}

// atListed returns where a method or header comes from.
func (g *governor) atListed(a Aspect, name string) policy.Position {
	field := string(a)
	list := g.spec.GetMethods()
	switch a {
	case AspectRequestHeaders:
		list = g.spec.GetRequestHeaders()
	case AspectExposeHeaders:
		list = g.spec.GetExposeHeaders()
	}
	listed := slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, name) })
	if a != AspectMethods && !listed && len(g.spec.GetPresets()) > 0 {
		field = "presets"
	}
	return g.atName(field, list, name)
}

// Names that need no listing (Fetch standard, "CORS-safelisted request-header"
// and "CORS-safelisted response-header name").
var (
	safeRequestHeaders  = []string{"accept", "accept-language", "content-language", "range"}
	safeResponseHeaders = []string{"cache-control", "content-language", "content-length", "content-type", "expires", "last-modified", "pragma"}
)

func without(names, those []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(those, name) })
}
