package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/corsgate/corsgate/policy/explain"
)

// maxExplanation is how much of a server's answer is read.
const maxExplanation = 16 << 20

// askServer has a question answered by a running corsgate, through its admin
// listener.
func askServer(ctx context.Context, asked *client, question *explain.Question) (*explain.Explanation, error) {
	ctx, cancel := context.WithTimeout(ctx, asked.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, asked.base+"/explain?"+question.Values().Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", asked.server, err)
	}
	response, err := asked.web.Do(request)
	if err != nil {
		return nil, asked.unreachable(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxExplanation))
	if err != nil {
		return nil, fmt.Errorf("reading what %s answers: %w", asked.server, err)
	}
	return readExplanation(asked.server, response, body)
}

// readExplanation reads a server's answer.
func readExplanation(address string, response *http.Response, body []byte) (*explain.Explanation, error) {
	said := sanitize(strings.TrimSpace(string(body)))
	if i := strings.IndexByte(said, '\n'); i >= 0 {
		said = said[:i]
	}
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusBadRequest:
		if strings.Contains(said, "HTTP request to an HTTPS server") {
			return nil, (&foreignError{said: said}).at(address)
		}
		return nil, fmt.Errorf("corsgate at %s does not explain: %s", address, said)
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
