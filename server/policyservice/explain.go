package policyservice

import (
	"bytes"
	"context"
	"errors"
	"net/url"

	"connectrpc.com/connect"

	"github.com/corsgate/corsgate/policy/explain"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// Explain implements the service.
func (s *Service) Explain(ctx context.Context, request *connect.Request[corsgatev1.ExplainRequest]) (*connect.Response[corsgatev1.ExplainResponse], error) {
	m := request.Msg
	values := url.Values{}
	for name, value := range map[string]string{
		"origin": m.GetOrigin(), "url": m.GetUrl(), "method": m.GetMethod(), "policy-name": m.GetPolicy(),
	} {
		if value != "" {
			values.Set(name, value)
		}
	}
	for _, header := range m.GetHeaders() {
		values.Add("header", header)
	}
	if m.GetCredentials() {
		values.Set("credentials", "true")
	}
	question, err := explain.ParseQuestion(values)
	if err != nil {
		return nil, connect.NewError(connect.CodeInvalidArgument, err)
	}
	release, err := s.take(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	force := s.options.InForce()
	if force.Set == nil {
		return nil, connect.NewError(connect.CodeUnavailable, errors.New("policies are not loaded yet"))
	}
	options := s.options.Policy
	options.Now = s.options.Now()
	explanation, err := explain.Explain(explain.Policies{Set: force.Set, Documents: force.Documents, Options: options}, question)
	if err != nil {
		return nil, connect.NewError(connect.CodeInternal, err)
	}
	var text bytes.Buffer
	if err := explanation.WriteText(&text, explain.Style{}); err != nil {
		return nil, connect.NewError(connect.CodeInternal, err)
	}
	shape, err := structOf(explanation)
	if err != nil {
		return nil, connect.NewError(connect.CodeInternal, err)
	}
	return connect.NewResponse(&corsgatev1.ExplainResponse{Text: text.String(), Explanation: shape}), nil
}
