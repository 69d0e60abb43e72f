package policy

import (
	"fmt"
	"maps"
	"slices"
)

// A claim is one key that a policy's targets name, and which entries of them.
type claim struct {
	key TargetKey
	// path is whole where the target has no paths.
	target, host, path int32
}

// place is where the claim stands in a policy's document, and its path within it.
func (c *claim) place(doc *Document) (at *Place, field string) {
	at = doc.Root.Field("spec").Field("targets").Item(int(c.target))
	if c.path == whole {
		return at.Field("hosts").Item(int(c.host)), fmt.Sprintf("spec.targets[%d].hosts[%d]", c.target, c.host)
	}
	return at.Field("paths").Item(int(c.path)), fmt.Sprintf("spec.targets[%d].paths[%d]", c.target, c.path)
}

// targets reads what the policy governs.
func (b *policyBuilder) targets() {
	seen := map[TargetKey]struct{}{}
	for i, target := range b.spec.GetTargets() {
		place := b.place.Field("targets").Item(i)
		path := fmt.Sprintf("spec.targets[%d]", i)
		if len(target.GetHosts()) == 0 {
			b.report(b.doc, place, SeverityError, path, &fault{"hosts_missing", "the target names no host", "list hosts, or \"*\" for every host"})
			continue
		}
		for j, host := range target.GetHosts() {
			key, f := parseTargetHost(host)
			if f != nil {
				b.report(b.doc, place.Field("hosts").Item(j), SeverityError, fmt.Sprintf("%s.hosts[%d]", path, j), f)
				continue
			}
			b.paths(target.GetPaths(), key, claim{target: int32(i), host: int32(j)}, seen)
		}
	}
}

// paths claims each path at one host for the policy. Faults of the paths
// themselves are reported with the first host only.
func (b *policyBuilder) paths(paths []string, host TargetKey, c claim, seen map[TargetKey]struct{}) {
	if len(paths) == 0 {
		c.key, c.path = host, whole
		c.key.Under = true
		b.claim(c, seen)
		return
	}
	for k, text := range paths {
		var f *fault
		c.path = int32(k)
		if c.key, f = parseTargetPath(text, host); f == nil {
			b.claim(c, seen)
		} else if c.host == 0 {
			at, field := c.place(b.doc)
			b.report(b.doc, at, SeverityError, field, f)
		}
	}
}

// claim notes a key of the policy's, unless it has that already.
func (b *policyBuilder) claim(c claim, seen map[TargetKey]struct{}) {
	if _, ok := seen[c.key]; ok {
		at, field := c.place(b.doc)
		b.report(b.doc, at, SeverityWarning, field, &fault{"target_duplicate", fmt.Sprintf("the policy has the target %q already", c.key), "remove one of them"})
		return
	}
	seen[c.key] = struct{}{}
	b.part.claims = append(b.part.claims, c)
}

// A hostKey is one host pattern of targets.
type hostKey struct {
	host  string
	below bool
}

func (k TargetKey) hostKey() hostKey { return hostKey{k.Host, k.Below} }

// claimTargets gives each policy its keys. Only hosts are looked at anew whose
// policies are not all taken over.
func (c *compiler) claimTargets(parts []*part) {
	t := &c.set.targets
	all := c.inherited.set == nil
	changed := map[hostKey]struct{}{}
	if all {
		t.exact, t.below = map[string]*hostTargets{}, map[string]*hostTargets{}
	} else {
		changed = c.changedHosts(parts)
		before := &c.inherited.set.targets
		t.exact, t.below, t.any = maps.Clone(before.exact), maps.Clone(before.below), before.any
		for key := range changed {
			t.remove(key)
		}
	}
	for _, p := range parts {
		for i := range p.claims {
			if _, ok := changed[p.claims[i].key.hostKey()]; ok || all {
				c.settle(p, &p.claims[i])
			}
		}
	}
	if all {
		t.eachHost(c.lintHost)
		return
	}
	for key := range changed {
		if h := t.at(key); h != nil {
			c.lintHost(key, h)
		}
	}
	for key, problems := range c.inherited.set.shadowed {
		if _, ok := changed[key]; !ok {
			c.shadow(key, problems)
			c.problems = append(c.problems, problems...)
		}
	}
}

// changedHosts returns the hosts of policies that came, went, or were compiled anew.
func (c *compiler) changedHosts(parts []*part) map[hostKey]struct{} {
	changed := map[hostKey]struct{}{}
	note := func(p *part) {
		for i := range p.claims {
			changed[p.claims[i].key.hostKey()] = struct{}{}
		}
	}
	stays := make([]bool, len(c.inherited.parts))
	for _, p := range parts {
		if at, ok := c.inherited.places[p.doc.Message]; ok && c.inherited.parts[at] == p {
			stays[at] = true
		} else {
			note(p)
		}
	}
	for at, p := range c.inherited.parts {
		if !stays[at] {
			note(p)
		}
	}
	return changed
}

// settle gives a policy a key, unless another has it.
func (c *compiler) settle(p *part, wants *claim) {
	rival := c.set.targets.claim(wants.key, p.policy)
	if rival == nil {
		return
	}
	at, field := wants.place(p.doc)
	c.report(p.doc, at, SeverityError, field, &fault{
		"target_tie",
		fmt.Sprintf("the policy %q at %s has the target %q already, and only one can govern it", rival.Name, rival.Position, wants.key),
		"make one of them more specific, or let the route name its policy",
	})
}

// lintHost warns of targets that a wider one of the same policy makes needless:
// without them it would govern the same requests.
func (c *compiler) lintHost(key hostKey, h *hostTargets) {
	if !h.hasPaths() {
		return
	}
	found := len(c.problems)
	h.each(TargetKey{Host: key.host, Below: key.below}, c.lintTarget)
	if len(c.problems) > found {
		c.shadow(key, slices.Clone(c.problems[found:]))
	}
}

// shadow notes the warnings about a host's targets.
func (c *compiler) shadow(key hostKey, problems Problems) {
	if c.set.shadowed == nil {
		c.set.shadowed = map[hostKey]Problems{}
	}
	c.set.shadowed[key] = problems
}

func (c *compiler) lintTarget(key TargetKey, paths *pathTargets, policy *Policy) {
	if wider := paths.above(key); wider != policy {
		return
	}
	spec := policy.doc.Root.Field("spec")
	for i, target := range policy.spec.GetTargets() {
		for j, path := range target.GetPaths() {
			if parsed, f := parseTargetPath(path, key); f == nil && parsed == key && hasHost(target.GetHosts(), key) {
				c.report(policy.doc, spec.Field("targets").Item(i).Field("paths").Item(j), SeverityWarning, fmt.Sprintf("spec.targets[%d].paths[%d]", i, j), &fault{
					"target_shadowed", fmt.Sprintf("a wider target of the policy governs %q already", key), "remove one of them",
				})
			}
		}
	}
}

func hasHost(hosts []string, key TargetKey) bool {
	return slices.ContainsFunc(hosts, func(host string) bool {
		parsed, f := parseTargetHost(host)
		return f == nil && parsed.Host == key.Host && parsed.Below == key.Below && parsed.Port == key.Port
	})
}
