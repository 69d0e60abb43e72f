package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/policy"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// A key is a target's smallest part, and where it stands.
type key struct {
	policy.TargetKey

	policy   *policy.Policy
	position policy.Position
}

func (k *key) target(why string) Target {
	return Target{Policy: k.policy.Name, Target: k.String(), Position: k.position, Why: why}
}

// keys returns what all policies target.
func (w *world) keys() []key {
	var all []key
	for _, p := range w.set.Policies() {
		doc := w.policyDocument(p.Name)
		positions := targetPositions(doc, p.Spec())
		for i, k := range p.TargetKeys() {
			one := key{TargetKey: k, policy: p, position: p.Position}
			if i < len(positions) {
				one.position = positions[i]
			}
			all = append(all, one)
		}
	}
	return all
}

// targetPositions is where each of a policy's TargetKeys stands.
func targetPositions(doc *policy.Document, spec *corsgatev1.CorsPolicySpec) []policy.Position {
	if doc == nil {
		return nil
	}
	var positions []policy.Position
	list := doc.Root.Field("spec").Field("targets")
	for i, target := range spec.GetTargets() {
		place := list.Item(i)
		for j := range target.GetHosts() {
			if len(target.GetPaths()) == 0 {
				positions = append(positions, at(doc, place.Field("hosts").Item(j)))
			}
			for k := range target.GetPaths() {
				positions = append(positions, at(doc, place.Field("paths").Item(k)))
			}
		}
	}
	return positions
}

// at is a place as a position.
func at(doc *policy.Document, place *policy.Place) policy.Position {
	position := policy.Position{File: doc.File}
	if place != nil {
		position.Line, position.Column = int(place.Line), int(place.Column)
	}
	return position
}

// A spot is where a request goes.
type spot struct {
	host string
	port uint16
	path string
}

func spotOf(r *policy.Request) spot {
	s := spot{host: strings.ToLower(r.Host)}
	if i := strings.LastIndexByte(s.host, ':'); i >= 0 && !strings.HasSuffix(s.host, "]") {
		port, _ := strconv.ParseUint(s.host[i+1:], 10, 16) // a URL's port is a number
		s.host, s.port = s.host[:i], uint16(port)
	} else if port, err := strconv.ParseUint(schemePort(r.Scheme), 10, 16); err == nil {
		s.port = uint16(port)
	}
	s.path, _, _ = strings.Cut(r.Path, "?")
	return s
}

func (k *key) matchesHost(s *spot) bool {
	switch {
	case k.Below:
		return strings.HasSuffix(s.host, "."+k.Host) && len(s.host) > len(k.Host)+1
	case k.Host == "":
		return true
	}
	return k.Host == s.host
}

func (k *key) matchesPort(s *spot) bool { return k.Port == 0 || k.Port == s.port }

func (k *key) matchesPath(s *spot) bool {
	if !k.Under {
		return k.Path == s.path
	}
	return k.Path == "" || s.path == k.Path || strings.HasPrefix(s.path, k.Path+"/")
}

func (k *key) matches(s *spot) bool { return k.matchesHost(s) && k.matchesPort(s) && k.matchesPath(s) }

// moreSpecific orders keys that match one request: the host decides before the
// port, and the port before the path.
func moreSpecific(a, b key) int {
	return cmp.Or(
		cmp.Compare(hostRank(&b), hostRank(&a)),
		cmp.Compare(len(b.Host), len(a.Host)),
		compareBool(b.Port != 0, a.Port != 0),
		compareBool(!b.Under, !a.Under),
		cmp.Compare(len(b.Path), len(a.Path)),
	)
}

func hostRank(k *key) int {
	switch {
	case k.Host == "":
		return 0
	case k.Below:
		return 1
	}
	return 2
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// whyLess says what a key lacks beside the one that governs.
func whyLess(winner, k *key) string {
	switch {
	case hostRank(k) != hostRank(winner), len(k.Host) != len(winner.Host):
		return "its host is less specific"
	case k.Port != winner.Port:
		return "it names no port"
	}
	return "its path is less specific"
}

// governing says which policy governs a request, and why.
func (w *world) governing(s *step) Governing {
	by := s.decision.Policy
	g := Governing{By: "none"}
	if by != nil {
		g.Policy, g.Position, g.Enforcement = by.Name, by.Position, by.Enforcement.String()
		g.Breaches = by.Breaches()
	}
	if s.wire.PolicyName != "" {
		g.By = "route"
		if by == nil {
			g.Policy = s.wire.PolicyName
			g.Nearest = w.nearestName(s.wire.PolicyName)
		}
		return g
	}
	where, all := spotOf(&s.wire), w.keys()
	if by == nil {
		if s.decision.Kind != policy.KindNotCORS {
			g.Nearest = nearest(all, &where)
		}
		return g
	}
	matching := slices.DeleteFunc(all, func(k key) bool { return !k.matches(&where) })
	slices.SortStableFunc(matching, moreSpecific)
	g.By = "target"
	for i := range matching {
		target := matching[i].target("")
		if i == 0 {
			g.Target = &target
			continue
		}
		target.Why = whyLess(&matching[0], &matching[i])
		g.Others = append(g.Others, target)
	}
	return g
}

// nearestName returns the policy whose name is spelled nearly so, or that has the
// name in another namespace, or nil.
func (w *world) nearestName(name string) *Target {
	var best *Target
	slips := maxSlips + 1
	base := name[strings.LastIndexByte(name, '/')+1:]
	for _, p := range w.set.Policies() {
		if p.Name[strings.LastIndexByte(p.Name, '/')+1:] == base {
			return &Target{Policy: p.Name, Position: p.Position, Why: "it has the name in another namespace"}
		}
		if n := slipsBetween(p.Name, name); n < slips {
			slips, best = n, &Target{Policy: p.Name, Position: p.Position, Why: "its name is spelled nearly so"}
		}
	}
	return best
}

// maxSlips is how many letters may differ for a host to be meant.
const maxSlips = 3

// nearest returns the target that a request most nearly matches, or nil.
func nearest(all []key, s *spot) *Target {
	best, score, why := -1, 0, ""
	for i := range all {
		if n, text := nearness(&all[i], s); n > score {
			best, score, why = i, n, text
		}
	}
	if best < 0 {
		return nil
	}
	target := all[best].target(why)
	return &target
}

// nearness says how nearly a key matches, and what keeps it from it.
func nearness(k *key, s *spot) (score int, why string) {
	const host, port, apex, slip = 4000, 3000, 2000, 1000
	switch {
	case k.matchesHost(s) && k.matchesPort(s):
		return host + clamp(10*commonPrefix(k.Path, s.path)-len(k.Path), slip-1), fmt.Sprintf("the path %s does not match", s.path)
	case k.matchesHost(s):
		return port, fmt.Sprintf("the port %d does not match", s.port)
	case k.Below && k.Host == s.host:
		return apex, fmt.Sprintf("\"*.\" never stands for %s itself", k.Host)
	case k.Host != "" && !k.Below:
		if slips := slipsBetween(k.Host, s.host); slips <= maxSlips {
			return slip - slips, fmt.Sprintf("the host %s is spelled otherwise", s.host)
		}
	}
	return 0, ""
}

func clamp(n, most int) int { return max(0, min(n, most)) }

func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// slipsBetween counts the letters to add, drop or change between two words
// (Levenshtein), up to one more than maxSlips.
func slipsBetween(a, b string) int {
	if abs(len(a)-len(b)) > maxSlips {
		return maxSlips + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

func abs(n int) int { return max(n, -n) }
