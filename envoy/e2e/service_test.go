package e2e_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
)

// A service is what stands behind Envoy. It sends wrong CORS headers with
// everything, and remembers which requests have reached it.
type service struct {
	server *httptest.Server

	mu   sync.Mutex
	seen map[string]int
}

// requestID is the header by which a test knows its request again.
const requestID = "X-Test-Id"

func startService(t *testing.T) *service {
	t.Helper()
	s := &service{seen: make(map[string]int)}
	s.server = httptest.NewServer(s)
	t.Cleanup(s.server.Close)
	return s
}

func (s *service) address() string { return s.server.Listener.Addr().String() }

// reached counts the requests of an id.
func (s *service) reached(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[id]
}

// ServeHTTP answers by the last segment of the path.
func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.seen[r.Header.Get(requestID)]++
	s.mu.Unlock()

	header := w.Header()
	header.Set("X-Service", "here")
	switch path := r.URL.Path; {
	case strings.HasSuffix(path, "/silent"):
		w.WriteHeader(http.StatusOK)
	case strings.HasSuffix(path, "/fail"):
		sendWrongCORS(header)
		w.WriteHeader(http.StatusInternalServerError)
	case strings.HasSuffix(path, "/timing"):
		sendWrongCORS(header)
		header.Set("Timing-Allow-Origin", "https://service.example")
		w.WriteHeader(http.StatusOK)
	case strings.HasSuffix(path, "/hang"):
		<-r.Context().Done()
	case strings.HasSuffix(path, "/socket"):
		sendWrongCORS(header)
		echo(w, r)
	default:
		sendWrongCORS(header)
		w.WriteHeader(http.StatusOK)
	}
}

func sendWrongCORS(header http.Header) {
	header.Set("Vary", "Accept-Encoding")
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("Access-Control-Allow-Credentials", "true")
	header.Set("Access-Control-Allow-Methods", "*")
	header.Set("Access-Control-Allow-Headers", "*")
	header.Set("Access-Control-Expose-Headers", "*")
	header.Set("Access-Control-Max-Age", "999")
	header.Set("Access-Control-Allow-Private-Network", "true")
}

// echo sends back the first message of a WebSocket. Like most services it does
// not look at Origin.
func echo(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return
	}
	defer conn.CloseNow()
	kind, message, err := conn.Read(r.Context())
	if err != nil {
		return
	}
	if err := conn.Write(r.Context(), kind, message); err != nil {
		return
	}
	// The client closes; the error says so.
	_, _, _ = conn.Read(r.Context())
}
