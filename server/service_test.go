package server

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/corsgate/corsgate/policy/source"
	"github.com/corsgate/corsgate/policy/store"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
	"github.com/corsgate/corsgate/proto/corsgate/v1/corsgatev1connect"
	"github.com/corsgate/corsgate/server/access"
)

// list calls List over gRPC, as any gRPC client would.
func list(t *testing.T, conn *grpc.ClientConn) error {
	t.Helper()
	return conn.Invoke(short(t), corsgatev1connect.PolicyServiceListProcedure, &corsgatev1.ListRequest{}, &corsgatev1.ListResponse{})
}

// accessFile writes an access file with a token of each role, and returns the
// tokens.
func accessFile(t *testing.T, more string) (path, viewer, nobody string) {
	t.Helper()
	var tokens [2]access.Token
	for i := range tokens {
		var err error
		if tokens[i], err = access.NewToken(); err != nil {
			t.Fatal(err)
		}
	}
	path = filepath.Join(t.TempDir(), "access.yaml")
	write(t, path, fmt.Appendf(nil, `apiVersion: corsgate.dev/v1
kind: CorsAccess
metadata: {name: access}
spec:
  tokens:
  - {name: viewer, sha256: %s}
  - {name: nobody, sha256: %s}
  bindings:
  - {subjects: ["token:viewer"], role: VIEWER}
%s`, tokens[0].SHA256, tokens[1].SHA256, more))
	return path, tokens[0].Secret, tokens[1].Secret
}

// A bearerToken is sent with each call.
type bearerToken string

func (b bearerToken) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

func (bearerToken) RequireTransportSecurity() bool { return false }

// everywhere is a listener that others could reach.
const everywhere = "0.0.0.0:0"

// local is how a test reaches it.
func local(addr net.Addr) net.Addr {
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: addr.(*net.TCPAddr).Port}
}

// TestServiceOnLoopback is open to who is on the machine, over gRPC in clear text,
// on a Unix socket, and as JSON.
func TestServiceOnLoopback(t *testing.T) {
	t.Parallel()
	for _, admin := range []string{"127.0.0.1:0", "unix://" + filepath.Join(t.TempDir(), "admin.sock")} {
		r := start(t, newMemory(shopPolicy), Options{Admin: admin})
		if err := list(t, dial(t, r.bound.Admin, insecure.NewCredentials())); err != nil {
			t.Errorf("%s: %v", admin, err)
		}
	}
	r := start(t, newMemory(shopPolicy), Options{Admin: "127.0.0.1:0"})
	client := corsgatev1connect.NewPolicyServiceClient(http.DefaultClient, "http://"+r.bound.Admin.String())
	response, err := client.List(short(t), connect.NewRequest(&corsgatev1.ListRequest{}))
	if err != nil || len(response.Msg.GetDocuments()) != 2 {
		t.Errorf("%v, %v", response, err)
	}
	_, err = client.Delete(short(t), connect.NewRequest(&corsgatev1.DeleteRequest{Refs: []*corsgatev1.DocumentRef{{Kind: "CorsPolicy", Name: "shop"}}}))
	if connect.CodeOf(err) != connect.CodeFailedPrecondition || !strings.Contains(err.Error(), "the policies come from memory") {
		t.Errorf("a write to what cannot be written: %v", err)
	}
	fleet, err := client.Status(short(t), connect.NewRequest(&corsgatev1.StatusRequest{}))
	if err != nil || len(fleet.Msg.GetReplicas()) != 1 || fleet.Msg.GetReplicas()[0].GetSetRevision() != r.policies.Status().Set.Revision() ||
		fleet.Msg.GetReplicas()[0].GetAddress() != r.bound.Admin.String() {
		t.Errorf("%v, %v", fleet, err)
	}
	expectSeries(t, r.metrics, map[string]float64{
		"policy_service_requests_total{code=ok,method=List}": 1, "policy_service_requests_total{code=failed_precondition,method=Delete}": 1,
	})
	http.DefaultClient.CloseIdleConnections()
}

