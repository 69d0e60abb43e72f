package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
	"github.com/corsgate/corsgate/proto/corsgate/v1/corsgatev1connect"
)

// A standIn is a policy service that answers as a test wants it to; what commands
// do with a real one is tested in module stores.
type standIn struct {
	corsgatev1connect.UnimplementedPolicyServiceHandler

	apply  func(*corsgatev1.ApplyRequest) (*corsgatev1.ApplyResponse, error)
	list   func(*corsgatev1.ListRequest) (*corsgatev1.ListResponse, error)
	get    func(*corsgatev1.GetRequest) (*corsgatev1.GetResponse, error)
	status func() (*corsgatev1.StatusResponse, error)
	watch  func(*corsgatev1.WatchRequest, *connect.ServerStream[corsgatev1.WatchResponse]) error
}

func answer[T any](message *T, err error) (*connect.Response[T], error) {
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(message), nil
}

func (s *standIn) Apply(_ context.Context, r *connect.Request[corsgatev1.ApplyRequest]) (*connect.Response[corsgatev1.ApplyResponse], error) {
	return answer(s.apply(r.Msg))
}

func (s *standIn) List(_ context.Context, r *connect.Request[corsgatev1.ListRequest]) (*connect.Response[corsgatev1.ListResponse], error) {
	return answer(s.list(r.Msg))
}

func (s *standIn) Get(_ context.Context, r *connect.Request[corsgatev1.GetRequest]) (*connect.Response[corsgatev1.GetResponse], error) {
	return answer(s.get(r.Msg))
}

func (s *standIn) Status(context.Context, *connect.Request[corsgatev1.StatusRequest]) (*connect.Response[corsgatev1.StatusResponse], error) {
	return answer(s.status())
}

func (s *standIn) Watch(_ context.Context, r *connect.Request[corsgatev1.WatchRequest], stream *connect.ServerStream[corsgatev1.WatchResponse]) error {
	return s.watch(r.Msg, stream)
}

// start serves it, and returns its URL.
func (s *standIn) start(t *testing.T) string {
	t.Helper()
	_, handler := corsgatev1connect.NewPolicyServiceHandler(s)
	return serveHTTP(t, handler)
}

func serveHTTP(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func fails(code connect.Code, text string, details ...proto.Message) error {
	err := connect.NewError(code, errors.New(text))
	for _, message := range details {
		detail, detailErr := connect.NewErrorDetail(message)
		if detailErr != nil {
			panic(detailErr)
		}
		err.AddDetail(detail)
	}
	return err
}

// Whatever keeps a command from its server is said with what to do about it.
func TestServerErrors(t *testing.T) {
	t.Parallel()
	says := func(err error) http.Handler {
		_, handler := corsgatev1connect.NewPolicyServiceHandler(&standIn{
			list: func(*corsgatev1.ListRequest) (*corsgatev1.ListResponse, error) { return nil, err },
		})
		return handler
	}
	page := func(status int, text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
		})
	}
	for name, test := range map[string]struct {
		handler http.Handler
		want    string
	}{
		"nobody":    {says(fails(connect.CodeUnauthenticated, "no token came")), "URL does not know who you are: no token came; --token-file and $CORSGATE_TOKEN show a token"},
		"not you":   {says(fails(connect.CodePermissionDenied, "bob may only look")), "URL does not let you do that: bob may only look"},
		"read only": {says(fails(connect.CodeFailedPrecondition, "the policies come from policies/, and are changed there")), "the policies come from policies/, and are changed there"},
		"down":      {says(fails(connect.CodeUnavailable, "the store cannot be reached; nothing was changed")), "URL: the store cannot be reached; nothing was changed"},
		"a terminal's language": {
			says(fails(connect.CodeUnavailable, "\x1b[2Jgone")), "URL: \ufffd[2Jgone",
		},
		"another program":   {page(http.StatusNotFound, "404 page not found"), "what answers at URL has no policy service: it is another program, an older corsgate, or one without a central store"},
		"an older corsgate": {page(http.StatusMethodNotAllowed, "only GET and HEAD"), "what answers at URL has no policy service: it is another program, an older corsgate, or one without a central store"},
		"a foreign name":    {page(http.StatusMisdirectedRequest, "this host name is not known here"), "corsgate does not know itself by the name in URL: use its IP address, or name it with --admin-host there"},
		"a proxy":           {page(http.StatusBadGateway, "<html>\nno"), "what answers at URL is not corsgate's policy service (status 502)"},
		"a web server":      {page(http.StatusOK, "hello\nworld"), "what answers at URL is not corsgate's policy service (status 200): hello"},
		"elsewhere": {
			http.RedirectHandler("https://elsewhere.example/", http.StatusFound),
			"what answers at URL sends us elsewhere (status 302); give the address of corsgate itself",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := serveHTTP(t, test.handler)
			want := outcome{Code: exitFailure, Err: "corsgate: " + strings.ReplaceAll(test.want, "URL", address) + "\n"}
			if diff := cmp.Diff(want, run(t, "", "get", "--server", address)); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
		})
	}
}

