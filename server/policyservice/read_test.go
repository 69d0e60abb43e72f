package policyservice_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/policy/store"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
	"github.com/corsgate/corsgate/server/policyservice"
)

// fiveChanges is a service whose store has a history.
func fiveChanges(t *testing.T) *setting {
	t.Helper()
	s := serve(t, nil)
	s.mustApply(t, shop)
	s.mustApply(t, pay+"---\n"+partners)
	s.mustApply(t, shop+"  methods: [GET]\n")
	edited, err := s.apply(t, &corsgatev1.ApplyRequest{
		OriginEdits: []*corsgatev1.OriginEdit{{Name: "partners", Add: []string{"https://b.partner.example", "https://a.partner.example"}, Remove: []string{"https://none.example"}}},
		Reason:      "ticket 7",
	})
	if err != nil || edited.GetChanges()[0].GetOriginsAdded() != 1 || edited.GetChanges()[0].GetOriginsRemoved() != 0 {
		t.Fatalf("%v, %v", edited, err)
	}
	if _, err := s.client.Delete(short(t), connect.NewRequest(&corsgatev1.DeleteRequest{Refs: []*corsgatev1.DocumentRef{shopRef()}})); err != nil {
		t.Fatal(err)
	}
	return s
}

func shopRef() *corsgatev1.DocumentRef {
	return &corsgatev1.DocumentRef{Kind: "CorsPolicy", Name: "shop"}
}

// lines is a history, a line for what became of each document.
type lines struct {
	lines []string
	more  bool
}

func (s *setting) history(t *testing.T, request *corsgatev1.HistoryRequest) lines {
	t.Helper()
	response, err := s.client.History(short(t), connect.NewRequest(request))
	if err != nil {
		t.Fatal(err)
	}
	out := lines{more: response.Msg.GetMore()}
	for _, entry := range response.Msg.GetEntries() {
		for _, change := range entry.GetChanges() {
			out.lines = append(out.lines, fmt.Sprintf("%d %s %s %d %d %+d %q %d", entry.GetRevision(), change.GetChange(), change.GetRef().GetName(),
				len(change.GetBefore()), len(change.GetAfter()), change.GetOriginsAdded()-change.GetOriginsRemoved(), entry.GetReason(), entry.GetRolledBackTo()))
		}
	}
	return out
}

// TestHistory goes through a history of five changes.
func TestHistory(t *testing.T) {
	t.Parallel()
	s := fiveChanges(t)
	all := s.history(t, &corsgatev1.HistoryRequest{})
	want := []string{
		`5 CHANGE_KIND_DELETED shop 0 0 +0 "" 0`, `4 CHANGE_KIND_UPDATED partners 0 0 +1 "ticket 7" 0`, `3 CHANGE_KIND_UPDATED shop 0 0 +0 "" 0`,
		`2 CHANGE_KIND_CREATED partners 0 0 +1 "" 0`, `2 CHANGE_KIND_CREATED pay 0 0 +0 "" 0`, `1 CHANGE_KIND_CREATED shop 0 0 +0 "" 0`,
	}
	if diff := cmp.Diff(want, all.lines); diff != "" || all.more {
		t.Errorf("all, more: %v (-want +got):\n%s", all.more, diff)
	}
	one := s.history(t, &corsgatev1.HistoryRequest{Ref: shopRef(), Limit: 2, Texts: true})
	n := len(shop) + len("  methods: [GET]\n")
	if diff := cmp.Diff([]string{fmt.Sprintf(`5 CHANGE_KIND_DELETED shop %d 0 +0 "" 0`, n), fmt.Sprintf(`3 CHANGE_KIND_UPDATED shop %d %d +0 "" 0`, len(shop), n)}, one.lines); diff != "" || !one.more {
		t.Errorf("one document, more: %v (-want +got):\n%s", one.more, diff)
	}
	if rest := s.history(t, &corsgatev1.HistoryRequest{BeforeRevision: 2}); len(rest.lines) != 1 || rest.more {
		t.Errorf("before 2: %+v", rest)
	}
}

