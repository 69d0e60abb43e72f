package document_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/document"
)

// large returns a set of origins, and a policy that names it.
func large(n int) (origins []string, head, user string) {
	origins = make([]string, n)
	for i := range origins {
		origins[i] = fmt.Sprintf("https://tenant-%07d.shop.example", i)
	}
	head = "apiVersion: corsgate.dev/v1\nkind: CorsOriginSet\nmetadata:\n  name: tenants\nspec:\n  origins:\n"
	user = "apiVersion: corsgate.dev/v1\nkind: CorsPolicy\nmetadata:\n  name: api\nspec:\n  targets:\n    - hosts: [api.shop.example]\n  originSets: [tenants]\n"
	return origins, head, user
}

// BenchmarkReadYAML goes from the bytes of documents in YAML to a compiled set: the
// origins as lines of a block sequence, all of them in one document.
func BenchmarkReadYAML(b *testing.B) {
	for _, n := range []int{1_000, 100_000, 1_000_000} {
		origins, head, user := large(n)
		data := head + "    - " + strings.Join(origins, "\n    - ") + "\n---\n" + user
		b.Run(fmt.Sprintf("origins=%d", n), func(b *testing.B) { readAndCompile(b, data) })
	}
}

// BenchmarkReadJSON is BenchmarkReadYAML with all origins on one line of JSON.
func BenchmarkReadJSON(b *testing.B) {
	for _, n := range []int{1_000, 100_000, 1_000_000} {
		origins, _, user := large(n)
		set, err := json.Marshal(map[string]any{
			"apiVersion": document.APIVersion, "kind": "CorsOriginSet", "metadata": map[string]any{"name": "tenants"}, "spec": map[string]any{"origins": origins},
		})
		if err != nil {
			b.Fatal(err)
		}
		data := string(set) + "\n---\n" + user
		b.Run(fmt.Sprintf("origins=%d", n), func(b *testing.B) { readAndCompile(b, data) })
	}
}

func readAndCompile(b *testing.B, data string) {
	b.Helper()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		docs, problems := document.Read("f", []byte(data))
		if len(problems) > 0 {
			b.Fatal(problems[0])
		}
		if set, problems := policy.Compile(docs, policy.Options{}); set == nil {
			b.Fatal(problems)
		}
	}
}

// small returns many policies, each a document of its own like those that teams
// write.
func small(n int) []string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprintf(`apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata:
  name: service-%05d
  labels:
    team: team-%d
spec:
  targets:
    - hosts: [service-%05d.shop.example]
      paths: [/v1/*]
  origins:
    - https://shop.example
    - https://*.shop.example
    - https://service-%05d.partner.example
  methods: [GET, POST, DELETE]
  requestHeaders: [Content-Type, X-Csrf-Token]
  exposeHeaders: [X-Request-Id]
  credentials: true
  maxAge: 2h
`, i, i%50, i, i)
	}
	return texts
}

// BenchmarkReadPolicies10k reads 10,000 policies, each a file of its own in memory.
func BenchmarkReadPolicies10k(b *testing.B) {
	texts := small(10_000)
	b.ReportAllocs()
	for b.Loop() {
		for _, text := range texts {
			if _, problems := document.Read("f", []byte(text)); len(problems) > 0 {
				b.Fatal(problems[0])
			}
		}
	}
}

// BenchmarkCompilePolicies10k makes a set of 10,000 policies that are read already.
func BenchmarkCompilePolicies10k(b *testing.B) {
	var docs []policy.Document
	for i, text := range small(10_000) {
		read, problems := document.Read(fmt.Sprintf("%05d.yaml", i), []byte(text))
		if len(problems) > 0 {
			b.Fatal(problems[0])
		}
		docs = append(docs, read...)
	}
	b.ReportAllocs()
	for b.Loop() {
		if set, problems := policy.Compile(docs, policy.Options{}); set == nil {
			b.Fatal(problems)
		}
	}
}
