package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// events is what `go test -json` prints, shortened.
const events = `{"Action":"start"}
{"Action":"run","Test":"TestErrorReplies"}
{"Action":"output","Test":"TestErrorReplies","Output":"fine\n"}
{"Action":"pass","Test":"TestErrorReplies/HTTP/2"}
{"Action":"pass","Test":"TestErrorReplies"}
{"Action":"output","Test":"TestSkip/HTTP/2","Output":"    the answer differs\n"}
{"Action":"fail","Test":"TestSkip/HTTP/2"}
{"Action":"fail","Test":"TestSkip"}
{"Action":"skip","Test":"TestLong"}
{"Action":"run","Test":"TestCrashed"}
{"Action":"output","Output":"exit status 2\n"}
{"Action":"fail"}
`

func TestTable(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	first, err := readEvents("1.36.4", strings.NewReader(events), &log)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("    the answer differs\nexit status 2\n", log.String()); diff != "" {
		t.Errorf("what failed differs (-want +got):\n%s", diff)
	}
	second := result{version: "1.40.0", ended: map[string]string{"TestErrorReplies": "pass", "TestCrashed": "pass"}}

	var out strings.Builder
	if err := writeTable(&out, []result{first, second}); err != nil {
		t.Fatal(err)
	}
	const want = `| tests | 1.36.4 | 1.40.0 |
| --- | --- | --- |
| crashed | **FAIL** | pass |
| error replies | pass | pass |
| long | skipped | **FAIL** |
| skip | **FAIL** | **FAIL** |
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("the table differs (-want +got):\n%s", diff)
	}
}

func TestBrokenEvents(t *testing.T) {
	t.Parallel()
	if _, err := readEvents("1.40.0", strings.NewReader("no JSON"), new(strings.Builder)); err == nil {
		t.Error("no error for output that is no JSON")
	}
}

func TestTitle(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"TestSkip":             "skip",
		"TestRestartUnderLoad": "restart under load",
		"TestWebSocket":        "web socket",
		"TestHTTPSOnly":        "https only",
	} {
		if got := title(name); got != want {
			t.Errorf("title(%q) = %q, want %q", name, got, want)
		}
	}
}
