package parts

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

func TestReadFrame(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, want, wantErr string }{
		{"2:{}rest", "{}", ""},
		{"0:", "", ""},
		{"3:{}", "", "unexpected EOF"},
		{"", "", "length: EOF"},
		{"-1:x", "", `length: "-1:"`},
		{"x:{}", "", `length: "x:"`},
		{"99999999999:{}", "", "length"},
	} {
		got, err := readFrame(bufio.NewReader(strings.NewReader(tt.in)))
		switch {
		case tt.wantErr == "" && (err != nil || string(got) != tt.want):
			t.Errorf("%q: got %q, %v; want %q", tt.in, got, err, tt.want)
		case tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)):
			t.Errorf("%q: the error is %v, want %q", tt.in, err, tt.wantErr)
		}
	}
}

func TestReadAnswer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, want, wantErr string }{
		{`[1,7,null,{"value":1}]`, `{"value":1}`, ""},
		{`[1,7,{"error":"no such window","message":"it closed"},null]`, "", "Do it: no such window: it closed"},
		{`[1,8,null,{}]`, "", "another command"},
		{`[1,7]`, "", "read Firefox's answer to Do it"},
		{`{}`, "", "read Firefox's answer to Do it"},
		{`[1,7,"x",{}]`, "", "read Firefox's answer to Do it"},
	} {
		got, err := readAnswer([]byte(tt.in), 7, "Do it")
		switch {
		case tt.wantErr == "" && (err != nil || string(got) != tt.want):
			t.Errorf("%s: got %s, %v; want %s", tt.in, got, err, tt.want)
		case tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)):
			t.Errorf("%s: the error is %v, want %q", tt.in, err, tt.wantErr)
		}
	}
}

// TestMarionetteGivesUp talks to one that greets and then says nothing more.
func TestMarionetteGivesUp(t *testing.T) {
	t.Parallel()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	heard := make(chan string, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "2:{}")
		text := make([]byte, len(`12:[0,1,"x",{}]`))
		_, _ = io.ReadFull(conn, text)
		heard <- string(text)
		_, _ = io.Copy(io.Discard, conn) // until the client closes
	}()
	m, err := dialMarionette(t.Context(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer m.close()
	ctx, cancel := context.WithCancelCause(t.Context())
	bored := errors.New("waited enough")
	done := make(chan error, 1)
	go func() {
		_, err := m.call(ctx, "x", map[string]any{})
		done <- err
	}()
	if got := <-heard; got != `12:[0,1,"x",{}]` {
		t.Errorf("sent %s", got)
	}
	cancel(bored)
	if err := <-done; !errors.Is(err, bored) {
		t.Errorf("the error is %v, want %v", err, bored)
	}
}