func TestServerUnreachable(t *testing.T) {
	t.Parallel()
	nothing := httptest.NewServer(http.NotFoundHandler())
	nothing.Close()
	silent := serveHTTP(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the server sees that the client is gone once the body is read
		<-r.Context().Done()
	}))
	checks, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	forEnvoy := grpc.NewServer()
	go func() { _ = forEnvoy.Serve(checks) }() // it ends with Stop
	t.Cleanup(forEnvoy.Stop)
	dir := t.TempDir()
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"for Envoy": {[]string{"--server", checks.Addr().String()}, "no corsgate can be asked at " + checks.Addr().String() + ": what listens there speaks something else than HTTP/1.1, as --listen does for Envoy; give the address of its --admin, by default 127.0.0.1:9192"},
		"nothing":   {[]string{"--server", nothing.URL}, "no corsgate can be asked at " + nothing.URL + ": nothing is listening there; give the address of its --admin, by default 127.0.0.1:9192"},
		"no socket": {[]string{"--server", "unix://" + dir + "/none"}, "no corsgate can be asked at unix://DIR/none: there is no such socket; give the address of its --admin, by default 127.0.0.1:9192"},
		"silent":    {[]string{"--server", silent, "--timeout", "20ms"}, silent + " does not answer within 20ms; --timeout lets it take longer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(outcome{Code: exitFailure, Err: "corsgate: " + test.want + "\n"}, run(t, dir, append([]string{"status"}, test.args...)...)); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
		})
	}
}

// Where the answer to a change is lost, nobody knows whether it was made.
func TestAnswerLost(t *testing.T) {
	t.Parallel()
	dir := folder(t, "shop.yaml", goodPolicy)
	address := serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if connection, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = connection.Close()
		}
	}))
	broken := "corsgate: " + address + " broke the connection off before it answered\n"
	unknown := "corsgate: whether the change was made is not known: look with corsgate history, or make it again, which does no harm\n"
	for args, want := range map[string]string{
		"apply -f " + dir: broken + unknown, "apply --dry-run -f " + dir: broken, "delete policy a": broken + unknown, "rollback 1": broken + unknown, "get": broken,
	} {
		got := run(t, "", append(strings.Fields(args), "--server", address)...)
		if diff := cmp.Diff(outcome{Code: exitFailure, Err: want}, got); diff != "" {
			t.Errorf("%s: outcome (-want +got):\n%s", args, diff)
		}
	}
}

