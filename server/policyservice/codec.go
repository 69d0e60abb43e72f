package policyservice

import (
	"errors"
	"fmt"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// strictJSON reads and writes messages as JSON (the JSON mapping of protobuf). A
// field that it does not know is an error: a request that is half understood
// would do something else than it says.
type strictJSON struct{ name string }

var _ connect.Codec = strictJSON{}

var errNotMessage = errors.New("not a message")

// Name is what the content type calls it.
func (c strictJSON) Name() string { return c.name }

// Marshal writes a message.
func (c strictJSON) Marshal(value any) ([]byte, error) {
	message, ok := value.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("write %T: %w", value, errNotMessage)
	}
	return protojson.MarshalOptions{}.Marshal(message)
}

// Unmarshal reads a message.
func (c strictJSON) Unmarshal(data []byte, value any) error {
	message, ok := value.(proto.Message)
	if !ok {
		return fmt.Errorf("read %T: %w", value, errNotMessage)
	}
	if len(data) == 0 {
		return errors.New("the body is empty; send a JSON object, such as {}")
	}
	return protojson.UnmarshalOptions{}.Unmarshal(data, message)
}
