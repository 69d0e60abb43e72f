package kubernetes

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/settle"
	"github.com/corsgate/corsgate/policy/source"
)

// What is said on an object, by what became of the snapshot that held it.
func TestJudge(t *testing.T) {
	t.Parallel()
	e := read(resources()[0], object(t, storefront), nil)
	set, _ := policy.Compile([]policy.Document{*e.document}, policy.Options{})
	at := policy.Position{File: e.file}
	warning := policy.Problem{Severity: policy.SeverityWarning, Code: "odd", Position: at, Reason: "it is odd"}
	breach := policy.Problem{Severity: policy.SeverityWarning, Code: "guardrail_x", Guardrail: "house", Position: at, Reason: "it is forbidden"}
	fault := policy.Problem{Code: "wrong", Position: at, Field: "spec.origins", Reason: "it is wrong", Mend: "mend it"}
	other := policy.Problem{Code: "other", Position: policy.Position{File: "other"}, Reason: "another is wrong"}
	aside := policy.Problem{Severity: policy.SeverityWarning, Code: settle.CodeSetAside, Position: at, Reason: "it was set aside"}
	for _, c := range []struct {
		name     string
		problems policy.Problems
		rejected bool
		// absent says that the snapshot lacks the object, before that one was in force
		// that had it.
		absent, before          bool
		accepted, reason, wants string
	}{
		{name: "good", accepted: "True", reason: "in_force", wants: "in force"},
		{name: "odd", problems: policy.Problems{warning}, accepted: "True", reason: "in_force", wants: "in force, with warnings:\nwarning: it is odd [odd]"},
		{name: "barred", problems: policy.Problems{warning, breach}, accepted: "False", reason: "guardrail_x", wants: "warning: it is forbidden [guardrail_x]"},
		{name: "wrong", problems: policy.Problems{fault}, rejected: true, accepted: "False", reason: "wrong", wants: "spec.origins: it is wrong; mend it [wrong]"},
		{name: "set aside", problems: policy.Problems{aside, warning}, accepted: "False", reason: "odd", wants: "warning: it was set aside [document_set_aside]\nwarning: it is odd [odd]"},
		{name: "another is wrong", problems: policy.Problems{other}, rejected: true, accepted: "False", reason: "not_in_force", wants: "another is wrong [other]"},
		{name: "another is wrong later", problems: policy.Problems{other}, rejected: true, before: true, accepted: "True", reason: "in_force", wants: "in force"},
		{name: "hidden", problems: policy.Problems{warning}, absent: true, accepted: "False", reason: "hidden", wants: "it is odd"},
		{name: "not told of", absent: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := &StatusWriter{news: make(chan struct{}, 1)}
			snapshot := source.Snapshot{Documents: []policy.Document{*e.document}}
			if c.before {
				w.Report(snapshot, nil, set)
			}
			if c.absent {
				snapshot.Documents = nil
			}
			in := set
			if c.rejected {
				in = nil
			}
			w.Report(snapshot, c.problems, in)
			got, ok := w.latest.judge(e)
			if ok != (c.accepted != "") || got.accepted != c.accepted || got.reason != c.reason || !strings.Contains(got.message, c.wants) {
				t.Errorf("%t: %+v", ok, got)
			}
		})
	}
}

// An object that changed since the report is left for the next one.
func TestJudgeLater(t *testing.T) {
	t.Parallel()
	e := read(resources()[0], object(t, storefront), nil)
	older := *e.document
	older.Message = proto.Clone(older.Message)
	set, _ := policy.Compile([]policy.Document{older}, policy.Options{})
	w := &StatusWriter{news: make(chan struct{}, 1)}
	w.Report(source.Snapshot{Documents: []policy.Document{older}}, nil, set)
	if got, ok := w.latest.judge(e); ok {
		t.Errorf("it says %+v", got)
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	many := make(policy.Problems, 1000)
	for i := range many {
		many[i] = policy.Problem{Code: "wrong", Position: policy.Position{File: "f"}, Reason: strings.Repeat("x", 100)}
	}
	if got := lines(many); !strings.HasSuffix(got, "\nand 900 more") || len(got) > maxMessage {
		t.Errorf("%d bytes that end with %q", len(got), got[len(got)-20:])
	}
	for i := range many {
		many[i].Reason = strings.Repeat("x", 10_000)
	}
	if got := lines(many); !strings.HasSuffix(got, "\nand 997 more") || len(got) > maxMessage {
		t.Errorf("%d bytes that end with %q", len(got), got[len(got)-20:])
	}
}
