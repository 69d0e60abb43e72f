package policy

import (
	"fmt"
	"testing"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// BenchmarkCompileChange changes one policy of many, beside a large set of origins:
// anew, and with what was compiled before.
func BenchmarkCompileChange(b *testing.B) {
	for _, size := range []struct{ policies, origins int }{{10_000, 1_000}, {100, 1_000_000}, {10_000, 1_000_000}} {
		docs := manyDocuments(size.policies, size.origins)
		for _, with := range []bool{false, true} {
			b.Run(fmt.Sprintf("policies=%d/origins=%d/previous=%v", size.policies, size.origins, with), func(b *testing.B) {
				set, problems := Compile(docs, Options{})
				if set == nil {
					b.Fatal(problems.Errors())
				}
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					next := append([]Document(nil), docs...)
					next[1+i%size.policies] = manyPolicy(i%size.policies, fmt.Sprintf("https://changed-%d.example", i))
					options := Options{}
					if with {
						options.Previous = set
					}
					changed, _ := Compile(next, options)
					if changed == nil {
						b.Fatal("it does not compile")
					}
					if with {
						set = changed
					}
				}
			})
		}
	}
}

// manyDocuments returns an origin set and policies that name it.
func manyDocuments(policies, origins int) []Document {
	list := make([]string, origins)
	for i := range list {
		list[i] = fmt.Sprintf("https://tenant-%07d.shop.example", i)
	}
	docs := []Document{{File: "set", Message: &corsgatev1.CorsOriginSet{
		Metadata: &corsgatev1.Metadata{Name: "tenants"}, Spec: &corsgatev1.CorsOriginSetSpec{Origins: list},
	}}}
	for i := range policies {
		docs = append(docs, manyPolicy(i, "https://shop.example"))
	}
	return docs
}

func manyPolicy(i int, origin string) Document {
	name := fmt.Sprintf("policy-%06d", i)
	return Document{File: name, Message: &corsgatev1.CorsPolicy{
		Metadata: &corsgatev1.Metadata{Name: name},
		Spec: &corsgatev1.CorsPolicySpec{
			Targets:    []*corsgatev1.Target{{Hosts: []string{name + ".api.example"}}, {Hosts: []string{"api.example"}, Paths: []string{"/" + name + "/*"}}},
			Origins:    []string{origin, "https://*.sub.example"},
			OriginSets: []string{"tenants"},
			Methods:    []string{"GET", "POST", "PUT"},
		},
	}}
}
