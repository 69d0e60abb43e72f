package policy

import (
	"fmt"
	"slices"
	"testing"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// What a guardrail says of a set it finds out once, however many policies name the
// set and however many of its rules there are.
func TestSetsAreWeighedOnce(t *testing.T) {
	t.Parallel()
	const many, n, users = 1_000_000, 1_000, 100
	origins := make([]string, many)
	for i := range origins {
		origins[i] = fmt.Sprintf("https://tenant-%07d.shop.example", i)
	}
	for name, test := range map[string]struct {
		spec *corsgatev1.CorsGuardrailSpec
		size int
		// stranger is where in the set an origin stands that may not be let in; what
		// lies behind it need not be looked at.
		stranger int
		most     int
		barred   int
	}{
		"within": {&corsgatev1.CorsGuardrailSpec{
			OriginSuffixes: []string{"shop.example"}, NoPlainHttp: true, ForbiddenOrigins: []string{"https://*.evil.example", "https://old.shop.example"},
			Credentials: corsgatev1.GuardrailCredentials_GUARDRAIL_CREDENTIALS_EXACT_HTTPS,
		}, many, -1, many + users, 0},
		"a stranger at the end":  {&corsgatev1.CorsGuardrailSpec{OriginSuffixes: []string{"shop.example"}}, n, n - 1, n + users, users},
		"suffixes, many":         {&corsgatev1.CorsGuardrailSpec{OriginSuffixes: []string{"a.example", "b.example", "c.example", "d.example", "e.example", "f.example", "g.example", "h.example", "shop.example"}}, n, n - 1, n + users, users},
		"a stranger at the head": {&corsgatev1.CorsGuardrailSpec{OriginSuffixes: []string{"shop.example"}}, n, 0, 2 * users, users},
		"no rule about origins":  {&corsgatev1.CorsGuardrailSpec{NoExceptions: true}, n, -1, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			list := origins[:test.size]
			if test.stranger >= 0 {
				list = slices.Clone(list)
				list[test.stranger] = "https://stranger.example"
			}
			docs := []Document{
				{File: "set", Message: &corsgatev1.CorsOriginSet{Metadata: &corsgatev1.Metadata{Name: "tenants"}, Spec: &corsgatev1.CorsOriginSetSpec{Origins: list}}},
				{File: "house", Message: &corsgatev1.CorsGuardrail{Metadata: &corsgatev1.Metadata{Name: "house"}, Spec: test.spec}},
			}
			for i := range users {
				docs = append(docs, Document{File: "policy", Message: &corsgatev1.CorsPolicy{
					Metadata: &corsgatev1.Metadata{Name: fmt.Sprintf("p%d", i)},
					Spec:     &corsgatev1.CorsPolicySpec{Origins: []string{"https://shop.example"}, OriginSets: []string{"tenants"}, Credentials: true},
				}})
			}
			set, problems := Compile(docs, Options{Breaches: BreachesBarred})
			if set == nil {
				t.Fatalf("compile: %v", problems.Errors())
			}
			if got := len(set.Barred()); got != test.barred {
				t.Errorf("%d policies are barred, want %d", got, test.barred)
			}
			if got := set.Guardrails()[0].weighed; got > test.most {
				t.Errorf("%d origins were weighed, want %d at the most", got, test.most)
			}
		})
	}
}