func TestServerTLS(t *testing.T) {
	t.Parallel()
	_, handler := corsgatev1connect.NewPolicyServiceHandler(&standIn{
		list: func(*corsgatev1.ListRequest) (*corsgatev1.ListResponse, error) {
			return &corsgatev1.ListResponse{}, nil
		},
	})
	secure := httptest.NewUnstartedServer(handler)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	strict := httptest.NewUnstartedServer(handler)
	strict.Config.ErrorLog = log.New(io.Discard, "", 0)
	strict.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	strict.StartTLS()
	t.Cleanup(strict.Close)
	plain := serveHTTP(t, handler)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	writeCertificate(t, ca, secure.Certificate())

	asHTTP := strings.Replace(secure.URL, "https", "http", 1)
	asHTTPS := strings.Replace(plain, "http", "https", 1)
	byName := strings.Replace(secure.URL, "127.0.0.1", "localhost", 1)
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"trusted":          {[]string{"--server", secure.URL, "--ca", ca}, exitOK, "the store is empty; put policies into it, as in: corsgate apply -f policies/\n"},
		"not trusted":      {[]string{"--server", secure.URL}, exitFailure, "corsgate: no corsgate can be asked at " + secure.URL + ": its certificate is signed by nobody whom this machine trusts; name the file of its authority with --ca\n"},
		"another name":     {[]string{"--server", byName, "--ca", ca}, exitFailure, "corsgate: no corsgate can be asked at " + byName + ": its certificate is not for localhost but for example.com, *.example.com, 127.0.0.1 or ::1; use a name that it has\n"},
		"http for https":   {[]string{"--server", asHTTP}, exitFailure, "corsgate: " + asHTTP + " speaks TLS; write https://\n"},
		"https for http":   {[]string{"--server", asHTTPS}, exitFailure, "corsgate: no corsgate can be asked at " + asHTTPS + ": it speaks http and not https; write http://\n"},
		"no certificate":   {[]string{"--server", strict.URL, "--ca", ca}, exitFailure, "corsgate: no corsgate can be asked at " + strict.URL + ": it asks for a certificate that it trusts; show one with --cert and --key\n"},
		"no authority":     {[]string{"--server", secure.URL, "--ca", "testdata/explain/none.pem"}, exitFailure, "corsgate: the authorities' file testdata/explain/none.pem cannot be read (no such file or directory); name a file that this user may read\n"},
		"not an authority": {[]string{"--server", secure.URL, "--ca", "client_test.go"}, exitFailure, "corsgate: the authorities' file client_test.go holds no certificate; name a file with certificates in PEM\n"},
		"half a pair":      {[]string{"--server", secure.URL, "--cert", ca}, exitUsage, "corsgate: a certificate and its key are needed together, and one of them is not named; give both --cert and --key\nRun 'corsgate get --help' for how it is used.\n"},
		"TLS for http":     {[]string{"--server", plain, "--ca", ca}, exitUsage, "corsgate: --ca, --cert and --key are for https, and the server is " + plain + "; write https:// where it speaks TLS\nRun 'corsgate get --help' for how it is used.\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(outcome{Code: test.code, Err: test.want}, run(t, "", append([]string{"get"}, test.args...)...)); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
		})
	}
}