// TestServiceBeyondLoopback is closed until somebody says who may, and then open to
// those alone; so are the pages that show policies.
func TestServiceBeyondLoopback(t *testing.T) {
	t.Parallel()
	closed := start(t, newMemory(shopPolicy), Options{Admin: everywhere})
	err := list(t, dial(t, local(closed.bound.Admin), insecure.NewCredentials()))
	if status.Code(err) != codes.Unauthenticated || !strings.Contains(err.Error(), "start corsgate with --access FILE") {
		t.Errorf("without an access file: %v", err)
	}
	if code, _ := look(t, closed, "/policies", ""); code != http.StatusOK {
		t.Errorf("/policies without an access file: %d", code)
	}

	path, viewer, nobody := accessFile(t, "")
	r := start(t, newMemory(shopPolicy), Options{Admin: everywhere, AccessFile: path})
	if !strings.Contains(r.log.String(), "tokens for the policy service come in clear text") {
		t.Errorf("nobody is warned of clear text:\n%s", r.log)
	}
	for token, want := range map[string]struct {
		code codes.Code
		page int
		text string
	}{
		"":      {codes.Unauthenticated, http.StatusUnauthorized, "without saying who they are"},
		viewer:  {codes.OK, http.StatusOK, ""},
		nobody:  {codes.PermissionDenied, http.StatusForbidden, "no binding gives it a role"},
		"wrong": {codes.Unauthenticated, http.StatusUnauthorized, "the token is not known"},
	} {
		conn := dial(t, local(r.bound.Admin), insecure.NewCredentials())
		var options []grpc.CallOption
		if token != "" {
			options = append(options, grpc.PerRPCCredentials(bearerToken(token)))
		}
		err := conn.Invoke(short(t), corsgatev1connect.PolicyServiceListProcedure, &corsgatev1.ListRequest{}, &corsgatev1.ListResponse{}, options...)
		if status.Code(err) != want.code || want.text != "" && !strings.Contains(err.Error(), want.text) {
			t.Errorf("token %q: %v, want %v with %q", token, err, want.code, want.text)
		}
		for _, page := range []string{"/policies", "/explain?origin=https://a.example&url=https://api.example/"} {
			if code, text := look(t, r, page, token); code != want.page || !strings.Contains(text, want.text) {
				t.Errorf("token %q: %s is %d %s, want %d", token, page, code, text, want.page)
			}
		}
		for _, page := range []string{"/metrics", "/livez", "/readyz"} {
			if code, _ := look(t, r, page, token); code != http.StatusOK {
				t.Errorf("token %q: %s is %d", token, page, code)
			}
		}
	}
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	write(t, broken, []byte("spec: ["))
	server, err := New(newMemory(shopPolicy), Options{Listen: []string{"127.0.0.1:0"}, AccessFile: broken})
	if err != nil {
		t.Fatal(err)
	}
	err = server.Run(short(t))
	if err == nil || !strings.Contains(err.Error(), "broken.yaml:1:8: ") {
		t.Errorf("a broken access file: %v", err)
	}
}

