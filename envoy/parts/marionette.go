package parts

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// maxMarionette bounds one message of Firefox's.
const maxMarionette = 64 << 20

// A marionette is a connection to Firefox's own remote control: JSON arrays, each
// behind its length in bytes and a colon
// (https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html).
// It is not safe for use by several goroutines.
type marionette struct {
	conn net.Conn
	in   *bufio.Reader
	last int
}

func dialMarionette(ctx context.Context, address string) (*marionette, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect to Firefox: %w", err)
	}
	m := &marionette{conn: conn, in: bufio.NewReader(conn)}
	if _, err := m.receive(ctx); err != nil { // Firefox speaks first.
		m.close()
		return nil, fmt.Errorf("greet Firefox: %w", err)
	}
	return m, nil
}

func (m *marionette) close() { m.conn.Close() }

// call runs one command and returns its result.
func (m *marionette) call(ctx context.Context, command string, params map[string]any) (json.RawMessage, error) {
	m.last++
	text, err := json.Marshal([]any{0, m.last, command, params})
	if err != nil {
		return nil, fmt.Errorf("write the command %s: %w", command, err)
	}
	if _, err := fmt.Fprintf(m.conn, "%d:%s", len(text), text); err != nil {
		return nil, fmt.Errorf("tell Firefox to %s: %w", command, err)
	}
	text, err = m.receive(ctx)
	if err != nil {
		return nil, fmt.Errorf("tell Firefox to %s: %w", command, err)
	}
	return readAnswer(text, m.last, command)
}

// receive reads one message. It gives up with ctx.
func (m *marionette) receive(ctx context.Context) ([]byte, error) {
	stop := context.AfterFunc(ctx, func() {
		// A deadline in the past ends the read that is under way.
		if err := m.conn.SetReadDeadline(time.Unix(1, 0)); err != nil {
			m.conn.Close()
		}
	})
	defer stop()
	text, err := readFrame(m.in)
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return text, err
}

func readFrame(in *bufio.Reader) ([]byte, error) {
	head, err := in.ReadString(':')
	if err != nil {
		return nil, fmt.Errorf("read a message's length: %w", err)
	}
	size, err := strconv.Atoi(strings.TrimSuffix(head, ":"))
	if err != nil || size < 0 || size > maxMarionette {
		return nil, fmt.Errorf("read a message's length: %q", head)
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(in, text); err != nil {
		return nil, fmt.Errorf("read a message: %w", err)
	}
	return text, nil
}

// readAnswer takes an answer apart: its type, the command's number, an error or
// null, and the result.
func readAnswer(text []byte, number int, command string) (json.RawMessage, error) {
	var parts []json.RawMessage
	if err := json.Unmarshal(text, &parts); err != nil || len(parts) != 4 {
		return nil, fmt.Errorf("read Firefox's answer to %s: %.200q", command, text)
	}
	if string(parts[1]) != strconv.Itoa(number) {
		return nil, fmt.Errorf("read Firefox's answer to %s: it is to another command: %.200q", command, text)
	}
	var failure *struct{ Error, Message string }
	if err := json.Unmarshal(parts[2], &failure); err != nil {
		return nil, fmt.Errorf("read Firefox's answer to %s: %w", command, err)
	}
	if failure != nil {
		return nil, fmt.Errorf("tell Firefox to %s: %w", command, errors.New(failure.Error+": "+failure.Message))
	}
	return parts[3], nil
}
