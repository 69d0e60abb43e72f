package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/envoy/bench/machine"
	"github.com/corsgate/corsgate/envoy/bench/scene"
)

// needMachine skips what measures, where that is not wanted or cannot be.
func needMachine(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("it builds and starts many programs")
	}
	if runtime.GOOS != "linux" || runtime.NumCPU() < 2 {
		t.Skip(machine.ErrUnsupported, "with two cores")
	}
}

// TestAllRows wants a figure in every row, whatever it is, and an end to all
// that was started.
func TestAllRows(t *testing.T) {
	needMachine(t)
	var table, progress bytes.Buffer
	if err := run(t.Context(), []string{"-short", "-rounds", "1", "-o", "json"}, &table, &progress); err != nil {
		t.Fatalf("%v\n%s", err, &progress)
	}
	var rep report
	if err := json.Unmarshal(table.Bytes(), &rep); err != nil {
		t.Fatal(err)
	}
	b := &bench{opts: parse(t)}
	want := b.rows()
	if len(rep.Lines) != len(want) {
		t.Fatalf("%d rows, want %d", len(rep.Lines), len(want))
	}
	for i, l := range rep.Lines {
		if l.Name != want[i].name || l.Figure == nil || (want[i].base.cell != "") != (l.Against != nil) {
			t.Errorf("row %d, %s: not measured", i, l.Name)
		}
		// What is added to a latency may be nothing, on a busy machine.
		if l.Ratio == nil && l.Against != nil && want[i].ours.minus == "" {
			t.Errorf("%s has no ratio: %v and %v", l.Name, *l.Figure, *l.Against)
		}
	}
	if t.Failed() {
		t.Log(&progress)
	}
}

func TestGrowth(t *testing.T) {
	needMachine(t)
	var tables, progress bytes.Buffer
	if err := run(t.Context(), []string{"-short", "-rounds", "1", "-growth"}, &tables, &progress); err != nil {
		t.Fatalf("%v\n%s", err, &progress)
	}
	for _, want := range []string{"\n### Origins\n", "\n### Policies\n", "\n### Headers\n", "\n### Connections\n", "\n| 10 |"} {
		if !strings.Contains(tables.String(), want) {
			t.Errorf("no %q in\n%s", want, &tables)
		}
	}
}

// TestSameAnswers asks corsgate and the naive server all questions: what is
// compared must do the same work.
func TestSameAnswers(t *testing.T) {
	needMachine(t)
	var progress bytes.Buffer
	b, err := newBench(t.Context(), parse(t, "-short"), &progress)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.close(); err != nil {
			t.Error(err)
		}
	})
	dir, origins, err := b.policies(checkOrigins, 0)
	if err != nil {
		t.Fatal(err)
	}
	corsgate, err := b.corsgateAt(t.Context(), anywhere(), dir)
	if err != nil {
		t.Fatal(err)
	}
	naive, err := b.compared(t.Context(), "naive", anywhere(), filepath.Join(dir, "policies.yaml"), origins)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := scene.MarshalledChecks(scene.Checks, b.number(checkOrigins), scene.CheckHeaders)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := dial(t, corsgate), dial(t, naive)
	verdicts := make(map[int32]int)
	for _, message := range messages {
		var question authv3.CheckRequest
		if err := proto.Unmarshal(message, &question); err != nil {
			t.Fatal(err)
		}
		got, want := ask(t, ours, &question), ask(t, theirs, &question)
		verdicts[got.GetStatus().GetCode()]++
		if !proto.Equal(got, want) {
			t.Fatalf("asked %v\ncorsgate says %v\nthe naive server %v", &question, got, want)
		}
	}
	if len(verdicts) != 2 {
		t.Errorf("the answers are all alike: %v", verdicts)
	}
}

func dial(t *testing.T, server *target) authv3.AuthorizationClient {
	t.Helper()
	conn, err := grpc.NewClient(server.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return authv3.NewAuthorizationClient(conn)
}

// ask returns an answer without its metadata, whose words are not part of the
// comparison, and with its headers in one order.
func ask(t *testing.T, client authv3.AuthorizationClient, question *authv3.CheckRequest) *authv3.CheckResponse {
	t.Helper()
	answer, err := client.Check(t.Context(), question)
	if err != nil {
		t.Fatal(err)
	}
	if len(answer.GetDynamicMetadata().GetFields()) == 0 {
		t.Errorf("an answer without metadata: %v", answer)
	}
	answer.DynamicMetadata = nil
	for _, headers := range [][]*corev3.HeaderValueOption{
		answer.GetOkResponse().GetResponseHeadersToAdd(), answer.GetDeniedResponse().GetHeaders(),
	} {
		slices.SortFunc(headers, func(a, b *corev3.HeaderValueOption) int {
			return strings.Compare(a.GetHeader().GetKey(), b.GetHeader().GetKey())
		})
	}
	return answer
}

func parse(t *testing.T, args ...string) *options {
	t.Helper()
	opts, err := readFlags(args, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	return opts
}
