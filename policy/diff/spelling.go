package diff

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/policy"
)

// spelling gathers what is written differently and means the same. Where guardrails
// changed, that is why documents differ.
func (r *reporter) spelling(guardrails bool) []Note {
	seen := map[string]bool{}
	var out []Note
	add := func(n Note) {
		if !seen[n.Text] {
			seen[n.Text] = true
			out = append(out, n)
		}
	}
	for _, p := range r.order {
		if p.before == nil || p.after == nil || !r.groups[p].same {
			continue
		}
		for _, n := range r.rewritten(p.before, p.after) {
			add(n)
		}
	}
	for _, n := range r.notes {
		add(n)
	}
	if len(out) == 0 && !guardrails && r.before.Set.Revision() != r.after.Set.Revision() && r.allSame() {
		add(Note{Text: "the documents hold the same in other words"})
	}
	return append([]Note{}, out...)
}

func (r *reporter) allSame() bool {
	for _, p := range r.order {
		if !r.groups[p].same {
			return false
		}
	}
	return true
}

// rewritten says how two policies that mean the same differ.
func (r *reporter) rewritten(before, after *policy.Policy) []Note {
	at := after.Position
	var out []Note
	note := func(format string, args ...any) {
		out = append(out, Note{Text: fmt.Sprintf(format, args...), Position: &at})
	}
	if before.Name != after.Name {
		note("what %q said is said by %q", before.Name, after.Name)
	} else if before.Enforcement == policy.EnforcementDisabled && after.Enforcement == policy.EnforcementDisabled && !proto.Equal(before.Spec(), after.Spec()) {
		note("%q is DISABLED on both sides, so what it would allow was not compared", after.Name)
		return out
	}
	if fields := differing(before.Spec(), after.Spec()); len(fields) > 0 {
		note("%q is written differently and means the same: %s", after.Name, strings.Join(fields, ", "))
	}
	for _, reference := range after.Spec().GetOriginSets() {
		name := after.OriginSet(reference)
		was, is := r.before.sets[name], r.after.sets[name]
		if was != nil && is != nil && !slices.Equal(was.texts, is.texts) {
			place := position(is.doc, is.doc.Root)
			out = append(out, Note{Text: fmt.Sprintf("the origin set %q is written differently, and lets the same origins call by %q", name, after.Name), Position: &place})
		}
	}
	return out
}

// differing names the fields in which two specs differ.
func differing(before, after proto.Message) []string {
	a, b := before.ProtoReflect(), after.ProtoReflect()
	fields := a.Descriptor().Fields()
	var out []string
	for i := range fields.Len() {
		f := fields.Get(i)
		if a.Has(f) != b.Has(f) || !a.Get(f).Equal(b.Get(f)) {
			out = append(out, f.JSONName())
		}
	}
	return out
}
