package fleet_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
	"github.com/corsgate/corsgate/proto/corsgate/v1/corsgatev1connect"
	"github.com/corsgate/corsgate/stores/parts"
)

// members is how many etcds there are: one may fail.
const members = 3

// patience bounds every wait for something that must happen, on a busy machine.
const patience = time.Minute

// What the fleet serves at first. The set grows and shrinks with each change; the
// shop's own origin always is let in.
const (
	setName   = "partners"
	shop      = "https://shop.example"
	stranger  = "https://stranger.example"
	documents = `apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata: {name: shop}
spec:
  targets: [{hosts: [api.shop.example]}]
  origins: [https://shop.example]
  originSets: [partners]
---
apiVersion: corsgate.dev/v1
kind: CorsOriginSet
metadata: {name: partners}
spec:
  origins: [https://partner.example]
`
)

// A fleet is an etcd of three members and three replicas of corsgate.
type fleet struct {
	t        *testing.T
	etcd     []*parts.Member
	replicas []*replica
}

// A replica is one corsgate, and those who ask it.
type replica struct {
	*parts.Corsgate

	id       string
	policies corsgatev1connect.PolicyServiceClient
	checks   authv3.AuthorizationClient
}

func startFleet(t *testing.T, with ...func(*parts.MemberConfig)) *fleet {
	t.Helper()
	f := &fleet{t: t, etcd: parts.StartCluster(t, members, with...)}
	sockets := t.TempDir()
	for _, id := range []string{"replica-a", "replica-b", "replica-c"} {
		listen, admin := "unix://"+filepath.Join(sockets, id), "unix://"+filepath.Join(sockets, id+"-admin")
		args := []string{"--replica-id", id, "--listen", listen, "--admin", admin}
		for _, endpoint := range parts.Endpoints(f.etcd) {
			args = append(args, "--etcd", endpoint)
		}
		f.replicas = append(f.replicas, &replica{
			Corsgate: parts.StartCorsgate(t, program(), args...), id: id,
			policies: policyClient(t, admin), checks: checkClient(t, listen),
		})
	}
	f.command(0, documents, "apply", "-f", "-", "--reason", "begin", "--wait")
	return f
}

// policyClient asks a policy service behind a socket.
func policyClient(t *testing.T, admin string) corsgatev1connect.PolicyServiceClient {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", strings.TrimPrefix(admin, "unix://"))
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return corsgatev1connect.NewPolicyServiceClient(&http.Client{Transport: transport}, "http://localhost")
}

// checkClient asks as Envoy does. It finds a replica again soon after it is back.
func checkClient(t *testing.T, listen string) authv3.AuthorizationClient {
	t.Helper()
	soon := backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1.5, MaxDelay: 200 * time.Millisecond}
	connection, err := grpc.NewClient(listen, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: soon, MinConnectTimeout: time.Second}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	return authv3.NewAuthorizationClient(connection)
}

// command runs a command of corsgate against a replica, and returns what it
// writes. It must exit with 0.
func (f *fleet) command(replica int, input string, args ...string) string {
	f.t.Helper()
	out, code := f.tryCommand(replica, input, args...)
	if code != 0 {
		f.t.Fatalf("corsgate %s: exit %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

// tryCommand is command, whatever its exit code.
func (f *fleet) tryCommand(replica int, input string, args ...string) (out string, code int) {
	f.t.Helper()
	run := exec.CommandContext(f.t.Context(), program(), args...)
	run.Env = append(parts.Environment(), "CORSGATE_SERVER="+f.replicas[replica].Server())
	run.Stdin = strings.NewReader(input)
	output, err := run.CombinedOutput()
	if err != nil && run.ProcessState == nil {
		f.t.Fatalf("corsgate %s: %v", strings.Join(args, " "), err)
	}
	return string(output), run.ProcessState.ExitCode()
}

// history returns all changes, the oldest first, as a replica tells them.
func (r *replica) history(ctx context.Context) ([]*corsgatev1.HistoryEntry, error) {
	var entries []*corsgatev1.HistoryEntry
	request := &corsgatev1.HistoryRequest{Limit: 1000}
	for {
		answer, err := r.policies.History(ctx, connect.NewRequest(request))
		if err != nil {
			return nil, fmt.Errorf("ask %s for the history: %w", r.id, err)
		}
		entries = append(entries, answer.Msg.GetEntries()...)
		if !answer.Msg.GetMore() {
			break
		}
		request.BeforeRevision = entries[len(entries)-1].GetRevision()
	}
	for i, j := 0, len(entries)-1; i < j; i, j = i+1, j-1 {
		entries[i], entries[j] = entries[j], entries[i]
	}
	return entries, nil
}
