package scene

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/policy"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

const (
	// Hosts is how many hosts the policies of [WritePolicies] govern, one each.
	Hosts      = 10
	apiVersion = "corsgate.dev/v1"
	setName    = "tenants"
	fileMode   = 0o600
	folderMode = 0o750
)

// Host is the name of one of the hosts that policies govern.
func Host(i int) string { return "api-" + strconv.Itoa(i%Hosts) + ".shop.example" }

// Origin is one of the origins that may call: the shop front of a tenant, on a
// domain of its own.
func Origin(i int) string {
	words := [...]string{"bakery", "florist", "bikes", "books", "garden", "coffee", "pottery", "records", "toys", "wine"}
	return "https://www." + words[i%len(words)] + "-" + strconv.Itoa(i) + ".example"
}

// Stranger is one of the origins that may not call, and looks like those that
// may.
func Stranger(i int) string { return strings.Replace(Origin(i), "www.", "wwv.", 1) }

// WildcardOrigin is a pattern that lets all of a tenant's hosts call.
func WildcardOrigin(i int) string { return "https://*.apps-" + strconv.Itoa(i) + ".example" }

// OriginSet writes a set of origins as a document.
func OriginSet(exact, wildcards int) []byte {
	text := make([]byte, 0, exact*40)
	text = fmt.Appendf(text, "apiVersion: %s\nkind: CorsOriginSet\nmetadata:\n  name: %s\nspec:\n  origins:\n", apiVersion, setName)
	for i := range exact {
		text = append(append(append(text, "  - "...), Origin(i)...), '\n')
	}
	for i := range wildcards {
		text = append(append(append(text, "  - "...), WildcardOrigin(i)...), '\n')
	}
	return text
}

// tenantPolicy is the policy of one host, for all tenants.
const tenantPolicy = `apiVersion: %[1]s
kind: CorsPolicy
metadata:
  name: api-%[2]d
spec:
  targets:
  - hosts: [%[3]s]
    paths: [/v1/*]
  originSets: [%[4]s]
  origins: ["https://*.shop.example"]
  methods: [GET, POST, PUT, DELETE]
  requestHeaders: [Content-Type, Authorization, X-Csrf-Token, X-Request-Id]
  exposeHeaders: [X-Request-Id, X-Total-Count]
  credentials: true
  maxAge: 2h
`

// Policies writes a policy for each host as documents.
func Policies() []byte {
	var text []byte
	for i := range Hosts {
		text = append(fmt.Appendf(text, tenantPolicy, apiVersion, i, Host(i), setName), "---\n"...)
	}
	return text
}

// WritePolicies writes a folder that lets a number of exact origins, and a few
// others, call the hosts. The origins stand in a file of their own, whose path
// is returned.
func WritePolicies(dir string, exact, wildcards int) (origins string, err error) {
	if err := os.WriteFile(filepath.Join(dir, "policies.yaml"), Policies(), fileMode); err != nil {
		return "", fmt.Errorf("write the policies: %w", err)
	}
	origins = filepath.Join(dir, "origins.yaml")
	if err := os.WriteFile(origins, OriginSet(exact, wildcards), fileMode); err != nil {
		return "", fmt.Errorf("write the origins: %w", err)
	}
	return origins, nil
}

// teamPolicy is one of very many: each service has one.
const teamPolicy = `apiVersion: %[1]s
kind: CorsPolicy
metadata:
  name: team-%[2]d
  labels: {team: team-%[2]d}
spec:
  targets:
  - hosts: [service-%[2]d.shop.example]
    paths: [/v1/*, /v2/*]
  origins:
  - https://app-%[2]d.shop.example
  - https://*.team-%[2]d.shop.example
  - https://partner-%[2]d.example
  methods: [GET, POST, DELETE]
  requestHeaders: [Content-Type, X-Csrf-Token]
  exposeHeaders: [X-Request-Id]
  credentials: true
  maxAge: 1h
`

// WriteTree writes a folder with many policies, a file each, a hundred to a
// folder, as the repository of a platform team has them.
func WriteTree(dir string, policies int) error {
	const perFolder = 100
	for i := range policies {
		folder := filepath.Join(dir, fmt.Sprintf("group-%d", i/perFolder))
		if i%perFolder == 0 {
			if err := os.MkdirAll(folder, folderMode); err != nil {
				return fmt.Errorf("make a folder of policies: %w", err)
			}
		}
		file := filepath.Join(folder, fmt.Sprintf("team-%d.yaml", i))
		if err := os.WriteFile(file, fmt.Appendf(nil, teamPolicy, apiVersion, i), fileMode); err != nil {
			return fmt.Errorf("write a policy: %w", err)
		}
	}
	return nil
}

// TeamDocuments returns what [WriteTree] writes, read already.
func TeamDocuments(policies int) []policy.Document {
	docs := make([]policy.Document, policies)
	for i := range docs {
		name := "team-" + strconv.Itoa(i)
		docs[i] = policy.Document{File: name + ".yaml", Message: &corsgatev1.CorsPolicy{
			ApiVersion: apiVersion, Kind: "CorsPolicy",
			Metadata: &corsgatev1.Metadata{Name: name, Labels: map[string]string{"team": name}},
			Spec: &corsgatev1.CorsPolicySpec{
				Targets: []*corsgatev1.Target{{Hosts: []string{TeamHost(i)}, Paths: []string{"/v1/*", "/v2/*"}}},
				Origins: []string{
					TeamOrigin(i),
					"https://*." + name + ".shop.example",
					"https://partner-" + strconv.Itoa(i) + ".example",
				},
				Methods: []string{"GET", "POST", "DELETE"}, RequestHeaders: []string{"Content-Type", "X-Csrf-Token"},
				ExposeHeaders: []string{"X-Request-Id"}, Credentials: true, MaxAge: "1h",
			},
		}}
	}
	return docs
}

// TeamHost is the host that a team's policy governs, and TeamOrigin an origin
// that may call it.
func TeamHost(i int) string { return "service-" + strconv.Itoa(i) + ".shop.example" }

// TeamOrigin is an origin that may call a team's host.
func TeamOrigin(i int) string { return "https://app-" + strconv.Itoa(i) + ".shop.example" }

// OriginDocuments returns a policy for one host and the set of origins that may
// call it, read already.
func OriginDocuments(exact, wildcards int) []policy.Document {
	origins := make([]string, 0, exact+wildcards)
	for i := range exact {
		origins = append(origins, Origin(i))
	}
	for i := range wildcards {
		origins = append(origins, WildcardOrigin(i))
	}
	return []policy.Document{
		{File: "origins.yaml", Message: &corsgatev1.CorsOriginSet{
			ApiVersion: apiVersion, Kind: "CorsOriginSet", Metadata: &corsgatev1.Metadata{Name: setName},
			Spec: &corsgatev1.CorsOriginSetSpec{Origins: origins},
		}},
		{File: "policy.yaml", Message: &corsgatev1.CorsPolicy{
			ApiVersion: apiVersion, Kind: "CorsPolicy", Metadata: &corsgatev1.Metadata{Name: "api"},
			Spec: &corsgatev1.CorsPolicySpec{
				Targets:    []*corsgatev1.Target{{Hosts: []string{Host(0)}}},
				OriginSets: []string{setName}, Methods: []string{"GET", "POST"}, Credentials: true,
			},
		}},
	}
}
