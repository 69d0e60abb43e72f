package policy

import (
	"slices"
	"strings"
)

// TargetKeys returns what the policy's targets name, in the order of its
// document. It is empty for a policy that only routes name.
func (p *Policy) TargetKeys() []TargetKey {
	var keys []TargetKey
	for _, target := range p.spec.GetTargets() {
		for _, text := range target.GetHosts() {
			host, f := parseTargetHost(text)
			if f != nil {
				continue // Compile has refused it
			}
			if len(target.GetPaths()) == 0 {
				host.Under = true
				keys = append(keys, host)
			}
			for _, path := range target.GetPaths() {
				if full, f := parseTargetPath(path, host); f == nil {
					keys = append(keys, full)
				}
			}
		}
	}
	return keys
}

// A NameList is the methods or headers that a policy allows.
type NameList struct {
	// Any says that `*` is among them.
	Any bool
	// Names holds what is listed beside it, sorted, each once; headers are in
	// lower case.
	Names []string
	// Beyond holds those of Names that `*` does not cover.
	Beyond []string
}

// Grants is what an origin that may call is allowed, as it is in force: with
// defaults filled in and presets spelled out.
type Grants struct {
	Methods, RequestHeaders, ExposeHeaders NameList
}

// Grants returns what the policy allows to origins that may call.
func (p *Policy) Grants() Grants {
	exposed := make([]string, 0, len(p.spec.GetExposeHeaders()))
	for _, name := range p.spec.GetExposeHeaders() {
		exposed = append(exposed, strings.ToLower(name))
	}
	for _, name := range p.spec.GetPresets() {
		preset, _ := findPreset(name)
		exposed = append(exposed, preset.exposeHeaders...)
	}
	anyExposed, exposed := splitWildcard(exposed)
	wildcard := headerRules{any: true}
	return Grants{
		Methods: NameList{Any: p.methods.any, Names: slices.Clone(p.methods.list)},
		RequestHeaders: NameList{
			Any: p.headers.any, Names: slices.Clone(p.headers.list),
			Beyond: slices.DeleteFunc(slices.Clone(p.headers.list), wildcard.allow),
		},
		ExposeHeaders: NameList{Any: anyExposed, Names: exposed},
	}
}
