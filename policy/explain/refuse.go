package explain

import (
	"fmt"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
)

// neverSent says why a browser refuses to send a request at all.
func neverSent(p *play) *Note {
	why := "its mode does not allow it"
	if block, ok := p.blocked(); ok {
		why = failureText(block.Failure)
	}
	return &Note{"never_sent", "No policy can allow it, since browsers never send it: " + why + "."}
}

// refusedBy says why changed documents do not compile: what would allow the
// request is what a policy must not say.
func refusedBy(problems policy.Problems) *Note {
	errs := problems.Errors()
	if len(errs) == 0 {
		return &Note{"no_change", "No change to the policy was found."}
	}
	first := &errs[0]
	text := fmt.Sprintf("No safe change would allow it. What it takes is refused, at %s (%s): %s.", first.Position, first.Field, first.Reason)
	if first.Mend != "" {
		text += " Instead, " + first.Mend + "."
	}
	return &Note{first.Code, text}
}

// guarded says that a change would do what a guardrail forbids, or returns nil where
// it would not.
func (w *world) guarded(set *policy.Set, name string) *Note {
	for _, p := range set.Policies() {
		if p.Name != name || !p.Barred() {
			continue
		}
		first := &p.Breaches()[0]
		return &Note{first.Code, fmt.Sprintf(
			"No change is proposed, for a guardrail forbids what it would take, at %s (%s): %s. Do without, or ask whoever answers for the guardrail %s.",
			first.Position, first.Field, first.Reason, first.Guardrail)}
	}
	return nil
}

// breachNote says what a barred policy does that guardrails forbid.
func breachNote(p *policy.Policy) *Note {
	text := "The policy " + p.Name + " does what a guardrail forbids, so it lets nobody in"
	switch p.Enforcement {
	case policy.EnforcementReportOnly:
		text = "The policy " + p.Name + " does what a guardrail forbids. Being REPORT_ONLY it changes nothing; enforced, it would let nobody in"
	case policy.EnforcementDisabled:
		text = "The policy " + p.Name + " does what a guardrail forbids. Being DISABLED it changes nothing; enforced, it would let nobody in"
	case policy.EnforcementEnforce:
	}
	const most = 3
	sentences, breaches := []string{text}, p.Breaches()
	for i := range breaches[:min(len(breaches), most)] {
		b := &breaches[i]
		sentences = append(sentences, fmt.Sprintf("At %s (%s): %s; %s", b.Position, b.Field, b.Reason, b.Mend))
	}
	if more := len(breaches) - most; more > 0 {
		sentences = append(sentences, fmt.Sprintf("%d more of its parts do the same", more))
	}
	return &Note{"guardrail", strings.Join(sentences, ". ") + "."}
}

// hopeless says why no change to a policy is safe, or possible, for a reason.
func hopeless(s *step) *Note {
	d := &s.decision
	switch d.Reason {
	case policy.ReasonOriginMalformed:
		return malformedNote(s.wire.Origin)
	case policy.ReasonOriginNull:
		return nullNote(d.Policy.Spec().GetCredentials())
	case policy.ReasonOriginExcluded:
		text := "Somebody has excluded the origin on purpose."
		if rule, ok := d.Rule(); ok {
			text = fmt.Sprintf("Somebody has excluded the origin on purpose, with %q in %s at %s. Ask whoever owns the policy %s; taking the line out is their decision.",
				rule.Text, rule.Field, rule.Position, rule.Document)
		}
		return &Note{"origin_excluded", text}
	case policy.ReasonGuardrail:
		return breachNote(d.Policy)
	case policy.ReasonTooManyHeaders:
		return &Note{"too_many_headers", "corsgate reads up to 128 names and 8 KiB of Access-Control-Request-Headers. Send fewer headers, or put what they hold into the body."}
	case policy.ReasonSameOrigin, policy.ReasonNoOrigin:
		return &Note{"not_cors", "corsgate takes the request for one that is not cross-origin (" + d.Reason.String() + "), so no policy has a part in it."}
	}
	return nil
}

func malformedNote(origin string) *Note {
	text := fmt.Sprintf("No browser sends the origin %q, so a policy that let it in would help nobody.", origin)
	if canonical := canonicalOrigin(origin); canonical != "" {
		text += fmt.Sprintf(" A browser would send %s: ask again with that.", canonical)
	} else {
		text += " An origin is a scheme, a host and perhaps a port, such as https://shop.example."
	}
	return &Note{"origin_malformed", text}
}

func nullNote(credentials bool) *Note {
	text := "Letting in the origin null is not safe: any site can make a sandboxed document, whose origin it is"
	if credentials {
		text += ", and with credentials: true act as whoever visits it"
	}
	return &Note{"origin_null", text + ". Remove what makes the origin null instead."}
}

// whyUntouched says why no change is offered where corsgate changes nothing.
func (w *world) whyUntouched(p *play) *Note {
	by := p.decisive().decision.Policy
	if by == nil {
		return &Note{"no_policy", "No policy governs the request, and corsgate lets such requests go on untouched (--no-policy pass). What the service answers decides; a policy would put corsgate in charge."}
	}
	text := fmt.Sprintf("The policy %s changes nothing (enforcement: %s), so what the service answers decides.", by.Name, by.Enforcement)
	if would := w.enforced(p, by.Name); would != "" {
		text += " " + would
	}
	return &Note{strings.ToLower(by.Enforcement.String()), text}
}

// failureText says in words why a browser blocks.
func failureText(why browser.Failure) string {
	if advice, ok := adviceOn(why); ok {
		return strings.TrimSuffix(lowerFirst(advice.cause), ".")
	}
	return strings.ReplaceAll(why.String(), "_", " ")
}

// sentence begins a text with a capital and ends it with a full stop.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	if first, _, _ := strings.Cut(text, " "); strings.Trim(first, "abcdefghijklmnopqrstuvwxyz") == "" {
		text = strings.ToUpper(text[:1]) + text[1:]
	}
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}

// lowerFirst takes the capital off a sentence, unless its first word is a name.
func lowerFirst(text string) string {
	word, _, _ := strings.Cut(text, " ")
	if len(word) < 2 || strings.ToLower(word[1:]) != word[1:] || isEngine(word) {
		return text
	}
	return strings.ToLower(text[:1]) + text[1:]
}

func isEngine(word string) bool {
	for _, engine := range browser.Engines() {
		if engine.String() == word {
			return true
		}
	}
	return false
}
