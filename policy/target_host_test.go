package policy_test

import (
	"testing"

	"github.com/corsgate/corsgate/policy"
)

// TestCoversHost is which hosts of targets lie within which.
func TestCoversHost(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		wide, narrow string
		want         bool
	}{
		{"*", "*", true},
		{"*", "api.shop.example:8443", true},
		{"*.shop.example", "*", false},
		{"*.shop.example", "*.shop.example", true},
		{"*.shop.example", "api.shop.example", true},
		{"*.shop.example", "a.b.shop.example", true},
		{"*.shop.example", "*.eu.shop.example", true},
		{"*.shop.example", "API.Shop.Example:80", true},
		{"*.shop.example", "shop.example", false},
		{"*.shop.example", "evilshop.example", false},
		{"*.shop.example", "*.example", false},
		{"*.eu.shop.example", "*.shop.example", false},
		{"shop.example", "shop.example:8443", true},
		{"shop.example:8443", "shop.example:8443", true},
		{"shop.example:8443", "shop.example", false},
		{"shop.example:8443", "shop.example:9443", false},
		{"*.shop.example:8443", "*.shop.example", false},
		{"shop.example", "*.shop.example", false},
		{"127.0.0.1", "127.0.0.1:80", true},
		{"127.0.0.1", "127.0.0.2", false},
	} {
		wide, problem := policy.ParseTargetHost(test.wide)
		if problem != nil {
			t.Fatal(problem)
		}
		narrow, problem := policy.ParseTargetHost(test.narrow)
		if problem != nil {
			t.Fatal(problem)
		}
		if got := wide.CoversHost(narrow); got != test.want {
			t.Errorf("%s covers %s: %v, want %v", test.wide, test.narrow, got, test.want)
		}
	}
	if _, problem := policy.ParseTargetHost("https://shop.example"); problem == nil || problem.Reason == "" || problem.Mend == "" || problem.Code != "host_scheme" {
		t.Errorf("a URL is a host: %v", problem)
	}
}
