package document

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/policy"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// A family is the kinds of documents that a file may hold together.
type family struct {
	// kinds returns what stands for an empty message of each kind, and is not to be
	// filled. A kind is called what its message is called.
	kinds func() []proto.Message
	// member is what a document of the family is called in an error.
	member string
	// share says how documents share what YAML would with an anchor.
	share string
	// others are the kinds of other families, and where those stand.
	others func() []proto.Message
	home   string
}

// policies is what a file of policies holds.
func policies() family {
	return family{
		kinds:  policyKinds,
		member: "a policy",
		share:  "share origins by means of a CorsOriginSet",
		others: testKinds,
		home:   "tests stand in files of their own, *_test.yaml",
	}
}

// tests is what a file of tests holds.
func tests() family {
	return family{
		kinds:  testKinds,
		member: "a test",
		share:  "share a request by means of spec.request or of rows",
		others: policyKinds,
		home:   "policies stand in files of their own, whose names do not end with _test",
	}
}

// accesses is what a file holds that says who may use the policy service.
func accesses() family {
	return family{
		kinds:  accessKinds,
		member: "such a document",
		share:  "bind several subjects or groups at once",
		others: func() []proto.Message { return append(policyKinds(), testKinds()...) },
		home:   "policies and their tests stand in files of their own",
	}
}

func policyKinds() []proto.Message {
	return []proto.Message{(*corsgatev1.CorsPolicy)(nil), (*corsgatev1.CorsOriginSet)(nil), (*corsgatev1.CorsGuardrail)(nil)}
}

// hasNamespace reports whether documents of a message's kind may have one.
func hasNamespace(m proto.Message) bool {
	switch m.(type) {
	case *corsgatev1.CorsPolicy, *corsgatev1.CorsOriginSet:
		return true
	}
	return false
}

func testKinds() []proto.Message {
	return []proto.Message{(*corsgatev1.CorsPolicyTest)(nil)}
}

func accessKinds() []proto.Message {
	return []proto.Message{(*corsgatev1.CorsAccess)(nil)}
}

// Kinds returns the names of the kinds of documents that Read knows.
func Kinds() []string { return policies().names() }

// TestKinds returns the names of the kinds of documents that ReadTests knows.
func TestKinds() []string { return tests().names() }

func (f family) names() []string { return namesOf(f.kinds()) }

// AccessKinds returns the names of the kinds of documents that ReadAccess knows.
func AccessKinds() []string { return accesses().names() }

// isForeign reports whether a kind is of another family.
func (f family) isForeign(kind string) bool { return slices.Contains(namesOf(f.others()), kind) }

// foreign is the problem of a document that stands in a file of the wrong sort.
func (f family) foreign(kind string) policy.Problem {
	return policy.Problem{
		Code:   codeUnknownKind,
		Field:  fieldKind,
		Reason: fmt.Sprintf("a %s cannot stand in this file", kind),
		Mend:   f.home,
	}
}

func namesOf(kinds []proto.Message) []string {
	names := make([]string, len(kinds))
	for i, m := range kinds {
		names[i] = kindOf(m)
	}
	return names
}

func kindOf(m proto.Message) string {
	return string(m.ProtoReflect().Descriptor().Name())
}
