package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

func TestTables(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	before := func(past time.Duration) *timestamppb.Timestamp { return timestamppb.New(now.Add(-past)) }
	ref := func(kind, namespace, name string) *corsgatev1.DocumentRef {
		return &corsgatev1.DocumentRef{Kind: kind, Namespace: namespace, Name: name}
	}
	fleet := &corsgatev1.StatusResponse{Revision: 12, Changed: before(90 * time.Second), Replicas: []*corsgatev1.Replica{
		{Id: "corsgate-0", Address: "10.0.0.7:9192", Version: "v1.2.3", Revision: 12, Since: before(80 * time.Second), Seen: before(time.Second)},
		{
			Id: "corsgate-1", Version: "v1.2.3", Revision: 9, Since: before(26 * time.Hour), Seen: before(4 * time.Second), Lag: durationpb.New(88 * time.Second),
			Problem: "the policies are invalid:\nCorsPolicy shop/a: it breaks a guardrail",
		},
	}}
	for name, test := range map[string]struct {
		write func(*bytes.Buffer) error
		want  string
	}{
		"documents": {
			func(b *bytes.Buffer) error {
				return writeDocumentTable(b, []*corsgatev1.Document{
					{Ref: ref(kindOriginSet, "shop", "partners"), Revision: 12, Changed: before(3 * time.Minute), Author: "sso:alice@shop.example", Origins: 1000001},
					{Ref: ref(kindPolicy, "", "fonts"), Revision: 1, Changed: before(400 * 24 * time.Hour)},
				}, now)
			},
			`KIND           NAME           REVISION  CHANGED     BY                      ORIGINS
CorsOriginSet  shop/partners        12  3m ago      sso:alice@shop.exam…  1,000,001
CorsPolicy     fonts                 1  2025-10-23  -
`,
		},
		"history": {
			func(b *bytes.Buffer) error {
				return writeHistoryTable(b, []*corsgatev1.HistoryEntry{
					{
						Revision: 12, Time: before(5 * time.Hour), Author: "ci", Reason: "two\nlines \x1b[2J", RolledBackTo: 3,
						Changes: []*corsgatev1.DocumentChange{
							{Ref: ref(kindOriginSet, "shop", "partners"), Change: corsgatev1.ChangeKind_CHANGE_KIND_UPDATED, OriginsAdded: 1200, OriginsRemoved: 1},
							{Ref: ref(kindPolicy, "", "a"), Change: corsgatev1.ChangeKind_CHANGE_KIND_DELETED},
							{Ref: ref(kindPolicy, "", "b"), Change: corsgatev1.ChangeKind_CHANGE_KIND_DELETED},
							{Ref: ref(kindPolicy, "", "c"), Change: corsgatev1.ChangeKind_CHANGE_KIND_DELETED},
							{Ref: ref(kindPolicy, "", "d"), Change: corsgatev1.ChangeKind_CHANGE_KIND_DELETED},
							{Ref: ref(kindPolicy, "", "e"), Change: corsgatev1.ChangeKind_CHANGE_KIND_DELETED},
						},
					},
					{Revision: 11, Time: before(2 * 24 * time.Hour), Changes: []*corsgatev1.DocumentChange{
						{Ref: ref(kindOriginSet, "", "one"), Change: corsgatev1.ChangeKind_CHANGE_KIND_CREATED, OriginsAdded: 1},
					}},
				}, now)
			},
			`REVISION  WHEN    WHO  WHAT                                                    WHY
      12  5h ago  ci   back to revision 3                                      two lines ` + "\ufffd" + `[2J
                       updated CorsOriginSet shop/partners, +1,200 -1 origins
                       deleted CorsPolicy a
                       deleted CorsPolicy b
                       deleted CorsPolicy c
                       and 2 other documents
      11  2d ago  -    created CorsOriginSet one, +1 origin                    -
`,
		},
		"status": {
			func(b *bytes.Buffer) error {
				return (&statusOptions{output: newChoice(outputText)}).write(b, fleet, now)
			},
			`newest revision 12, made 1m ago, not served by 1 of 2 replicas
REPLICA     ADDRESS        VERSION  REVISION  SINCE   SEEN    LAG
corsgate-0  10.0.0.7:9192  v1.2.3         12  1m ago  1s ago  -
corsgate-1  -              v1.2.3          9  1d ago  4s ago  1m28s
corsgate-1: the policies are invalid:
  CorsPolicy shop/a: it breaks a guardrail
`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			if err := test.write(&b); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, b.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What YAML would take for something else stays a text.
func TestWriteYAML(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	value := struct {
		Texts  []string `json:"texts"`
		Number int      `json:"number"`
		None   []string `json:"none"`
	}{[]string{"true", "12", "null", "2026-01-02", "a: b", "", "# no", "two\nlines"}, 12, []string{}}
	if err := writeYAML(&b, &value); err != nil {
		t.Fatal(err)
	}
	want := `texts:
  - "true"
  - "12"
  - "null"
  - "2026-01-02"
  - 'a: b'
  - ""
  - '# no'
  - |-
    two
    lines
number: 12
none: []
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
