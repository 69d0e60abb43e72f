package server

import (
	"fmt"
	"net/http"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/corsgate/corsgate/policy"
)

// This file answers a decision the plain way, through protobuf's messages. What
// the server writes is held against it.

// writeResponse turns a decision into what Envoy understands.
func writeResponse(d *policy.Decision, revision string) (*authv3.CheckResponse, error) {
	switch d.Action {
	case policy.ActionForward:
		headers, err := writeHeaders(d.Headers(), appendAction)
		if err != nil {
			return nil, err
		}
		return &authv3.CheckResponse{
			Status: &rpcstatus.Status{Code: int32(codes.OK)},
			HttpResponse: &authv3.CheckResponse_OkResponse{
				OkResponse: &authv3.OkHttpResponse{ResponseHeadersToAdd: headers},
			},
			DynamicMetadata: decisionMetadata(d, revision),
		}, nil

	case policy.ActionRefuse, policy.ActionAnswer:
		code := d.Status()
		if code < minStatus || code > maxStatus {
			return nil, fmt.Errorf("writing status %d: %w", code, errBadStatus)
		}
		headers, err := writeHeaders(d.Headers(), overwriteAlways)
		if err != nil {
			return nil, err
		}
		return &authv3.CheckResponse{
			Status: &rpcstatus.Status{Code: int32(codes.PermissionDenied)},
			HttpResponse: &authv3.CheckResponse_DeniedResponse{
				DeniedResponse: &authv3.DeniedHttpResponse{
					Status:  &typev3.HttpStatus{Code: typev3.StatusCode(code)},
					Headers: headers,
					Body:    d.Body(),
				},
			},
			DynamicMetadata: decisionMetadata(d, revision),
		}, nil

	default:
		return nil, fmt.Errorf("writing action %d: %w", d.Action, errUnknownAction)
	}
}

// writeHeaders returns the headers as Envoy's options, in their order.
func writeHeaders(headers []policy.Header, action headerAction) ([]*corev3.HeaderValueOption, error) {
	var out []*corev3.HeaderValueOption
	for _, header := range headers {
		how, err := action(header.Write)
		if err != nil {
			return nil, fmt.Errorf("writing header %s: %w", header.Name, err)
		}
		out = append(out, &corev3.HeaderValueOption{
			Header:       &corev3.HeaderValue{Key: header.Name, Value: header.Value},
			AppendAction: how,
		})
	}
	return out, nil
}

// complete says whether a response is one that Envoy cannot misread. To Envoy
// an empty CheckResponse is an allow, and so is one without a status.
func complete(resp *authv3.CheckResponse) bool {
	if resp.GetStatus() == nil {
		return false
	}
	if resp.GetStatus().GetCode() == int32(codes.OK) {
		return resp.GetOkResponse() != nil
	}
	return resp.GetDeniedResponse().GetStatus().GetCode() >= http.StatusOK
}

// decisionMetadata says what was decided and by what.
func decisionMetadata(d *policy.Decision, revision string) *structpb.Struct {
	fields := map[string]*structpb.Value{}
	add := func(name, text string) {
		if text != "" {
			fields[name] = structpb.NewStringValue(strings.ToValidUTF8(text, "\ufffd"))
		}
	}
	add("verdict", d.Verdict.String())
	add("reason", d.Reason.String())
	add("kind", d.Kind.String())
	add("revision", revision)
	if d.Policy != nil {
		add("policy", d.Policy.Name)
		if d.Policy.Enforcement != policy.EnforcementEnforce {
			add("enforcement", d.Policy.Enforcement.String())
		}
	}
	if rule, ok := d.Rule(); ok {
		add("rule", rule.Field)
		add("position", rule.Position.String())
	} else if d.Policy != nil {
		add("position", d.Policy.Position.String())
	}
	return &structpb.Struct{Fields: map[string]*structpb.Value{
		metadataKey: structpb.NewStructValue(&structpb.Struct{Fields: fields}),
	}}
}
