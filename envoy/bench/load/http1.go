package load

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// HTTP1 asks in HTTP/1.1, one request at a time on each connection.
type HTTP1 struct {
	// Requests are whole requests, without a body, asked in turn.
	Requests [][]byte
	// Status is what each answer must have.
	Status int
}

var _ Dialect = (*HTTP1)(nil)

// Open implements [Dialect].
func (h *HTTP1) Open(connection int) (session Session, preface []byte) {
	return &http1Session{dialect: h, next: spread(connection, len(h.Requests))}, nil
}

// spread is where a connection begins among n questions.
func spread(connection, n int) int {
	const stride = 1031 // A prime, so that connections stay apart.
	return connection * stride % n
}

type http1Session struct {
	dialect  *HTTP1
	next     int
	waiting  bool
	intended int64
}

func (s *http1Session) Room() bool { return !s.waiting }

func (s *http1Session) Ask(dst []byte, intended int64) []byte {
	request := s.dialect.Requests[s.next]
	if s.next++; s.next == len(s.dialect.Requests) {
		s.next = 0
	}
	s.waiting, s.intended = true, intended
	return append(dst, request...)
}

var errUnasked = errors.New("the server answered what was not asked")

func (s *http1Session) Hear(data, dst []byte, done func(int64, error)) (int, []byte, error) {
	head := bytes.Index(data, []byte("\r\n\r\n"))
	if head < 0 {
		return 0, dst, nil
	}
	if !s.waiting {
		return 0, dst, errUnasked
	}
	status, length, err := readHead(data[:head+len("\r\n")])
	if err != nil {
		return 0, dst, err
	}
	whole := head + len("\r\n\r\n") + length
	if len(data) < whole {
		return 0, dst, nil
	}
	s.waiting = false
	var wrong error
	if status != s.dialect.Status {
		wrong = fmt.Errorf("the status is %d, not %d: %q", status, s.dialect.Status, data[:whole])
	}
	done(s.intended, wrong)
	return whole, dst, nil
}

// readHead returns an answer's status and the length of its body.
func readHead(head []byte) (status, length int, err error) {
	const statusAt, statusEnd = len("HTTP/1.1 "), len("HTTP/1.1 200")
	if len(head) < statusEnd || !bytes.HasPrefix(head, []byte("HTTP/1.1 ")) {
		return 0, 0, fmt.Errorf("this is not HTTP/1.1: %q", head)
	}
	if status, err = strconv.Atoi(string(head[statusAt:statusEnd])); err != nil {
		return 0, 0, fmt.Errorf("read the status: %w", err)
	}
	// Envoy writes header names in lower case.
	const name = "\r\ncontent-length: "
	_, rest, found := bytes.Cut(head, []byte(name))
	if !found {
		if bytes.Contains(head, []byte("\r\ntransfer-encoding:")) {
			return 0, 0, errors.New("the server sends chunks, which this client does not read")
		}
		return status, 0, nil
	}
	value, _, _ := bytes.Cut(rest, []byte("\r\n"))
	if length, err = strconv.Atoi(string(value)); err != nil {
		return 0, 0, fmt.Errorf("read the length of the body: %w", err)
	}
	return status, length, nil
}
