package access_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/access"
)

// The secrets of the tests, and their hashes.
const (
	secretA = "a-secret-of-the-tests"
	secretB = "b-secret-of-the-tests"
	secretC = "c-secret-of-the-tests"
	secretD = "d-secret-of-the-tests"
	hashA   = "eab69819ef1c1cd52f14e04168d8698e8c1bc3aa8f3824ef05398c1c9512646f"
	hashB   = "53c4c270ec59f91df532aa1cd4130160571cbcb60bbd0971835eb622a6ac38f3"
	hashC   = "99d2bb65b326d0bd5c0175bda94f3de95013aaec1b168610674f57cbdef0aea2"
	hashD   = "529b3646c6e6c455b38715f4ccc12616b3965bca39fb0d57baedf0fb1447b9e8"
)

func bearer(t *testing.T, secret string) *http.Request {
	t.Helper()
	request := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/", nil)
	request.Header.Set("Authorization", "Bearer "+secret)
	return request
}

func open(t *testing.T, text string) *access.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "access.yaml")
	put(t, path, text)
	file, err := access.Open(t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(file.Close)
	return file
}

// put writes a file, with a time that differs from the one before.
func put(t *testing.T, path, text string) {
	t.Helper()
	modified := time.Now()
	if info, err := os.Stat(path); err == nil {
		modified = info.ModTime().Add(time.Second)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, modified, modified); err != nil {
		t.Fatal(err)
	}
}

func document(spec string) string {
	return "apiVersion: corsgate.dev/v1\nkind: CorsAccess\nmetadata: {name: access}\nspec:\n" + spec
}

// TestReload keeps the last good rules, and lets a token go at once that is no
// longer listed.
func TestReload(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "access.yaml")
	put(t, path, rolesFile)
	var log bytes.Buffer
	file, err := access.Open(t.Context(), path, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(file.Close)
	known := func(secret string) bool {
		_, err := file.Authenticate(bearer(t, secret))
		return err == nil
	}
	if !known(secretA) {
		t.Fatal("the token is not known at first")
	}
	put(t, path, "spec: [")
	if !known(secretA) || !known(secretB) {
		t.Error("a bad file took a token away")
	}
	if n := strings.Count(log.String(), "the last good one stays in force"); n != 1 {
		t.Errorf("the bad file was logged %d times, want once:\n%s", n, &log)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if !known(secretA) {
		t.Error("a file that is gone took a token away")
	}
	put(t, path, document("  tokens: [{name: boss, sha256: "+hashA+"}]\n"))
	if !known(secretA) || known(secretB) {
		t.Error("the new file is not in force")
	}
}

// TestAuthenticate is who a request is by, and why nobody.
func TestAuthenticate(t *testing.T) {
	t.Parallel()
	file := open(t, document(`  tokens:
  - {name: fresh, sha256: `+hashA+`, expires: "2999-01-01"}
  - {name: old, sha256: `+hashB+`, expires: "2020-01-31T00:00:00Z"}
  bindings:
  - {subjects: ["uri:spiffe://cluster.example/ns/ci", "cn:deployer"], role: VIEWER}
`))
	certificate := func(cert *x509.Certificate) *tls.ConnectionState {
		return &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}, VerifiedChains: [][]*x509.Certificate{{cert}}}
	}
	spiffe := &url.URL{Scheme: "spiffe", Host: "cluster.example", Path: "/ns/ci"}
	ci := &x509.Certificate{URIs: []*url.URL{spiffe}, DNSNames: []string{"ci.example"}, Subject: pkix.Name{CommonName: "ci"}}
	for name, test := range map[string]struct {
		headers []string
		tls     *tls.ConnectionState
		want    string
		reads   bool
		refusal string
	}{
		"a token":                    {headers: []string{"Bearer " + secretA}, want: "token:fresh"},
		"a scheme in other letters":  {headers: []string{"bearer " + secretA}, want: "token:fresh"},
		"nothing":                    {refusal: "nobody may use the policy service without saying who they are; send Authorization: Bearer TOKEN"},
		"a token nobody knows":       {headers: []string{"Bearer " + secretC}, refusal: "the token is not known"},
		"a hash for a token":         {headers: []string{"Bearer " + hashA}, refusal: "the token is not known"},
		"an expired token":           {headers: []string{"Bearer " + secretB}, refusal: `the token "old" was good until 2020-01-31T00:00:00Z`},
		"another scheme":             {headers: []string{"Basic " + secretA}, refusal: "is not a bearer token's"},
		"an empty token":             {headers: []string{"Bearer "}, refusal: "is not a bearer token's"},
		"two headers":                {headers: []string{"Bearer " + secretA, "Bearer " + secretA}, refusal: "several Authorization headers"},
		"an issuer nobody knows":     {headers: []string{"Bearer e30.eyJpc3MiOiJodHRwczovL2V2aWwuZXhhbXBsZSJ9.e30"}, refusal: `says that "https://evil.example" issued it`},
		"a URI":                      {tls: certificate(ci), want: "uri:spiffe://cluster.example/ns/ci", reads: true},
		"a name that is bound":       {tls: certificate(&x509.Certificate{DNSNames: []string{"x.example"}, Subject: pkix.Name{CommonName: "deployer"}}), want: "dns:x.example", reads: true},
		"a name like a URI":          {tls: certificate(&x509.Certificate{Subject: pkix.Name{CommonName: "spiffe://cluster.example/ns/ci"}}), want: "cn:spiffe://cluster.example/ns/ci"},
		"a certificate not verified": {tls: &tls.ConnectionState{PeerCertificates: []*x509.Certificate{ci}}, refusal: "without saying who they are"},
		"a bad token beside it":      {headers: []string{"Bearer " + secretC}, tls: certificate(ci), refusal: "the token is not known"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
			request.TLS = test.tls
			request.Header["Authorization"] = test.headers
			caller, err := file.Authenticate(request)
			if test.refusal != "" {
				if _, ok := errors.AsType[*access.Challenge](err); !ok || !strings.Contains(err.Error(), test.refusal) || caller != nil {
					t.Fatalf("%v, %v, want %q", caller, err, test.refusal)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if caller.Name != test.want || caller.MayRead() != test.reads {
				t.Errorf("%q, reads: %v, want %q, %v", caller.Name, caller.MayRead(), test.want, test.reads)
			}
		})
	}
}