// TestBack reads what was at a revision, and goes back to it.
func TestBack(t *testing.T) {
	t.Parallel()
	s := fiveChanges(t)
	ctx := short(t)
	old, err := s.client.Get(ctx, connect.NewRequest(&corsgatev1.GetRequest{Revision: 2}))
	if err != nil {
		t.Fatal(err)
	}
	var docs []string
	for _, doc := range old.Msg.GetDocuments() {
		docs = append(docs, fmt.Sprintf("%d %s %s", doc.GetRevision(), doc.GetRef().GetName(), doc.GetText()))
	}
	if diff := cmp.Diff([]string{"2 partners " + partners, "2 pay " + pay, "1 shop " + shop}, docs); diff != "" {
		t.Errorf("at revision 2 (-want +got):\n%s", diff)
	}

	back, err := s.client.Rollback(ctx, connect.NewRequest(&corsgatev1.RollbackRequest{Revision: 2, Reason: "it was better"}))
	if err != nil || back.Msg.GetApplied().GetRevision() != 6 {
		t.Fatalf("%v, %v", back, err)
	}
	now, err := s.client.Get(ctx, connect.NewRequest(&corsgatev1.GetRequest{}))
	if err != nil || now.Msg.GetRevision() != 6 || len(now.Msg.GetDocuments()) != 3 || now.Msg.GetDocuments()[0].GetText() != partners || now.Msg.GetDocuments()[2].GetText() != shop {
		t.Errorf("after the rollback: %v, %v", now, err)
	}
	latest := s.history(t, &corsgatev1.HistoryRequest{Limit: 1})
	if len(latest.lines) != 2 || !strings.HasSuffix(latest.lines[0], `"it was better" 2`) {
		t.Errorf("the rollback in the history: %v", latest.lines)
	}
}

// TestReadErrors is what cannot be read, and why.
func TestReadErrors(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.mustApply(t, shop)
	ctx := short(t)
	get := func(request *corsgatev1.GetRequest) error {
		_, err := s.client.Get(ctx, connect.NewRequest(request))
		return err
	}
	expect(t, get(&corsgatev1.GetRequest{Revision: 9}), connect.CodeInvalidArgument, "revision 9 has not been made; the newest is 1")
	expect(t, get(&corsgatev1.GetRequest{Revision: -1}), connect.CodeInvalidArgument, "revision is -1")
	expect(t, get(&corsgatev1.GetRequest{Refs: []*corsgatev1.DocumentRef{{Kind: "CorsPolicy", Name: "none"}}}), connect.CodeNotFound, "there is no CorsPolicy none in revision 1 of memory")
	expect(t, get(&corsgatev1.GetRequest{Refs: []*corsgatev1.DocumentRef{{Name: "none"}}}), connect.CodeInvalidArgument, `refs[0].kind is ""`)
	_, err := s.client.List(ctx, connect.NewRequest(&corsgatev1.ListRequest{Kind: "Policy"}))
	expect(t, err, connect.CodeInvalidArgument, `kind is "Policy"`)
	_, err = s.client.History(ctx, connect.NewRequest(&corsgatev1.HistoryRequest{Limit: 2000}))
	expect(t, err, connect.CodeInvalidArgument, "limit is 2000; it must be from 1 to 1000")
	for revision, want := range map[int64]string{0: "revision is 0; name the revision to go back to", 5: "revision 5 has not been made; the newest is 1"} {
		_, err = s.client.Rollback(ctx, connect.NewRequest(&corsgatev1.RollbackRequest{Revision: revision}))
		expect(t, err, connect.CodeInvalidArgument, want)
	}
	_, err = s.client.Delete(ctx, connect.NewRequest(&corsgatev1.DeleteRequest{Refs: []*corsgatev1.DocumentRef{{Kind: "CorsPolicy", Name: "none"}}}))
	expect(t, err, connect.CodeNotFound, "there is no CorsPolicy none in revision 1 of memory")
	_, err = s.client.Delete(ctx, connect.NewRequest(&corsgatev1.DeleteRequest{}))
	expect(t, err, connect.CodeInvalidArgument, "refs names 0 documents; name from 1 to 20000")
	_, err = s.client.List(ctx, connect.NewRequest(&corsgatev1.ListRequest{NamePrefix: strings.Repeat("x", 5<<20)}))
	expect(t, err, connect.CodeResourceExhausted, "the request has 5 MiB, and 4 are the limit of List")
	_, err = s.client.Explain(ctx, connect.NewRequest(&corsgatev1.ExplainRequest{Url: "nowhere"}))
	expect(t, err, connect.CodeInvalidArgument, "no origin; say where the page comes from")
	_, err = s.client.Explain(ctx, connect.NewRequest(&corsgatev1.ExplainRequest{Origin: "https://a.example", Url: "https://b.example"}))
	expect(t, err, connect.CodeUnavailable, "policies are not loaded yet")
}

