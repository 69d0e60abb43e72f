package store

import (
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// noSpec is how the text of a set ends whose spec says nothing but its origins.
const noSpec = "spec: {}\n"

// headOf writes down what a set says besides its origins.
func headOf(set *corsgatev1.CorsOriginSet) (string, error) {
	rest, ok := proto.Clone(withoutOrigins(set)).(*corsgatev1.CorsOriginSet)
	if !ok {
		return "", fmt.Errorf("copy the set %s", set.GetMetadata().GetName())
	}
	text, err := protojson.Marshal(rest)
	if err != nil {
		return "", fmt.Errorf("write the set %s: %w", set.GetMetadata().GetName(), err)
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		return "", fmt.Errorf("write the set %s: %w", set.GetMetadata().GetName(), err)
	}
	// The keys are sorted, so that spec comes last.
	head, err := yaml.Dump(fields, yaml.WithIndent(2))
	if err != nil {
		return "", fmt.Errorf("write the set %s: %w", set.GetMetadata().GetName(), err)
	}
	return string(head), nil
}

// withoutOrigins returns what is like a set but lacks its origins, of which there
// may be a million.
func withoutOrigins(set *corsgatev1.CorsOriginSet) *corsgatev1.CorsOriginSet {
	return &corsgatev1.CorsOriginSet{
		ApiVersion: set.GetApiVersion(), Kind: set.GetKind(), Metadata: set.GetMetadata(),
		Spec: &corsgatev1.CorsOriginSetSpec{},
	}
}

// linePrefix is how much stands in front of each origin in a whole text.
const linePrefix = len("  - ")

// wholeText puts origins into a text of headOf.
func wholeText(head string, origins []string) string {
	var b strings.Builder
	b.Grow(len(head) + len("  origins: []\n") + textSize(origins) + len(origins)*linePrefix)
	if rest, bare := strings.CutSuffix(head, noSpec); bare {
		b.WriteString(rest)
		b.WriteString("spec:\n")
	} else {
		b.WriteString(head)
	}
	b.WriteString("  origins:")
	if len(origins) == 0 {
		b.WriteString(" []")
	}
	b.WriteByte('\n')
	for _, origin := range origins {
		b.WriteString("  - ")
		b.WriteString(spell(origin))
		b.WriteByte('\n')
	}
	return b.String()
}

// spell writes an origin as YAML: plain where that cannot be taken for anything
// else.
func spell(origin string) string {
	if isPlain(origin) {
		return origin
	}
	var b strings.Builder
	quoted := json.NewEncoder(&b)
	quoted.SetEscapeHTML(false)
	if err := quoted.Encode(origin); err != nil {
		return `""` // a text can always be written
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// isPlain reports whether a text begins with a letter, has a scheme and nothing
// that YAML could take for a mark of its own.
func isPlain(origin string) bool {
	if origin == "" || !strings.Contains(origin, "://") || origin[len(origin)-1] == ':' {
		return false
	}
	if first := origin[0] | 0x20; first < 'a' || first > 'z' {
		return false
	}
	for i := range len(origin) {
		switch c := origin[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '-' && c <= ':', c == '*', c == '_', c == '[', c == ']':
		default:
			return false
		}
	}
	return true
}
