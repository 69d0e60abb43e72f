package e2e_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"
)

// TestWebSocket makes real handshakes. Browsers let any page open a WebSocket to
// any host, so the refusals here are all the protection there is.
func TestWebSocket(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"envoy.yaml", "envoy-routes.yaml"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			h := build(t, plan{file: file})
			c := h.client(t, http1)
			for _, tt := range []struct {
				name, path, origin string
				opened             bool
				reason             string
			}{
				{"an origin allowed", "/v1/socket", shop, true, "origin_allowed"},
				{"its own origin", "/v1/socket", "http://api.shop.example", true, "same_origin"},
				{"its own origin, TLS ended before Envoy", "/v1/socket", "https://api.shop.example", true, "same_origin"},
				{"no origin, so no browser", "/v1/socket", "", true, ""},
				{"methods do not matter", "/wide/socket", shop, true, "origin_allowed"},
				{"an origin not allowed", "/v1/socket", foreign, false, "origin_not_allowed"},
				{"null", "/v1/socket", "null", false, "origin_null"},
				{"an excluded origin", "/v1/socket", "https://legacy.shop.example", false, "origin_excluded"},
				{"a malformed origin", "/v1/socket", "https://shop.example/", false, "origin_malformed"},
				{"no policy", "/elsewhere/socket", shop, false, "no_policy"},
				{"PASS is not for WebSockets", "/lenient/socket", foreign, false, "origin_not_allowed"},
				{"REPORT_ONLY", "/observed/socket", foreign, true, "origin_not_allowed"},
			} {
				t.Run(tt.name, func(t *testing.T) {
					got, id, body := c.handshake(t, tt.path, tt.origin)
					want := answer{http.StatusSwitchingProtocols, fromService, true}
					if !tt.opened {
						want = answered(http.StatusForbidden, refused)
						expectProblem(t, body, tt.reason)
					}
					expect(t, got, want)
					if line := h.logged(t, id); line.Reason != tt.reason {
						t.Errorf("the access log says %q, want %q", line.Reason, tt.reason)
					}
				})
			}
		})
	}
}

// handshake opens a WebSocket, and sends a message to and fro if it opened.
func (c *client) handshake(t *testing.T, path, origin string) (got answer, id, body string) {
	t.Helper()
	id = c.house.newID()
	header := http.Header{requestID: {id}}
	if origin != "" {
		header.Set("Origin", origin)
	}
	conn, resp, err := websocket.Dial(t.Context(), "ws://api.shop.example"+path+"?"+id, &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: c.transport},
		HTTPHeader: header,
	})
	if resp == nil {
		t.Fatal(err)
	}
	if err == nil {
		exchangeMessage(t, conn)
	} else {
		text, readErr := io.ReadAll(resp.Body)
		if readErr != nil {
			t.Fatal(readErr)
		}
		body = string(text)
	}
	return answer{resp.StatusCode, relevant(resp.Header), c.house.service.reached(id) > 0}, id, body
}

func exchangeMessage(t *testing.T, conn *websocket.Conn) {
	t.Helper()
	defer conn.CloseNow()
	const message = "hello"
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(message)); err != nil {
		t.Fatal(err)
	}
	_, back, err := conn.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(message, string(back)); diff != "" {
		t.Errorf("the echo differs (-want +got):\n%s", diff)
	}
	if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
}
