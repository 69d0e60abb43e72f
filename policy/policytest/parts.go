package policytest

import (
	"fmt"
	"slices"

	"github.com/corsgate/corsgate/policy"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

const wildcard = "*"

// newTally lists the parts of a policy, in the order of the schema.
func newTally(set *policy.Set, doc *policy.Document, m *corsgatev1.CorsPolicy) (*tally, error) {
	t := &tally{set: set, doc: doc, spec: m.GetSpec(), name: doc.Key().FullName(), namespace: doc.Key().Namespace, at: map[string]int{}}
	var err error
	if t.targets, err = newTargetProbe(t.spec.GetTargets()); err != nil {
		return nil, fmt.Errorf("take the targets of %s apart: %w", t.name, err)
	}
	if t.presets, err = newPresetProbe(t.spec.GetPresets()); err != nil {
		return nil, fmt.Errorf("take the presets of %s apart: %w", t.name, err)
	}
	t.addTargets()
	if t.spec.GetEnforcement() == corsgatev1.Enforcement_ENFORCEMENT_DISABLED {
		t.add(Outcome, "spec.enforcement", outcomeDisabled, t.place().Field("enforcement"))
		return t, nil
	}
	t.addList(partOrigin, "origins", t.spec.GetOrigins())
	t.addList(partOriginSet, "originSets", t.spec.GetOriginSets())
	t.addList(partOrigin, "excludeOrigins", t.spec.GetExcludeOrigins())
	t.addList(partMethod, "methods", t.spec.GetMethods())
	t.addList(partHeader, "requestHeaders", t.spec.GetRequestHeaders())
	t.addList(partPreset, "presets", t.spec.GetPresets())
	for i, entry := range t.spec.GetTemporaryOrigins() {
		place := t.place().Field("temporaryOrigins").Item(i).Field("origin")
		t.add(partOrigin, item("temporaryOrigins", i)+".origin", entry.GetOrigin(), place)
	}
	t.addList(partOrigin, "originRegexes", t.spec.GetOriginRegexes())
	t.addOutcomes()
	return t, nil
}

func (t *tally) place() *policy.Place { return t.doc.Root.Field("spec") }

func (t *tally) add(kind, field, text string, place *policy.Place) {
	key := field
	if kind == Outcome {
		key = text
	}
	pos := policy.Position{File: t.doc.File}
	if place != nil {
		pos.Line, pos.Column = int(place.Line), int(place.Column)
	}
	t.at[key] = len(t.parts)
	t.parts = append(t.parts, Part{Kind: kind, Field: field, Text: text, Position: pos})
	t.exercised = append(t.exercised, false)
}

func (t *tally) addList(kind, name string, list []string) {
	place := t.place().Field(name)
	for i, text := range list {
		t.add(kind, item(name, i), text, place.Item(i))
	}
}

func (t *tally) addTargets() {
	for i, target := range t.spec.GetTargets() {
		place := t.place().Field("targets").Item(i)
		for j, host := range target.GetHosts() {
			t.add(partTarget, hostField(i, j), host, place.Field("hosts").Item(j))
		}
		for j, path := range target.GetPaths() {
			t.add(partTarget, pathField(i, j), path, place.Field("paths").Item(j))
		}
	}
}

func item(name string, i int) string { return fmt.Sprintf("spec.%s[%d]", name, i) }

func hostField(target, host int) string {
	return fmt.Sprintf("spec.targets[%d].hosts[%d]", target, host)
}

func pathField(target, path int) string {
	return fmt.Sprintf("spec.targets[%d].paths[%d]", target, path)
}

// Outcomes, in words. Which of them a policy has is in addOutcomes.
const (
	outcomeActual     = "an actual request that is allowed"
	outcomePreflight  = "a preflight that is allowed"
	outcomeStranger   = "an origin that may not call"
	outcomePassed     = "an actual request that passes although its origin may not call" //nolint:gosec // no password
	outcomeNavigation = "a form post that navigates, from an origin that may not call"
	outcomeMethod     = "a method that is not allowed"
	outcomeHeader     = "a request header that is not allowed"
	outcomeDisabled   = "a cross-origin request that a disabled policy governs"
)

// An outcome is one of the ways that a decision of a policy can go.
type outcome struct {
	text string
	of   func(d *policy.Decision) bool
}

func outcomes() []outcome {
	return []outcome{
		{outcomeActual, func(d *policy.Decision) bool {
			return d.Verdict == policy.VerdictAllow && d.Kind != policy.KindPreflight
		}},
		{outcomePreflight, func(d *policy.Decision) bool {
			return d.Verdict == policy.VerdictAllow && d.Kind == policy.KindPreflight
		}},
		{outcomeStranger, func(d *policy.Decision) bool { return d.Verdict == policy.VerdictDeny && isStranger(d.Reason) }},
		{outcomePassed, func(d *policy.Decision) bool { return d.Verdict == policy.VerdictPass && isStranger(d.Reason) }},
		{outcomeNavigation, func(d *policy.Decision) bool { return d.Reason == policy.ReasonCrossSiteNavigation }},
		{outcomeMethod, func(d *policy.Decision) bool { return d.Reason == policy.ReasonMethodNotAllowed }},
		{outcomeHeader, func(d *policy.Decision) bool { return d.Reason == policy.ReasonHeaderNotAllowed }},
		{outcomeDisabled, func(d *policy.Decision) bool { return d.Reason == policy.ReasonDisabled }},
	}
}

// isStranger reports whether a reason is of an origin that no list names.
func isStranger(r policy.Reason) bool {
	return r == policy.ReasonOriginNotAllowed || r == policy.ReasonOriginNull || r == policy.ReasonOriginMalformed
}

// addOutcomes adds what can become of a cross-origin request.
func (t *tally) addOutcomes() {
	add := func(text, field string) { t.add(Outcome, "spec."+field, text, t.place().Field(field)) }
	add(outcomeActual, "origins")
	if t.needsPreflights() {
		add(outcomePreflight, "methods")
	}
	if !slices.Contains(t.spec.GetOrigins(), wildcard) {
		add(outcomeStranger, "origins")
		if t.spec.GetOnDisallowedOrigin() == corsgatev1.Disposition_DISPOSITION_PASS {
			add(outcomePassed, "onDisallowedOrigin")
		}
		if t.spec.GetNavigations() != corsgatev1.Disposition_DISPOSITION_UNSPECIFIED {
			add(outcomeNavigation, "navigations")
		}
	}
	if !slices.Contains(t.spec.GetMethods(), wildcard) {
		add(outcomeMethod, "methods")
	}
	if !slices.Contains(t.spec.GetRequestHeaders(), wildcard) {
		add(outcomeHeader, "requestHeaders")
	}
}

// needsPreflights reports whether the policy allows anything that a browser asks
// for first.
func (t *tally) needsPreflights() bool {
	simple := []string{"GET", "HEAD", "POST"} // Fetch standard, "CORS-safelisted method"
	return len(t.spec.GetRequestHeaders())+len(t.spec.GetPresets()) > 0 ||
		slices.ContainsFunc(t.spec.GetMethods(), func(m string) bool { return !slices.Contains(simple, m) })
}
