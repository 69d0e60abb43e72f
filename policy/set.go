package policy

import (
	"time"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// A Set is all policies that are in force, compiled. It is immutable and safe
// for use by any number of goroutines.
type Set struct {
	revision   string
	policies   []*Policy
	originSets int
	exceptions []Exception
	expires    time.Time
	byName     map[string]*Policy
	targets    targetIndex
	refusals   refusals
	// ungovernedNotCORS is indexed by whether the route adds Vary itself. Its
	// elements may be nil.
	ungovernedNotCORS [2]*Answer
	// answers counts those of the set and of its policies.
	answers  int
	noPolicy Disposition
}

// Revision identifies what the set holds: a hash of its documents, which does
// not depend on their order or on how they are spread over files. Equal content
// has an equal revision on every replica.
func (s *Set) Revision() string { return s.revision }

// Policies returns the policies, ordered by name. The caller must not change
// the slice.
func (s *Set) Policies() []*Policy { return s.policies }

// OriginSets returns how many origin sets there are.
func (s *Set) OriginSets() int { return s.originSets }

// Answers returns how many answers the set can give: their IDs lie below it.
func (s *Set) Answers() int { return s.answers }

// Exceptions returns what policies take upon them in `dangerously`, ordered by
// policy. The caller must not change the slice.
func (s *Set) Exceptions() []Exception { return s.exceptions }

// Expires returns when the first of the temporary origins in force will be in
// force no longer, so that the set must be compiled anew. It is zero where there
// is none.
func (s *Set) Expires() time.Time { return s.expires }

// An Exception is a danger that a policy takes upon itself.
type Exception struct {
	Policy string `json:"policy"`
	// Field is the path within the policy, such as
	// "spec.dangerously.publicSuffix".
	Field         string   `json:"field"`
	Justification string   `json:"justification"`
	Position      Position `json:"position"`
}

// A Policy is one compiled policy.
type Policy struct {
	// Name is unique within its set.
	Name string
	// Position is where the policy's document stands.
	Position Position
	// Enforcement says whether the policy is in force.
	Enforcement Enforcement

	// index is the policy's place in Set.policies.
	index int
	doc   *Document
	spec  *corsgatev1.CorsPolicySpec

	// direct says that an origin of the policy's own list may call, whatever else
	// the policy says: such a request needs no more than to be found.
	direct     bool
	origins    originRules
	methods    methodRules
	headers    headerRules
	disallowed Disposition
	navigation Disposition
	answers    answers
}

// Index is the policy's place in [Set.Policies].
func (p *Policy) Index() int { return p.index }

// Spec returns what the policy's document says. The caller must not change it.
func (p *Policy) Spec() *corsgatev1.CorsPolicySpec { return p.spec }

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

var enforcementWords = [...]string{"ENFORCE", "REPORT_ONLY", "DISABLED"}

// String returns the word for e in documents, logs and metrics.
func (e Enforcement) String() string { return enforcementWords[e] }

// Disposition is what becomes of a request that is not allowed.
type Disposition uint8

const (
	// DispositionDeny refuses it.
	DispositionDeny Disposition = iota
	// DispositionPass lets it through without granting anything.
	DispositionPass
)
