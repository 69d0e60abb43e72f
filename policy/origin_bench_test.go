package policy

import (
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// tenant is the n-th of the origins that benchmarks list: 32 bytes each.
func tenant(n int) string { return fmt.Sprintf("https://tenant-%07d.shop.example", n) }

func tenants(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = tenant(i)
	}
	return list
}

// wildcards are patterns of their own, which no tenant matches.
func wildcards(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("https://*.partner-%05d.example", i)
	}
	return list
}

func originSetOf(list []string) Document {
	return Document{
		File: "f",
		Message: &corsgatev1.CorsOriginSet{
			Metadata: &corsgatev1.Metadata{Name: "tenants"}, Spec: &corsgatev1.CorsOriginSetSpec{Origins: list},
		},
		Texts: joinOrigins(list, ""),
	}
}

func userOf(set string) Document {
	return Document{File: "g", Message: &corsgatev1.CorsPolicy{
		Metadata: &corsgatev1.Metadata{Name: "api"},
		Spec: &corsgatev1.CorsPolicySpec{
			Targets: []*corsgatev1.Target{{Hosts: []string{"api.shop.example"}}}, OriginSets: []string{set},
		},
	}}
}

func indexed(tb testing.TB, list []string) *originIndex {
	tb.Helper()
	index := newOriginIndex(maphash.MakeSeed(), &Document{}, partOrigins, list)
	for i, text := range list {
		p, f := parsePattern(text)
		if f != nil {
			tb.Fatal(f.reason)
		}
		index.add(&p, int32(i), index.exact.hash(text))
	}
	return &index
}

// queries is how many different origins a benchmark asks for, in an order that no
// cache foresees.
const queries = 1 << 18

// BenchmarkFind is one look-up of a parsed origin in one list, its hash included,
// among as many exact origins as the name says and 10,000 wildcards.
func BenchmarkFind(b *testing.B) {
	for _, size := range []int{1, 1_000, 100_000, 1_000_000} {
		index := indexed(b, append(tenants(size), wildcards(10_000)...))
		for _, hit := range []bool{true, false} {
			asked := make([]origin, queries)
			for i := range asked {
				n := rand.IntN(size)
				if !hit {
					n += size
				}
				asked[i], _ = parseOrigin(tenant(n))
			}
			b.Run(fmt.Sprintf("origins=%d/hit=%v", size, hit), func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					o := &asked[i%queries]
					if _, ok := index.find(o, formTuple, index.exact.hash(o.text)); ok != hit {
						b.Fatal("wrong answer")
					}
				}
			})
		}
	}
}

// BenchmarkBuild makes a set of a list of origins in memory: parsed, checked,
// indexed and hashed for the revision. It reports what the set holds beside the
// documents, for each origin.
func BenchmarkBuild(b *testing.B) {
	for _, size := range []int{1_000, 100_000, 1_000_000} {
		docs := []Document{originSetOf(append(tenants(size), wildcards(min(size, 10_000))...)), userOf("tenants")}
		b.Run(fmt.Sprintf("origins=%d", size), func(b *testing.B) {
			b.ReportAllocs()
			var set *Set
			before := heap()
			for b.Loop() {
				compiled, problems := Compile(docs, Options{})
				if len(problems) > 0 {
					b.Fatal(problems[0])
				}
				set = compiled
			}
			b.ReportMetric(float64(heap()-before)/float64(size), "bytes/origin")
			runtime.KeepAlive(set)
		})
	}
}

// heap is how many bytes are in use.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// BenchmarkParseOrigin reads the Origin header of a request.
func BenchmarkParseOrigin(b *testing.B) {
	for _, text := range []string{"https://shop.example", tenant(1), "http://localhost:3000", "https://" + strings.Repeat("a.", 100) + "example"} {
		b.Run(text[:min(len(text), 24)], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, form := parseOrigin(text); form != formTuple {
					b.Fatal("no origin")
				}
			}
		})
	}
}
