package explain

import "github.com/corsgate/corsgate/policy"

// An Outcome is what becomes of the whole.
type Outcome string

const (
	// OutcomeAllowed is that the page gets what it asked for.
	OutcomeAllowed Outcome = "allowed"
	// OutcomePartial is that the script gets the response, but not all the
	// headers that it wants to read.
	OutcomePartial Outcome = "partial"
	// OutcomeBlocked is that corsgate refuses, or that browsers keep the response
	// from the script.
	OutcomeBlocked Outcome = "blocked"
	// OutcomeServiceDecides is that corsgate changes nothing, so that all hangs on
	// what the service itself answers.
	OutcomeServiceDecides Outcome = "service_decides"
)

// An Explanation is the answer to a [Question]. Its JSON is stable.
type Explanation struct {
	Question Question `json:"question"`
	// Revision is of the policies that were asked.
	Revision string `json:"revision"`
	// Outcome is what becomes of it all, and Summary says it in one sentence.
	Outcome Outcome `json:"outcome"`
	Summary string  `json:"summary"`
	// Verdict and Reason are of the decision that settled it: the preflight's
	// where that is refused, else the request's own.
	Verdict string `json:"verdict,omitempty"`
	Reason  string `json:"reason,omitempty"`

	Relation Relation `json:"relation"`
	// NeedsPreflight says whether browsers ask first, and Causes why.
	NeedsPreflight bool    `json:"needsPreflight"`
	Causes         []Cause `json:"causes,omitempty"`

	Governing Governing `json:"governing"`
	// Preflight is absent where there is none, and Request where browsers refuse
	// to send anything.
	Preflight *Answer `json:"preflight,omitempty"`
	Request   *Answer `json:"request,omitempty"`
	// Browsers is empty where the service decides, and where no browser has such an
	// origin.
	Browsers []Browser `json:"browsers"`
	Notes    []Note    `json:"notes"`

	// Change would allow it. Where there is none, and one is wanted, NoChange
	// says why.
	Change   *Change `json:"change,omitempty"`
	NoChange *Note   `json:"noChange,omitempty"`
}

// A Relation is how two origins stand to each other.
type Relation struct {
	CrossOrigin bool `json:"crossOrigin"`
	// SameSite says that the two have one scheme and registrable domain (HTML
	// standard, "same site").
	SameSite bool `json:"sameSite"`
	// Target is the origin of the URL.
	Target string `json:"target"`
	// Differs holds "scheme", "host" and "port", as far as they do.
	Differs []string `json:"differs,omitempty"`
	// Text says it in a sentence.
	Text string `json:"text"`
}

// A Cause is one reason for a preflight.
type Cause struct {
	// Kind is method, header, value, total, upload_listener, stream or unknown.
	Kind  string `json:"kind"`
	Name  string `json:"name,omitempty"`
	Value string `json:"value,omitempty"`
	Text  string `json:"text"`
}

// Governing is which policy governs the request, and why that one.
type Governing struct {
	// By is "target", "route" or "none".
	By          string          `json:"by"`
	Policy      string          `json:"policy,omitempty"`
	Position    policy.Position `json:"position,omitzero"`
	Enforcement string          `json:"enforcement,omitempty"`
	// Breaches is what the policy does that guardrails forbid. With any of them it
	// lets nobody in.
	Breaches policy.Problems `json:"breaches,omitempty"`
	// Target is the one that matched, where By is "target".
	Target *Target `json:"target,omitempty"`
	// Others matched less specifically, the most specific first.
	Others []Target `json:"others,omitempty"`
	// Nearest is the target that nearly matched, where none did.
	Nearest *Target `json:"nearest,omitempty"`
}

// A Target is one host and path of a policy.
type Target struct {
	Policy string `json:"policy"`
	// Target is as documents write it, such as "*.shop.example/v1/*".
	Target   string          `json:"target"`
	Position policy.Position `json:"position"`
	// Why says what tells it from the request, or from the one that governs.
	Why string `json:"why,omitempty"`
}

// A Rule is the part of a document that decided.
type Rule struct {
	Field string `json:"field"`
	// Text is what the part says. It is empty where the document does not mention
	// the part.
	Text     string          `json:"text,omitempty"`
	Document string          `json:"document"`
	Position policy.Position `json:"position"`
	// Why says what it made of the request.
	Why string `json:"why,omitempty"`
	// Near is the entry that nearly matched, and why it did not.
	Near *Near `json:"near,omitempty"`
}

// Near is an entry that nearly matched an origin.
type Near struct {
	Text     string          `json:"text"`
	Position policy.Position `json:"position"`
	Why      string          `json:"why"`
}

// An Answer is what corsgate answers to one request.
type Answer struct {
	// Sent says whether browsers get as far as sending the request.
	Sent bool `json:"sent"`
	// Method, URL and RequestHeaders are what a browser sends.
	Method         string  `json:"method"`
	URL            string  `json:"url"`
	RequestHeaders []Field `json:"requestHeaders"`

	Kind    string `json:"kind"`
	Verdict string `json:"verdict"`
	Reason  string `json:"reason"`
	// Action is "refuse", "answer" or "forward".
	Action string `json:"action"`
	// Status is that of our own answer. It is absent where the request goes on to
	// the service.
	Status  int      `json:"status,omitempty"`
	Headers []Header `json:"headers"`
	Body    string   `json:"body,omitempty"`
	Rule    *Rule    `json:"rule,omitempty"`
}

// A Header is a header of an answer, and how it meets the service's own.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	// Write is "set", "append" or "replace": replace what the service sends, and
	// add nothing where it sends none.
	Write string `json:"write"`
}

// A Browser is what one engine makes of the answers.
type Browser struct {
	// Engine is Chrome, Firefox or Safari.
	Engine string `json:"engine"`
	// Access is "readable", "opaque" or "blocked".
	Access string `json:"access"`
	// Failure is why it is blocked.
	Failure string `json:"failure,omitempty"`
	// Console is what is printed, to the letter; lines are ended by \n.
	Console string `json:"console,omitempty"`
	MDN     string `json:"mdn,omitempty"`
	// Unreadable are those of the headers asked for that the script does not see.
	Unreadable []string `json:"unreadable,omitempty"`
	// RemembersSeconds is for how long the preflight is remembered. It is absent
	// where there is no preflight, or none that succeeds.
	RemembersSeconds *int `json:"remembersSeconds,omitempty"`
}

// A Note is something that somebody should know of.
type Note struct {
	// Code is a stable snake_case word.
	Code string `json:"code"`
	Text string `json:"text"`
}

// A Change is the smallest one to the policies that would allow the request. It
// was tried: with it, the policies compile, and browsers share the response.
type Change struct {
	// Policy is the one to change, or to add.
	Policy string `json:"policy"`
	Edits  []Edit `json:"edits"`
	// NewDocument is a whole document to add, where no policy governs.
	NewDocument string `json:"newDocument,omitempty"`
	// Consequences is what else the change would do.
	Consequences []Note `json:"consequences,omitempty"`
	// Revision is of the policies with the change.
	Revision string `json:"revision"`
}

// An Edit is one change to a field.
type Edit struct {
	// Position is where the field stands, or spec where it is not there.
	Position policy.Position `json:"position"`
	// Field is its path, such as "spec.methods".
	Field string `json:"field"`
	// Add is what to add to a list, and Set the value to set.
	Add []string `json:"add,omitempty"`
	Set string   `json:"set,omitempty"`
	// Old and New are the lines of YAML to remove and to write, as far as they
	// are known.
	Old []string `json:"old,omitempty"`
	New []string `json:"new"`
}
