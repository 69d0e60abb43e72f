package policy

import (
	"slices"
	"strings"
)

// reaches reports whether a policy is in the guardrail's reach. The keys are the
// policy's targets; a policy without any may be named by a route at any host.
func (g *Guardrail) reaches(p *Policy, keys []TargetKey) bool {
	namespaces := g.spec.GetNamespaces()
	if len(namespaces) > 0 && !slices.Contains(namespaces, p.Namespace) {
		return false
	}
	if len(g.spec.GetHosts()) == 0 || len(keys) == 0 {
		return true
	}
	return slices.ContainsFunc(keys, func(key TargetKey) bool {
		return slices.ContainsFunc(g.hosts, key.sharesHost)
	})
}

// sharesHost reports whether some host and port match both keys, whatever their
// paths.
func (k TargetKey) sharesHost(other TargetKey) bool {
	if k.Port != 0 && other.Port != 0 && k.Port != other.Port {
		return false
	}
	switch {
	case k.Host == "" || other.Host == "":
		return true
	case k.Below && other.Below:
		return k.Host == other.Host || liesBelow(k.Host, other.Host) || liesBelow(other.Host, k.Host)
	case k.Below:
		return liesBelow(other.Host, k.Host)
	case other.Below:
		return liesBelow(k.Host, other.Host)
	}
	return k.Host == other.Host
}

func liesBelow(host, domain string) bool {
	rest, ok := strings.CutSuffix(host, domain)
	return ok && strings.HasSuffix(rest, ".")
}
