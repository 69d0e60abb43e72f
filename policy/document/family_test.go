package document_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/document"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

func TestReadTests(t *testing.T) {
	t.Parallel()
	const text = `apiVersion: corsgate.dev/v1
kind: CorsPolicyTest
metadata: {name: storefront}
spec:
  tests:
  - name: strangers
    request: {url: https://api.shop.example/, origin: "null", preflight: {method: PUT, headers: [X-A]}}
    expect: {status: 403, headers: {vary: ""}, headersExactly: false}
    rows:
    - {name: one}
`
	want := &corsgatev1.CorsPolicyTest{
		ApiVersion: document.APIVersion,
		Kind:       "CorsPolicyTest",
		Metadata:   &corsgatev1.Metadata{Name: "storefront"},
		Spec: &corsgatev1.CorsPolicyTestSpec{Tests: []*corsgatev1.PolicyTest{{
			Name: "strangers",
			Request: &corsgatev1.TestRequest{
				Url: "https://api.shop.example/", Origin: "null",
				Preflight: &corsgatev1.TestPreflight{Method: "PUT", Headers: []string{"X-A"}},
			},
			Expect: &corsgatev1.TestExpectation{
				Status: new(int32(403)), Headers: map[string]string{"vary": ""}, HeadersExactly: new(false),
			},
			Rows: []*corsgatev1.TestRow{{Name: "one"}},
		}}},
	}
	docs, problems := document.ReadTests("a_test.yaml", []byte(text))
	if len(problems) > 0 || len(docs) != 1 {
		t.Fatalf("%d documents, problems: %v", len(docs), problems)
	}
	if diff := cmp.Diff(want, docs[0].Message, protocmp.Transform()); diff != "" {
		t.Errorf("the message differs (-want +got):\n%s", diff)
	}
}

// TestFamilies checks that policies and tests are kept apart, and that what is
// said of a test is not what is said of a policy.
func TestFamilies(t *testing.T) {
	t.Parallel()
	type reader func(string, []byte) ([]policy.Document, policy.Problems)
	for name, c := range map[string]struct {
		read reader
		text string
		want string
	}{
		"a test among policies": {
			document.Read, "apiVersion: corsgate.dev/v1\nkind: CorsPolicyTest\nspec: {tests: []}\n",
			"f:2:7: kind: a CorsPolicyTest cannot stand in this file; tests stand in files of their own, *_test.yaml [unknown_kind]",
		},
		"a policy among tests": {
			document.ReadTests, "apiVersion: corsgate.dev/v1\nkind: CorsPolicy\nspec: {origins: []}\n",
			"f:2:7: kind: a CorsPolicy cannot stand in this file; policies stand in files of their own, whose names do not end with _test [unknown_kind]",
		},
		"a misspelt kind": {
			document.ReadTests, "apiVersion: corsgate.dev/v1\nkind: CorsPolicyTests\nmetadata: {name: a}\nspec: {}\n",
			`f:2:7: kind: the kind "CorsPolicyTests" is not known; the kinds are CorsPolicyTest; write CorsPolicyTest [unknown_kind]`,
		},
		"a misspelt field": {
			document.ReadTests, "apiVersion: corsgate.dev/v1\nkind: CorsPolicyTest\nmetadata: {name: a}\nspec: {test: [{name: a}]}\n",
			`f:4:8: spec.test: "test" is not a field of spec; did you mean tests? [unknown_field]`,
		},
		"a field of the other family": {
			document.Read, "apiVersion: corsgate.dev/v1\nkind: CorsOriginSet\nmetadata: {name: a}\nspec: {rows: [a]}\n",
			`f:4:8: spec.rows: "rows" is not a field of spec; the fields are origins [unknown_field]`,
		},
		"an anchor": {
			document.ReadTests, "apiVersion: corsgate.dev/v1\nkind: CorsPolicyTest\nmetadata: {name: a}\nspec: &s {}\n",
			`f:4:7: spec: the anchor "&s" is refused: a test says what it means where it says it; leave it out, and share a request by means of spec.request or of rows [anchor]`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			docs, problems := c.read("f", []byte(c.text))
			if got := problems.Error(); got != c.want || len(docs) > 0 {
				t.Errorf("%d documents and the problems\n%s\nwant none and\n%s", len(docs), got, c.want)
			}
		})
	}
}
