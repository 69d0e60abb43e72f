package diff

import (
	"slices"
	"time"

	"github.com/corsgate/corsgate/policy"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// mode is what a governor does with requests.
type mode uint8

const (
	// modeRefuse is of no policy, and of one that a guardrail bars: all that is
	// cross-origin is refused.
	modeRefuse mode = iota
	// modeOff is of a policy that is disabled, or of none where requests that no
	// policy governs pass: nothing is decided or changed.
	modeOff
	// modeReport decides and changes nothing.
	modeReport
	// modeEnforce decides and enforces.
	modeEnforce
)

// decides reports whether origins are told apart.
func (m mode) decides() bool { return m >= modeReport }

// reaches reports whether every request reaches the service.
func (m mode) reaches() bool { return m == modeOff || m == modeReport }

// A governor is what governs some requests on one side, made ready to be
// compared.
type governor struct {
	*policyDoc // nil where there is none

	side *side
	mode mode
	// What follows is empty unless the governor decides.
	grants     policy.Grants
	includes   []*originList
	excludes   *originList
	regexes    *originList
	any        bool
	constant   bool // the same answer for every origin
	wide       wideIndex
	kept       wideIndex // of excludes
	permanents wideIndex // of wide, those without an end
}

// governorOf makes the governor of a policy, which may be nil. Routes that name
// a policy that is not there are always refused.
func (s *side) governorOf(p *policy.Policy, byName bool) *governor {
	g := &governor{side: s, mode: modeRefuse}
	if p == nil {
		if s.Options.NoPolicy == policy.DispositionPass && !byName {
			g.mode = modeOff
		}
		return g
	}
	g.policyDoc = s.policies[p.Name]
	switch p.Enforcement {
	case policy.EnforcementDisabled:
		g.mode = modeOff
		return g
	case policy.EnforcementReportOnly:
		g.mode = modeReport
		if p.Barred() { // it would refuse everything
			g.policyDoc = g.emptied()
			g.gather()
			return g
		}
	default:
		if p.Barred() {
			return g
		}
		g.mode = modeEnforce
	}
	g.grants = p.Grants()
	g.gather()
	return g
}

// gather collects who may call.
func (g *governor) gather() {
	spec := g.spec
	own := &originList{doc: g.doc, field: "origins", texts: spec.GetOrigins()}
	g.includes = []*originList{own, g.temporary()}
	for _, name := range spec.GetOriginSets() {
		if set := g.side.sets[g.policy.OriginSet(name)]; set != nil && !slices.Contains(g.includes, set) {
			g.includes = append(g.includes, set)
		}
	}
	g.excludes = &originList{doc: g.doc, field: "excludeOrigins", texts: spec.GetExcludeOrigins()}
	g.regexes = &originList{doc: g.doc, field: "originRegexes", texts: spec.GetOriginRegexes()}
	g.any = slices.Contains(own.texts, "*")
	g.constant = g.any && len(g.excludes.texts) == 0 && !spec.GetCredentials()
	g.wide, g.kept, g.permanents = wideIndex{}, wideIndex{}, wideIndex{}
	for _, list := range g.includes {
		g.wide.add(list)
		if list.ends == nil {
			g.permanents.add(list)
		}
	}
	g.kept.add(g.excludes)
}

// temporary returns the temporary origins that are in force.
func (g *governor) temporary() *originList {
	list := &originList{doc: g.doc, field: "temporaryOrigins", ends: []time.Time{}}
	for _, entry := range g.spec.GetTemporaryOrigins() {
		end := ends(entry)
		text := entry.GetOrigin()
		if now := g.side.Options.Now; !now.IsZero() && !now.Before(end) {
			text = "" // it is over; its place in the list remains
		}
		list.texts, list.ends = append(list.texts, text), append(list.ends, end)
	}
	return list
}

// ends returns when a temporary origin is over. Compile has checked the text.
func ends(entry *corsgatev1.TemporaryOrigin) time.Time {
	end, err := time.Parse(time.DateOnly, entry.GetUntil())
	if err != nil {
		end, _ = time.Parse(time.RFC3339, entry.GetUntil())
	}
	return end
}

// allows reports whether one origin may call. The set itself is asked, by a
// WebSocket handshake, for which nothing but the origin counts.
func (g *governor) allows(origin string) bool {
	if !g.mode.decides() {
		return false
	}
	d := g.side.Set.Decide(&policy.Request{
		Method: "GET", Scheme: "https", Path: "/", Upgrade: "websocket", Origin: origin, PolicyName: g.policy.Name,
	})
	return d.Verdict == policy.VerdictAllow
}

// passes reports what of an origin that may not call reaches the service: actual
// requests, and form posts that navigate.
func (g *governor) passes() (actual, navigations bool) {
	if !g.mode.decides() {
		return g.mode == modeOff, g.mode == modeOff
	}
	return g.spec.GetOnDisallowedOrigin() == corsgatev1.Disposition_DISPOSITION_PASS,
		g.spec.GetNavigations() == corsgatev1.Disposition_DISPOSITION_PASS
}

// describe makes the governor's part of a change.
func (g *governor) describe() *Governor {
	if g.policyDoc == nil {
		return nil
	}
	return &Governor{Policy: g.policy.Name, Enforcement: g.policy.Enforcement.String(), Position: g.policy.Position, Barred: g.policy.Barred()}
}
