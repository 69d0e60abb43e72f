package source_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/source"
)

// benchPolicy is like those that teams write.
const benchPolicy = `apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata:
  name: team-%[1]d
  labels: {team: team-%[1]d}
spec:
  targets:
  - hosts: [service-%[1]d.shop.example]
    paths: [/v1/*, /v2/*]
  origins:
  - https://app-%[1]d.shop.example
  - https://*.team-%[1]d.shop.example
  - https://partner-%[1]d.example
  methods: [GET, POST, DELETE]
  requestHeaders: [Content-Type, X-Csrf-Token]
  exposeHeaders: [X-Request-Id]
  credentials: true
  maxAge: 1h
`

// BenchmarkStart10k loads 10,000 policies as a start does: from a file each, which
// nobody has read yet, to a compiled set.
func BenchmarkStart10k(b *testing.B) {
	const policies, perFolder = 10_000, 100
	dir := b.TempDir()
	for i := range policies {
		folder := filepath.Join(dir, fmt.Sprintf("group-%d", i/perFolder))
		if err := os.MkdirAll(folder, 0o700); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("team-%d.yaml", i)), fmt.Appendf(nil, benchPolicy, i), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		snapshot, err := source.NewFile([]string{dir}, source.FileOptions{}).Load(b.Context())
		if err != nil || len(snapshot.Problems) > 0 {
			b.Fatal(err, snapshot.Problems)
		}
		if set, problems := policy.Compile(snapshot.Documents, policy.Options{}); set == nil {
			b.Fatal(problems)
		}
	}
}
