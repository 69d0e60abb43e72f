package kubernetes

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/settle"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// conditionAccepted says whether what an object says is in force.
const conditionAccepted = "Accepted"

// The reasons of the condition that are not the code of a problem.
const (
	reasonInForce    = "in_force"
	reasonNotInForce = "not_in_force"
	reasonHidden     = "hidden"
)

// The bounds of a condition's texts.
const (
	maxMessage       = 32 << 10
	maxShownProblems = 100
)

// A status is what an object's status says. It is comparable.
type status struct {
	accepted   string // "True", "False", or nothing
	reason     string
	message    string
	generation int64 // that it speaks of
	// hosts and origins count what the object names.
	hosts, origins int64
}

// statusOf reads the status of an object, and since when its condition is what it is.
// What is not there is zero.
func statusOf(u *unstructured.Unstructured) (s status, since string) {
	s.generation, _, _ = unstructured.NestedInt64(u.Object, "status", "observedGeneration")
	s.hosts, _, _ = unstructured.NestedInt64(u.Object, "status", "hosts")
	s.origins, _, _ = unstructured.NestedInt64(u.Object, "status", "origins")
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, one := range conditions {
		condition, ok := one.(map[string]any)
		if !ok || condition["type"] != conditionAccepted {
			continue
		}
		s.accepted, _ = condition["status"].(string)
		s.reason, _ = condition["reason"].(string)
		s.message, _ = condition["message"].(string)
		since, _ = condition["lastTransitionTime"].(string)
	}
	return s, since
}

// object returns the status as it is written: on an object of a version that is
// known, in force since a revision.
func (s *status) object(e *entry, revision string, now time.Time) *unstructured.Unstructured {
	since := now.UTC().Format(time.RFC3339)
	if e.status.accepted == s.accepted && e.since != "" {
		since = e.since
	}
	body := map[string]any{
		"observedGeneration": s.generation,
		"conditions": []any{map[string]any{
			"type": conditionAccepted, "status": s.accepted, "reason": s.reason, "message": s.message,
			"observedGeneration": s.generation, "lastTransitionTime": since,
		}},
	}
	if revision != "" {
		body["revision"] = revision
	}
	if e.kind != kindGuardrail {
		body["origins"] = s.origins
	}
	if e.kind == kindPolicy {
		body["hosts"] = s.hosts
	}
	metadata := map[string]any{"name": e.name, "uid": e.uid}
	if e.namespace != "" {
		metadata["namespace"] = e.namespace
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": apiVersion, "kind": e.kind, "metadata": metadata, "status": body,
	}}
}

// judge returns the status that an object should have. It reports false where what
// the server said does not speak of the object as it is now.
func (r *report) judge(e *entry) (status, bool) {
	s := status{generation: e.generation}
	s.hosts, s.origins = counts(e)
	about := r.problems[e.file]
	switch errors, ours := about.Errors(), r.documents[e.file]; {
	case len(e.problems) > 0:
		s.refuse(e.problems[0].Code, append(policy.Problems{problemSetAside(e)}, e.problems...))
	case aside(about) != "":
		s.refuse(aside(about), about)
	case len(errors) > 0:
		s.refuse(errors[0].Code, about)
	case ours == nil && len(about) > 0:
		s.refuse(reasonHidden, about)
	case ours == nil || ours != e.document.Message:
		return status{}, false
	case r.set == nil && r.inForce[e.file] != ours:
		s.refuse(reasonNotInForce, nil)
		s.message = "it is free of errors itself, but others are not, and what was in force before stays:\n" + lines(r.errors)
	case barred(about) != "":
		s.refuse(barred(about), about)
	default:
		s.accepted, s.reason, s.message = "True", reasonInForce, "in force"
		if len(about) > 0 {
			s.message += ", with warnings:\n" + lines(about)
		}
	}
	return s, true
}

func (s *status) refuse(reason string, why policy.Problems) {
	s.accepted, s.reason, s.message = "False", reason, lines(why)
}

// barred returns the code of the first breach of a guardrail, or nothing.
func barred(problems policy.Problems) string {
	for _, p := range problems {
		if p.Guardrail != "" {
			return p.Code
		}
	}
	return ""
}

// aside returns the code of what is wrong with a document that was set aside beside
// others, or nothing.
func aside(problems policy.Problems) string {
	set, code := false, ""
	for _, p := range problems {
		if p.Code == settle.CodeSetAside {
			set = true
		} else if code == "" {
			code = p.Code
		}
	}
	if !set {
		return ""
	}
	return cmp.Or(code, settle.CodeSetAside)
}

// lines writes problems one a line, without the object that they are about.
func lines(problems policy.Problems) string {
	var b strings.Builder
	for i, p := range problems {
		p.Position = policy.Position{}
		line := p.Error()
		if i == maxShownProblems || b.Len()+len(line)+100 > maxMessage {
			fmt.Fprintf(&b, "\nand %d more", len(problems)-i)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(line)
	}
	return b.String()
}

// counts returns how many hosts and origins an object names.
func counts(e *entry) (hosts, origins int64) {
	if e.document == nil || len(e.problems) > 0 {
		return 0, 0
	}
	switch m := e.document.Message.(type) {
	case *corsgatev1.CorsPolicy:
		for _, target := range m.GetSpec().GetTargets() {
			hosts += int64(len(target.GetHosts()))
		}
		return hosts, int64(len(m.GetSpec().GetOrigins()))
	case *corsgatev1.CorsOriginSet:
		return 0, int64(len(m.GetSpec().GetOrigins()))
	}
	return 0, 0
}