func TestExplain(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.inForce(t, "policies/a.yaml", shop)
	response, err := s.client.Explain(short(t), connect.NewRequest(&corsgatev1.ExplainRequest{
		Origin: "https://evil.example", Url: "https://api.shop.example/", Method: "PUT", Headers: []string{"X-A: 1"}, Credentials: true,
	}))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(response.Msg.GetText(), "policies/a.yaml:") || response.Msg.GetExplanation().GetFields()["outcome"].GetStringValue() != "blocked" {
		t.Errorf("%s\n%v", response.Msg.GetText(), response.Msg.GetExplanation())
	}
}

// fleet is replicas that a test names.
type fleet []store.Replica

func (fleet) Announce(context.Context, <-chan store.Replica) error { return nil }

func (f fleet) Replicas(context.Context) ([]store.Replica, error) { return f, nil }

func TestStatus(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 5, 0, 0, time.UTC) // the memory's first change was at 03:04:00
	s := serve(t, func(o *policyservice.Options) {
		o.Now = func() time.Time { return now }
		o.Fleet = fleet{{ID: "a", Revision: 1, Address: "10.0.0.1:9192", Since: now, Seen: now}, {ID: "b", Problem: "it is broken"}}
	})
	if _, err := s.store.commit(store.New("memory"), store.Change{Put: []store.Text{{File: "x", Data: shop}}}); err != nil {
		t.Fatal(err)
	}
	response, err := s.client.Status(short(t), connect.NewRequest(&corsgatev1.StatusRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	replicas := response.Msg.GetReplicas()
	if response.Msg.GetRevision() != 1 || len(replicas) != 2 {
		t.Fatalf("status: %v", response.Msg)
	}
	if replicas[0].GetId() != "a" || replicas[0].GetLag() != nil || replicas[0].GetAddress() != "10.0.0.1:9192" || !replicas[0].GetSince().AsTime().Equal(now) {
		t.Errorf("the replica that is in step: %v", replicas[0])
	}
	if replicas[1].GetLag().AsDuration() != time.Minute || replicas[1].GetProblem() != "it is broken" {
		t.Errorf("the replica that lags: %v", replicas[1])
	}
}

// TestWatch sees each change once, over two connections.
func TestWatch(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.mustApply(t, shop)
	ctx, cancel := context.WithCancel(short(t))
	defer cancel()
	watch := func(ctx context.Context, after int64) *connect.ServerStreamForClient[corsgatev1.WatchResponse] {
		t.Helper()
		stream, err := s.client.Watch(ctx, connect.NewRequest(&corsgatev1.WatchRequest{AfterRevision: after, Texts: true}))
		if err != nil {
			t.Fatal(err)
		}
		if !stream.Receive() || stream.Msg().GetEntry() != nil {
			t.Fatalf("the watch does not begin: %v, %v", stream.Msg(), stream.Err())
		}
		return stream
	}
	first := watch(ctx, 0)
	if first.Msg().GetRevision() != 1 {
		t.Errorf("the watch begins with revision %d", first.Msg().GetRevision())
	}
	s.mustApply(t, shop+"  methods: [GET]\n")
	if !first.Receive() || first.Msg().GetEntry().GetRevision() != 2 || !strings.HasSuffix(first.Msg().GetEntry().GetChanges()[0].GetAfter(), "[GET]\n") {
		t.Fatalf("the first change: %v, %v", first.Msg(), first.Err())
	}
	cancel()
	_ = first.Close()
	for i := range 20 {
		s.mustApply(t, shop+fmt.Sprintf("  maxAge: %dm\n", i+1))
	}
	second := watch(short(t), 2)
	for want := int64(3); want <= 22; want++ {
		if !second.Receive() || second.Msg().GetEntry().GetRevision() != want {
			t.Fatalf("%v, %v, want revision %d", second.Msg(), second.Err(), want)
		}
	}
	refused, err := s.client.Watch(short(t), connect.NewRequest(&corsgatev1.WatchRequest{AfterRevision: 99}))
	if err != nil {
		t.Fatal(err)
	}
	if refused.Receive() {
		t.Error("a watch from a revision to come begins")
	}
	expect(t, refused.Err(), connect.CodeInvalidArgument, "after_revision is 99, and the newest revision is 22")
	s.service.Close()
	if second.Receive() {
		t.Errorf("after the end: %v", second.Msg())
	}
	expect(t, second.Err(), connect.CodeUnavailable, "this corsgate stops; watch again")
}

// TestGate is what is refused before its body is read.
func TestGate(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	for name, test := range map[string]struct {
		contentType, body string
		header            []string
		code              int
		want              string
	}{
		"as curl does":          {"application/json", "{}", nil, http.StatusOK, `{}`},
		"with a charset":        {"application/json; charset=utf-8", "{}", nil, http.StatusOK, `{}`},
		"of this very site":     {"application/json", "{}", []string{"Sec-Fetch-Site", "same-origin"}, http.StatusOK, `{}`},
		"a form":                {"application/x-www-form-urlencoded", "{}", nil, http.StatusUnsupportedMediaType, "the content type must be application/json"},
		"a form of texts":       {"text/plain", "{}", nil, http.StatusUnsupportedMediaType, "the content type must be application/json"},
		"no content type":       {"", "{}", nil, http.StatusUnsupportedMediaType, "the content type must be application/json"},
		"a page of another":     {"application/json", "{}", []string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden, "pages of other sites may not use the policy service"},
		"a page of a neighbour": {"application/json", "{}", []string{"Sec-Fetch-Site", "same-site"}, http.StatusForbidden, "pages of other sites"},
		"another origin":        {"application/json", "{}", []string{"Origin", "https://evil.example"}, http.StatusForbidden, "pages of other sites"},
		"an opaque origin":      {"application/json", "{}", []string{"Origin", "null"}, http.StatusForbidden, "pages of other sites"},
		"an unknown field":      {"application/json", `{"knd": "CorsPolicy"}`, nil, http.StatusBadRequest, `unknown field \"knd\"`},
		"a field twice":         {"application/json", `{"kind": "CorsPolicy", "kind": "CorsPolicy"}`, nil, http.StatusBadRequest, "duplicate field"},
		"no JSON":               {"application/json", `kind: CorsPolicy`, nil, http.StatusBadRequest, "invalid_argument"},
		"no body":               {"application/json", ``, nil, http.StatusBadRequest, "the body is empty; send a JSON object, such as {}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, body := s.post(t, "List", test.contentType, test.body, test.header...)
			if code != test.code || !strings.Contains(body, test.want) {
				t.Errorf("%d %s, want %d with %q", code, body, test.code, test.want)
			}
		})
	}
	if code, body := s.post(t, "Lst", "application/json", "{}"); code != http.StatusNotFound || !strings.Contains(body, "no such method; it has List, Get, Apply") {
		t.Errorf("an unknown method: %d %s", code, body)
	}
	response, err := s.server.Client().Get(s.server.URL + "/corsgate.v1.PolicyService/List")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusMethodNotAllowed || response.Header.Get("Allow") != "POST" {
		t.Errorf("GET: %v", response.Status)
	}
}

