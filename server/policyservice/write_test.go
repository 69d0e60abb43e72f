package policyservice_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/policy/document"
	"github.com/corsgate/corsgate/policy/store"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
	"github.com/corsgate/corsgate/proto/corsgate/v1/corsgatev1connect"
	"github.com/corsgate/corsgate/server/access"
	"github.com/corsgate/corsgate/server/policyservice"
)

// TestApply makes a batch, and says what it made and what it means.
func TestApply(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	dry, err := s.apply(t, &corsgatev1.ApplyRequest{Files: []*corsgatev1.SourceText{file("a.yaml", shop)}, DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	if dry.GetRevision() != 0 || !dry.GetChanged() || len(dry.GetChanges()) != 1 || !strings.Contains(dry.GetDiffText(), "https://shop.example") {
		t.Errorf("the dry run: %v", dry)
	}
	if head, _ := s.store.Head(t.Context()); head.Revision() != 0 {
		t.Error("the dry run changed something")
	}

	made, err := s.apply(t, &corsgatev1.ApplyRequest{
		Files: []*corsgatev1.SourceText{file("a.yaml", shop+"---\n"+pay), file("b.yaml", partners)}, Reason: "first",
	})
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, change := range made.GetChanges() {
		kinds = append(kinds, change.GetChange().String()+" "+change.GetRef().GetName())
	}
	want := []string{"CHANGE_KIND_CREATED partners", "CHANGE_KIND_CREATED pay", "CHANGE_KIND_CREATED shop"}
	if diff := cmp.Diff(want, kinds); diff != "" || made.GetRevision() != 1 || !made.GetChanged() {
		t.Errorf("revision %d, changes (-want +got):\n%s", made.GetRevision(), diff)
	}
	if gains := made.GetDiff().GetFields()["gains"].GetNumberValue(); gains < 2 || !strings.Contains(made.GetDiffText(), "gain") {
		t.Errorf("%v gains in:\n%s", gains, made.GetDiffText())
	}

	again := s.mustApply(t, shop)
	if again.GetChanged() || again.GetRevision() != 1 || len(again.GetChanges()) != 0 {
		t.Errorf("the same once more: %v", again)
	}
	checkAudits(t, s.log.audits(t))
}

// checkAudits checks the records of a dry run, of the change, and of the same once
// more.
func checkAudits(t *testing.T, records []map[string]any) {
	t.Helper()
	if len(records) != 3 {
		t.Fatalf("%d audit records", len(records))
	}
	for i, outcome := range []string{"dry_run", "applied", "unchanged"} {
		if records[i]["outcome"] != outcome || records[i]["who"] != "local:127.0.0.1" || records[i]["method"] != "Apply" {
			t.Errorf("audit record %d: %v, want the outcome %s", i, records[i], outcome)
		}
	}
	if what := fmt.Sprint(records[1]["what"]); what != "[created CorsOriginSet partners created CorsPolicy pay created CorsPolicy shop]" || records[1]["why"] != "first" {
		t.Errorf("audit record: %v", records[1])
	}
}

// TestInvalid is what is wrong with a change, where it stands in the caller's
// files, and that nothing of it was made.
func TestInvalid(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.mustApply(t, shop+"---\n"+pay+"---\n"+partners)
	set := func(name string) *corsgatev1.DocumentRef {
		return &corsgatev1.DocumentRef{Kind: "CorsOriginSet", Name: name}
	}
	for name, test := range map[string]struct {
		request *corsgatev1.ApplyRequest
		code    connect.Code
		want    string
	}{
		"nothing":          {&corsgatev1.ApplyRequest{}, connect.CodeInvalidArgument, "the change is empty; give files, delete or originEdits"},
		"broken YAML":      {&corsgatev1.ApplyRequest{Files: []*corsgatev1.SourceText{file("x/broken.yaml", "spec: [")}}, connect.CodeInvalidArgument, "x/broken.yaml:1:8: "},
		"an unknown field": {&corsgatev1.ApplyRequest{Files: []*corsgatev1.SourceText{file("x.yaml", shop+"  method: [GET]\n")}}, connect.CodeInvalidArgument, "x.yaml:8:3: spec.method: "},
		"a bad origin": {
			&corsgatev1.ApplyRequest{Files: []*corsgatev1.SourceText{file("x.yaml", "# a comment\n---\n"+strings.Replace(shop, "https://shop.example", "https://shop.example/path", 1))}},
			connect.CodeInvalidArgument, "x.yaml:9:13: spec.origins[0]: ",
		},
		"a tie": {
			&corsgatev1.ApplyRequest{Files: []*corsgatev1.SourceText{file("x.yaml", strings.Replace(shop, "name: shop", "name: other", 1))}},
			connect.CodeInvalidArgument, "api.shop.example",
		},
		"a set that is used":   {&corsgatev1.ApplyRequest{Delete: []*corsgatev1.DocumentRef{set("partners")}}, connect.CodeInvalidArgument, "partners"},
		"a set that is not":    {&corsgatev1.ApplyRequest{OriginEdits: []*corsgatev1.OriginEdit{{Name: "none", Add: []string{"https://x.example"}}}}, connect.CodeInvalidArgument, "CorsOriginSet none"},
		"an origin that is no": {&corsgatev1.ApplyRequest{OriginEdits: []*corsgatev1.OriginEdit{{Name: "partners", Add: []string{"x.example"}}}}, connect.CodeInvalidArgument, "x.example"},
		"delete nothing":       {&corsgatev1.ApplyRequest{Delete: []*corsgatev1.DocumentRef{set("none")}}, connect.CodeInvalidArgument, "CorsOriginSet none"},
		"an unknown kind":      {&corsgatev1.ApplyRequest{Delete: []*corsgatev1.DocumentRef{{Kind: "CorsPolcy", Name: "x"}}}, connect.CodeInvalidArgument, `delete[0].kind is "CorsPolcy", which is no kind of document; did you mean CorsPolicy?`},
		"no name":              {&corsgatev1.ApplyRequest{Delete: []*corsgatev1.DocumentRef{{Kind: "CorsPolicy"}}}, connect.CodeInvalidArgument, "delete[0].name is empty"},
		"two files of a name":  {&corsgatev1.ApplyRequest{Files: []*corsgatev1.SourceText{file("x", shop), file("x", pay)}}, connect.CodeInvalidArgument, `files[1] is called "x" like another one`},
		"a document twice":     {&corsgatev1.ApplyRequest{Files: []*corsgatev1.SourceText{file("x", shop), file("y", shop)}}, connect.CodeInvalidArgument, "y:4:9: "},
		"a revision to come":   {&corsgatev1.ApplyRequest{Files: []*corsgatev1.SourceText{file("x", shop)}, ExpectedRevision: new(int64(7))}, connect.CodeInvalidArgument, "expected_revision is 7, and the newest revision is 1"},
		"a revision before":    {&corsgatev1.ApplyRequest{Files: []*corsgatev1.SourceText{file("x", shop)}, ExpectedRevision: new(int64(-1))}, connect.CodeInvalidArgument, "expected_revision is -1"},
		"a long reason":        {&corsgatev1.ApplyRequest{Files: []*corsgatev1.SourceText{file("x", shop)}, Reason: strings.Repeat("x", 2000)}, connect.CodeInvalidArgument, "the reason has 2000 bytes, and 1024 are the limit"},
		"an escape":            {&corsgatev1.ApplyRequest{Files: []*corsgatev1.SourceText{file("x", shop)}, Reason: "\x1b[2J"}, connect.CodeInvalidArgument, "control characters"},
		"50 MB in a policy": {
			&corsgatev1.ApplyRequest{Files: []*corsgatev1.SourceText{file("x.yaml", shop+"# "+strings.Repeat("x", 50_000_000)+"\n")}},
			connect.CodeInvalidArgument, "x.yaml:4:9: the document has",
		},
		"more than fits": {
			&corsgatev1.ApplyRequest{Files: []*corsgatev1.SourceText{file("x.yaml", strings.Repeat("#", 40<<20)), file("y.yaml", strings.Repeat("#", 30<<20))}},
			connect.CodeResourceExhausted, "the texts have 70 MiB together, and 64 are the limit",
		},
		"far more": {
			&corsgatev1.ApplyRequest{Files: []*corsgatev1.SourceText{file("x.yaml", strings.Repeat("#", 90<<20))}},
			connect.CodeResourceExhausted, "the request has 90 MiB, and 80 are the limit of Apply",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.apply(t, test.request)
			expect(t, err, test.code, test.want)
		})
	}
	if head, _ := s.store.Head(t.Context()); head.Revision() != 1 {
		t.Errorf("revision %d: something of it was made", head.Revision())
	}
	_, err := s.apply(t, &corsgatev1.ApplyRequest{Files: []*corsgatev1.SourceText{file("x.yaml", strings.Replace(shop, "https://shop.example", "https://shop.example/x", 1))}})
	findings := detail[*corsgatev1.Findings](t, err).GetFindings()
	if len(findings) != 1 || findings[0].GetFile() != "x.yaml" || findings[0].GetLine() != 7 || findings[0].GetColumn() != 13 ||
		findings[0].GetField() != "spec.origins[0]" || findings[0].GetSeverity() != "error" || findings[0].GetMend() == "" {
		t.Errorf("findings: %v", findings)
	}
}

// TestOtherSources validates with the documents of other sources, and does not
// hide any of them.
func TestOtherSources(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.inForce(t, "policies/files.yaml", partners+"---\n"+strings.Replace(shop, "name: shop", "name: files", 1))
	_, err := s.apply(t, &corsgatev1.ApplyRequest{Files: []*corsgatev1.SourceText{file("x.yaml", shop)}})
	expect(t, err, connect.CodeInvalidArgument, "policies/files.yaml")
	_, err = s.apply(t, &corsgatev1.ApplyRequest{Files: []*corsgatev1.SourceText{file("x.yaml", partners)}})
	expect(t, err, connect.CodeInvalidArgument, "x.yaml:4:9: metadata.name: CorsOriginSet partners comes from another source already, at policies/files.yaml:4:9")
	if made := s.mustApply(t, pay); made.GetRevision() != 1 {
		t.Errorf("a policy that names a set of the files: %v", made)
	}
}

// TestConflict refuses to undo what the caller has not seen.
func TestConflict(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.mustApply(t, shop+"---\n"+pay+"---\n"+partners)
	s.mustApply(t, shop+"  methods: [GET]\n")
	at := func(revision int64, text string) (*corsgatev1.ApplyResponse, error) {
		return s.apply(t, &corsgatev1.ApplyRequest{Files: []*corsgatev1.SourceText{file("x.yaml", text)}, ExpectedRevision: &revision})
	}
	_, err := at(1, shop+"  methods: [PUT]\n")
	expect(t, err, connect.CodeAborted, "CorsPolicy shop was changed by local:127.0.0.1 in revision 2, after revision 1 that this change was made from")
	conflict := detail[*corsgatev1.Conflict](t, err)
	if conflict.GetRevision() != 2 || len(conflict.GetDocuments()) != 1 || conflict.GetDocuments()[0].GetRevision() != 2 {
		t.Errorf("conflict: %v", conflict)
	}
	if made, err := at(1, pay+"  methods: [PUT]\n"); err != nil || made.GetRevision() != 3 {
		t.Errorf("another document: %v, %v", made, err)
	}
	if made, err := at(3, shop+"  methods: [PUT]\n"); err != nil || made.GetRevision() != 4 {
		t.Errorf("the newest revision: %v, %v", made, err)
	}
	if _, err := s.client.Delete(short(t), connect.NewRequest(&corsgatev1.DeleteRequest{Refs: []*corsgatev1.DocumentRef{{Kind: "CorsPolicy", Name: "shop"}}})); err != nil {
		t.Fatal(err)
	}
	_, err = at(4, shop)
	expect(t, err, connect.CodeAborted, "CorsPolicy shop was changed by local:127.0.0.1 in revision 5")
}

// TestRace lets somebody be faster between reading and writing.
func TestRace(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.mustApply(t, shop+"---\n"+pay+"---\n"+partners)
	disturb := func(text string) {
		s.store.before = func() error {
			s.store.before = nil
			head, err := s.store.Head(t.Context())
			if err == nil {
				_, err = s.store.commit(head, store.Change{Author: "faster", Put: []store.Text{{File: "y", Data: text}}})
			}
			return err
		}
	}
	disturb(pay + "  methods: [GET]\n")
	if made := s.mustApply(t, shop+"  methods: [PUT]\n"); made.GetRevision() != 3 {
		t.Errorf("another document was changed meanwhile: %v", made)
	}
	disturb(shop + "  methods: [DELETE]\n")
	_, err := s.apply(t, &corsgatev1.ApplyRequest{Files: []*corsgatev1.SourceText{file("x", shop)}})
	expect(t, err, connect.CodeAborted, "CorsPolicy shop was changed by faster in revision 4, after revision 3")
	disturb(strings.Replace(partners, "[", "[https://b.partner.example, ", 1))
	edited, err := s.apply(t, &corsgatev1.ApplyRequest{OriginEdits: []*corsgatev1.OriginEdit{{Name: "partners", Add: []string{"https://c.partner.example"}}}})
	if err != nil || edited.GetRevision() != 6 {
		t.Fatalf("%v, %v", edited, err)
	}
	head, _ := s.store.Head(t.Context())
	text, _ := head.Text(store.Key{Kind: "CorsOriginSet", Name: "partners"})
	for _, origin := range []string{"https://a.", "https://b.", "https://c."} {
		if !strings.Contains(text, origin) {
			t.Errorf("%s is lost:\n%s", origin, text)
		}
	}
	// What was made meanwhile makes the change bad.
	disturb(strings.Replace(shop, "name: shop", "name: late", 1) + "---\n" + strings.Replace(shop, "api.shop", "old.shop", 1))
	_, err = s.apply(t, &corsgatev1.ApplyRequest{Files: []*corsgatev1.SourceText{file("x", strings.Replace(shop, "name: shop", "name: mine", 1))}})
	expect(t, err, connect.CodeInvalidArgument, "api.shop.example")
}

// TestStoreErrors says what a store could not do.
func TestStoreErrors(t *testing.T) {
	t.Parallel()
	s := serve(t, func(o *policyservice.Options) {
		o.Self = func() store.Replica {
			return store.Replica{ID: "replica-a", Revision: 1, Since: time.Date(2026, time.May, 4, 3, 2, 1, 0, time.UTC)}
		}
	})
	s.mustApply(t, shop)
	for _, test := range []struct {
		err  error
		code connect.Code
		want string
	}{
		{store.ErrUnavailable, connect.CodeUnavailable, "memory: etcd: the store cannot be reached; nothing was changed; try again"},
		{store.ErrUnknown, connect.CodeUnavailable, "did not say whether the change was made; ask for the history"},
		{store.ErrFull, connect.CodeResourceExhausted, "the store is full; nothing was changed"},
		{store.ErrMoved, connect.CodeAborted, "somebody else was faster 8 times in a row"},
		{errDisturbed, connect.CodeInternal, "the test disturbs"},
	} {
		s.store.before = func() error { return fmt.Errorf("etcd: %w", test.err) }
		_, err := s.apply(t, &corsgatev1.ApplyRequest{Files: []*corsgatev1.SourceText{file("x", pay+"---\n"+partners)}})
		expect(t, err, test.code, test.want)
	}
	s.store.before = nil
	s.store.fail(fmt.Errorf("etcd: %w", store.ErrUnavailable))
	_, err := s.client.List(short(t), connect.NewRequest(&corsgatev1.ListRequest{}))
	expect(t, err, connect.CodeUnavailable, "memory: etcd: the store cannot be reached; try again")
	_, err = s.client.Status(short(t), connect.NewRequest(&corsgatev1.StatusRequest{}))
	expect(t, err, connect.CodeUnavailable, "cannot be reached; try again, and see whether the store runs; until then replica-a goes on with revision 1, in force since 2026-05-04T03:02:01Z")
	if records := s.log.audits(t); records[len(records)-1]["outcome"] != "failed" || records[len(records)-2]["outcome"] != "conflict" {
		t.Errorf("audit records: %v", records)
	}
}

const rolesFile = `apiVersion: corsgate.dev/v1
kind: CorsAccess
metadata: {name: roles}
spec:
  tokens:
  - {name: boss, sha256: %s}
  - {name: shop, sha256: %s}
  - {name: reader, sha256: %s}
  bindings:
  - {subjects: ["token:boss"], role: ADMIN}
  - {subjects: ["token:reader"], role: VIEWER}
  - {subjects: ["token:shop"], role: EDITOR, namespaces: ["-"], hosts: ["*.shop.example"]}
`

// roles is a service with a boss, an editor and a reader.
func roles(t *testing.T) (s *setting, boss, editor, reader corsgatev1connect.PolicyServiceClient) {
	t.Helper()
	var tokens []access.Token
	for range 3 {
		token, err := access.NewToken()
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, token)
	}
	path := filepath.Join(t.TempDir(), "access.yaml")
	if err := os.WriteFile(path, fmt.Appendf(nil, rolesFile, tokens[0].SHA256, tokens[1].SHA256, tokens[2].SHA256), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := access.Open(t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(file.Close)
	s = serve(t, func(o *policyservice.Options) { o.Access = as{file} })
	client := func(i int) corsgatev1connect.PolicyServiceClient {
		return corsgatev1connect.NewPolicyServiceClient(&http.Client{Transport: bearer{tokens[i].Secret, s.server.Client().Transport}}, s.server.URL)
	}
	return s, client(0), client(1), client(2)
}

type bearer struct {
	token string
	next  http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.next.RoundTrip(r)
}

// TestRights is what a bound editor may change, by what it does.
func TestRights(t *testing.T) {
	t.Parallel()
	s, boss, editor, reader := roles(t)
	apply := func(client corsgatev1connect.PolicyServiceClient, request *corsgatev1.ApplyRequest) error {
		_, err := client.Apply(short(t), connect.NewRequest(request))
		return err
	}
	files := func(texts ...string) *corsgatev1.ApplyRequest {
		return &corsgatev1.ApplyRequest{Files: []*corsgatev1.SourceText{file("x.yaml", strings.Join(texts, "---\n"))}}
	}
	if err := apply(boss, files(shop, pay, partners)); err != nil {
		t.Fatal(err)
	}
	mine := strings.Replace(strings.Replace(partners, "partners", "mine", 1), "a.partner", "b.partner", 1)
	for _, step := range []struct {
		what    string
		request *corsgatev1.ApplyRequest
		want    string
	}{
		{"its own policy", files(shop + "  methods: [GET]\n"), ""},
		{"a policy of another host", files(pay + "  methods: [GET]\n"), "token:shop may not change CorsPolicy pay: it decides about the host pay.example"},
		{"its policy to another host", files(strings.Replace(shop, "api.shop.example", "other.example", 1)), "it decides about the host other.example"},
		{"its policy to every host", files(strings.Replace(shop, "  targets: [{hosts: [api.shop.example]}]\n", "", 1)), "it has no targets"},
		{"one of another host to its own", files(strings.Replace(pay, "pay.example", "pay.shop.example", 1)), "it decides about the host pay.example"},
		{"a set that another's policy uses", files(strings.Replace(partners, "a.partner", "evil", 1)), "CorsPolicy pay, which uses it, decides about the host pay.example"},
		{"an origin of that set", &corsgatev1.ApplyRequest{OriginEdits: []*corsgatev1.OriginEdit{{Name: "partners", Add: []string{"https://evil.example"}}}}, "CorsPolicy pay, which uses it, decides about the host pay.example"},
		{"a set of its own", files(mine, strings.Replace(shop, "  origins: [https://shop.example]\n", "  originSets: [mine]\n", 1)), ""},
		{"an origin of its own set", &corsgatev1.ApplyRequest{OriginEdits: []*corsgatev1.OriginEdit{{Name: "mine", Add: []string{"https://c.example"}}}}, ""},
		{"all or nothing", files(shop, pay+"  methods: [GET]\n"), "may not change CorsPolicy pay"},
		{"delete another's", &corsgatev1.ApplyRequest{Delete: []*corsgatev1.DocumentRef{{Kind: "CorsPolicy", Name: "pay"}}}, "it decides about the host pay.example"},
	} {
		err := apply(editor, step.request)
		switch {
		case step.want == "" && err != nil:
			t.Errorf("%s: %v", step.what, err)
		case step.want != "":
			t.Run(step.what, func(t *testing.T) { expect(t, err, connect.CodePermissionDenied, step.want) })
		}
	}
	err := apply(reader, files(shop))
	expect(t, err, connect.CodePermissionDenied, "token:reader may read, and not change anything")
	if _, err := reader.List(short(t), connect.NewRequest(&corsgatev1.ListRequest{})); err != nil {
		t.Error(err)
	}
	_, err = s.client.List(short(t), connect.NewRequest(&corsgatev1.ListRequest{}))
	expect(t, err, connect.CodeUnauthenticated, "without saying who they are")

	// What is left of the editor's after a prune is what it may not change.
	if err := apply(editor, &corsgatev1.ApplyRequest{Files: files(strings.Replace(shop, "name: shop", "name: only", 1)).GetFiles(), Prune: true}); err != nil {
		t.Fatal(err)
	}
	head, _ := s.store.Head(t.Context())
	var left []string
	for record := range head.Records() {
		left = append(left, record.Key.String())
	}
	if diff := cmp.Diff([]string{"CorsOriginSet partners", "CorsPolicy only", "CorsPolicy pay"}, left); diff != "" {
		t.Errorf("left after a prune (-want +got):\n%s", diff)
	}
	// A rollback needs the right on everything that it changes.
	if err := apply(boss, files(pay+"  methods: [GET]\n")); err != nil {
		t.Fatal(err)
	}
	_, err = editor.Rollback(short(t), connect.NewRequest(&corsgatev1.RollbackRequest{Revision: 1}))
	expect(t, err, connect.CodePermissionDenied, "may not change CorsPolicy pay")
	if _, err := boss.Rollback(short(t), connect.NewRequest(&corsgatev1.RollbackRequest{Revision: 1})); err != nil {
		t.Error(err)
	}
	refused := 0
	for _, record := range s.log.audits(t) {
		if record["outcome"] == "refused" {
			refused++
		}
	}
	if refused < 8 {
		t.Errorf("%d audit records of refusals", refused)
	}
}

// TestReadOnly says where to write instead, and reads what is in force.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	s := serve(t, func(o *policyservice.Options) { o.Store = nil })
	s.force.Source = "policies/"
	s.inForce(t, "policies/a.yaml", shop+"  onDisallowedOrigin: PASS\n  maxAge: 10m\n  credentials: true\n---\n"+pay+"---\n"+partners)
	_, err := s.apply(t, &corsgatev1.ApplyRequest{Files: []*corsgatev1.SourceText{file("x", shop)}})
	expect(t, err, connect.CodeFailedPrecondition, "the policies come from policies/, and nothing can be written there through this service; change them where they are")
	if record := s.log.audits(t)[0]; fmt.Sprint(record["what"]) != "[keep x]" || !strings.HasPrefix(fmt.Sprint(record["error"]), "the policies come from policies/") {
		t.Errorf("audit record: %v", record)
	}
	_, err = s.client.History(short(t), connect.NewRequest(&corsgatev1.HistoryRequest{}))
	expect(t, err, connect.CodeFailedPrecondition, "policies/")
	got, err := s.client.Get(short(t), connect.NewRequest(&corsgatev1.GetRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, doc := range got.Msg.GetDocuments() {
		texts = append(texts, doc.GetText())
	}
	before := s.force.Documents
	s.inForce(t, "policies/a.yaml", strings.Join(texts, "---\n"))
	if len(s.force.Documents) != len(before) || s.force.Set.Revision() == "" {
		t.Errorf("the texts read otherwise:\n%s", strings.Join(texts, "---\n"))
	}
	if !strings.Contains(texts[2], "onDisallowedOrigin: PASS\n") {
		t.Errorf("the policy's text:\n%s", texts[2])
	}
	listed, err := s.client.List(short(t), connect.NewRequest(&corsgatev1.ListRequest{Kind: "CorsOriginSet"}))
	if err != nil || len(listed.Msg.GetDocuments()) != 1 || listed.Msg.GetDocuments()[0].GetOrigins() != 1 {
		t.Errorf("%v, %v", listed, err)
	}
	_, err = s.client.Get(short(t), connect.NewRequest(&corsgatev1.GetRequest{Refs: []*corsgatev1.DocumentRef{{Kind: "CorsPolicy", Name: "none"}}}))
	expect(t, err, connect.CodeNotFound, "there is no CorsPolicy none in policies/; corsgate get lists what there is")
}

// TestGuardrails lets no change in that breaks one, and no guardrail that policies
// break; what was broken before keeps nobody from changing something else.
func TestGuardrails(t *testing.T) {
	t.Parallel()
	const guardrail = `apiVersion: corsgate.dev/v1
kind: CorsGuardrail
metadata:
  name: house
spec:
  originSuffixes: [shop.example]
`
	s := serve(t, nil)
	evil := strings.Replace(shop, "https://shop.example", "https://evil.example", 1)
	s.mustApply(t, evil)
	_, err := s.apply(t, &corsgatev1.ApplyRequest{Files: []*corsgatev1.SourceText{file("g.yaml", guardrail)}})
	expect(t, err, connect.CodeInvalidArgument, "memory:shop.CorsPolicy:7:13: spec.origins[0]: ")
	s.mustApply(t, shop, guardrail)
	_, err = s.apply(t, &corsgatev1.ApplyRequest{Files: []*corsgatev1.SourceText{file("x.yaml", evil)}})
	expect(t, err, connect.CodeInvalidArgument, "x.yaml:7:13: spec.origins[0]: ")

	docs, _ := document.Read("policies/old.yaml", []byte(strings.NewReplacer("name: shop", "name: old", "api.shop", "old.shop").Replace(evil)))
	s.mu.Lock()
	s.force.Documents = docs
	s.mu.Unlock()
	made := s.mustApply(t, shop+"  methods: [GET]\n")
	if made.GetRevision() != 3 || !strings.Contains(made.GetDiffText(), "- methods: POST") {
		t.Errorf("beside a policy that is barred: %v", made)
	}
	_, err = s.apply(t, &corsgatev1.ApplyRequest{Files: []*corsgatev1.SourceText{file("x.yaml", evil)}})
	expect(t, err, connect.CodeInvalidArgument, "x.yaml:7:13: ")
}

// TestNamespaces keeps documents of one name in two namespaces apart, and so does
// an editor's binding.
func TestNamespaces(t *testing.T) {
	t.Parallel()
	s, boss, editor, _ := roles(t)
	team := strings.NewReplacer("name: shop", "name: shop\n  namespace: team", "api.shop", "team.shop").Replace(shop)
	for _, text := range []string{shop, team} {
		if _, err := boss.Apply(short(t), connect.NewRequest(&corsgatev1.ApplyRequest{Files: []*corsgatev1.SourceText{file("x", text)}})); err != nil {
			t.Fatal(err)
		}
	}
	_, err := editor.Apply(short(t), connect.NewRequest(&corsgatev1.ApplyRequest{Files: []*corsgatev1.SourceText{file("x", team+"  methods: [GET]\n")}}))
	expect(t, err, connect.CodePermissionDenied, "token:shop may not change CorsPolicy team/shop: it may change nothing in the namespace team")
	head, _ := s.store.Head(t.Context())
	if head.Len() != 2 {
		t.Errorf("%d documents", head.Len())
	}
	for namespace, want := range map[string]int{"": 1, "team": 1, "none": 0} {
		listed, err := boss.List(short(t), connect.NewRequest(&corsgatev1.ListRequest{Namespace: &namespace}))
		if err != nil || len(listed.Msg.GetDocuments()) != want {
			t.Errorf("namespace %q: %v, %v", namespace, listed, err)
		}
	}
}

// TestDifferenceIsBounded says so where comparing would take too long, and makes
// the change all the same.
func TestDifferenceIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("a hundred thousand origins take a while")
	}
	t.Parallel()
	s := serve(t, nil)
	const origins, policies = 100_000, 1001
	var set, names strings.Builder
	set.WriteString(strings.Replace(partners, " [https://a.partner.example]", "", 1))
	for i := range origins {
		fmt.Fprintf(&set, "  - https://a%d.partner.example\n", i)
	}
	for i := range policies {
		names.WriteString(strings.NewReplacer("name: pay", fmt.Sprintf("name: pay%d", i), "pay.example", fmt.Sprintf("pay%d.example", i)).Replace(pay) + "  enforcement: DISABLED\n---\n")
	}
	made := s.mustApply(t, set.String(), names.String())
	if made.GetRevision() != 1 || made.GetDiff() == nil {
		t.Fatalf("the first change: %s", made.GetDiffText())
	}
	edited, err := s.apply(t, &corsgatev1.ApplyRequest{OriginEdits: []*corsgatev1.OriginEdit{{Name: "partners", Add: []string{"https://b.partner.example"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if edited.GetRevision() != 2 || edited.GetDiff() != nil || edited.GetChanges()[0].GetOriginsAdded() != 1 ||
		!strings.HasPrefix(edited.GetDiffText(), "what the change means is not said: 2002") {
		t.Errorf("the second change: %v", edited)
	}
}

// What is judged is what is kept: an edit of a set that the same change writes is not
// hidden by the set as it was written.
func TestEditOfWhatIsWritten(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.mustApply(t, pay, partners)
	_, err := s.apply(t, &corsgatev1.ApplyRequest{
		Files:       []*corsgatev1.SourceText{file("partners.yaml", partners+"    # once more\n")},
		OriginEdits: []*corsgatev1.OriginEdit{{Name: "partners", Add: []string{"x.example"}}},
	})
	expect(t, err, connect.CodeInvalidArgument, `"x.example"`)
}

// counting is a store that counts how often its history is read.
type counting struct {
	*memory

	reads atomic.Int64
}

func (c *counting) Entries(ctx context.Context, query store.Query) ([]store.Entry, bool, error) {
	c.reads.Add(1)
	return c.memory.Entries(ctx, query)
}

// The history is long, and not read for each document that is new.
func TestConflictsReadTheHistoryOnce(t *testing.T) {
	t.Parallel()
	kept := &counting{memory: newMemory()}
	s := serve(t, func(o *policyservice.Options) { o.Store = kept })
	s.mustApply(t, shop)
	s.mustApply(t, partners, pay)
	if n := kept.reads.Load(); n != 0 {
		t.Errorf("the history was read %d times though nobody else changed anything", n)
	}
	several := &corsgatev1.ApplyRequest{ExpectedRevision: new(int64(1))}
	for i := range 20 {
		name := fmt.Sprintf("p%d", i)
		several.Files = append(several.Files, file(name, strings.NewReplacer("name: shop", "name: "+name, "api.", name+".").Replace(shop)))
	}
	if _, err := s.apply(t, several); err != nil {
		t.Fatal(err)
	}
	if n := kept.reads.Load(); n != 1 {
		t.Errorf("the history was read %d times for 20 new documents, want once", n)
	}
}

// Who may write cannot fill the log by what a change names and says.
func TestAuditIsBounded(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	long := strings.Repeat("é", 1<<20)
	for _, request := range []*corsgatev1.ApplyRequest{
		{Files: []*corsgatev1.SourceText{file(long, "spec: [")}},
		{Files: []*corsgatev1.SourceText{file("a.yaml", shop)}, Reason: long},
		{Delete: []*corsgatev1.DocumentRef{{Kind: "CorsPolicy", Name: long}}},
	} {
		if _, err := s.apply(t, request); err == nil {
			t.Error("it was applied")
		}
	}
	for _, record := range s.log.audits(t) {
		if text, err := json.Marshal(record); err != nil || len(text) > 8<<10 {
			t.Errorf("a record has %d bytes: %v", len(text), err)
		}
	}
	if n := len(s.log.audits(t)); n != 3 {
		t.Errorf("there are %d records, want 3", n)
	}
}