// What the environment says counts where no flag does.
func TestClientEnvironment(t *testing.T) {
	var shown string
	_, handler := corsgatev1connect.NewPolicyServiceHandler(&standIn{
		list: func(*corsgatev1.ListRequest) (*corsgatev1.ListResponse, error) {
			return &corsgatev1.ListResponse{Revision: 7}, nil
		},
	})
	address := serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown = r.Header.Get("Authorization")
		handler.ServeHTTP(w, r)
	}))
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CORSGATE_SERVER", address)
	nothing := outcome{Err: "there is no document that you may see at revision 7\n"}
	for _, test := range []struct {
		token, tokenFile string
		args             []string
		want             outcome
		shown            string
	}{
		{want: nothing},
		{token: "from-env", want: nothing, shown: "Bearer from-env"},
		{token: "from-env", args: []string{"--token-file", file}, want: nothing, shown: "Bearer from-file"},
		{tokenFile: file, want: nothing, shown: "Bearer from-file"},
		{token: "from-env", tokenFile: file, want: outcome{Code: exitUsage, Err: "corsgate: CORSGATE_TOKEN and CORSGATE_TOKEN_FILE are both set; unset one of them\nRun 'corsgate get --help' for how it is used.\n"}},
		{token: "two words", want: outcome{Code: exitFailure, Err: "corsgate: what stands in CORSGATE_TOKEN is not a token: it has spaces, line breaks or characters beyond ASCII; write the token alone\n"}},
		{args: []string{"--token-file", os.DevNull}, want: outcome{Code: exitFailure, Err: "corsgate: the token's file /dev/null is empty; write the token into it\n"}},
		{args: []string{"--server", "http://corsgate.internal:9192"}, token: "x", want: outcome{Code: exitUsage, Err: "corsgate: http://corsgate.internal:9192 is not encrypted, and a token would be there for all on the way to read; write https://, or reach it on this machine, as through kubectl port-forward\nRun 'corsgate get --help' for how it is used.\n"}},
		{args: []string{"--server", "ftp://x"}, want: outcome{Code: exitUsage, Err: "corsgate: --server \"ftp://x\" is not the address of a server; write http://host:port or https://host:port, as in http://127.0.0.1:9192, or unix:///path\nRun 'corsgate get --help' for how it is used.\n"}},
	} {
		shown = ""
		t.Setenv("CORSGATE_TOKEN", test.token)
		t.Setenv("CORSGATE_TOKEN_FILE", test.tokenFile)
		got := run(t, "", append([]string{"get"}, test.args...)...)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%+v: outcome (-want +got):\n%s", test, diff)
		}
		if shown != test.shown {
			t.Errorf("%+v: the server was shown %q", test, shown)
		}
	}
	t.Setenv("CORSGATE_TOKEN", "x")
	t.Setenv("CORSGATE_TOKEN_FILE", "")
	if got := run(t, "", "serve", "--policy", "testdata/explain", "--print-config"); got.Code != exitOK {
		t.Errorf("serve minds the variables of other commands: %+v", got)
	}
	t.Setenv("CORSGATE_TIMEOUT", "5")
	want := "corsgate: CORSGATE_TIMEOUT \"5\" will not do; it must be a duration with its unit, such as 500ms, 5s or 2m\nRun 'corsgate get --help' for how it is used.\n"
	if diff := cmp.Diff(outcome{Code: exitUsage, Err: want}, run(t, "", "get")); diff != "" {
		t.Errorf("a bad timeout (-want +got):\n%s", diff)
	}
}

var longAgo = timestamppb.New(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))

