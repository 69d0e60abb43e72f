package conformance_test

import (
	"context"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// goroutineSlack is how many goroutines more there may be after an attack than
// before, for what Go's runtime or the metrics may have begun meanwhile.
const goroutineSlack = 3

// attack lets do what it wants to a server of its own, and holds that meanwhile the
// server goes on to answer others, that it never has more memory resident than a
// bound above what it had, and that nothing of the attack is left in it.
func attack(t *testing.T, memory int, do func(t *testing.T, server *corsgate)) {
	t.Helper()
	server := startCorsgate(t)
	neighbour := newNeighbour(t, server.listen)
	neighbour.ask(t, 100) // so that what is made once is made
	server.goroutines()
	before, resident := server.goroutines(), server.resetPeak()

	neighbour.start(t)
	do(t, server)
	neighbour.stop(t)

	if grown := server.peak() - resident; grown > memory {
		t.Errorf("the server's memory has grown by %d KiB, more than %d", grown>>10, memory>>10)
	}
	server.hangUp()
	eventually(t, "the goroutines of the attack end", func() bool { return server.goroutines() <= before+goroutineSlack })
}

// dial connects until hangUp.
func (c *corsgate) dial(tb testing.TB, options peerOptions) *peer {
	tb.Helper()
	p := dial(tb, c.listen, options)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.peers = append(c.peers, p)
	return p
}

// hangUp closes the connections that dial has made.
func (c *corsgate) hangUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.peers {
		_ = p.conn.Close()
	}
	c.peers = nil
}

// resetPeak makes peak begin anew, and returns what is resident.
func (c *corsgate) resetPeak() int {
	c.tb.Helper()
	file := "/proc/" + strconv.Itoa(c.command.Process.Pid) + "/clear_refs"
	if err := os.WriteFile(file, []byte("5"), 0o600); err != nil {
		c.tb.Fatal(err)
	}
	return c.status("VmRSS:")
}

// peak is the most that was resident.
func (c *corsgate) peak() int {
	c.tb.Helper()
	return c.status("VmHWM:")
}

// A neighbour is another client of a server that is attacked.
type neighbour struct {
	client authv3.AuthorizationClient
	cancel context.CancelFunc
	ended  sync.WaitGroup
	asked  chan struct{}
}

func newNeighbour(t *testing.T, address string) *neighbour {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &neighbour{client: authv3.NewAuthorizationClient(conn)}
}

// ask makes calls, one after the other.
func (n *neighbour) ask(t *testing.T, calls int) {
	t.Helper()
	for range calls {
		if !n.once(t, t.Context()) {
			t.FailNow()
		}
	}
}

func (n *neighbour) once(t *testing.T, ctx context.Context) bool {
	t.Helper()
	bound, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	response, err := n.client.Check(bound, request(goodOrigin, "/"))
	switch {
	case ctx.Err() != nil:
		return false
	case err != nil:
		t.Errorf("a neighbour's call fails: %v", err)
		return false
	case !grants(response, goodOrigin):
		t.Errorf("a neighbour's call is answered %v", response)
		return false
	}
	return true
}

// start asks on and on until stop.
func (n *neighbour) start(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	n.cancel, n.asked = cancel, make(chan struct{}, 1)
	n.ended.Go(func() {
		for n.once(t, ctx) {
			select {
			case n.asked <- struct{}{}:
			default:
			}
		}
		close(n.asked)
	})
}

// stop holds that two more calls are answered, of which one began after all that
// came before.
func (n *neighbour) stop(t *testing.T) {
	t.Helper()
	for range 3 { // one may have been kept from before
		<-n.asked
	}
	n.cancel()
	n.ended.Wait()
	http.DefaultClient.CloseIdleConnections()
}
