package main

import (
	"slices"
	"strings"
)

// Bounds of the custom resources. Kubernetes refuses a rule whose cost it cannot
// bound, and an object above 1.5 MiB.
const (
	longText    = 1024
	shortText   = 320 // the longest origin: a scheme, 253 characters of a host, a port
	manyEntries = 64
	manyItems   = 256
	// ownOrigins is how many origins a policy may list itself; more belong into sets.
	ownOrigins = 5000
	// setOrigins is more than fit into an object.
	setOrigins = 65536
)

// fewestOf returns how many elements a list must have: one that is empty says nothing,
// but for the one that says that no policy may let any origin in.
func fewestOf(field string) int64 {
	if field == "AnyOriginRule.policies" {
		return 0
	}
	return 1
}

// itemsOf returns how many elements a list may have.
func itemsOf(field string) int64 {
	switch field {
	case "CorsPolicySpec.targets", "Target.hosts", "Target.paths":
		return 64
	case "CorsPolicySpec.origins":
		return ownOrigins
	case "CorsOriginSetSpec.origins":
		return setOrigins
	case "CorsGuardrailSpec.forbiddenOrigins", "CorsGuardrailSpec.originSuffixes":
		return 1000
	default:
		return manyItems
	}
}

// lengthOf returns how long a text may be.
func lengthOf(field string) int64 {
	switch {
	case strings.HasPrefix(field, "Exceptions."), strings.HasSuffix(field, "originRegexes[]"), strings.HasSuffix(field, "paths[]"):
		return longText
	case strings.HasSuffix(field, ".maxAge"), strings.HasSuffix(field, ".until"), strings.HasSuffix(field, ".presets[]"):
		return 64
	default:
		return shortText
	}
}

// requiredOf returns the fields that a message cannot be without.
func requiredOf(message string) []string {
	switch message {
	case "Target":
		return []string{"hosts"}
	case "TemporaryOrigin":
		return []string{"origin", "until"}
	case "CorsOriginSetSpec":
		return []string{"origins"}
	default:
		return nil
	}
}

// A validation is a rule in CEL, the language that Kubernetes checks objects
// with, and what it says where the rule is broken.
type validation struct {
	Rule      string `yaml:"rule"`
	Message   string `yaml:"message,omitempty"`
	Expressed string `yaml:"messageExpression,omitempty"`
	FieldPath string `yaml:"fieldPath,omitempty"`
}

// rulesOf returns the rules of a message, of a field (Message.field), or of a
// list's elements (Message.field[]). They say what the compiler of policies says, in its
// words, as far as CEL can; the webhook says the rest.
func rulesOf(name string) []validation {
	switch name {
	case "CorsPolicySpec":
		return slices.Concat(anyOriginRules(), credentialRules())
	case "CorsPolicySpec.origins[]", "CorsGuardrailSpec.forbiddenOrigins[]", "CorsPolicySpec.excludeOrigins[]", "TemporaryOrigin.origin":
		return originRules(name != "CorsPolicySpec.origins[]")
	case "CorsOriginSetSpec.origins[]":
		return []validation{misplacedAnyRule()} // there are too many of them for more
	case "CorsPolicySpec.maxAge", "CorsGuardrailSpec.maxAge":
		return maxAgeRules()
	case "CorsPolicySpec.preflightStatus":
		return []validation{{
			Rule: "self >= 200 && self <= 299",
			Message: "browsers take a preflight answer with any other status for a failure; " +
				"write a status from 200 to 299, or leave it out for 204 [preflight_status]",
		}}
	case "CorsPolicySpec.methods[]", "CorsGuardrailSpec.forbiddenMethods[]":
		return methodRules(name == "CorsPolicySpec.methods[]")
	case "CorsPolicySpec.requestHeaders[]", "CorsPolicySpec.exposeHeaders[]",
		"CorsGuardrailSpec.forbiddenRequestHeaders[]", "CorsGuardrailSpec.forbiddenExposeHeaders[]":
		return []validation{{
			Rule:    `self.matches('^` + tokenForm + `$')`,
			Message: `it is not a header name; write a token such as "X-Request-Id" [header_invalid]`,
		}}
	case "TemporaryOrigin.until":
		return []validation{{
			Rule:    `self.matches('^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2}))?$')`,
			Message: `it is neither a day nor a time; write "2027-01-31" or "2027-01-31T18:00:00Z" [until_invalid]`,
		}}
	case "Target.hosts[]":
		return hostRules()
	case "Target.paths[]":
		return []validation{{
			Rule:    `self.startsWith('/')`,
			Message: `a path begins with "/"; write it as in "/v1/*" [path_invalid]`,
		}}
	case "Exceptions.anyOriginWithCredentials", "Exceptions.plainHttpWithCredentials", "Exceptions.publicSuffix":
		return []validation{{
			Rule:    "size(self) >= 10",
			Message: "a justification has at least 10 characters; say why it must be [justification_short]",
		}}
	case "CorsGuardrailSpec":
		return []validation{{
			Rule: "has(self.originSuffixes) || has(self.forbiddenOrigins) || has(self.credentials) || has(self.noOriginRegexes) || " +
				"has(self.noPlainHttp) || has(self.noExceptions) || has(self.maxAge) || has(self.forbiddenMethods) || " +
				"has(self.forbiddenRequestHeaders) || has(self.forbiddenExposeHeaders) || has(self.anyOrigin)",
			Message: "the guardrail forbids nothing; say what it forbids, or remove it [guardrail_empty]",
		}}
	default:
		return nil
	}
}

