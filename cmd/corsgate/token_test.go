package main

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/server/access"
)

// TestToken puts a token's entry into an access file as it was printed, and shows
// the token.
func TestToken(t *testing.T) {
	got := run(t, "", "token", "ci-shop", "--expires", "2999-01-31")
	if got.Code != exitOK || got.Err != "" {
		t.Fatalf("%+v", got)
	}
	parts := strings.Split(got.Out, "\n\n")
	if len(parts) != 5 {
		t.Fatalf("output:\n%s", got.Out)
	}
	secret, entry := parts[1], parts[3]+"\n"
	path := filepath.Join(t.TempDir(), "access.yaml")
	text := "apiVersion: corsgate.dev/v1\nkind: CorsAccess\nmetadata: {name: access}\nspec:\n  tokens:\n" + entry
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := access.Open(t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	defer file.Close()
	request := httptest.NewRequest(http.MethodPost, "/", nil)
	request.Header.Set("Authorization", "Bearer "+secret)
	if caller, err := file.Authenticate(request); err != nil || caller.Name != "token:ci-shop" {
		t.Errorf("%v, %v", caller, err)
	}
	if !strings.Contains(entry, `expires: "2999-01-31T00:00:00Z"`) || strings.Contains(entry, secret) {
		t.Errorf("entry:\n%s", entry)
	}
}

func TestTokenAsJSON(t *testing.T) {
	got := run(t, "", "token", "ci", "-o", "json")
	var made madeToken
	if err := json.Unmarshal([]byte(got.Out), &made); err != nil || got.Code != exitOK {
		t.Fatalf("%+v, %v", got, err)
	}
	if made.Name != "ci" || len(made.SHA256) != 64 || !strings.HasPrefix(made.Token, "corsgate_") || made.Expires != "" {
		t.Errorf("%+v", made)
	}
}

func TestTokenErrors(t *testing.T) {
	for want, args := range map[string][]string{
		"token takes one argument, and got 0":                       {"token"},
		`no token can be called "Ci Shop": "Ci Shop" is not a name`: {"token", "Ci Shop"},
		`--expires is "soon"; write a duration`:                     {"token", "ci", "--expires", "soon"},
		`--expires is "2020-01-31", which is over already`:          {"token", "ci", "--expires", "2020-01-31"},
	} {
		if got := run(t, "", args...); got.Code != exitUsage || !strings.Contains(got.Err, want) || got.Out != "" {
			t.Errorf("%q: %+v, want %q", args, got, want)
		}
	}
}