// TestErrorsAsJSON is what curl shows of an error: a code, a text and its details.
func TestErrorsAsJSON(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	body, err := json.Marshal(map[string]any{"files": []map[string]string{{"name": "x.yaml", "text": "kind: CorsPolicy\n"}}})
	if err != nil {
		t.Fatal(err)
	}
	if code, text := s.post(t, "Apply", "application/json", `{"fils": []}`); code != http.StatusBadRequest || !strings.Contains(text, `unknown field \"fils\"`) {
		t.Errorf("what cannot be read: %d %s", code, text)
	}
	if records := s.log.audits(t); len(records) != 1 || records[0]["outcome"] != "invalid" || records[0]["who"] != "local:127.0.0.1" {
		t.Errorf("audit records of what cannot be read: %v", records)
	}
	code, text := s.post(t, "Apply", "application/json", string(body))
	var told struct {
		Code, Message string
		Details       []struct {
			Type  string
			Debug struct {
				Findings []struct{ File, Reason string }
			}
		}
	}
	if err := json.Unmarshal([]byte(text), &told); err != nil {
		t.Fatal(err)
	}
	if code != http.StatusBadRequest || told.Code != "invalid_argument" || !strings.HasPrefix(told.Message, "x.yaml:1:1: ") ||
		len(told.Details) != 1 || told.Details[0].Type != "corsgate.v1.Findings" || len(told.Details[0].Debug.Findings) < 2 {
		t.Errorf("%d %s", code, text)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.codes["Apply invalid_argument"] != 2 {
		t.Errorf("codes: %v", s.codes)
	}
}