// look gets a page of the admin listener.
func look(t *testing.T, r *running, path, token string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(short(t), http.MethodGet, "http://"+local(r.bound.Admin).String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// person issues a certificate that names somebody.
func (a *authority) person(t *testing.T, uri string) tls.Certificate {
	t.Helper()
	parsed, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(9), Subject: pkix.Name{CommonName: "somebody"}, URIs: []*url.URL{parsed},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestServiceOverTLS knows a client by its certificate, wants none, and is spoken
// to over HTTP/2 and HTTP/1.1.
func TestServiceOverTLS(t *testing.T) {
	t.Parallel()
	a, stranger := newAuthority(t), newAuthority(t)
	options := tlsFiles(t, a, 1)
	options.ClientCAFile = filepath.Join(t.TempDir(), "ca.crt")
	write(t, options.ClientCAFile, a.pem)
	path, viewer, _ := accessFile(t, `  - {subjects: ["uri:spiffe://cluster.example/ci"], role: VIEWER}`+"\n")
	r := start(t, newMemory(shopPolicy), Options{Admin: everywhere, AdminTLS: options, AccessFile: path})
	if strings.Contains(r.log.String(), "clear text") {
		t.Errorf("there is a warning of clear text:\n%s", r.log)
	}
	with := func(certificates ...tls.Certificate) credentials.TransportCredentials {
		return credentials.NewTLS(&tls.Config{RootCAs: a.pool(), Certificates: certificates, MinVersion: tls.VersionTLS12})
	}
	const ci = "spiffe://cluster.example/ci"
	for name, test := range map[string]struct {
		creds credentials.TransportCredentials
		token string
		want  codes.Code
	}{
		"a certificate that is bound":    {with(a.person(t, ci)), "", codes.OK},
		"one that is not":                {with(a.person(t, ci+"/other")), "", codes.PermissionDenied},
		"one of a stranger":              {with(stranger.person(t, ci)), "", codes.Unavailable},
		"no certificate":                 {with(), "", codes.Unauthenticated},
		"no certificate, but a token":    {with(), viewer, codes.OK},
		"a certificate, and a bad token": {with(a.person(t, ci)), "bad", codes.Unauthenticated},
		"clear text":                     {insecure.NewCredentials(), viewer, codes.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var call []grpc.CallOption
			if test.token != "" {
				call = append(call, grpc.PerRPCCredentials(bearerToken(test.token)))
			}
			conn := dial(t, local(r.bound.Admin), test.creds)
			err := conn.Invoke(short(t), corsgatev1connect.PolicyServiceListProcedure, &corsgatev1.ListRequest{}, &corsgatev1.ListResponse{}, call...)
			if status.Code(err) != test.want {
				t.Errorf("%v, want %v", err, test.want)
			}
		})
	}
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		var protocols http.Protocols
		protocols.SetHTTP1(protocol == "HTTP/1.1")
		protocols.SetHTTP2(protocol == "HTTP/2.0")
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.pool(), MinVersion: tls.VersionTLS12}, Protocols: &protocols}
		request, err := http.NewRequestWithContext(short(t), http.MethodPost, "https://"+local(r.bound.Admin).String()+corsgatev1connect.PolicyServiceListProcedure, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Authorization", "Bearer "+viewer)
		response, err := transport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		transport.CloseIdleConnections()
		if response.Proto != protocol || response.StatusCode != http.StatusOK {
			t.Errorf("%s: %s %s", protocol, response.Proto, response.Status)
		}
	}
}

func TestAdminTLSErrors(t *testing.T) {
	t.Parallel()
	server, err := New(newMemory(shopPolicy), Options{Listen: []string{"127.0.0.1:0"}, AdminTLS: TLSOptions{CertFile: "x"}})
	if err != nil {
		t.Fatal(err)
	}
	err = server.Run(short(t))
	var explained *TLSError
	if !errors.As(err, &explained) || !strings.Contains(err.Error(), "give both --admin-tls-cert and --admin-tls-key") {
		t.Errorf("Run: %v", err)
	}
}

