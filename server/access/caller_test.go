package access_test

import (
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/access"
)

const rolesFile = `apiVersion: corsgate.dev/v1
kind: CorsAccess
metadata: {name: roles}
spec:
  tokens:
  - {name: boss, sha256: ` + hashA + `}
  - {name: shop, sha256: ` + hashB + `}
  - {name: reader, sha256: ` + hashC + `}
  - {name: stranger, sha256: ` + hashD + `}
  bindings:
  - {subjects: ["token:boss"], role: ADMIN}
  - {subjects: ["token:reader"], role: VIEWER}
  - subjects: ["token:shop"]
    role: EDITOR
    namespaces: [shop]
    hosts: ["*.shop.example", "shop.example:8443"]
    namePrefixes: [web-, app-]
  - subjects: ["token:shop"]
    role: EDITOR
    namespaces: ["-"]
    hosts: ["*"]
    namePrefixes: [partners]
`

// TestMayChange is what each role may change, by the document and its hosts.
func TestMayChange(t *testing.T) {
	t.Parallel()
	file := open(t, rolesFile)
	for name, test := range map[string]struct {
		token string
		thing access.Thing
		hosts []string
		want  string // a part of the refusal; empty where it may
	}{
		"an admin changes a guardrail": {secretA, access.Thing{Kind: "CorsGuardrail", Name: "all"}, nil, ""},
		"an admin changes everything":  {secretA, access.Thing{Kind: "CorsPolicy", Namespace: "pay", Name: "x", Everywhere: true}, []string{"*"}, ""},
		"a viewer changes nothing":     {secretC, access.Thing{Kind: "CorsOriginSet", Namespace: "shop", Name: "web-x"}, nil, "token:reader may read, and not change anything; let an admin bind it"},
		"who has no role":              {secretD, access.Thing{Kind: "CorsOriginSet", Namespace: "shop", Name: "web-x"}, nil, "token:stranger is known, but no binding gives it a role"},
		"an editor and a guardrail":    {secretB, access.Thing{Kind: "CorsGuardrail", Name: "web-all"}, nil, "only the role ADMIN may change them"},
		"within all bounds":            {secretB, access.Thing{Kind: "CorsPolicy", Namespace: "shop", Name: "web-x"}, []string{"api.shop.example", "*.eu.shop.example", "*.shop.example", "api.shop.example:8443"}, ""},
		"a port of its own":            {secretB, access.Thing{Kind: "CorsPolicy", Namespace: "shop", Name: "web-x"}, []string{"shop.example:8443"}, ""},
		"an origin set nobody uses":    {secretB, access.Thing{Kind: "CorsOriginSet", Namespace: "shop", Name: "app-x"}, nil, ""},
		"another namespace":            {secretB, access.Thing{Kind: "CorsPolicy", Namespace: "pay", Name: "web-x"}, nil, "token:shop may not change CorsPolicy pay/web-x: it may change nothing in the namespace pay"},
		"another name":                 {secretB, access.Thing{Kind: "CorsPolicy", Namespace: "shop", Name: "checkout"}, nil, "it may change names there that begin with web-, app-"},
		"the apex":                     {secretB, access.Thing{Kind: "CorsPolicy", Namespace: "shop", Name: "web-x"}, []string{"shop.example"}, "it decides about the host shop.example, and the hosts it may change are *.shop.example, shop.example:8443"},
		"another port":                 {secretB, access.Thing{Kind: "CorsPolicy", Namespace: "shop", Name: "web-x"}, []string{"shop.example:9443"}, "decides about the host shop.example:9443"},
		"a name that ends alike":       {secretB, access.Thing{Kind: "CorsPolicy", Namespace: "shop", Name: "web-x"}, []string{"evilshop.example"}, "decides about the host evilshop.example"},
		"a wildcard that is wider":     {secretB, access.Thing{Kind: "CorsPolicy", Namespace: "shop", Name: "web-x"}, []string{"*.example"}, "decides about the host *.example"},
		"one host of two":              {secretB, access.Thing{Kind: "CorsPolicy", Namespace: "shop", Name: "web-x"}, []string{"api.shop.example", "pay.example"}, "decides about the host pay.example"},
		"every host":                   {secretB, access.Thing{Kind: "CorsPolicy", Namespace: "shop", Name: "web-x"}, []string{"*"}, "decides about the host *,"},
		"no targets":                   {secretB, access.Thing{Kind: "CorsPolicy", Namespace: "shop", Name: "web-x", Everywhere: true}, nil, "it has no targets"},
		"a set that others use": {
			secretB,
			access.Thing{Kind: "CorsOriginSet", Namespace: "shop", Name: "web-x", Because: "CorsPolicy pay/x, which uses it,"},
			[]string{"pay.example"},
			"CorsPolicy pay/x, which uses it, decides about the host pay.example",
		},
		"a set for all hosts":       {secretB, access.Thing{Kind: "CorsOriginSet", Name: "partners", Everywhere: true}, []string{"pay.example", "*"}, ""},
		"hosts of another binding":  {secretB, access.Thing{Kind: "CorsPolicy", Namespace: "shop", Name: "web-x"}, []string{"pay.example"}, "decides about the host pay.example"},
		"a name of another binding": {secretB, access.Thing{Kind: "CorsPolicy", Namespace: "shop", Name: "partners"}, nil, "it may change names there that begin with web-, app-"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			thing := test.thing
			for _, text := range test.hosts {
				key, problem := policy.ParseTargetHost(text)
				if problem != nil {
					t.Fatal(problem)
				}
				thing.Hosts = append(thing.Hosts, key)
			}
			caller, err := file.Authenticate(bearer(t, test.token))
			if err != nil {
				t.Fatal(err)
			}
			refusal := caller.MayChange(&thing)
			switch {
			case test.want == "" && refusal != nil:
				t.Errorf("refused: %v", refusal)
			case test.want != "" && refusal == nil:
				t.Errorf("allowed, want %q", test.want)
			case test.want != "" && !strings.Contains(refusal.Error(), test.want):
				t.Errorf("refused with %q, want %q", refusal, test.want)
			}
		})
	}
}

// TestRoles is what each role may do at all.
func TestRoles(t *testing.T) {
	t.Parallel()
	file := open(t, rolesFile)
	for token, want := range map[string][2]bool{secretA: {true, true}, secretB: {true, true}, secretC: {true, false}, secretD: {false, false}} {
		caller, err := file.Authenticate(bearer(t, token))
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]bool{caller.MayRead(), caller.MayWrite()}; got != want {
			t.Errorf("%s may read and write: %v, want %v", caller.Name, got, want)
		}
	}
	if nobody := new(access.Caller); nobody.MayRead() || nobody.MayWrite() || nobody.MayChange(&access.Thing{}) == nil {
		t.Error("the zero value may do something")
	}
}
