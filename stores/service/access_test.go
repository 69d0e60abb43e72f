package service_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
	"github.com/corsgate/corsgate/proto/corsgate/v1/corsgatev1connect"
	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/access"
	"github.com/corsgate/corsgate/stores/parts"
)

// A bearer is sent with each call of a client.
type bearer string

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

func (bearer) RequireTransportSecurity() bool { return false }

// TestAccess lets an editor, a viewer and an expired token at a replica that others
// can reach, and finds the editor in the history.
func TestAccess(t *testing.T) {
	t.Parallel()
	var tokens [3]access.Token
	for i := range tokens {
		var err error
		tokens[i], err = access.NewToken()
		must(t, err)
	}
	path := put(t, "access.yaml", fmt.Sprintf(`apiVersion: corsgate.dev/v1
kind: CorsAccess
metadata: {name: access}
spec:
  tokens:
  - {name: shop, sha256: %s}
  - {name: reader, sha256: %s}
  - {name: old, sha256: %s, expires: "2020-01-31"}
  bindings:
  - {subjects: ["token:reader"], role: VIEWER}
  - {subjects: ["token:old"], role: ADMIN}
  - {subjects: ["token:shop"], role: EDITOR, namespaces: [shop], hosts: ["*.shop.example"]}
`, tokens[0].SHA256, tokens[1].SHA256, tokens[2].SHA256))
	one := serve(t, parts.StartEtcd(t), "one", func(o *server.Options) {
		o.Admin, o.AccessFile = "0.0.0.0:0", path
	})
	as := func(i int) grpcClient {
		return dial(t, one.admin, grpc.WithPerRPCCredentials(bearer(tokens[i].Secret)))
	}
	editor, reader, old := as(0), as(1), as(2)
	request := files(shop)
	request.Reason = "ticket 7"
	_, err := editor.apply(t, request)
	must(t, err)
	_, err = editor.apply(t, files(pay, partners))
	expect(t, err, codes.PermissionDenied, "token:shop may not change CorsPolicy pay/checkout: it may change nothing in the namespace pay")
	_, err = reader.apply(t, files(shop))
	expect(t, err, codes.PermissionDenied, "token:reader may read, and not change anything")
	_, err = old.apply(t, files(shop))
	expect(t, err, codes.Unauthenticated, `the token "old" was good until 2020-01-31T00:00:00Z`)
	_, err = one.policies.apply(t, files(shop))
	expect(t, err, codes.Unauthenticated, "without saying who they are")

	history := &corsgatev1.HistoryResponse{}
	must(t, reader.call(t, corsgatev1connect.PolicyServiceHistoryProcedure, &corsgatev1.HistoryRequest{}, history))
	if entries := history.GetEntries(); len(entries) != 1 || entries[0].GetAuthor() != "token:shop" || entries[0].GetReason() != "ticket 7" {
		t.Errorf("history: %v", history)
	}
	var outcomes []string
	for _, record := range one.log.audits(t) {
		outcomes = append(outcomes, fmt.Sprintf("%v %v", record["who"], record["outcome"]))
	}
	want := []string{"token:shop applied", "token:shop refused", "token:reader refused", " refused", " refused"}
	if diff := cmp.Diff(want, outcomes); diff != "" {
		t.Errorf("audit records (-want +got):\n%s", diff)
	}
}
