package policytest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// An expectation is what a request must get.
type expectation struct {
	// facts are the texts that must be equal, in the order of the schema.
	facts []fact
	// headers are those that are mentioned, by name. An empty value is of a
	// header that must not be sent.
	headers []fact
	// exactly says that no other header may be sent. Its position is where the
	// document does.
	exactly bool
	at      policy.Position
}

// A fact is one text that is expected.
type fact struct {
	name string
	want string
	at   policy.Position
}

// The bounds of a status that a test may expect.
const (
	lowestStatus  = 200
	highestStatus = 599
)

// expectation gathers what the layers expect, and reports what is wrong with it.
func (d *draft) expectation() expectation {
	m := d.expect()
	d.word(m.GetVerdict(), verdicts(), "expect", "verdict")
	d.word(m.GetReason(), reasons(), "expect", "reason")
	d.word(m.GetKind(), kinds(), "expect", "kind")
	d.word(m.GetAction(), actions(), "expect", "action")
	status := ""
	if m.Status != nil {
		status = strconv.Itoa(int(m.GetStatus()))
		if s := m.GetStatus(); s < lowestStatus || s > highestStatus {
			d.fault("status_invalid", status+" is not a status of an answer", "write one from 200 to 599; for a request that goes on to the service, write action: forward", "expect", "status")
		}
	}
	var e expectation
	for _, f := range []fact{
		{name: "verdict", want: m.GetVerdict()},
		{name: "reason", want: m.GetReason()},
		{name: "kind", want: m.GetKind()},
		{name: "action", want: m.GetAction()},
		{name: "status", want: status},
		{name: "policy", want: m.GetPolicy()},
		{name: "rule", want: m.GetRule()},
	} {
		if f.want != "" {
			_, f.at = d.locate("expect", f.name)
			e.facts = append(e.facts, f)
		}
	}
	e.headers = d.headers()
	e.exactly = m.GetHeadersExactly()
	_, e.at = d.locate("expect", "headersExactly")
	if len(e.facts) == 0 && len(e.headers) == 0 && !e.exactly {
		d.report(d.at(d.last().place), d.last().path+".expect", "expect_missing", "the test checks nothing, so it cannot fail",
			"say what the request must get, such as expect: {verdict: allow}")
	}
	return e
}

// headers gathers the headers that the layers expect, by their names in lower
// case.
func (d *draft) headers() []fact {
	all := map[string]fact{}
	for _, l := range d.layers {
		spelt := map[string]string{}
		place := find(l.place, []string{"expect", "headers"})
		for _, name := range slices.Sorted(maps.Keys(l.expect.GetHeaders())) {
			lower, at := strings.ToLower(name), d.at(place.Field(name))
			path := l.path + ".expect.headers[" + strconv.Quote(name) + "]"
			switch twin, ok := spelt[lower]; {
			case name == "" || strings.ContainsAny(name, ":, \t") || hasControl(name):
				d.report(at, path, "header_invalid", strconv.Quote(name)+" is not a header's name", `write one such as "access-control-allow-origin"`)
			case ok:
				d.report(at, path, "header_duplicate", fmt.Sprintf("%q and %q are the same header", twin, name), "keep one of the two")
			}
			spelt[lower] = name
			all[lower] = fact{name: lower, want: l.expect.GetHeaders()[name], at: at}
		}
	}
	facts := make([]fact, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		facts = append(facts, all[name])
	}
	return facts
}

func verdicts() []string {
	return words(policy.VerdictAllow, policy.VerdictDeny, policy.VerdictPass)
}

func kinds() []string {
	return words(policy.KindNotCORS, policy.KindPreflight, policy.KindActual, policy.KindWebSocket)
}

// reasons are the words of the closed list. A test holds them to docs/answers.md.
func reasons() []string {
	return words(
		policy.ReasonNoOrigin,
		policy.ReasonSameOrigin,
		policy.ReasonOriginAllowed,
		policy.ReasonOriginMalformed,
		policy.ReasonOriginNull,
		policy.ReasonOriginNotAllowed,
		policy.ReasonOriginExcluded,
		policy.ReasonCrossSiteNavigation,
		policy.ReasonMethodNotAllowed,
		policy.ReasonHeaderNotAllowed,
		policy.ReasonTooManyHeaders,
		policy.ReasonNoPolicy,
		policy.ReasonUnknownPolicy,
		policy.ReasonGuardrail,
		policy.ReasonDisabled,
	)
}

func actions() []string {
	return []string{actionWord(policy.ActionForward), actionWord(policy.ActionAnswer), actionWord(policy.ActionRefuse)}
}

// actionWord returns the word for an action.
func actionWord(a policy.Action) string {
	switch a {
	case policy.ActionForward:
		return "forward"
	case policy.ActionAnswer:
		return "answer"
	default:
		return "refuse"
	}
}

func words[T fmt.Stringer](values ...T) []string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = v.String()
	}
	return all
}
