package document

import (
	"errors"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy/spelling"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// TestClosest checks what an unknown field of a policy's spec is taken for.
func TestClosest(t *testing.T) {
	t.Parallel()
	names := fieldNames((&corsgatev1.CorsPolicySpec{}).ProtoReflect().Descriptor())
	for word, want := range map[string]string{
		"origin":                 "origins",
		"Origins":                "origins",
		"origin-sets":            "originSets",
		"allowMethods":           "",
		"methdos":                "methods",
		"metod":                  "methods",
		"mode":                   "",
		"exposedHeaders":         "exposeHeaders",
		"credential":             "credentials",
		"maxAgeSeconds":          "",
		"max_age":                "maxAge",
		"timeout":                "",
		"x":                      "",
		"":                       "",
		strings.Repeat("a", 999): "",
	} {
		if got := spelling.Closest(word, names); got != want {
			t.Errorf("Closest(%q) = %q, want %q", word, got, want)
		}
	}
}

// TestNextSurvivesPanic checks that a fault of the parser is an error of the
// file.
func TestNextSurvivesPanic(t *testing.T) {
	t.Parallel()
	root, err := next(func(any) error { panic("impossible") })
	if root != nil || err == nil || !strings.Contains(err.Error(), "the parser failed: impossible") {
		t.Errorf("root %v, error %v", root, err)
	}
	cause := errors.New("a cause")
	if _, err := next(func(any) error { return cause }); !errors.Is(err, cause) {
		t.Errorf("the cause is lost in %v", err)
	}
}
