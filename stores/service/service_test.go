package service_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
	"github.com/corsgate/corsgate/proto/corsgate/v1/corsgatev1connect"
	"github.com/corsgate/corsgate/stores/parts"
)

// eventually waits for something that another process brings about.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("this did not come about: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// status asks for the fleet.
func (c grpcClient) status(t *testing.T) *corsgatev1.StatusResponse {
	t.Helper()
	response := &corsgatev1.StatusResponse{}
	must(t, c.call(t, corsgatev1connect.PolicyServiceStatusProcedure, &corsgatev1.StatusRequest{}, response))
	return response
}

// TestLife goes once through all methods over gRPC, on two replicas and one etcd
// that was empty.
func TestLife(t *testing.T) {
	t.Parallel()
	endpoint := parts.StartEtcd(t)
	one, two := serve(t, endpoint, "one"), serve(t, endpoint, "two")
	begin(t, one.policies)
	look(t, two.policies)
	undo(t, one.policies, two.policies)
	remember(t, one.policies)
	for _, record := range append(one.log.audits(t), two.log.audits(t)...) {
		for _, field := range []string{"who", "peer", "method", "what", "why", "revision", "outcome", "code", "findings", "error"} {
			if _, ok := record[field]; !ok {
				t.Errorf("an audit record without %s: %v", field, record)
			}
		}
	}
}

// begin makes the first two changes.
func begin(t *testing.T, c grpcClient) {
	t.Helper()
	made, err := c.apply(t, files(shop, partners+"---\n"+pay))
	must(t, err)
	if made.GetRevision() != 1 || len(made.GetChanges()) != 3 || !strings.Contains(made.GetDiffText(), "https://a.partner.example") {
		t.Errorf("the first change: %v", made)
	}
	edited, err := c.apply(t, &corsgatev1.ApplyRequest{
		OriginEdits: []*corsgatev1.OriginEdit{{Namespace: "shop", Name: "partners", Add: []string{"https://b.partner.example"}}}, Reason: "ticket 7",
	})
	must(t, err)
	if edited.GetRevision() != 2 || !strings.Contains(edited.GetDiffText(), "https://b.partner.example") {
		t.Errorf("an origin: %v", edited)
	}
}

// look sees them at another replica.
func look(t *testing.T, c grpcClient) {
	t.Helper()
	list := &corsgatev1.ListResponse{}
	must(t, c.call(t, corsgatev1connect.PolicyServiceListProcedure, &corsgatev1.ListRequest{Kind: "CorsOriginSet"}, list))
	if list.GetRevision() != 2 || len(list.GetDocuments()) != 1 || list.GetDocuments()[0].GetOrigins() != 2 ||
		list.GetDocuments()[0].GetAuthor() != "local:127.0.0.1" || list.GetDocuments()[0].GetText() != "" {
		t.Errorf("the other replica lists %v", list)
	}
	eventually(t, "both replicas serve revision 2", func() bool {
		fleet := c.status(t)
		return fleet.GetRevision() == 2 && len(fleet.GetReplicas()) == 2 && fleet.GetReplicas()[0].GetRevision() == 2 && fleet.GetReplicas()[1].GetRevision() == 2
	})
	if fleet := c.status(t); fleet.GetReplicas()[0].GetId() != "one" || fleet.GetReplicas()[0].GetLag() != nil ||
		fleet.GetReplicas()[0].GetSetRevision() != fleet.GetReplicas()[1].GetSetRevision() {
		t.Errorf("the fleet: %v", fleet)
	}
	explained := &corsgatev1.ExplainResponse{}
	must(t, c.call(t, corsgatev1connect.PolicyServiceExplainProcedure, &corsgatev1.ExplainRequest{Origin: "https://b.partner.example", Url: "https://pay.example/"}, explained))
	if !strings.Contains(explained.GetText(), "shop/partners") {
		t.Errorf("explained:\n%s", explained.GetText())
	}
}

