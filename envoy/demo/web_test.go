package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestPagesKnowTheTable checks that either page carries every call of the table,
// with what is expected there.
func TestPagesKnowTheTable(t *testing.T) {
	t.Parallel()
	files, err := loadAssets()
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{shopHost, evilHost} {
		body := get(t, newWeb(files, testAddresses()), http.MethodGet, "http://"+host+":8000/").Body.String()
		_, data, _ := strings.Cut(body, `<script type="application/json" id="demo">`)
		data, _, _ = strings.Cut(data, "</script>")
		var page struct {
			API   string     `json:"api"`
			Calls []pageCall `json:"calls"`
		}
		if err := json.Unmarshal([]byte(data), &page); err != nil {
			t.Fatalf("%s: %v\n%s", host, err, data)
		}
		if page.API != "http://api.localhost:10000" || len(page.Calls) != len(calls()) {
			t.Errorf("%s: %d calls to %s", host, len(page.Calls), page.API)
		}
		for i, c := range calls() {
			want := map[string]bool{shopHost: c.Shop.Through, evilHost: c.Foreign.Through}[host]
			if got := page.Calls[i]; got.ID != c.ID || got.Through != want {
				t.Errorf("%s: call %d is %q, let through %t; want %q, %t", host, i, got.ID, got.Through, c.ID, want)
			}
		}
		if title := "<title>" + host; !strings.Contains(body, title) {
			t.Errorf("%s: the page has no %s", host, title)
		}
	}
}

// TestTheServiceIsWrong checks what the demo is about: without a gate, the
// service lets anyone in.
func TestTheServiceIsWrong(t *testing.T) {
	t.Parallel()
	files, err := loadAssets()
	if err != nil {
		t.Fatal(err)
	}
	api := newAPI(files)
	for method, want := range map[string]int{http.MethodGet: http.StatusOK, http.MethodOptions: http.StatusOK, http.MethodPost: http.StatusMethodNotAllowed} {
		reply := get(t, api, method, "http://"+apiHost+"/v1/items")
		if reply.Code != want {
			t.Errorf("%s: status %d, want %d", method, reply.Code, want)
		}
		for name, value := range map[string]string{
			"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Credentials": "true",
			"Access-Control-Allow-Methods": "*", "Access-Control-Allow-Headers": "*",
		} {
			if got := reply.Header().Get(name); got != value {
				t.Errorf("%s: %s is %q, want %q", method, name, got, value)
			}
		}
	}
}

func get(t *testing.T, handler http.Handler, method, address string) *httptest.ResponseRecorder {
	t.Helper()
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), method, address, nil))
	return recorder
}
