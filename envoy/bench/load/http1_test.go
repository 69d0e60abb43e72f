package load

import (
	"strings"
	"testing"
)

func TestHTTP1(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, answer string
		used         int
		wrong, err   string
	}{
		{name: "a body", answer: "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nvary: Origin\r\n\r\n{}", used: 54},
		{name: "no body", answer: "HTTP/1.1 200 OK\r\nvary: Origin\r\n\r\n", used: 33},
		{name: "the next answer behind it", answer: "HTTP/1.1 200 OK\r\n\r\nHTTP/", used: 19},
		{name: "half a head", answer: "HTTP/1.1 200 OK\r\ncontent-le"},
		{name: "half a body", answer: "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}"},
		{name: "another status", answer: "HTTP/1.1 403 Forbidden\r\n\r\n", used: 26, wrong: "the status is 403, not 200"},
		{name: "chunks", answer: "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", err: "the server sends chunks"},
		{name: "something else", answer: "SSH-2.0-OpenSSH\r\n\r\n", err: "this is not HTTP/1.1"},
		{name: "a status that is none", answer: "HTTP/1.1 2x0 OK\r\n\r\n", err: "read the status"},
		{name: "a length that is none", answer: "HTTP/1.1 200 OK\r\ncontent-length: two\r\n\r\n", err: "read the length"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			session, _ := (&HTTP1{Requests: [][]byte{[]byte("GET / HTTP/1.1\r\n\r\n")}, Status: 200}).Open(0)
			if got := string(session.Ask(nil, 7)); got != "GET / HTTP/1.1\r\n\r\n" || session.Room() {
				t.Errorf("asked %q, room %v", got, session.Room())
			}
			done := 0
			used, _, err := session.Hear([]byte(row.answer), nil, func(intended int64, wrong error) {
				done++
				if intended != 7 || !says(wrong, row.wrong) {
					t.Errorf("answered %d with %v, want 7 with %q", intended, wrong, row.wrong)
				}
			})
			if used != row.used || !says(err, row.err) {
				t.Errorf("used %d, %v; want %d, %q", used, err, row.used, row.err)
			}
			if answered := row.used > 0; session.Room() != answered || (done == 1) != answered {
				t.Errorf("room %v, done %d", session.Room(), done)
			}
		})
	}
}

func TestHTTP1Unasked(t *testing.T) {
	t.Parallel()
	session, _ := (&HTTP1{Requests: [][]byte{[]byte("x")}, Status: 200}).Open(0)
	if _, _, err := session.Hear([]byte("HTTP/1.1 200 OK\r\n\r\n"), nil, nil); !says(err, "not asked") {
		t.Errorf("the error is %v", err)
	}
}

// says reports whether an error has a text in it, or is nil where that is empty.
func says(err error, text string) bool {
	if text == "" || err == nil {
		return text == "" && err == nil
	}
	return strings.Contains(err.Error(), text)
}