// tokenForm is that of a method and of the name of a header (RFC 9110, section 5.6.2).
const tokenForm = "[!#$%&*+.^_`|~0-9A-Za-z-]+" //nolint:gosec // the token of a header, not of a person

func anyOriginRules() []validation {
	return []validation{
		{
			Rule:      "has(self.origins) || has(self.originSets) || has(self.originRegexes) || has(self.temporaryOrigins)",
			Message:   "the policy lets no origin call; list origins or originSets [origins_missing]",
			FieldPath: ".origins",
		},
		{
			Rule: "!has(self.origins) || !('*' in self.origins) || " +
				"size(self.origins) == 1 && !has(self.originSets) && !has(self.originRegexes) && !has(self.temporaryOrigins)",
			Message:   `"*" lets every origin call, so what stands beside it says nothing; keep "*" alone, or remove it [any_origin_not_alone]`,
			FieldPath: ".origins",
		},
	}
}

func credentialRules() []validation {
	const without = "!has(self.credentials) || !self.credentials || "
	const accepted = "has(self.dangerously) && has(self.dangerously.anyOriginWithCredentials)"
	const nobodyNull = `with credentials: true every site could act as the person who visits it; remove "null", or leave credentials out [null_with_credentials]`
	return []validation{
		{
			Rule: without + "!has(self.origins) || !('*' in self.origins) || " + accepted,
			Message: `"*" with credentials: true would let every site on the web act as the person who visits it; ` +
				"list the origins, or leave credentials out [any_origin_with_credentials]",
			FieldPath: ".origins",
		},
		{
			Rule:      without + "!has(self.origins) || !('null' in self.origins) || " + accepted,
			Message:   "any site can make a sandboxed document, whose origin is null, so " + nobodyNull,
			FieldPath: ".origins",
		},
		{
			Rule:      without + "!has(self.temporaryOrigins) || !self.temporaryOrigins.exists(o, o.origin == 'null') || " + accepted,
			Message:   "any site can make a sandboxed document, whose origin is null, so " + nobodyNull,
			FieldPath: ".temporaryOrigins",
		},
		{
			Rule: without + "!has(self.exposeHeaders) || !('*' in self.exposeHeaders)",
			Message: `browsers take "*" for the name of a header where credentials are allowed; ` +
				"list the headers [expose_any_with_credentials]",
			FieldPath: ".exposeHeaders",
		},
	}
}

func misplacedAnyRule() validation {
	return validation{
		Rule:    "self != '*'",
		Message: `"*" is not an origin of a list like this; write "*" alone in a policy's origins [origin_any]`,
	}
}

// originRules are of one origin of a list. Where any is misplaced, it may not be `*`.
func originRules(misplaced bool) []validation {
	rules := []validation{
		{
			Rule:    "self in ['', '*', 'null'] || self.contains('://')",
			Message: `it has no scheme, and an origin is a scheme, a host and perhaps a port; write it as in "https://shop.example" [origin_scheme]`,
		},
		{
			Rule:    "!self.matches('://[^/]*/')",
			Message: `it has a path, and an origin ends with its host or port; remove the "/" and what follows [origin_path]`,
		},
	}
	if misplaced {
		rules = append(rules, misplacedAnyRule())
	}
	return rules
}

func maxAgeRules() []validation {
	const form = `self.matches('^[-+]?(0|([0-9]+[.]?[0-9]*|[.][0-9]+)(ns|us|µs|ms|s|m|h))+$')`
	return []validation{
		{
			Rule:    form,
			Message: `it is not a duration; write hours, minutes or seconds, such as "2h" or "600s" [max_age_invalid]`,
		},
		{
			Rule:    "!" + form + " || duration(self) >= duration('0s') && duration(self).getMilliseconds() % 1000 == 0",
			Message: `it is negative or not in whole seconds; write whole seconds, such as "600s" [max_age_invalid]`,
		},
		{
			Rule:    "!" + form + " || duration(self) <= duration('24h')",
			Message: `it is more than a day, and no browser remembers a preflight for longer; write "24h" or less [max_age_too_long]`,
		},
	}
}

// methodRules are of one method. Where it must be sent by browsers, it must be
// one that they send.
func methodRules(sent bool) []validation {
	rules := []validation{{
		Rule:    `self.matches('^` + tokenForm + `$')`,
		Message: `it is not a method; write a token such as "GET" [method_invalid]`,
	}}
	if !sent {
		return rules
	}
	return append(rules,
		validation{
			Rule:      "!(self.upperAscii() in ['CONNECT', 'TRACE', 'TRACK'])",
			Expressed: `"browsers never send \"" + self + "\" for a script; remove it [method_forbidden]"`,
		},
		validation{
			Rule: "!(self.upperAscii() in ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT']) || self == self.upperAscii()",
			Expressed: `"methods are case-sensitive, and \"" + self + "\" is not \"" + self.upperAscii() + "\"; ` +
				`write \"" + self.upperAscii() + "\" [method_case]"`,
		},
	)
}

func hostRules() []validation {
	return []validation{
		{
			Rule:    "!self.contains('://')",
			Message: `it names a scheme, and a target is a host; write the host alone, as in "api.shop.example" [host_scheme]`,
		},
		{
			Rule:    "self.contains('://') || !self.contains('/')",
			Message: `it has a path, and a target is a host; write the path in the target's paths [host_invalid]`,
		},
		{
			Rule:    "self == '*' || self.lastIndexOf('*') < 1 && (!self.startsWith('*') || self.startsWith('*.'))",
			Message: `it has a wildcard that is not its whole first label; write "*." and a domain, or "*" [host_wildcard]`,
		},
	}
}
