package fleet_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// checkTimeout is how long an answer may take on a busy machine; that of Envoy is
// a matter of its configuration.
const checkTimeout = 10 * time.Second

// allowed asks a replica whether an origin may call. What is neither an allowance
// with the CORS headers nor a refusal without them is an error.
func (r *replica) allowed(ctx context.Context, origin string, opts ...grpc.CallOption) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	answer, err := r.checks.Check(ctx, &authv3.CheckRequest{Attributes: &authv3.AttributeContext{Request: &authv3.AttributeContext_Request{
		Http: &authv3.AttributeContext_HttpRequest{
			Method: "GET", Scheme: "https", Host: "api.shop.example", Path: "/v1/orders", Headers: map[string]string{"origin": origin},
		},
	}}}, opts...)
	if err != nil {
		return false, fmt.Errorf("ask %s: %w", r.id, err)
	}
	headers := answer.GetOkResponse().GetResponseHeadersToAdd()
	if answer.GetDeniedResponse() != nil {
		headers = answer.GetDeniedResponse().GetHeaders()
	}
	grant := grants(headers, origin)
	switch code := codes.Code(answer.GetStatus().GetCode()); {
	case code == codes.OK && answer.GetOkResponse() != nil && grant:
		return true, nil
	case code == codes.PermissionDenied && answer.GetDeniedResponse() != nil && !grant:
		return false, nil
	}
	return false, fmt.Errorf("%s answers %s with %v", r.id, origin, answer) //nolint:err113 // for the test's log
}

func grants(headers []*corev3.HeaderValueOption, origin string) bool {
	for _, header := range headers {
		if header.GetHeader().GetKey() == "access-control-allow-origin" || header.GetHeader().GetKey() == "Access-Control-Allow-Origin" {
			return header.GetHeader().GetValue() == origin
		}
	}
	return false
}

// A load asks for decisions all the time, as Envoy does with a cluster of three
// replicas: where one cannot be reached it asks the next. What must be let in is,
// what must not is not, and a request that nobody answers is lost.
type load struct {
	asked, elsewhere atomic.Int64

	mu   sync.Mutex
	lost []error

	stop func()
}

// loadPause lies between two requests of one client.
const loadPause = 5 * time.Millisecond

// startLoad starts some clients. A replica that cannot be reached is an error
// unless mayFail says that the next one may answer.
func (f *fleet) startLoad(t *testing.T, mayFail bool) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{}
	var clients sync.WaitGroup
	for i := range f.replicas {
		clients.Go(func() { l.run(ctx, f.replicas, i, mayFail) })
	}
	l.stop = func() { cancel(); clients.Wait() }
	t.Cleanup(l.stop)
	return l
}

func (l *load) run(ctx context.Context, replicas []*replica, first int, mayFail bool) {
	ticker := time.NewTicker(loadPause)
	defer ticker.Stop()
	for i := first; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		origin, want := shop, true
		if i%2 == 1 {
			origin, want = stranger, false
		}
		if err := l.one(ctx, replicas, i, origin, want, mayFail); err != nil && ctx.Err() == nil {
			l.mu.Lock()
			l.lost = append(l.lost, err)
			l.mu.Unlock()
		}
	}
}

func (l *load) one(ctx context.Context, replicas []*replica, first int, origin string, want, mayFail bool) error {
	tries := 1
	if mayFail {
		tries = len(replicas)
	}
	var err error
	for try := range tries {
		var got bool
		got, err = replicas[(first+try)%len(replicas)].allowed(ctx, origin)
		if err == nil {
			l.asked.Add(1)
			if got != want {
				return fmt.Errorf("%s was answered %v", origin, got) //nolint:err113 // for the test's log
			}
			return nil
		}
		if status.Code(err) != codes.Unavailable {
			return err
		}
		l.elsewhere.Add(1)
	}
	return err
}

// end stops the load, and fails the test where a request was lost or answered
// wrongly.
func (l *load) end(t *testing.T) {
	t.Helper()
	l.stop()
	for i, err := range l.lost {
		if i == 5 {
			t.Errorf("and %d more", len(l.lost)-i)
			break
		}
		t.Errorf("a request was lost: %v", err)
	}
	if l.asked.Load() == 0 {
		t.Error("there was no load at all")
	}
}