// undo deletes at one replica, and goes back at the other.
func undo(t *testing.T, c, other grpcClient) {
	t.Helper()
	set := &corsgatev1.DocumentRef{Kind: "CorsOriginSet", Namespace: "shop", Name: "partners"}
	deleted := &corsgatev1.DeleteResponse{}
	err := c.call(t, corsgatev1connect.PolicyServiceDeleteProcedure, &corsgatev1.DeleteRequest{Refs: []*corsgatev1.DocumentRef{set}}, deleted)
	expect(t, err, codes.InvalidArgument, "etcd:pay/checkout.CorsPolicy:8:16: spec.originSets[0]: ")
	must(t, c.call(t, corsgatev1connect.PolicyServiceDeleteProcedure, &corsgatev1.DeleteRequest{
		Refs: []*corsgatev1.DocumentRef{set, {Kind: "CorsPolicy", Namespace: "pay", Name: "checkout"}}, ExpectedRevision: new(int64(2)), Reason: "closed",
	}, deleted))
	if deleted.GetApplied().GetRevision() != 3 {
		t.Errorf("deleted: %v", deleted)
	}
	back := &corsgatev1.RollbackResponse{}
	must(t, other.call(t, corsgatev1connect.PolicyServiceRollbackProcedure, &corsgatev1.RollbackRequest{Revision: 2, Reason: "not yet"}, back))
	if back.GetApplied().GetRevision() != 4 || len(back.GetApplied().GetChanges()) != 2 {
		t.Errorf("rolled back: %v", back)
	}
	old, now := c.get(t, &corsgatev1.GetRequest{Revision: 1}), c.get(t, &corsgatev1.GetRequest{})
	if len(old.GetDocuments()) != 3 || len(now.GetDocuments()) != 3 || old.GetDocuments()[0].GetText() != partners ||
		!strings.Contains(now.GetDocuments()[0].GetText(), "https://b.partner.example") || old.GetDocuments()[0].GetRevision() != 1 {
		t.Errorf("at revision 1: %v\nnow: %v", old, now)
	}
}

// remember reads the history of it all.
func remember(t *testing.T, c grpcClient) {
	t.Helper()
	history := &corsgatev1.HistoryResponse{}
	must(t, c.call(t, corsgatev1connect.PolicyServiceHistoryProcedure, &corsgatev1.HistoryRequest{Texts: true}, history))
	var lines []string
	for _, entry := range history.GetEntries() {
		lines = append(lines, fmt.Sprintf("%d %s %q %d %d", entry.GetRevision(), entry.GetAuthor(), entry.GetReason(), len(entry.GetChanges()), entry.GetRolledBackTo()))
	}
	want := `4 local:127.0.0.1 "not yet" 2 2; 3 local:127.0.0.1 "closed" 2 0; 2 local:127.0.0.1 "ticket 7" 1 0; 1 local:127.0.0.1 "" 3 0`
	if got := strings.Join(lines, "; "); got != want {
		t.Errorf("history:\n%s\nwant:\n%s", got, want)
	}
	if before := history.GetEntries()[1].GetChanges()[1].GetBefore(); before != pay {
		t.Errorf("the text before its deletion:\n%s", before)
	}
}