func TestApplyRefused(t *testing.T) {
	t.Parallel()
	dir := folder(t, "shop.yaml", goodPolicy)
	conflict := &corsgatev1.Conflict{Revision: 9, Documents: []*corsgatev1.Document{{
		Ref: &corsgatev1.DocumentRef{Kind: kindPolicy, Namespace: "team", Name: "shop"}, Revision: 9, Author: "alice", Changed: longAgo,
	}}}
	finding := &corsgatev1.Findings{Findings: []*corsgatev1.Finding{{
		Severity: "error", Code: "origin_path", File: "shop.yaml", Line: 7, Column: 13, Field: "spec.origins[0]", Reason: "it has a path", Mend: "write less",
	}}}
	for name, test := range map[string]struct {
		err  error
		args []string
		want outcome
	}{
		"invalid": {
			fails(connect.CodeInvalidArgument, "1 error", finding), nil,
			outcome{exitInvalid, "", "shop.yaml:7:13: spec.origins[0]: it has a path; write less [origin_path]\ncorsgate: 1 error; nothing was changed\n"},
		},
		"too much": {
			fails(connect.CodeInvalidArgument, "one\nand 7 more; mend these first", finding), nil,
			outcome{exitInvalid, "", "shop.yaml:7:13: spec.origins[0]: it has a path; write less [origin_path]\nand 7 more; mend these first\ncorsgate: 1 error; nothing was changed\n"},
		},
		"a bad call": {fails(connect.CodeInvalidArgument, "the revision is negative"), nil, outcome{exitFailure, "", "corsgate: the revision is negative\n"}},
		"conflict": {
			fails(connect.CodeAborted, "nothing was changed: somebody else was faster", conflict), nil,
			outcome{exitConflict, "", "corsgate: nothing was changed, because somebody else was faster; look with corsgate diff, and make the change anew\ncorsgate: CorsPolicy team/shop was changed in revision 9 by alice at 2026-01-02T03:04:05Z\n"},
		},
		"invalid, for programs": {fails(connect.CodeInvalidArgument, "1 error", finding), []string{"-o", "json"}, outcome{exitInvalid, `{
  "applied": false,
  "changed": false,
  "dryRun": false,
  "revision": 0,
  "changes": [],
  "problems": [
    {
      "severity": "error",
      "code": "origin_path",
      "position": {
        "file": "shop.yaml",
        "line": 7,
        "column": 13
      },
      "field": "spec.origins[0]",
      "reason": "it has a path",
      "mend": "write less"
    }
  ]
}
`, ""}},
		"conflict, for programs": {fails(connect.CodeAborted, "no", conflict), []string{"-o", "yaml"}, outcome{exitConflict, `applied: false
changed: false
dryRun: false
revision: 9
changes: []
problems: []
conflict:
  - kind: CorsPolicy
    namespace: team
    name: shop
    revision: 9
    changed: "2026-01-02T03:04:05Z"
    author: alice
`, ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service := &standIn{apply: func(*corsgatev1.ApplyRequest) (*corsgatev1.ApplyResponse, error) { return nil, test.err }}
			got := run(t, dir, append([]string{"apply", "-f", dir, "--server", service.start(t)}, test.args...)...)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
		})
	}
}

// What is wrong with files is found before a server is asked.
func TestApplyFiles(t *testing.T) {
	t.Parallel()
	empty, odd := folder(t), folder(t, "latin.yaml", "# \xe9t\xe9\nkind: CorsPolicy\n")
	for name, test := range map[string]struct {
		dir  string
		args []string
		want outcome
	}{
		"no folder":    {empty, []string{"-f", empty + "/none"}, outcome{exitInvalid, "", "DIR/none: there is no such file or folder; create it, or name another path [path_missing]\ncorsgate: 1 error; nothing was changed\n"}},
		"empty folder": {empty, []string{"-f", empty}, outcome{exitInvalid, "", "DIR: the folder holds no policy file; put a *.yaml, *.yml or *.json file into it; hidden ones and *_test ones do not count [no_policies]\ncorsgate: 1 error; nothing was changed\n"}},
		"not UTF-8":    {odd, []string{"-f", odd}, outcome{exitInvalid, "", "DIR/latin.yaml:1:3: the byte 0xE9 is not UTF-8; save the file as UTF-8 [not_utf8]\ncorsgate: 1 error; nothing was changed\n"}},
		"no files":     {"", nil, outcome{exitUsage, "", "corsgate: no documents given; name a file or a folder, as in: corsgate apply -f policies/\nRun 'corsgate apply --help' for how it is used.\n"}},
		"arguments":    {"", []string{"policies"}, outcome{exitUsage, "", "corsgate: apply takes no arguments, and got \"policies\"; name files and folders with -f\nRun 'corsgate apply --help' for how it is used.\n"}},
		"prune":        {"", []string{"-f", "x", "--prune"}, outcome{exitUsage, "", "corsgate: --prune removes documents, and there is nobody to ask here; look with --dry-run, then say --yes\nRun 'corsgate apply --help' for how it is used.\n"}},
		"dry wait":     {"", []string{"-f", "x", "--wait", "--dry-run"}, outcome{exitUsage, "", "corsgate: --dry-run changes nothing, so that there is nothing to --wait for; leave one of them out\nRun 'corsgate apply --help' for how it is used.\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := run(t, test.dir, append([]string{"apply", "--server", "unix:///nowhere"}, test.args...)...)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
		})
	}
}

