package policyservice_test

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strings"
	"testing"
)

// A small request that unpacks to a large one is unpacked no further than it takes to
// see that it is too large.
func TestRequestThatUnpacksToMore(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	for name, test := range map[string]struct {
		text, want string
		code       int
	}{
		"larger than a question": {strings.Repeat(" ", 64<<20), "message size 4194305 is larger than configured max 4194304", http.StatusTooManyRequests},
		"as large as one":        {strings.Repeat(" ", 4<<20-2) + "{}", "{}", http.StatusOK},
		"cut short":              {"", "unexpected EOF", http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var packed bytes.Buffer
			to := gzip.NewWriter(&packed)
			if _, err := to.Write([]byte(test.text)); err != nil {
				t.Fatal(err)
			}
			if err := to.Close(); err != nil {
				t.Fatal(err)
			}
			body := packed.String()
			if test.text == "" {
				body = body[:12]
			}
			code, text := s.post(t, "List", "application/json", body, "Content-Encoding", "gzip")
			if code != test.code || !strings.Contains(text, test.want) {
				t.Errorf("it said %d %q, want %d %q", code, text, test.code, test.want)
			}
		})
	}
}