// TestBadFiles is one fault a file, and where it is said to stand.
func TestBadFiles(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, want string }{
		"nothing":             {"", "access.yaml: the file says nothing; write a CorsAccess document into it [access_empty]"},
		"no YAML":             {"spec: [", "access.yaml:1:8: "},
		"a policy":            {"apiVersion: corsgate.dev/v1\nkind: CorsPolicy\n", "access.yaml:2:7: kind: a CorsPolicy cannot stand in this file; policies and their tests stand in files of their own [unknown_kind]"},
		"an unknown field":    {document("  token: []\n"), "access.yaml:5:3: spec.token: \"token\" is not a field of spec; did you mean tokens? [unknown_field]"},
		"no name":             {document("  tokens: [{sha256: " + hashA + "}]\n"), "access.yaml:5:12: spec.tokens[0]: name is missing; write name: and a name of its own [access_missing]"},
		"a name with a colon": {document("  tokens: [{name: \"a:b\", sha256: " + hashA + "}]\n"), "spec.tokens[0].name: \"a:b\" is not a name"},
		"a name twice":        {document("  tokens: [{name: a, sha256: " + hashA + "}, {name: a, sha256: " + hashB + "}]\n"), "spec.tokens[1].name: the name is there already, at access.yaml:5:19"},
		"a hash twice":        {document("  tokens: [{name: a, sha256: " + hashA + "}, {name: b, sha256: " + hashA + "}]\n"), "spec.tokens[1].sha256: the token \"a\" has this hash already"},
		"no hash":             {document("  tokens: [{name: a}]\n"), "spec.tokens[0]: sha256 is missing; let `corsgate token NAME` make a token and its line"},
		"half a hash":         {document("  tokens: [{name: a, sha256: abcdef}]\n"), "access.yaml:5:30: spec.tokens[0].sha256: this is not a SHA-256"},
		"the token itself":    {document("  tokens: [{name: a, sha256: corsgate_abc}]\n"), "this is the token itself, which must not stand here"},
		"the hash of nothing": {document("  tokens: [{name: a, sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855}]\n"), "this is the hash of nothing"},
		"a bad time":          {document("  tokens: [{name: a, sha256: " + hashA + ", expires: tomorrow}]\n"), "spec.tokens[0].expires: \"tomorrow\" is no time; write it as \"2027-01-31T00:00:00Z\""},
		"an http issuer":      {document("  issuers: [{name: sso, issuer: \"http://login.example\", audience: x}]\n"), "spec.issuers[0].issuer: keys would be fetched in clear text"},
		"no URL":              {document("  issuers: [{name: sso, issuer: login.example, audience: x}]\n"), "\"login.example\" is not the URL of an issuer; write it as https://login.example"},
		"no audience":         {document("  issuers: [{name: sso, issuer: \"https://login.example\"}]\n"), "spec.issuers[0]: audience is missing"},
		"a reserved name":     {document("  issuers: [{name: token, issuer: \"https://login.example\", audience: x}]\n"), "subjects that begin with token: are something else"},
		"one issuer twice":    {document("  issuers: [{name: a, issuer: \"https://login.example\", audience: x}, {name: b, issuer: \"https://login.example\", audience: x}]\n"), "the issuer \"a\" has this URL already"},
		"no role":             {document("  bindings: [{subjects: [\"cn:a\"]}]\n"), "spec.bindings[0]: role is missing; write VIEWER, EDITOR or ADMIN"},
		"an unknown role":     {document("  bindings: [{subjects: [\"cn:a\"], role: OWNER}]\n"), "\"OWNER\" is none of the words VIEWER, EDITOR, ADMIN"},
		"nobody":              {document("  bindings: [{role: ADMIN}]\n"), "the binding is of nobody"},
		"no namespaces":       {document("  bindings: [{subjects: [\"cn:a\"], role: EDITOR, hosts: [\"*\"]}]\n"), "namespaces is missing"},
		"no hosts":            {document("  bindings: [{subjects: [\"cn:a\"], role: EDITOR, namespaces: [\"*\"]}]\n"), "hosts is missing"},
		"a bad host":          {document("  bindings: [{subjects: [\"cn:a\"], role: EDITOR, namespaces: [\"*\"], hosts: [\"https://a.example\"]}]\n"), "spec.bindings[0].hosts[0]: \"https://a.example\" names the scheme https"},
		"a bad namespace":     {document("  bindings: [{subjects: [\"cn:a\"], role: EDITOR, namespaces: [\"shop*\"], hosts: [\"*\"]}]\n"), "spec.bindings[0].namespaces[0]: \"shop*\" is not a namespace"},
		"bounds of an admin":  {document("  bindings: [{subjects: [\"cn:a\"], role: ADMIN, hosts: [a.example]}]\n"), "spec.bindings[0].hosts: hosts bounds an EDITOR alone"},
		"an unknown token":    {document("  bindings: [{subjects: [\"token:ci\"], role: ADMIN}]\n"), "spec.bindings[0].subjects[0]: there is no token \"ci\"; list it under tokens"},
		"an unknown subject":  {document("  bindings: [{subjects: [alice], role: ADMIN}]\n"), "nobody can be the subject \"alice\"; write it as token:…, uri:…, dns:…, cn:…"},
		"a group of nobody":   {document("  bindings: [{groups: [platform], role: ADMIN}]\n"), "nobody can be the group \"platform\"; list the issuer that says who is in it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules, problems := access.Read("access.yaml", []byte(test.text))
			if rules != nil || len(problems.Errors()) == 0 || !strings.Contains(problems.Error(), test.want) {
				t.Errorf("got:\n%v\nwant:\n%s", problems, test.want)
			}
		})
	}
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "none.yaml")
	large := filepath.Join(t.TempDir(), "large.yaml")
	put(t, large, strings.Repeat("# nothing\n", 200_000))
	for path, want := range map[string]string{
		missing: "none.yaml: the access file cannot be read: no such file or directory; name a file that this user may read",
		large:   "large.yaml: the access file cannot be read: it is larger than 1 MiB",
	} {
		_, err := access.Open(t.Context(), path, slog.New(slog.DiscardHandler))
		var problems policy.Problems
		if !errors.As(err, &problems) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestNewToken makes tokens that the file knows by their hash alone.
func TestNewToken(t *testing.T) {
	t.Parallel()
	made, err := access.NewToken()
	if err != nil {
		t.Fatal(err)
	}
	other, err := access.NewToken()
	if err != nil {
		t.Fatal(err)
	}
	if made.Secret == other.Secret || len(made.Secret) < 50 {
		t.Errorf("tokens %q and %q", made.Secret, other.Secret)
	}
	file := open(t, document("  tokens: [{name: ci, sha256: "+made.SHA256+"}]\n"))
	if caller, err := file.Authenticate(bearer(t, made.Secret)); err != nil || caller.Name != "token:ci" {
		t.Errorf("%v, %v", caller, err)
	}
	if caller, err := file.Authenticate(bearer(t, other.Secret)); err == nil {
		t.Errorf("the other token is known, as %s", caller.Name)
	}
}

func TestOpenListeners(t *testing.T) {
	t.Parallel()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
	request.RemoteAddr = "127.0.0.1:4711"
	caller, err := access.Local{}.Authenticate(request)
	if err != nil || caller.Name != "local:127.0.0.1" || !caller.MayWrite() {
		t.Errorf("local: %v, %v", caller, err)
	}
	request.RemoteAddr = "@"
	if caller, err := (access.Local{}).Authenticate(request); err != nil || caller.Name != "local:unix" {
		t.Errorf("unix: %v, %v", caller, err)
	}
	if caller, err := (access.Nobody{}).Authenticate(request); caller != nil || err == nil || !strings.Contains(err.Error(), "start corsgate with --access FILE") {
		t.Errorf("nobody: %v, %v", caller, err)
	}
}

// TestDocs reads the example of docs/access.md.
func TestDocs(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/access.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(page), "```yaml\n")
	block, _, ok := strings.Cut(block, "```\n")
	if rules, problems := access.Read("access.yaml", []byte(block)); rules == nil || len(problems) > 0 || !ok {
		t.Errorf("the example: %v\n%s", problems, block)
	}
}
