package policy

import (
	"hash/maphash"
	"time"

	"google.golang.org/protobuf/proto"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// A Set is all policies that are in force, compiled. It is immutable and safe
// for use by any number of goroutines.
type Set struct {
	revision   string
	policies   []*Policy
	guardrails []*Guardrail
	originSets int
	exceptions []Exception
	expires    time.Time
	byName     map[string]*Policy
	targets    targetIndex
	refusals   refusals
	// ungovernedNotCORS is indexed by whether the route adds Vary itself. Its
	// elements may be nil.
	ungovernedNotCORS [2]*Answer
	noPolicy          Disposition
	// indexes bounds those of the policies.
	indexes int

	// What follows is for a later Compile, see part.
	parts    []*part
	places   map[proto.Message]int
	press    press
	seed     maphash.Seed
	breaches Breaches
	scans    map[scanKey]*originScan
	// shadowed are the warnings about targets of hosts that have any.
	shadowed map[hostKey]Problems
}

// Revision identifies what the set holds: a hash of its documents, which does
// not depend on their order or on how they are spread over files. Equal content
// has an equal revision on every replica.
func (s *Set) Revision() string { return s.revision }

// Policies returns the policies, ordered by name. The caller must not change
// the slice.
func (s *Set) Policies() []*Policy { return s.policies }

// Guardrails returns the guardrails, ordered by name. The caller must not change
// the slice.
func (s *Set) Guardrails() []*Guardrail { return s.guardrails }

// Barred returns the policies that do what a guardrail forbids, ordered by name.
func (s *Set) Barred() []*Policy {
	var barred []*Policy
	for _, p := range s.policies {
		if p.Barred() {
			barred = append(barred, p)
		}
	}
	return barred
}

// OriginSets returns how many origin sets there are.
func (s *Set) OriginSets() int { return s.originSets }

// Answers returns how many answers the set can give: their IDs lie below it.
func (s *Set) Answers() int { return s.press.made }

// Indexes bounds those of the policies: each [Policy.Index] lies below it.
func (s *Set) Indexes() int { return s.indexes }

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
	// Name is the full name, such as "shop/storefront". It is unique within its set.
	Name string
	// Namespace is the policy's, and empty where it has none.
	Namespace string
	// Position is where the policy's document stands.
	Position Position
	// Enforcement says whether the policy is in force.
	Enforcement Enforcement

	// index is no other policy's of the set.
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

	// breaches is what the policy does that guardrails forbid, and breach the part
	// of it that refusals name. A policy with breaches lets no origin in.
	breaches Problems
	breach   ruleRef
}

// Index is a small number that no other policy of the set has, see [Set.Indexes].
func (p *Policy) Index() int { return p.index }

// Barred reports whether the policy does what a guardrail forbids. Such a policy
// keeps its name and its targets, and lets no origin in: every cross-origin request
// is refused with [ReasonGuardrail], whatever the policy says of origins that may
// not call.
//
// Its enforcement counts all the same. A barred policy that is REPORT_ONLY records
// these refusals and changes nothing, and one that is DISABLED decides nothing:
// neither grants anything, with or without the guardrail, so that refusing in their
// place would break services and protect nobody.
func (p *Policy) Barred() bool { return len(p.breaches) > 0 }

// Breaches returns what the policy does that guardrails forbid. The caller must not
// change it.
func (p *Policy) Breaches() Problems { return p.breaches }

// OriginSet returns the full name of the origin set that an entry of the policy's
// `originSets` names.
func (p *Policy) OriginSet(reference string) string { return OriginSetName(p.Namespace, reference) }

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
