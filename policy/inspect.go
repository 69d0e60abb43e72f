package policy

import (
	"slices"
	"strings"
)

// A TargetKey is one host and one path of a policy's targets: the smallest part
// of a target that governs requests by itself.
type TargetKey struct {
	// Host is a name in lower case, or an address. It is empty where any host
	// matches. Below says that it is the domain behind "*.".
	Host  string
	Below bool
	// Port is zero where any port matches.
	Port uint16
	// Path is one path or, where Under is true, the path under which all lie; it
	// is empty where every path matches.
	Path  string
	Under bool
}

// String returns the key as a document writes it, such as "*.shop.example/v1/*".
func (k TargetKey) String() string {
	return targetKey{below: k.Below, host: k.Host, port: k.Port, path: k.Path, under: k.Under}.String()
}

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
				host.under = true
				keys = append(keys, inspectKey(host))
			}
			for _, path := range target.GetPaths() {
				if full, f := parseTargetPath(path, host); f == nil {
					keys = append(keys, inspectKey(full))
				}
			}
		}
	}
	return keys
}

func inspectKey(k targetKey) TargetKey {
	return TargetKey{Host: k.host, Below: k.below, Port: k.port, Path: k.path, Under: k.under}
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
