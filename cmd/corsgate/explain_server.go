package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/corsgate/corsgate/policy/explain"
	"github.com/corsgate/corsgate/server"
)

const (
	// askTimeout is how long a server may take to explain: with a million origins
	// it compiles for a while.
	askTimeout = 30 * time.Second
	// maxExplanation is how much of a server's answer is read.
	maxExplanation = 16 << 20
)

// askServer has a question answered by a running corsgate, through its admin
// listener.
func askServer(ctx context.Context, address string, question *explain.Question) (*explain.Explanation, error) {
	address = strings.TrimSuffix(strings.TrimPrefix(address, "http://"), "/")
	if server.CheckAddress(address) != nil {
		return nil, usagef("--server %q is not an address; write host:port, as in %s, or unix:///path", address, defaultAdmin)
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	host := address
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	if path, ok := strings.CutPrefix(address, unixPrefix); ok {
		host = "localhost"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}
	}
	where := url.URL{Scheme: "http", Host: host, Path: "/explain", RawQuery: question.Values().Encode()}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, where.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", address, err)
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return nil, fmt.Errorf("no corsgate can be asked at %s: %s", address, whyUnreachable(err))
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxExplanation))
	if err != nil {
		return nil, fmt.Errorf("reading what %s answers: %w", address, err)
	}
	return readExplanation(address, response, body)
}

// readExplanation reads a server's answer.
func readExplanation(address string, response *http.Response, body []byte) (*explain.Explanation, error) {
	said := strings.TrimSpace(string(body))
	if i := strings.IndexByte(said, '\n'); i >= 0 {
		said = said[:i]
	}
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return nil, fmt.Errorf("what answers at %s knows no /explain: it is another program, or an older corsgate", address)
	case http.StatusRequestHeaderFieldsTooLarge:
		return nil, fmt.Errorf("the question is too long for %s; name fewer headers", address)
	default:
		return nil, fmt.Errorf("corsgate at %s does not explain (status %d): %s", address, response.StatusCode, said)
	}
	explanation := &explain.Explanation{}
	if err := json.Unmarshal(body, explanation); err != nil {
		return nil, fmt.Errorf("what answers at %s is not corsgate's admin listener: reading the explanation: %w", address, err)
	}
	return explanation, nil
}
