package scene

import (
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/document"
)

// TestChecks wants questions that differ, of the size and number of headers that
// the documentation gives.
func TestChecks(t *testing.T) {
	t.Parallel()
	for _, headers := range []int{5, CheckHeaders, 100} {
		messages, err := MarshalledChecks(Checks, 10_000, headers)
		if err != nil {
			t.Fatal(err)
		}
		seen := make(map[string]bool, len(messages))
		bytes := 0
		for _, message := range messages {
			seen[string(message)] = true
			bytes += len(message)
			var check authv3.CheckRequest
			if err := proto.Unmarshal(message, &check); err != nil {
				t.Fatal(err)
			}
			got := check.GetAttributes().GetRequest().GetHttp().GetHeaders()
			if len(got) < headers-1 || len(got) > headers+1 {
				t.Fatalf("%d headers, want %d: %v", len(got), headers, got)
			}
		}
		if len(seen) != Checks {
			t.Errorf("%d different questions, want %d", len(seen), Checks)
		}
		mean := bytes / len(messages)
		t.Logf("%d headers: %d bytes", headers, mean)
		if headers == CheckHeaders && (mean < 1400 || mean > 1600) {
			t.Errorf("a question has %d bytes, want about 1,500", mean)
		}
	}
}

// TestPolicies wants policies without a problem, which decide what the questions
// are about.
func TestPolicies(t *testing.T) {
	t.Parallel()
	docs, problems := document.Read("policies.yaml", append(Policies(), OriginSet(100, 10)...))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	set, problems := policy.Compile(docs, policy.Options{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, row := range []struct {
		name    string
		request policy.Request
		want    policy.Verdict
	}{
		{"an origin of the set", policy.Request{Origin: Origin(99)}, policy.VerdictAllow},
		{"one behind it", policy.Request{Origin: Origin(100)}, policy.VerdictDeny},
		{"a stranger", policy.Request{Origin: Stranger(1)}, policy.VerdictDeny},
	} {
		row.request.Method, row.request.Host, row.request.Path, row.request.Scheme = "GET", Host(3), "/v1/orders", "https"
		if got := set.Decide(&row.request); got.Verdict != row.want {
			t.Errorf("%s: %s (%s), want %s", row.name, got.Verdict, got.Reason, row.want)
		}
	}
	if _, problems := policy.Compile(TeamDocuments(100), policy.Options{}); len(problems) > 0 {
		t.Error(problems)
	}
	if _, problems := policy.Compile(OriginDocuments(100, 10), policy.Options{}); len(problems) > 0 {
		t.Error(problems)
	}
}
