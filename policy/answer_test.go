package policy

import (
	"reflect"
	"testing"
)

// Policies share answers where their recipes have one key, so each part of a
// recipe must tell in it. The name is not in what they share.
func TestRecipeKeyTellsAll(t *testing.T) {
	t.Parallel()
	yes := true
	change := map[string]func(r *recipe){
		"constant":    func(r *recipe) { r.constant = true },
		"varies":      func(r *recipe) { r.varies = true },
		"credentials": func(r *recipe) { r.credentials = true },
		"expose":      func(r *recipe) { r.expose = "x" },
		"maxAge":      func(r *recipe) { r.maxAge = "x" },
		"status":      func(r *recipe) { r.status = 1 },
		"timing":      func(r *recipe) { r.timing = &yes },
		"resource":    func(r *recipe) { r.resource = "x" },
		"private":     func(r *recipe) { r.private = true },
		"methods":     func(r *recipe) { r.methods = &methodRules{list: []string{"X"}} },
		"headers":     func(r *recipe) { r.headers = &headerRules{list: []string{"x"}} },
	}
	plain := func() *recipe { return &recipe{methods: &methodRules{}, headers: &headerRules{}} }
	for field := range reflect.TypeFor[recipe]().Fields() {
		name := field.Name
		if name == "name" {
			continue
		}
		if change[name] == nil {
			t.Errorf("the test does not know recipe.%s: does recipeKey?", name)
			continue
		}
		changed := plain()
		change[name](changed)
		if changed.key() == plain().key() {
			t.Errorf("recipe.%s does not tell in the key", name)
		}
	}
	for name, r := range map[string]*recipe{
		"any method":    {methods: &methodRules{any: true}, headers: &headerRules{}},
		"short methods": {methods: &methodRules{short: true}, headers: &headerRules{}},
		"any header":    {methods: &methodRules{}, headers: &headerRules{any: true}},
		"short headers": {methods: &methodRules{}, headers: &headerRules{short: true}},
		"no timing":     {methods: &methodRules{}, headers: &headerRules{}, timing: new(bool)},
	} {
		if r.key() == plain().key() {
			t.Errorf("%s does not tell in the key", name)
		}
	}
}

func TestAlikePoliciesShareAnswers(t *testing.T) {
	t.Parallel()
	var p press
	one := recipe{name: "one", status: defaultPreflightStatus, methods: &methodRules{list: []string{"GET"}, short: true}, headers: &headerRules{short: true}}
	two, other := one, one
	two.name, other.credentials = "two", true
	a, b, c := one.prepare(&p), two.prepare(&p), other.prepare(&p)
	if a.actual != b.actual || a.preflight != b.preflight || a.actual == c.actual {
		t.Error("not the answers that are alike are shared")
	}
	if a.refusedMethod == b.refusedMethod || a.refusedMethod.ID == b.refusedMethod.ID {
		t.Error("an answer that names its policy is shared")
	}
	seen := map[int]*Answer{}
	for _, answer := range append(all(&a), append(all(&b), all(&c)...)...) {
		if before, ok := seen[answer.ID]; ok && before != answer {
			t.Errorf("two answers have the ID %d", answer.ID)
		}
		seen[answer.ID] = answer
	}
	if len(seen) != p.made {
		t.Errorf("%d IDs are taken of %d", len(seen), p.made)
	}
}

// all returns the answers of a policy.
func all(a *answers) []*Answer {
	list := []*Answer{a.refusedMethod}
	for i := range 2 {
		list = append(list, a.notCORS[i], a.actual[i], a.passed[i])
	}
	for _, outcome := range a.preflight {
		for _, forms := range outcome {
			for _, answer := range forms {
				if answer != nil {
					list = append(list, answer)
				}
			}
		}
	}
	return list
}
