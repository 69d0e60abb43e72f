package policy

// A Set is all policies that are in force, compiled. It is immutable and safe
// for use by any number of goroutines.
type Set struct {
	revision string
	policies []*Policy
}

// Revision identifies what the set holds: a hash of its documents, which does
// not depend on their order or on how they are spread over files. Equal content
// has an equal revision on every replica.
func (s *Set) Revision() string { return s.revision }

// Policies returns the policies, ordered by name. The caller must not change
// the slice.
func (s *Set) Policies() []*Policy { return s.policies }

// Decide weighs one request. It does not allocate, takes no lock, and keeps no
// reference to the request beyond the strings in it.
func (s *Set) Decide(r *Request) Decision { return Decision{} }

// A Policy is one compiled policy.
type Policy struct {
	// Name is unique within its set.
	Name string
	// Position is where the policy's document stands.
	Position Position
	// Enforcement says whether the policy is in force.
	Enforcement Enforcement
}

// A Rule is the part of a policy that decided.
type Rule struct {
	// Field is the path of the part within its document, such as
	// "spec.origins[2]".
	Field string
	// Text is what the part says, such as "https://*.shop.example". It is empty
	// where the part is not mentioned.
	Text string
	// Position is where the part stands.
	Position Position
}

// A Decision is what one request gets.
type Decision struct {
	Verdict Verdict
	Reason  Reason
	Action  Action
	Kind    Kind
	// Policy governs the request. It is nil where none does.
	Policy *Policy
	// Rule decided. It is nil where no single part of a policy did.
	Rule *Rule
}

// Status is the status of our own answer, or zero where the request goes on to
// the service.
func (d *Decision) Status() int { return 403 }

// Headers returns the headers to send, in a stable order, each name once.
func (d *Decision) Headers() []Header { return nil }

// Body is the body of our own answer, and its type is that of the content-type
// among the headers. It is empty for preflights and where the request goes on.
func (d *Decision) Body() string { return "" }

// Enforcement says whether a policy is in force.
type Enforcement uint8

const (
	// EnforcementEnforce decides and enforces.
	EnforcementEnforce Enforcement = iota
	// EnforcementReportOnly decides and records, and changes nothing.
	EnforcementReportOnly
	// EnforcementDisabled neither decides nor changes anything.
	EnforcementDisabled
)

// Disposition is what becomes of a request that is not allowed.
type Disposition uint8

const (
	// DispositionDeny refuses it.
	DispositionDeny Disposition = iota
	// DispositionPass lets it through without granting anything.
	DispositionPass
)
