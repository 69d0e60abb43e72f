// Package service tests the policy service of running replicas on a real etcd, over
// gRPC and as curl uses it.
package service_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/policy/source/etcd"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
	"github.com/corsgate/corsgate/proto/corsgate/v1/corsgatev1connect"
	"github.com/corsgate/corsgate/server"
)

// patience bounds every wait for something that must happen.
const patience = 60 * time.Second

const (
	shop = `apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata:
  name: storefront
  namespace: shop
spec:
  targets: [{hosts: [api.shop.example]}]
  origins: [https://shop.example]
`
	partners = `apiVersion: corsgate.dev/v1
kind: CorsOriginSet
metadata:
  name: partners
  namespace: shop
spec:
  origins: [https://a.partner.example]
`
	pay = `apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata:
  name: checkout
  namespace: pay
spec:
  targets: [{hosts: [pay.example]}]
  originSets: [shop/partners]
`
)

// A replica is a running corsgate.
type replica struct {
	admin string
	log   *logBuffer
	stop  func()
	// policies is a client over gRPC.
	policies grpcClient
}

// logBuffer is a log that may be read while it is written.
type logBuffer struct {
	mu      sync.Mutex
	content bytes.Buffer
}

func (b *logBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.content.Write(line)
}

// audits returns the audit records so far.
func (b *logBuffer) audits(t *testing.T) []map[string]any {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var records []map[string]any
	for line := range strings.Lines(b.content.String()) {
		var record struct {
			Audit map[string]any `json:"audit"`
		}
		must(t, json.Unmarshal([]byte(line), &record))
		if record.Audit != nil {
			records = append(records, record.Audit)
		}
	}
	return records
}

// serve runs a replica on policies in etcd until the test ends.
func serve(t *testing.T, endpoint, id string, change ...func(*server.Options)) *replica {
	t.Helper()
	r := &replica{log: &logBuffer{}}
	logger := slog.New(slog.NewJSONHandler(r.log, nil))
	kept, err := etcd.New(etcd.Options{Endpoints: []string{endpoint}, Logger: logger})
	must(t, err)
	ready := make(chan server.Bound, 1)
	options := server.Options{
		Listen: []string{"127.0.0.1:0"}, Admin: "127.0.0.1:0", Store: kept, Fleet: kept, ReplicaID: id,
		Logger: logger, Ready: func(bound server.Bound) { ready <- bound }, DrainTimeout: patience,
	}
	for _, c := range change {
		c(&options)
	}
	instance, err := server.New(kept, options)
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- instance.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			must(t, err)
		case <-time.After(patience):
			t.Error("the replica did not stop")
		}
		must(t, kept.Close())
	})
	t.Cleanup(r.stop)
	select {
	case bound := <-ready:
		r.admin = "127.0.0.1" + bound.Admin.String()[strings.LastIndexByte(bound.Admin.String(), ':'):]
	case err := <-ended:
		ended <- nil
		t.Fatalf("Run: %v", err)
	case <-time.After(patience):
		t.Fatal("the replica is not ready")
	}
	r.policies = dial(t, r.admin)
	return r
}

// grpcClient calls the service as any client of gRPC does.
type grpcClient struct{ conn *grpc.ClientConn }

func dial(t *testing.T, address string, options ...grpc.DialOption) grpcClient {
	t.Helper()
	options = append(options, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(128<<20)))
	conn, err := grpc.NewClient("passthrough:///"+address, options...)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return grpcClient{conn}
}

// call calls a method and returns its answer in response.
func (c grpcClient) call(t *testing.T, procedure string, request, response proto.Message) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return c.conn.Invoke(ctx, procedure, request, response)
}

func (c grpcClient) apply(t *testing.T, request *corsgatev1.ApplyRequest) (*corsgatev1.ApplyResponse, error) {
	t.Helper()
	response := &corsgatev1.ApplyResponse{}
	return response, c.call(t, corsgatev1connect.PolicyServiceApplyProcedure, request, response)
}

func (c grpcClient) get(t *testing.T, request *corsgatev1.GetRequest) *corsgatev1.GetResponse {
	t.Helper()
	response := &corsgatev1.GetResponse{}
	must(t, c.call(t, corsgatev1connect.PolicyServiceGetProcedure, request, response))
	return response
}

// watch begins a watch, and reads its first message.
func (c grpcClient) watch(t *testing.T, ctx context.Context, after int64) (grpc.ClientStream, int64) {
	t.Helper()
	stream, err := c.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, corsgatev1connect.PolicyServiceWatchProcedure)
	must(t, err)
	must(t, stream.SendMsg(&corsgatev1.WatchRequest{AfterRevision: after}))
	must(t, stream.CloseSend())
	first := &corsgatev1.WatchResponse{}
	must(t, stream.RecvMsg(first))
	if first.GetEntry() != nil {
		t.Errorf("the first message has an entry: %v", first)
	}
	return stream, first.GetRevision()
}

// next returns the next change of a watch.
func next(t *testing.T, stream grpc.ClientStream) *corsgatev1.HistoryEntry {
	t.Helper()
	for {
		message := &corsgatev1.WatchResponse{}
		must(t, stream.RecvMsg(message))
		if message.GetEntry() != nil {
			return message.GetEntry()
		}
	}
}

func files(texts ...string) *corsgatev1.ApplyRequest {
	request := &corsgatev1.ApplyRequest{}
	for i, text := range texts {
		request.Files = append(request.Files, &corsgatev1.SourceText{Name: fmt.Sprintf("%c.yaml", 'a'+i), Text: text})
	}
	return request
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// expect checks the code of an error and a part of its text.
func expect(t *testing.T, err error, code codes.Code, part string) {
	t.Helper()
	if status.Code(err) != code || !strings.Contains(status.Convert(err).Message(), part) {
		t.Errorf("error %v, want %v with %q", err, code, part)
	}
}

// detail returns the first detail of an error that is of a type.
func detail[T proto.Message](t *testing.T, err error) (found T) {
	t.Helper()
	for _, one := range status.Convert(err).Details() {
		if message, ok := one.(T); ok {
			return message
		}
	}
	t.Errorf("%v has no detail of type %T", err, found)
	return found
}

// put writes a file and returns its path.
func put(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// web is a client of Connect, as over HTTP/1.1.
func (r *replica) web(t *testing.T) corsgatev1connect.PolicyServiceClient {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return corsgatev1connect.NewPolicyServiceClient(&http.Client{Transport: transport}, "http://"+r.admin, connect.WithProtoJSON())
}
