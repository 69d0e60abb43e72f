package policy

import (
	"fmt"
	"hash/maphash"
	"testing"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// BenchmarkWeighSet1M holds a million origins against a guardrail, as each compilation
// of a set does once.
func BenchmarkWeighSet1M(b *testing.B) {
	origins := make([]string, 1_000_000)
	for i := range origins {
		origins[i] = fmt.Sprintf("https://tenant-%07d.shop.example", i)
	}
	for name, spec := range map[string]*corsgatev1.CorsGuardrailSpec{
		"suffix":    {OriginSuffixes: []string{"shop.example"}},
		"suffixes":  {OriginSuffixes: []string{"a.example", "b.example", "c.example", "d.example", "e.example", "f.example", "g.example", "h.example", "i.example", "shop.example"}},
		"forbidden": {ForbiddenOrigins: []string{"https://*.evil.example", "https://old.shop.example"}},
		"https":     {NoPlainHttp: true},
	} {
		b.Run("rule="+name, func(b *testing.B) {
			c := compiler{set: &Set{}, seed: maphash.MakeSeed()}
			c.addGuardrail(&part{doc: &Document{}}, &corsgatev1.CorsGuardrail{Spec: spec})
			index := originIndex{list: origins}
			b.ReportAllocs()
			for b.Loop() {
				scan := originScan{guardrail: c.set.guardrails[0], index: &index}
				if at, ok := scan.nth(ruleSuffixes, 0); ok {
					b.Fatalf("%s breaks a rule", origins[at])
				}
			}
		})
	}
}
