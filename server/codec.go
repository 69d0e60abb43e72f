package server

import (
	"sync"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"

	"github.com/corsgate/corsgate/policy"
)

const (
	// newOutputBytes is how large an answer's buffer is at first. Most answers
	// take less than a thousand bytes; gRPC does not pool buffers as small.
	newOutputBytes = 2 << 10
	// maxOutputBytes is up to which size a buffer is used again.
	maxOutputBytes = 64 << 10
)

// A codec hands calls of Check the bytes that came and takes the bytes that
// answer; the messages of every other service it leaves to gRPC's own codec.
type codec struct {
	others encoding.CodecV2
	calls  *calls
}

var _ encoding.CodecV2 = (*codec)(nil)

func newCodec(calls *calls) *codec {
	return &codec{others: encoding.GetCodecV2(proto.Name), calls: calls}
}

// Name is that of the codec for protobuf, whose bytes these are.
func (c *codec) Name() string { return proto.Name }

// Unmarshal gives a call its request, which it keeps until it is released.
func (c *codec) Unmarshal(data mem.BufferSlice, message any) error {
	call, ok := message.(*call)
	if !ok {
		return c.others.Unmarshal(data, message) //nolint:wrapcheck // in place of gRPC's own codec
	}
	if call.input != nil {
		call.input.Free() // a second message, after which gRPC fails the call
	}
	call.input = data.MaterializeToBuffer(mem.DefaultBufferPool())
	return nil
}

// Marshal returns a call's answer. The call is used again when gRPC has sent it.
func (c *codec) Marshal(message any) (mem.BufferSlice, error) {
	call, ok := message.(*call)
	if !ok {
		return c.others.Marshal(message) //nolint:wrapcheck // in place of gRPC's own codec
	}
	call.sent[0] = mem.NewBuffer(&call.output, call)
	return call.sent[:], nil
}

// A call is one Check, from the bytes of the request to those of the answer. It
// is all the memory that a Check needs of ours, and is used again and again.
type call struct {
	home *calls
	// input is the request, until the answer is written.
	input mem.Buffer
	// request may hold views of input.
	request policy.Request
	// output is the answer.
	output []byte
	// sent is the list of buffers that gRPC gets. The list is free when its one
	// buffer is: whoever has given up the buffer has no more use for the list.
	sent [1]mem.Buffer
}

var _ mem.BufferPool = (*call)(nil)

// forget gives the request back. Nothing of it may be read from then on.
func (c *call) forget() {
	if c.input != nil {
		c.input.Free()
		c.input = nil
	}
	c.request = policy.Request{}
}

// Get is part of [mem.BufferPool], and never called: a call is the pool of its
// own answer alone.
func (c *call) Get(length int) *[]byte {
	fresh := make([]byte, length)
	return &fresh
}

// Put takes the answer back when gRPC has sent it.
func (c *call) Put(*[]byte) { c.home.put(c) }

// calls are those that wait to be used again.
type calls struct{ pool sync.Pool }

func newCalls() *calls { return &calls{} }

func (p *calls) get() *call {
	if c, ok := p.pool.Get().(*call); ok {
		return c
	}
	return &call{home: p, output: make([]byte, 0, newOutputBytes)}
}

func (p *calls) put(c *call) {
	c.forget()
	if cap(c.output) <= maxOutputBytes {
		p.pool.Put(c)
	}
}
