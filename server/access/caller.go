package access

import (
	"fmt"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// A Caller is somebody who is known, and what they may do. The zero value may do
// nothing.
type Caller struct {
	// Name is what history and log call the caller, such as "token:ci" or
	// "sso:alice@shop.example".
	Name string

	grants []grant
}

// A role is what a binding lets its subjects do. Each may do what those before it
// may.
type role uint8

const (
	roleNone role = iota
	roleViewer
	roleEditor
	roleAdmin
)

// A grant is a binding, as it is asked.
type grant struct {
	role role
	// What follows is of editors.
	anyNamespace bool
	namespaces   []string
	prefixes     []string // empty: any name
	hosts        []policy.TargetKey
	hostTexts    []string
}

// admin is a caller that may do everything.
func admin(name string) *Caller {
	return &Caller{Name: name, grants: []grant{{role: roleAdmin}}}
}

// MayRead reports whether the caller may read.
func (c *Caller) MayRead() bool { return c.has(roleViewer) }

// MayWrite reports whether there is anything that the caller may change.
func (c *Caller) MayWrite() bool { return c.has(roleEditor) }

func (c *Caller) has(least role) bool {
	return slices.ContainsFunc(c.grants, func(g grant) bool { return g.role >= least })
}

// A Thing is a document that somebody wants to change, as it was or as it would
// be.
type Thing struct {
	// Kind, Namespace and Name are those of the document.
	Kind, Namespace, Name string
	// Hosts are those that it decides about: of a policy those of its targets, of
	// an origin set those of all policies that use it.
	Hosts []policy.TargetKey
	// Everywhere says that it may decide about any host, as a policy without
	// targets does.
	Everywhere bool
	// Because says, where it is not the document itself, what decides about the
	// hosts, such as "CorsPolicy pay/checkout, which uses it".
	Because string
}

// String returns "CorsPolicy shop/storefront".
func (t *Thing) String() string {
	if t.Namespace == "" {
		return t.Kind + " " + t.Name
	}
	return t.Kind + " " + t.Namespace + "/" + t.Name
}

// KindGuardrail is the kind that only admins may change.
const KindGuardrail = "CorsGuardrail"

// A Refusal says why a caller may not do something, and who may.
type Refusal struct {
	// Reason says what is refused to whom, and why.
	Reason string
	// Mend says what to do about it.
	Mend string
}

// Error returns reason and mend on one line.
func (r *Refusal) Error() string { return r.Reason + "; " + r.Mend }

// RefuseReading is why a caller may not read.
func (c *Caller) RefuseReading() *Refusal {
	return &Refusal{
		Reason: c.Name + " is known, but no binding gives it a role",
		Mend:   "let an admin bind it to the role VIEWER, EDITOR or ADMIN in the access file",
	}
}

// RefuseWriting is why a caller may not change anything.
func (c *Caller) RefuseWriting() *Refusal {
	if !c.MayRead() {
		return c.RefuseReading()
	}
	return &Refusal{
		Reason: c.Name + " may read, and not change anything",
		Mend:   "let an admin bind it to the role EDITOR or ADMIN in the access file",
	}
}

// MayChange says why a caller may not change a document, or nil. Rights of several
// bindings add up: each host may be one of another binding.
func (c *Caller) MayChange(thing *Thing) *Refusal {
	switch {
	case c.has(roleAdmin):
		return nil
	case !c.has(roleEditor):
		return c.RefuseWriting()
	case thing.Kind == KindGuardrail:
		return c.refuse(thing, "guardrails bind everybody, and only the role ADMIN may change them", "let an admin change it")
	}
	var near []*grant // those whose namespaces hold it
	var grants []*grant
	for i := range c.grants {
		g := &c.grants[i]
		if g.role != roleEditor || !g.hasNamespace(thing.Namespace) {
			continue
		}
		near = append(near, g)
		if g.hasName(thing.Name) {
			grants = append(grants, g)
		}
	}
	switch {
	case len(near) == 0:
		return c.refuse(thing, namespaceReason(thing.Namespace), "let an admin widen its binding's namespaces, or change it")
	case len(grants) == 0:
		var prefixes []string
		for _, g := range near {
			prefixes = append(prefixes, g.prefixes...)
		}
		return c.refuse(thing, "it may change names there that begin with "+strings.Join(prefixes, ", "),
			"choose such a name, or let an admin widen its binding's namePrefixes")
	}
	return c.checkHosts(thing, grants)
}

func namespaceReason(namespace string) string {
	if namespace == "" {
		return "it may change nothing that has no namespace"
	}
	return "it may change nothing in the namespace " + namespace
}

// checkHosts says which host of a document is beyond all grants.
func (c *Caller) checkHosts(thing *Thing, grants []*grant) *Refusal {
	covered := func(host policy.TargetKey) bool {
		return slices.ContainsFunc(grants, func(g *grant) bool {
			return slices.ContainsFunc(g.hosts, func(wide policy.TargetKey) bool { return wide.CoversHost(host) })
		})
	}
	if thing.Everywhere && !covered(policy.TargetKey{}) {
		what := "it has no targets, so that routes of any host may name it"
		if thing.Because != "" {
			what = thing.Because + " has no targets, so that routes of any host may name it"
		}
		return c.refuse(thing, what, `give it targets, or let somebody change it whose binding has the hosts "*"`)
	}
	for _, host := range thing.Hosts {
		if covered(host) {
			continue
		}
		of := "it"
		if thing.Because != "" {
			of = thing.Because
		}
		var hosts []string
		for _, g := range grants {
			hosts = append(hosts, g.hostTexts...)
		}
		slices.Sort(hosts)
		return c.refuse(thing, fmt.Sprintf("%s decides about the host %s, and the hosts it may change are %s",
			of, host, strings.Join(slices.Compact(hosts), ", ")), "let an admin widen its binding's hosts, or change it")
	}
	return nil
}

func (c *Caller) refuse(thing *Thing, reason, mend string) *Refusal {
	return &Refusal{Reason: fmt.Sprintf("%s may not change %s: %s", c.Name, thing, reason), Mend: mend}
}

func (g *grant) hasNamespace(namespace string) bool {
	return g.anyNamespace || slices.Contains(g.namespaces, namespace)
}

func (g *grant) hasName(name string) bool {
	return len(g.prefixes) == 0 ||
		slices.ContainsFunc(g.prefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}