// TestJSON asks and watches with JSON over HTTP/1.1, as programs do that know no
// gRPC.
func TestJSON(t *testing.T) {
	t.Parallel()
	one := serve(t, parts.StartEtcd(t), "one")
	client := one.web(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stream, err := client.Watch(ctx, connect.NewRequest(&corsgatev1.WatchRequest{}))
	must(t, err)
	if !stream.Receive() || stream.Msg().GetEntry() != nil {
		t.Fatalf("the watch does not begin: %v, %v", stream.Msg(), stream.Err())
	}
	made, err := client.Apply(ctx, connect.NewRequest(files(shop)))
	must(t, err)
	if !stream.Receive() || stream.Msg().GetEntry().GetRevision() != made.Msg.GetRevision() || made.Msg.GetRevision() != 1 {
		t.Errorf("the change %v is seen as %v, %v", made.Msg, stream.Msg(), stream.Err())
	}
	must(t, stream.Close())
}

// TestTwoWriters lets writers on two replicas change one document and one set at
// the same time: whoever is told that it is done finds it there.
func TestTwoWriters(t *testing.T) {
	t.Parallel()
	endpoint := parts.StartEtcd(t)
	replicas := []*replica{serve(t, endpoint, "one"), serve(t, endpoint, "two")}
	_, err := replicas[0].policies.apply(t, files(shop, partners, pay))
	must(t, err)
	const writers, each = 4, 5
	ref := &corsgatev1.DocumentRef{Kind: "CorsPolicy", Namespace: "shop", Name: "storefront"}
	conflicts := make([]int, writers)
	var group sync.WaitGroup
	for w := range writers {
		client := replicas[w%2].policies
		group.Go(func() {
			for i := range each {
				for {
					read := client.get(t, &corsgatev1.GetRequest{Refs: []*corsgatev1.DocumentRef{ref}})
					text := strings.Replace(read.GetDocuments()[0].GetText(), "origins: [", fmt.Sprintf("origins: [https://w%d-%d.shop.example, ", w, i), 1)
					request := files(text)
					request.ExpectedRevision = new(read.GetRevision())
					_, err := client.apply(t, request)
					if status.Code(err) == codes.Aborted {
						conflicts[w]++
						continue
					}
					if err != nil {
						t.Error(err)
						return
					}
					break
				}
				edit := &corsgatev1.OriginEdit{Namespace: "shop", Name: "partners", Add: []string{fmt.Sprintf("https://w%d-%d.partner.example", w, i)}}
				for { // an edit of single origins asks for no revision; it may have to wait its turn
					_, err := client.apply(t, &corsgatev1.ApplyRequest{OriginEdits: []*corsgatev1.OriginEdit{edit}})
					if err == nil {
						break
					}
					if !strings.Contains(err.Error(), "somebody else was faster") {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	group.Wait()
	for name, host := range map[string]string{"storefront": "shop.example", "partners": "partner.example"} {
		kind := map[string]string{"storefront": "CorsPolicy", "partners": "CorsOriginSet"}[name]
		read := replicas[0].policies.get(t, &corsgatev1.GetRequest{Refs: []*corsgatev1.DocumentRef{{Kind: kind, Namespace: "shop", Name: name}}})
		for w := range writers {
			for i := range each {
				if origin := fmt.Sprintf("https://w%d-%d.%s", w, i, host); !strings.Contains(read.GetDocuments()[0].GetText(), origin) {
					t.Errorf("%s is lost from %s", origin, name)
				}
			}
		}
		if read.GetRevision() != 1+2*writers*each {
			t.Errorf("revision %d, want one for each change", read.GetRevision())
		}
	}
	t.Logf("conflicts: %v", conflicts)
}

// TestConflict tells what was changed meanwhile.
func TestConflict(t *testing.T) {
	t.Parallel()
	endpoint := parts.StartEtcd(t)
	one, two := serve(t, endpoint, "one"), serve(t, endpoint, "two")
	_, err := one.policies.apply(t, files(shop))
	must(t, err)
	_, err = two.policies.apply(t, files(shop+"  methods: [GET]\n"))
	must(t, err)
	request := files(shop + "  methods: [PUT]\n")
	request.ExpectedRevision = new(int64(1))
	_, err = one.policies.apply(t, request)
	expect(t, err, codes.Aborted, "CorsPolicy shop/storefront was changed by local:127.0.0.1 in revision 2, after revision 1")
	conflict := detail[*corsgatev1.Conflict](t, err)
	if conflict.GetRevision() != 2 || len(conflict.GetDocuments()) != 1 || conflict.GetDocuments()[0].GetRef().GetName() != "storefront" {
		t.Errorf("conflict: %v", conflict)
	}
	_, err = one.policies.apply(t, files("spec: ["))
	expect(t, err, codes.InvalidArgument, "a.yaml:1:8: ")
	if findings := detail[*corsgatev1.Findings](t, err).GetFindings(); len(findings) != 1 || findings[0].GetFile() != "a.yaml" || findings[0].GetLine() != 1 {
		t.Errorf("findings: %v", findings)
	}
}

// TestWatch follows changes of another replica, loses its own, and goes on at a
// third without a gap.
func TestWatch(t *testing.T) {
	t.Parallel()
	endpoint := parts.StartEtcd(t)
	writer, first, second := serve(t, endpoint, "writer"), serve(t, endpoint, "first"), serve(t, endpoint, "second")
	_, err := writer.policies.apply(t, files(shop))
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stream, revision := first.policies.watch(t, ctx, 0)
	if revision != 1 {
		t.Errorf("the watch begins at revision %d", revision)
	}
	change := func(i int) {
		_, err := writer.policies.apply(t, files(shop+fmt.Sprintf("  maxAge: %dm\n", i)))
		must(t, err)
	}
	change(1)
	seen := next(t, stream).GetRevision()
	if seen != 2 {
		t.Fatalf("revision %d, want 2", seen)
	}
	first.stop()
	change(2)
	change(3)
	for {
		message := &corsgatev1.WatchResponse{}
		if err := stream.RecvMsg(message); err != nil {
			expect(t, err, codes.Unavailable, "this corsgate stops; watch again from the last revision that came")
			break
		}
		seen = max(seen, message.GetEntry().GetRevision())
	}
	change(4)
	again, _ := second.policies.watch(t, ctx, seen)
	for want := seen + 1; want <= 5; want++ {
		if got := next(t, again).GetRevision(); got != want {
			t.Fatalf("revision %d, want %d", got, want)
		}
	}
	change(5)
	if got := next(t, again).GetRevision(); got != 6 {
		t.Errorf("revision %d, want 6", got)
	}
}

// TestMillion changes one origin of a million, and says what that means.
func TestMillion(t *testing.T) {
	if testing.Short() {
		t.Skip("a million origins take a while")
	}
	t.Parallel()
	one := serve(t, parts.StartEtcd(t), "one")
	var list strings.Builder
	list.WriteString("apiVersion: corsgate.dev/v1\nkind: CorsOriginSet\nmetadata: {name: partners, namespace: shop}\nspec:\n  origins:\n")
	for i := range 1_000_000 {
		fmt.Fprintf(&list, "  - https://shop.customer%d.example\n", i)
	}
	began := time.Now()
	made, err := one.policies.apply(t, files(list.String(), pay))
	must(t, err)
	t.Logf("a million: %v\n%s", time.Since(began), made.GetDiffText())
	began = time.Now()
	edited, err := one.policies.apply(t, &corsgatev1.ApplyRequest{
		OriginEdits: []*corsgatev1.OriginEdit{{Namespace: "shop", Name: "partners", Add: []string{"https://new.example"}, Remove: []string{"https://shop.customer5.example"}}},
	})
	must(t, err)
	t.Logf("one more: %v\n%s", time.Since(began), edited.GetDiffText())
	change := edited.GetChanges()[0]
	if change.GetOriginsAdded() != 1 || change.GetOriginsRemoved() != 1 ||
		!strings.Contains(edited.GetDiffText(), "https://new.example") || !strings.Contains(edited.GetDiffText(), "https://shop.customer5.example") {
		t.Errorf("%v\n%s", change, edited.GetDiffText())
	}
	back := &corsgatev1.RollbackResponse{}
	must(t, one.policies.call(t, corsgatev1connect.PolicyServiceRollbackProcedure, &corsgatev1.RollbackRequest{Revision: 1}, back))
	if change := back.GetApplied().GetChanges()[0]; change.GetOriginsAdded() != 1 || change.GetOriginsRemoved() != 1 {
		t.Errorf("the way back: %v", change)
	}
}
