package server

import (
	"context"
	"strconv"
	"sync"
	"testing"

	"google.golang.org/grpc/mem"
)

// onWire returns what gRPC does with one Check, from the bytes that came to those
// that are sent, and without the transport.
func onWire(tb testing.TB, a *authorization) func(input mem.BufferSlice) {
	tb.Helper()
	codec := newCodec(a.calls)
	var current mem.BufferSlice
	decode := func(message any) error { return codec.Unmarshal(current, message) }
	ctx := context.Background()
	return func(input mem.BufferSlice) {
		current = input
		reply, err := a.serve(ctx, decode)
		if err != nil {
			tb.Fatal(err)
		}
		sent, err := codec.Marshal(reply)
		if err != nil || sent.Len() == 0 {
			tb.Fatalf("%d bytes, error %v", sent.Len(), err)
		}
		sent.Free()
	}
}

// inPlace returns what the transport of Checks does with one.
func inPlace(tb testing.TB, a *authorization) func(input []byte) {
	tb.Helper()
	var answer []byte
	return func(input []byte) {
		var err error
		if answer, err = a.respond(answer[:0], input); err != nil || len(answer) == 0 {
			tb.Fatalf("%d bytes, error %v", len(answer), err)
		}
	}
}

func loadBuffers(tb testing.TB) []mem.BufferSlice {
	tb.Helper()
	var out []mem.BufferSlice
	for _, encoded := range loadChecks(tb) {
		out = append(out, mem.BufferSlice{mem.SliceBuffer(encoded)})
	}
	return out
}

func TestCheckDoesNotAllocate(t *testing.T) {
	a := newAuthorization(loadPolicy())
	t.Run("gRPC", func(t *testing.T) { wantNoAllocations(t, loadBuffers(t), onWire(t, a)) })
	t.Run("in place", func(t *testing.T) { wantNoAllocations(t, loadChecks(t), inPlace(t, a)) })
}

func wantNoAllocations[T any](t *testing.T, inputs []T, handle func(T)) {
	t.Helper()
	all := func() {
		for _, input := range inputs {
			handle(input)
		}
	}
	all() // prepares the answers
	allocs := testing.AllocsPerRun(10, all)
	if raceEnabled {
		return // the detector lets pools lose what is put into them
	}
	// A collection may empty the pool of calls.
	if allocs > loadRequests/100 {
		t.Errorf("%v allocations for %d requests", allocs, len(inputs))
	}
}

// A call's memory is used for the next one. Under many calls at once, each gets
// its own answer.
func TestAnswersDoNotMix(t *testing.T) {
	t.Parallel()
	client := start(t, newMemory(loadPolicy()), Options{}).client(t)
	var group sync.WaitGroup
	for worker := range 16 {
		group.Go(func() {
			for i := range 200 {
				origin := "https://" + loadHost(worker*200+i)
				response, err := client.Check(short(t), loadCheck(i&^7, origin))
				if err != nil {
					t.Errorf("%s: %v", origin, err)
					return
				}
				headers := response.GetOkResponse().GetResponseHeadersToAdd()
				if len(headers) == 0 || headers[0].GetHeader().GetValue() != origin {
					t.Errorf("%s gets %v", origin, response)
					return
				}
			}
		})
	}
	group.Wait()
}

// TestRequestInPieces holds that a request may come in more than one buffer.
func TestRequestInPieces(t *testing.T) {
	t.Parallel()
	a := newAuthorization(loadPolicy())
	whole := loadChecks(t)[5]
	want, err := a.answer(t.Context(), whole)
	if err != nil {
		t.Fatal(err)
	}
	codec := newCodec(a.calls)
	for _, cut := range []int{0, 1, 700, len(whole)} {
		t.Run(strconv.Itoa(cut), func(t *testing.T) {
			t.Parallel()
			reply, err := a.serve(t.Context(), func(message any) error {
				pieces := mem.BufferSlice{mem.Copy(whole[:cut], mem.DefaultBufferPool()), mem.Copy(whole[cut:], mem.DefaultBufferPool())}
				defer pieces.Free()
				return codec.Unmarshal(pieces, message)
			})
			if err != nil {
				t.Fatal(err)
			}
			sent, err := codec.Marshal(reply)
			if err != nil {
				t.Fatal(err)
			}
			defer sent.Free()
			if got := sent.Materialize(); string(got) != string(want) {
				t.Errorf("answer %q, want %q", got, want)
			}
		})
	}
}

// A recording pool shows when a request is given back, and spoils it then, as its
// next user would.
type spoilingPool struct{ returned int }

func (p *spoilingPool) Get(length int) *[]byte { fresh := make([]byte, length); return &fresh }

func (p *spoilingPool) Put(buffer *[]byte) {
	p.returned++
	for i := range *buffer {
		(*buffer)[i] = '!'
	}
}

// Nothing of a request is read after it was given back: neither the answer nor
// the log shows what is in its place then.
func TestRequestIsGivenBack(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		request []byte
		fails   bool
	}{
		"decided":   {loadChecks(t)[5], false},
		"malformed": {append(make([]byte, 2000), 0xff), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAuthorization(loadPolicy())
			want, _ := a.answer(t.Context(), test.request)
			pool := &spoilingPool{}
			input := append([]byte(nil), test.request...)
			codec := newCodec(a.calls)
			reply, err := a.serve(t.Context(), func(message any) error {
				data := mem.BufferSlice{mem.NewBuffer(&input, pool)}
				defer data.Free()
				return codec.Unmarshal(data, message)
			})
			if (err != nil) != test.fails {
				t.Fatalf("error %v", err)
			}
			if pool.returned != 1 {
				t.Errorf("the request was given back %d times", pool.returned)
			}
			if test.fails {
				return
			}
			sent, err := codec.Marshal(reply)
			if err != nil {
				t.Fatal(err)
			}
			defer sent.Free()
			if got := sent.Materialize(); string(got) != string(want) {
				t.Errorf("answer %q, want %q", got, want)
			}
		})
	}
}
