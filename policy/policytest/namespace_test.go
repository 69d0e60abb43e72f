package policytest_test

import (
	"errors"
	"testing"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policytest"
)

const namespaced = `apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata: {name: api, namespace: shop}
spec:
  targets: [{hosts: [api.shop.example]}]
  originSets: [partners]
---
apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata: {name: api}
spec:
  targets: [{hosts: [api.example]}]
  originSets: [shop/partners]
---
apiVersion: corsgate.dev/v1
kind: CorsOriginSet
metadata: {name: partners, namespace: shop}
spec: {origins: [https://partner.example]}
`

// Tests call policies by their full names, and what they exercise is counted for the
// policy of that name.
func TestNamespaces(t *testing.T) {
	t.Parallel()
	docs := policies(t, namespaced)
	results := run(t, docs, `  tests:
  - name: by target
    request: {origin: https://partner.example, url: https://api.shop.example/}
    expect: {verdict: allow, policy: shop/api}
  - name: by route
    request: {origin: https://partner.example, url: https://elsewhere.example/, policy: shop/api}
    expect: {verdict: allow, policy: shop/api}
  - name: of another namespace
    request: {origin: https://partner.example, url: https://api.shop.example/}
    expect: {policy: api}
`)
	for i, want := range []bool{true, true, false} {
		if results[i].Passed() != want {
			t.Errorf("%s: passed %t, %v", results[i].Test.Name, results[i].Passed(), results[i].Mismatches)
		}
	}
	coverage, err := policytest.Cover(docs, results)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		name      string
		exercised int
	}{{"api", 0}, {"shop/api", 3}} { // its host, its set, and an actual request that is allowed
		if got := coverage.Policies[i]; got.Name != want.name || got.Exercised != want.exercised {
			t.Errorf("%d parts of %s are exercised, want %d of %s; missing are %+v", got.Exercised, got.Name, want.exercised, want.name, got.Missing)
		}
	}
}

// What a guardrail forbids fails before any test runs.
func TestGuardrails(t *testing.T) {
	t.Parallel()
	docs := policies(t, namespaced+`---
apiVersion: corsgate.dev/v1
kind: CorsGuardrail
metadata: {name: house}
spec: {originSuffixes: [shop.example]}
`)
	_, err := policytest.Run(docs, policy.Options{}, tests(t, `  tests:
  - name: a
    request: {origin: https://partner.example, url: https://api.shop.example/}
    expect: {verdict: allow}
`))
	var problems policy.Problems
	if !errors.As(err, &problems) || len(problems.Errors()) != 2 || problems[0].Guardrail != "house" {
		t.Errorf("the error is %v", err)
	}
}
