package server

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/source"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// BenchmarkLoadChange puts a change of one policy in force, among many and beside a
// large set of origins that they name.
func BenchmarkLoadChange(b *testing.B) {
	const origins = 1_000_000
	list := make([]string, origins)
	for i := range list {
		list[i] = fmt.Sprintf("https://tenant-%07d.shop.example", i)
	}
	one := func(i int, origin string) policy.Document {
		name := fmt.Sprintf("policy-%06d", i)
		return policy.Document{File: name, Message: &corsgatev1.CorsPolicy{
			Metadata: &corsgatev1.Metadata{Name: name},
			Spec: &corsgatev1.CorsPolicySpec{
				Targets: []*corsgatev1.Target{{Hosts: []string{name + ".api.example"}}},
				Origins: []string{origin}, OriginSets: []string{"tenants"},
			},
		}}
	}
	for _, policies := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("policies=%d", policies), func(b *testing.B) {
			docs := []policy.Document{{File: "set", Message: &corsgatev1.CorsOriginSet{
				Metadata: &corsgatev1.Metadata{Name: "tenants"}, Spec: &corsgatev1.CorsOriginSetSpec{Origins: list},
			}}}
			for i := range policies {
				docs = append(docs, one(i, "https://shop.example"))
			}
			p := newPolicies(policy.Options{}, newMetrics(Build{}), slog.New(slog.DiscardHandler), time.Now)
			if !p.Load(context.Background(), source.Snapshot{Documents: docs}) {
				b.Fatal(p.Status().Problems)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				docs = slices.Clone(docs)
				docs[1+i%policies] = one(i%policies, fmt.Sprintf("https://n%d.example", i))
				if !p.Load(context.Background(), source.Snapshot{Documents: docs, Revision: int64(i)}) {
					b.Fatal(p.Status().Problems)
				}
			}
		})
	}
}
