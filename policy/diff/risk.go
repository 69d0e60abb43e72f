package diff

import "github.com/corsgate/corsgate/policy"

// Severity is how closely a risk should be looked at.
type Severity string

const (
	// SeverityHigh is of what can hand over accounts, or takes a guard away.
	SeverityHigh Severity = "high"
	// SeverityMedium is of what lets more in than a list would.
	SeverityMedium Severity = "medium"
)

// Code names a kind of risk. The list is closed, and each has one severity.
type Code string

// The kinds of risks.
const (
	RiskAnyOrigin      Code = "any_origin"
	RiskCredentials    Code = "credentials_allowed"
	RiskWildcard       Code = "wildcard_widened"
	RiskPlainHTTP      Code = "plain_http_origin"
	RiskNull           Code = "null_origin"
	RiskRegex          Code = "origin_regex"
	RiskExclusion      Code = "exclusion_removed"
	RiskGuard          Code = "guard_removed"
	RiskDisallowed     Code = "disallowed_passes"
	RiskNavigations    Code = "navigations_pass"
	RiskEnforcement    Code = "enforcement_weakened"
	RiskAnyMethod      Code = "any_method"
	RiskAnyHeader      Code = "any_request_header"
	RiskAnyExposed     Code = "any_exposed_header"
	RiskUnsafeMethod   Code = "unsafe_method"
	RiskAuthorization  Code = "authorization_allowed"
	RiskPrivateNetwork Code = "private_network"
	RiskException      Code = "exception_added"
)

// A RiskKind describes one kind of risk.
type RiskKind struct {
	Code     Code
	Severity Severity
	// Reason says why it is one.
	Reason string
}

var riskKinds = []RiskKind{
	{RiskAnyOrigin, SeverityHigh, "every site on the web may call"},
	{RiskCredentials, SeverityHigh, "pages of these origins act with the cookies of whoever visits them"},
	{RiskException, SeverityHigh, "the policy takes a danger upon itself"},
	{RiskGuard, SeverityHigh, "a wider policy, or none, governs what had one of its own"},
	{RiskDisallowed, SeverityHigh, "requests of origins that may not call reach the service"},
	{RiskEnforcement, SeverityHigh, "requests reach the service whatever the policy says"},
	{RiskNull, SeverityHigh, "any site can make a sandboxed document, whose origin is null"},
	{RiskWildcard, SeverityMedium, "whoever controls any one name or port that it matches may call"},
	{RiskPlainHTTP, SeverityMedium, "anybody on the way can change a page that comes over http"},
	{RiskRegex, SeverityMedium, "a regular expression is easily wider than it looks"},
	{RiskExclusion, SeverityMedium, "an origin that was kept out on purpose may call"},
	{RiskNavigations, SeverityMedium, "cross-site form posts of any origin reach the service with cookies"},
	{RiskAnyMethod, SeverityMedium, "whatever method the service learns is open to these origins"},
	{RiskAnyHeader, SeverityMedium, "whatever header the service learns is open to these origins"},
	{RiskAnyExposed, SeverityMedium, "scripts may read whatever header the service sends"},
	{RiskUnsafeMethod, SeverityMedium, "the method changes or removes what the service holds"},
	{RiskAuthorization, SeverityMedium, "scripts may send tokens and passwords of their choice"},
	{RiskPrivateNetwork, SeverityMedium, "old browsers let public pages reach a private network"},
}

// RiskKinds returns all kinds of risks, the severest first. The caller must not
// change them.
func RiskKinds() []RiskKind { return riskKinds }

// A Risk is one thing to look at twice.
type Risk struct {
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`
	// Text says what it is, and Reason why it is a risk.
	Text     string           `json:"text"`
	Reason   string           `json:"reason"`
	Position *policy.Position `json:"position,omitempty"`
}

// newRisk makes a risk of a kind.
func newRisk(code Code, text string, at *policy.Position) Risk {
	risk := Risk{Code: code, Text: text, Position: at}
	for i := range riskKinds {
		if riskKinds[i].Code == code {
			risk.Severity, risk.Reason = riskKinds[i].Severity, riskKinds[i].Reason
		}
	}
	return risk
}
