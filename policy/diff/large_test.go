package diff_test

import (
	"fmt"
	"testing"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/diff"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// customers is a side with some policies that share one large origin set, of
// which each thousandth origin is another by salt.
func customers(tb testing.TB, origins, policies int, salt string) diff.Side {
	tb.Helper()
	list := make([]string, origins)
	for i := range list {
		list[i] = fmt.Sprintf("https://shop.customer%d.example", i)
		if i%1000 == 0 {
			list[i] = fmt.Sprintf("https://shop.customer%d-%s.example", i, salt)
		}
	}
	docs := []policy.Document{{File: salt, Message: &corsgatev1.CorsOriginSet{
		Metadata: &corsgatev1.Metadata{Name: "customers"}, Spec: &corsgatev1.CorsOriginSetSpec{Origins: list},
	}}}
	for i := range policies {
		docs = append(docs, policy.Document{File: salt, Message: &corsgatev1.CorsPolicy{
			Metadata: &corsgatev1.Metadata{Name: fmt.Sprintf("p%d", i)},
			Spec: &corsgatev1.CorsPolicySpec{
				Targets:    []*corsgatev1.Target{{Hosts: []string{fmt.Sprintf("api%d.example", i)}}},
				OriginSets: []string{"customers"},
			},
		}})
	}
	set, problems := policy.Compile(docs, policy.Options{})
	if set == nil {
		tb.Fatalf("compile: %v", problems)
	}
	return diff.Side{Set: set, Documents: docs}
}

// A large set is summed up, and what policies share of it is not listed.
func TestLargeSetsAreSummedUp(t *testing.T) {
	t.Parallel()
	report := diff.Compare(customers(t, 20_000, 3, "old"), customers(t, 20_000, 3, "new"), diff.Options{})
	if len(report.Changes) != 3 {
		t.Fatalf("%d changes, want one for each policy", len(report.Changes))
	}
	for _, change := range report.Changes {
		if len(change.Items) != 2 {
			t.Fatalf("items are %+v, want a gain and a loss", change.Items)
		}
		for _, item := range change.Items {
			if item.Count != 20 || len(item.Values) != diff.DefaultExamples {
				t.Errorf("item lists %d of %d, want %d of 20", len(item.Values), item.Count, diff.DefaultExamples)
			}
		}
	}
}

// The figure includes the comparison alone, not the reading of documents.
func BenchmarkCompareMillion(b *testing.B) {
	for _, policies := range []int{1, 100} {
		b.Run(fmt.Sprintf("policies=%d", policies), func(b *testing.B) {
			before, after := customers(b, 1_000_000, policies, "old"), customers(b, 1_000_000, policies, "new")
			b.ReportAllocs()
			for b.Loop() {
				diff.Compare(before, after, diff.Options{})
			}
		})
	}
}
