package policy_test

import (
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

func TestIsName(t *testing.T) {
	t.Parallel()
	long, label := strings.Repeat("a", policy.MaxName), strings.Repeat("a", policy.MaxNamespace)
	for name, want := range map[string]struct{ name, namespace bool }{
		"a": {true, true}, "0": {true, true}, "a-b": {true, true}, "a--b0": {true, true}, label: {true, true},
		"a.b": {true, false}, "a--b.c0": {true, false}, long: {true, false}, label + "a": {true, false},
		"": {}, "-a": {}, "a-": {}, ".a": {}, "a.": {}, "a..b": {}, "a.-b": {}, "a-.b": {},
		"A": {}, "a_b": {}, "a b": {}, "a/b": {}, "é": {}, "a\n": {}, long + "a": {}, "*": {},
	} {
		if got := policy.IsName(name); got != want.name {
			t.Errorf("IsName(%q) = %t, want %t", name, got, want.name)
		}
		if got := policy.IsNamespace(name); got != want.namespace {
			t.Errorf("IsNamespace(%q) = %t, want %t", name, got, want.namespace)
		}
	}
}

func TestKey(t *testing.T) {
	t.Parallel()
	shop := &corsgatev1.Metadata{Namespace: "shop", Name: "a.b"}
	for want, doc := range map[string]policy.Document{
		"CorsPolicy shop/a.b":    {Message: &corsgatev1.CorsPolicy{Metadata: shop}},
		"CorsOriginSet shop/a.b": {Message: &corsgatev1.CorsOriginSet{Metadata: shop}},
		"CorsGuardrail a":        {Message: &corsgatev1.CorsGuardrail{Metadata: &corsgatev1.Metadata{Name: "a"}}},
		"CorsPolicy ":            {Message: &corsgatev1.CorsPolicy{}},
		" ":                      {},
	} {
		if got := doc.Key().String(); got != want {
			t.Errorf("the key is %q, want %q", got, want)
		}
	}
}

func TestOriginSetName(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ namespace, reference, want string }{
		{"", "partners", "partners"},
		{"shop", "partners", "shop/partners"},
		{"shop", "pay/partners", "pay/partners"},
		{"shop", "/partners", "partners"},
		{"", "/partners", "partners"},
		{"shop", "pay/partners/more", "pay/partners/more"}, // which no set is called
	} {
		if got := policy.OriginSetName(test.namespace, test.reference); got != test.want {
			t.Errorf("%q of %q is %q, want %q", test.reference, test.namespace, got, test.want)
		}
	}
}