// TestServiceFromForeignPages answers no page whose name was pointed here, nor one
// of another site.
func TestServiceFromForeignPages(t *testing.T) {
	t.Parallel()
	s := admin(t, Options{Admin: "127.0.0.1:0", AdminHosts: []string{"corsgate.internal"}})
	for name, test := range map[string]struct {
		host, origin, site string
		want               int
	}{
		"curl":                   {"127.0.0.1:9192", "", "", http.StatusOK},
		"a page of ours":         {"corsgate.internal", "https://corsgate.internal", "same-origin", http.StatusOK},
		"a name pointed here":    {"evil.example", "http://evil.example", "same-origin", http.StatusMisdirectedRequest},
		"a page of another site": {"127.0.0.1:9192", "https://evil.example", "cross-site", http.StatusForbidden},
		"an old browser":         {"127.0.0.1:9192", "https://evil.example", "", http.StatusForbidden},
	} {
		page := get(t, s, http.MethodPost, corsgatev1connect.PolicyServiceListProcedure, func(r *http.Request) {
			r.Host, r.Body = test.host, io.NopCloser(strings.NewReader("{}"))
			r.Header.Set("Content-Type", "application/json")
			for header, value := range map[string]string{"Origin": test.origin, "Sec-Fetch-Site": test.site} {
				if value != "" {
					r.Header.Set(header, value)
				}
			}
		})
		if page.code != test.want || page.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %d %s, want %d", name, page.code, page.text, test.want)
		}
	}
}

// fleet remembers what it was told.
type fleet struct {
	told chan store.Replica
	fail chan error // ends an Announce
}

func (f *fleet) Announce(ctx context.Context, changes <-chan store.Replica) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-f.fail:
			return err
		case replica := <-changes:
			select {
			case f.told <- replica:
			case <-ctx.Done():
			}
		}
	}
}

func (f *fleet) Replicas(context.Context) ([]store.Replica, error) { return nil, nil }

// numbered is a source that counts its changes.
type numbered struct {
	*memory

	revision int64
}

func (n *numbered) Load(ctx context.Context) (source.Snapshot, error) {
	s, err := n.memory.Load(ctx)
	s.Revision = n.revision
	return s, err
}

func (n *numbered) Watch(ctx context.Context, onChange func(source.Snapshot)) error {
	return n.memory.Watch(ctx, func(s source.Snapshot) {
		n.revision++
		s.Revision = n.revision
		onChange(s)
	})
}

// TestAnnounce tells the fleet what is in force, and why something is not.
func TestAnnounce(t *testing.T) {
	t.Parallel()
	src := &numbered{newMemory(shopPolicy), 7}
	f := &fleet{told: make(chan store.Replica), fail: make(chan error)}
	r := start(t, src, Options{Admin: "127.0.0.1:0", Fleet: f, ReplicaID: "one", Build: Build{Version: "v1"}})
	heard := func() store.Replica {
		t.Helper()
		select {
		case replica := <-f.told:
			return replica
		case <-time.After(patience):
			t.Fatal("the fleet is not told")
			return store.Replica{}
		}
	}
	first := heard()
	if first.ID != "one" || first.Revision != 7 || first.Version != "v1" || first.Address != r.bound.Admin.String() ||
		first.SetRevision != r.policies.Status().Set.Revision() || first.Since.IsZero() || first.Problem != "" {
		t.Errorf("at first: %+v", first)
	}
	src.change(t, otherPolicy)
	second := heard()
	for second.Revision == first.Revision { // told once more of the same
		second = heard()
	}
	if second.Revision != 8 || second.SetRevision == first.SetRevision || !second.Since.After(first.Since) {
		t.Errorf("after a change: %+v", second)
	}
	src.change(t, brokenPolicy)
	third := heard()
	if third.Revision != 8 || !strings.Contains(third.Problem, "policies.yaml:6:") || !third.Since.Equal(second.Since) {
		t.Errorf("after a bad change: %+v", third)
	}
}

// TestEmptyStore starts without any policy where one can be written.
func TestEmptyStore(t *testing.T) {
	t.Parallel()
	r := start(t, newMemory(""), Options{Store: nothing{}})
	if got := r.policies.Status(); got.Set == nil || len(got.Set.Policies()) != 0 {
		t.Errorf("status: %+v", got)
	}
}

// nothing is a store that is never asked.
type nothing struct{ store.Store }

func TestServiceIsListed(t *testing.T) {
	t.Parallel()
	page := get(t, admin(t, Options{}), http.MethodGet, "/", nil)
	if !strings.Contains(page.text, servicePath) {
		t.Errorf("the index does not name the service:\n%s", page.text)
	}
}
