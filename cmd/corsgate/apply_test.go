package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// Before --prune removes something, it is shown and asked for; and what was shown
// is what will be done.
func TestPruneAsks(t *testing.T) {
	t.Parallel()
	deleted := &corsgatev1.DocumentChange{
		Ref: &corsgatev1.DocumentRef{Kind: kindPolicy, Namespace: "shop", Name: "old"}, Change: corsgatev1.ChangeKind_CHANGE_KIND_DELETED,
	}
	created := &corsgatev1.DocumentChange{
		Ref: &corsgatev1.DocumentRef{Kind: kindPolicy, Name: "new"}, Change: corsgatev1.ChangeKind_CHANGE_KIND_CREATED,
	}
	const question = "CorsPolicy shop/old\nRemove 1 document? [y/N] "
	for name, test := range map[string]struct {
		changes []*corsgatev1.DocumentChange
		answer  string
		agreed  bool
		shown   string
	}{
		"yes":               {[]*corsgatev1.DocumentChange{created, deleted}, "y\n", true, question},
		"the whole word":    {[]*corsgatev1.DocumentChange{deleted}, " YES \n", true, question},
		"no":                {[]*corsgatev1.DocumentChange{deleted}, "n\n", false, question},
		"nothing":           {[]*corsgatev1.DocumentChange{deleted}, "\n", false, question},
		"nobody":            {[]*corsgatev1.DocumentChange{deleted}, "", false, question},
		"nothing to remove": {[]*corsgatev1.DocumentChange{created}, "", true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service := &standIn{apply: func(r *corsgatev1.ApplyRequest) (*corsgatev1.ApplyResponse, error) {
				if !r.GetDryRun() || !r.GetPrune() {
					t.Errorf("asked before anybody agreed: %v", r)
				}
				return &corsgatev1.ApplyResponse{Revision: 8, Changed: true, Changes: test.changes}, nil
			}}
			options := applyOptions{changeOptions: newChangeOptions()}
			command := newApply(streams{io.Discard, io.Discard})
			options.client.server.value = service.start(t)
			asked, err := options.client.connect(command.Flags())
			if err != nil {
				t.Fatal(err)
			}
			defer asked.close()
			request := &corsgatev1.ApplyRequest{Prune: true}
			var shown bytes.Buffer
			agreed, err := options.agree(t.Context(), strings.NewReader(test.answer), streams{io.Discard, &shown}, asked, request)
			if agreed != test.agreed || agreed != (err == nil) || err != nil && !errors.Is(err, errNotAgreed) {
				t.Errorf("agreed: %v, %v", agreed, err)
			}
			if diff := cmp.Diff(test.shown, shown.String()); diff != "" {
				t.Errorf("shown (-want +got):\n%s", diff)
			}
			if request.GetDryRun() || request.ExpectedRevision == nil || request.GetExpectedRevision() != 8 {
				t.Errorf("then it asks for %v", request)
			}
		})
	}
}
