package diff

import (
	"slices"

	"github.com/corsgate/corsgate/policy"
)

// Direction is which way something changed, for those who call.
type Direction string

const (
	// Gain is of what may be done now and could not before.
	Gain Direction = "gain"
	// Loss is of what may not be done any more.
	Loss Direction = "loss"
	// Same is of what may be done as before, but is answered in other words.
	Same Direction = "same"
)

// Aspect is what of a policy changed. The list is closed.
type Aspect string

// The aspects are named after the fields of a policy that they come from.
const (
	AspectOrigins        Aspect = "origins"
	AspectUntil          Aspect = "until"
	AspectMethods        Aspect = "methods"
	AspectRequestHeaders Aspect = "requestHeaders"
	AspectExposeHeaders  Aspect = "exposeHeaders"
	AspectCredentials    Aspect = "credentials"
	AspectMaxAge         Aspect = "maxAge"
	AspectPreflight      Aspect = "preflight"
	AspectTiming         Aspect = "timingAllowOrigin"
	AspectResource       Aspect = "crossOriginResourcePolicy"
	AspectPrivateNetwork Aspect = "privateNetwork"
	AspectDisallowed     Aspect = "onDisallowedOrigin"
	AspectNavigations    Aspect = "navigations"
	AspectEnforcement    Aspect = "enforcement"
	// AspectGuardrail is of a policy that a guardrail keeps from letting anybody in.
	AspectGuardrail Aspect = "guardrail"
)

// A Report is what a change means. Its JSON is stable: fields are added, and
// none changes its meaning.
type Report struct {
	Before Summary `json:"before"`
	After  Summary `json:"after"`
	// Meaning is "same" where every request is decided as before, and "changed"
	// elsewhere.
	Meaning string `json:"meaning"`
	// Gains, Losses and Risks count what the changes hold.
	Gains  int `json:"gains"`
	Losses int `json:"losses"`
	Risks  int `json:"risks"`
	// Changes is what means something else now, by the parts of all requests.
	Changes []Change `json:"changes"`
	// Guardrails is what became of guardrails. What that makes of requests is among
	// Changes.
	Guardrails []GuardrailChange `json:"guardrails"`
	// Spelling is what is written differently and means the same.
	Spelling []Note `json:"spelling"`
}

// The values of Report.Meaning.
const (
	MeaningSame    = "same"
	MeaningChanged = "changed"
)

// A Summary describes one side.
type Summary struct {
	Revision   string `json:"revision"`
	Policies   int    `json:"policies"`
	OriginSets int    `json:"originSets"`
	Guardrails int    `json:"guardrails"`
	// Barred counts the policies that do what a guardrail forbids.
	Barred int `json:"barred"`
}

// A Change is what became of some requests.
type Change struct {
	// Targets are the requests, as documents write targets; what a more specific
	// target elsewhere governs is not among them. Those that TargetCount counts
	// beyond the list were left out.
	Targets     []string `json:"targets"`
	TargetCount int      `json:"targetCount"`
	// Routes are the names by which routes choose the policy.
	Routes []string `json:"routes"`
	// Before and After are the policies that govern the requests. They are nil
	// where none does.
	Before *Governor `json:"before"`
	After  *Governor `json:"after"`
	Items  []Item    `json:"items"`
	Risks  []Risk    `json:"risks"`
}

// A Governor is the policy that governs requests.
type Governor struct {
	Policy      string          `json:"policy"`
	Enforcement string          `json:"enforcement"`
	Position    policy.Position `json:"position"`
	// Barred says that a guardrail keeps the policy from letting anybody in.
	Barred bool `json:"barred,omitempty"`
}

// An Item is one thing that changed.
type Item struct {
	Direction Direction `json:"direction"`
	Aspect    Aspect    `json:"aspect"`
	// Text says it in words.
	Text string `json:"text"`
	// Values are the origins, methods or headers that it is about. Those that
	// Count counts beyond the list were left out.
	Values []Value `json:"values,omitempty"`
	Count  int     `json:"count,omitempty"`
	// Position is where the cause stands: among the new documents for a gain,
	// among the old ones for a loss, unless the new ones hold its cause.
	Position *policy.Position `json:"position,omitempty"`
}

// A Value is an origin, a method or a header, and where it stands.
type Value struct {
	Text     string          `json:"text"`
	Position policy.Position `json:"position"`
	// OriginSet is the set that holds an origin.
	OriginSet string `json:"originSet,omitempty"`
	// Note says what is special about it.
	Note string `json:"note,omitempty"`
}

// A Note is what is written differently and means the same.
type Note struct {
	Text     string           `json:"text"`
	Position *policy.Position `json:"position,omitempty"`
}

// Has reports whether any change has an item of a direction.
func (r *Report) Has(d Direction) bool {
	return slices.ContainsFunc(r.Changes, func(c Change) bool { return c.has(d) })
}

func (c *Change) has(d Direction) bool {
	return slices.ContainsFunc(c.Items, func(i Item) bool { return i.Direction == d })
}
