package policytest

import (
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/policy"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// Which of a policy's targets governs a request, and which preset lets a header
// in, a decision does not say. So the engine is asked again, with policies that
// hold one part each.

// probeOrigin may call what probes govern.
const probeOrigin = "https://probe.example"

// A targetProbe finds the most specific of a policy's targets.
type targetProbe struct {
	set *policy.Set
	// fields are the paths of the host and the path that each policy of the set
	// stands for, by the name of that policy.
	fields map[string][]string
}

func newTargetProbe(targets []*corsgatev1.Target) (*targetProbe, error) {
	p := &targetProbe{fields: map[string][]string{}}
	var docs []policy.Document
	known := map[string]string{}
	add := func(host, path string, fields ...string) {
		key := strings.ToLower(host) + path
		if name, ok := known[key]; ok {
			p.fields[name] = append(p.fields[name], fields...)
			return
		}
		name := "target-" + strconv.Itoa(len(docs))
		known[key] = name
		p.fields[name] = fields
		target := &corsgatev1.Target{Hosts: []string{host}}
		if path != "" {
			target.Paths = []string{path}
		}
		docs = append(docs, probe(name, &corsgatev1.CorsPolicySpec{Targets: []*corsgatev1.Target{target}}))
	}
	for i, target := range targets {
		for j, host := range target.GetHosts() {
			if len(target.GetPaths()) == 0 {
				add(host, "", hostField(i, j))
			}
			for k, path := range target.GetPaths() {
				add(host, path, hostField(i, j), pathField(i, k))
			}
		}
	}
	set, err := compileProbe(docs)
	p.set = set
	return p, err
}

// find returns the paths of the host and the path that govern a request.
func (p *targetProbe) find(r *policy.Request) []string {
	d := p.set.Decide(r)
	return p.fields[PolicyName(&d)]
}

// A presetProbe tells which preset lets a header in.
type presetProbe struct{ set *policy.Set }

// barePreset names the probe without any.
const barePreset = "preset"

func newPresetProbe(presets []string) (*presetProbe, error) {
	docs := []policy.Document{probe(barePreset, &corsgatev1.CorsPolicySpec{})}
	for i, preset := range presets {
		docs = append(docs, probe(presetName(i), &corsgatev1.CorsPolicySpec{Presets: []string{preset}}))
	}
	set, err := compileProbe(docs)
	return &presetProbe{set: set}, err
}

func presetName(i int) string { return barePreset + "-" + strconv.Itoa(i) }

// allows reports whether a preset lets a header in that would not get in anyway.
func (p *presetProbe) allows(preset int, header string) bool {
	return p.allowed(presetName(preset), header) && !p.allowed(barePreset, header)
}

func (p *presetProbe) allowed(name, header string) bool {
	d := p.set.Decide(&policy.Request{
		Method: methodOptions, Scheme: "https", Host: "probe.example", Path: "/", PolicyName: name,
		Origin: probeOrigin + ":8443", RequestMethod: methodGet, RequestHeaders: header,
	})
	return d.Verdict == policy.VerdictAllow
}

func probe(name string, spec *corsgatev1.CorsPolicySpec) policy.Document {
	spec.Origins = []string{probeOrigin + ":*"}
	return policy.Document{Message: &corsgatev1.CorsPolicy{Metadata: &corsgatev1.Metadata{Name: name}, Spec: spec}}
}

func compileProbe(docs []policy.Document) (*policy.Set, error) {
	set, problems := policy.Compile(docs, policy.Options{})
	if set == nil {
		return nil, problems
	}
	return set, nil
}
