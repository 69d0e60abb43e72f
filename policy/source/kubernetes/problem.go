package kubernetes

import (
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/settle"
)

// The codes of the problems that a cluster has.
const (
	codeObject     = "object_unreadable"
	codeNoResource = "crd_missing"
	codeForbidden  = "access_forbidden"
	codeUnknown    = "access_unauthorized"
)

// problemText is of an object that cannot even be written down.
func problemText(file string, err error) policy.Problem {
	return policy.Problem{
		Code: codeObject, Position: policy.Position{File: file},
		Reason: "the object cannot be read: " + err.Error(), Mend: "apply it again",
	}
}

// problemSetAside says what is in force in place of an object that cannot be read.
// It is a warning: what is wrong with one object must not keep the changes of others
// from coming.
func problemSetAside(e *entry) policy.Problem {
	p := policy.Problem{
		Severity: policy.SeverityWarning,
		Code:     settle.CodeSetAside,
		Position: policy.Position{File: e.file},
		Reason:   "the object cannot be read, and what it said last stays in force",
		Mend:     "mend what is said of it here and apply it again",
	}
	switch {
	case e.document == nil:
		p.Severity = policy.SeverityError
		p.Reason = "the guardrail cannot be read, so nobody knows what it forbids"
	case e.kept:
	case e.kind == kindOriginSet:
		p.Reason = "the object cannot be read, so the set lets nobody call"
	default:
		p.Reason = "the object cannot be read, so its targets refuse every cross-origin request"
	}
	return p
}

// problemsOf returns what is wrong with an entry, as a snapshot says it.
func problemsOf(e *entry) policy.Problems {
	if len(e.problems) == 0 {
		return nil
	}
	aside := problemSetAside(e)
	problems := policy.Problems{aside}
	for _, p := range e.problems {
		p.Severity = aside.Severity
		problems = append(problems, p)
	}
	return problems
}

// problemAccess says why a resource cannot be listed or watched, where the answer
// was one that asking again will not mend. It is false for the rest, such as a
// server that cannot be reached.
func problemAccess(at place, err error) (policy.Problem, bool) {
	p := policy.Problem{Position: policy.Position{File: scheme + at.kind}}
	switch {
	case apierrors.IsNotFound(err):
		p.Code = codeNoResource
		p.Reason = fmt.Sprintf("the cluster has no resource %s.%s of version %s", at.name, group, version)
		p.Mend = "define it with: kubectl apply --server-side -f deploy/kubernetes/crds.yaml"
	case apierrors.IsForbidden(err):
		p.Code = codeForbidden
		p.Reason = fmt.Sprintf("corsgate may not get, list and watch %s.%s %s: %s", at.name, group, at.where(), err.Error())
		p.Mend = "bind its account to the role with: kubectl apply -f deploy/kubernetes/rbac.yaml"
	case apierrors.IsUnauthorized(err):
		p.Code = codeUnknown
		p.Reason = "the cluster does not know who corsgate is: " + err.Error()
		p.Mend = "give it a valid token or certificate in the kubeconfig, or run it under a service account"
	default:
		return policy.Problem{}, false
	}
	return p, true
}

// where names the namespaces that a place covers.
func (p place) where() string {
	switch {
	case p.clusterWide:
		return "in the cluster"
	case p.namespace == "":
		return "in all namespaces"
	default:
		return "in the namespace " + p.namespace
	}
}