// A fleet that does not follow is said replica by replica.
func TestWaitSaysWhoLags(t *testing.T) {
	t.Parallel()
	dir := folder(t, "shop.yaml", goodPolicy)
	revisions := []int64{4, 3}
	service := &standIn{
		apply: func(*corsgatev1.ApplyRequest) (*corsgatev1.ApplyResponse, error) {
			return &corsgatev1.ApplyResponse{Revision: 4, Changed: true}, nil
		},
		status: func() (*corsgatev1.StatusResponse, error) {
			answer := &corsgatev1.StatusResponse{Revision: 4, Replicas: []*corsgatev1.Replica{
				{Id: "a", Revision: revisions[0]}, {Id: "b", Revision: revisions[1], Problem: "etcd is\nfar away"},
			}}
			return answer, nil
		},
	}
	address := service.start(t)
	got := run(t, dir, "apply", "-f", dir, "--server", address, "--wait=1s")
	want := outcome{exitLagging, "revision 4\n", "corsgate: revision 4 is made, but after 1s 1 of 2 replicas does not serve it:\ncorsgate:   b serves revision 3: etcd is far away\n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outcome (-want +got):\n%s", diff)
	}
	revisions[1] = 5
	if got = run(t, dir, "apply", "-f", dir, "--server", address, "--wait", "-o", "json"); got.Code != exitOK || !strings.Contains(got.Out, `"inForce": true`) {
		t.Errorf("with all in step: %+v", got)
	}
}

// A watch goes on where it was when its connection broke, and shows nothing twice.
func TestWatchGoesOn(t *testing.T) {
	t.Parallel()
	entry := func(revision int64) *corsgatev1.WatchResponse {
		return &corsgatev1.WatchResponse{Revision: revision, Entry: &corsgatev1.HistoryEntry{Revision: revision, Time: longAgo, Author: "alice"}}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	asked := make(chan int64, 4)
	service := &standIn{watch: func(r *corsgatev1.WatchRequest, stream *connect.ServerStream[corsgatev1.WatchResponse]) error {
		asked <- r.GetAfterRevision()
		if r.GetAfterRevision() == 0 {
			return errors.Join(stream.Send(&corsgatev1.WatchResponse{Revision: 4}), stream.Send(entry(5)), fails(connect.CodeUnavailable, "going down"))
		}
		if err := errors.Join(stream.Send(&corsgatev1.WatchResponse{Revision: 6}), stream.Send(entry(5)), stream.Send(entry(6))); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	}}
	address := service.start(t)
	out, finished := newLines(), make(chan int, 1)
	var errs bytes.Buffer
	go func() {
		finished <- execute(ctx, streams{out: out, err: &errs}, []string{"watch", "--server", address, "-o", "json"})
	}()
	for _, want := range []string{`"revision":5`, `"revision":6`} {
		if line := <-out.all; !strings.Contains(line, want) {
			t.Errorf("got %s, want %s", line, want)
		}
	}
	cancel()
	if code := <-finished; code != exitOK {
		t.Errorf("exit %d", code)
	}
	if first, second := <-asked, <-asked; first != 0 || second != 5 {
		t.Errorf("asked for what is after %d, then %d", first, second)
	}
	if want := "corsgate: " + address + ": going down; going on after revision 5\n"; errs.String() != want {
		t.Errorf("said %q, want %q", errs.String(), want)
	}
}

func writeCertificate(t *testing.T, file string, certificate *x509.Certificate) {
	t.Helper()
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		t.Fatal(err)
	}
}
