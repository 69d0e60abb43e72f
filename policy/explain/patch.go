package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// edits writes a draft down as changes to its document's YAML.
func (d *draft) edits() []Edit {
	edits := []Edit{}
	for _, list := range []struct {
		field    string
		add, old []string
	}{
		{"origins", d.origins, d.old.GetOrigins()},
		{"methods", d.methods, d.old.GetMethods()},
		{"requestHeaders", d.headers, d.old.GetRequestHeaders()},
		{"exposeHeaders", d.expose, d.old.GetExposeHeaders()},
	} {
		if len(list.add) > 0 {
			edits = append(edits, d.listEdit(list.field, list.old, list.add))
		}
	}
	if d.credentials {
		edits = append(edits, d.scalarEdit("credentials", "false", "true"))
	}
	if d.navigations {
		edits = append(edits, d.scalarEdit("navigations", "DENY", "PASS"))
	}
	return edits
}

// maxFlow is the longest list that is written anew on its line.
const maxFlow = 12

// listEdit adds to a list in the style that it is written in.
func (d *draft) listEdit(field string, old, add []string) Edit {
	spec := d.doc.Root.Field("spec")
	e := Edit{Field: "spec." + field, Add: add}
	place, there := present(spec, field)
	switch {
	case !there:
		e.Position = at(&d.doc, spec)
		e.New = []string{d.indent() + field + ": " + flow(add)}
	case place.Len() > 0 && place.Item(0).Line > place.Line:
		// One entry a line.
		last := place.Item(place.Len() - 1)
		e.Position = at(&d.doc, last)
		for _, text := range add {
			e.New = append(e.New, spaces(int(last.Column)-3)+"- "+scalar(text))
		}
	default:
		e.Position = at(&d.doc, place)
		start := spaces(int(place.Column)-1) + field + ": "
		if len(old) > maxFlow {
			e.New = []string{start + "[…, " + strings.TrimPrefix(flow(add), "[")}
			break
		}
		e.Old = []string{start + flow(old)}
		e.New = []string{start + flow(slices.Concat(old, add))}
	}
	return e
}

func (d *draft) scalarEdit(field, old, set string) Edit {
	spec := d.doc.Root.Field("spec")
	e := Edit{Field: "spec." + field, Set: set, New: []string{d.indent() + field + ": " + set}}
	place, there := present(spec, field)
	if !there {
		e.Position = at(&d.doc, spec)
		return e
	}
	e.Position = at(&d.doc, place)
	e.Old = []string{d.indent() + field + ": " + old}
	return e
}

func present(spec *policy.Place, field string) (*policy.Place, bool) {
	if spec == nil || spec.Fields[field] == nil {
		return spec, false
	}
	return spec.Fields[field], true
}

// indent is how far the fields of spec stand from the left: a list's place is
// that of its name.
func (d *draft) indent() string {
	spec := d.doc.Root.Field("spec")
	for _, name := range []string{"origins", "targets", "originSets", "methods", "requestHeaders"} {
		if place, ok := present(spec, name); ok && place.Line > spec.Line {
			return spaces(int(place.Column) - 1)
		}
	}
	if spec == nil {
		return spaces(2)
	}
	return spaces(int(spec.Column) + 1)
}

func spaces(n int) string { return strings.Repeat(" ", max(n, 0)) }

// yaml writes a new policy.
func (d *draft) yaml() string {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: corsgate.dev/v1\nkind: CorsPolicy\nmetadata:\n  name: %s\nspec:\n  targets:\n", scalar(d.doc.Key().FullName()))
	for _, target := range d.spec.GetTargets() {
		fmt.Fprintf(&b, "  - hosts: %s\n    paths: %s\n", flow(target.GetHosts()), flow(target.GetPaths()))
	}
	for _, list := range []struct {
		field string
		items []string
	}{
		{"origins", d.spec.GetOrigins()},
		{"methods", d.spec.GetMethods()},
		{"requestHeaders", d.spec.GetRequestHeaders()},
		{"exposeHeaders", d.spec.GetExposeHeaders()},
	} {
		if len(list.items) > 0 {
			fmt.Fprintf(&b, "  %s: %s\n", list.field, flow(list.items))
		}
	}
	if d.spec.GetCredentials() {
		b.WriteString("  credentials: true\n")
	}
	if d.spec.GetNavigations() == corsgatev1.Disposition_DISPOSITION_PASS {
		b.WriteString("  navigations: PASS\n")
	}
	return b.String()
}

// consequences says what else a change would do.
func (d *draft) consequences() []Note {
	var notes []Note
	add := func(code, format string, args ...any) {
		notes = append(notes, Note{code, fmt.Sprintf(format, args...)})
	}
	if n := d.nearest; n != nil {
		add("nearest", "Before that, look at the nearest target, %s of %s (%s): perhaps the URL is wrong, or that target should be wider.", n.Target, n.Policy, n.Position)
	}
	origins := d.origins
	if d.fresh {
		origins = d.spec.GetOrigins()
	}
	if d.credentials && !d.fresh {
		add("credentials", "With credentials: true every origin that the policy lists could act with its visitors' cookies, not this one alone.")
	}
	for _, origin := range origins {
		text := "Every page of %s could then call this API and read its answers"
		if d.spec.GetCredentials() {
			text += ", with the cookies of whoever visits it"
		}
		add("origin", text+". Allow it only if you trust its owner with that.", origin)
		if strings.HasPrefix(origin, "http://") && !isLocal(strings.TrimPrefix(origin, "http://")) {
			add("plain_http", "%s comes without TLS, so anybody on the way can change what it does.", origin)
		}
	}
	if d.navigations {
		add("navigations", "Forms of every site could then post here, so the service must know its own: by state, RelayState or a signature. Best is a policy of its own for the callback's path.")
	}
	if d.fresh {
		add("new_policy", "The name is yours to choose, and so is whether the target should be wider, such as \"/v1/*\".")
	} else {
		add("reach", "The change holds for all that the policy governs: %s.", d.reach())
	}
	return notes
}

// reach names what the policy governs.
func (d *draft) reach() string {
	for _, p := range d.world.set.Policies() {
		if p.Name != d.doc.Key().FullName() {
			continue
		}
		keys := p.TargetKeys()
		var names []string
		for _, k := range keys[:min(len(keys), maxShown)] {
			names = append(names, k.String())
		}
		switch {
		case len(keys) > maxShown:
			return fmt.Sprintf("%s … and %d more", strings.Join(names, ", "), len(keys)-maxShown)
		case len(keys) > 0:
			return joinAnd(names)
		}
	}
	return "the routes that name it"
}
