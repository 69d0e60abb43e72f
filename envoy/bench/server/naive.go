package main

import (
	"context"
	"fmt"
	"os"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/document"
)

// A naive decides as corsgate does, but takes the request from its message and
// makes a new message for each answer: what one would write first.
type naive struct {
	authv3.UnimplementedAuthorizationServer

	set *policy.Set
}

var _ authv3.AuthorizationServer = (*naive)(nil)

func newNaive(files []string) (*naive, error) {
	var docs []policy.Document
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read policies: %w", err)
		}
		read, problems := document.Read(file, data)
		if len(problems.Errors()) > 0 {
			return nil, problems
		}
		docs = append(docs, read...)
	}
	set, problems := policy.Compile(docs, policy.Options{})
	if set == nil {
		return nil, problems
	}
	return &naive{set: set}, nil
}

func (n *naive) Check(_ context.Context, check *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	http := check.GetAttributes().GetRequest().GetHttp()
	headers := http.GetHeaders()
	extensions := check.GetAttributes().GetContextExtensions()
	decision := n.set.Decide(&policy.Request{
		Method: http.GetMethod(), Scheme: http.GetScheme(), Host: http.GetHost(), Path: http.GetPath(),
		Origin: headers["origin"], Upgrade: headers["upgrade"],
		RequestMethod: headers["access-control-request-method"], RequestHeaders: headers["access-control-request-headers"],
		FetchSite: headers["sec-fetch-site"], FetchMode: headers["sec-fetch-mode"],
		PrivateNetwork: headers["access-control-request-private-network"] == "true",
		PolicyName:     extensions["corsgate.policy"], RouteVaries: extensions["corsgate.vary"] == "route",
	})
	return n.answer(&decision), nil
}

func (n *naive) answer(d *policy.Decision) *authv3.CheckResponse {
	var options []*corev3.HeaderValueOption
	for _, header := range d.Headers() {
		option := &corev3.HeaderValueOption{
			Header:       &corev3.HeaderValue{Key: header.Name, Value: header.Value},
			AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
		}
		if d.Action == policy.ActionForward {
			switch header.Write {
			case policy.WriteAppend:
				option.AppendAction = corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD
			case policy.WriteReplace:
				option.AppendAction = corev3.HeaderValueOption_OVERWRITE_IF_EXISTS
			default:
			}
		}
		options = append(options, option)
	}
	response := &authv3.CheckResponse{DynamicMetadata: n.metadata(d)}
	if d.Action == policy.ActionForward {
		response.Status = &rpcstatus.Status{Code: int32(codes.OK)}
		response.HttpResponse = &authv3.CheckResponse_OkResponse{OkResponse: &authv3.OkHttpResponse{ResponseHeadersToAdd: options}}
		return response
	}
	response.Status = &rpcstatus.Status{Code: int32(codes.PermissionDenied)}
	response.HttpResponse = &authv3.CheckResponse_DeniedResponse{DeniedResponse: &authv3.DeniedHttpResponse{
		Status:  &typev3.HttpStatus{Code: typev3.StatusCode(d.Status())},
		Headers: options,
		Body:    d.Body(),
	}}
	return response
}

// metadata is what Envoy can log.
func (n *naive) metadata(d *policy.Decision) *structpb.Struct {
	fields := map[string]*structpb.Value{
		"verdict":  structpb.NewStringValue(d.Verdict.String()),
		"reason":   structpb.NewStringValue(d.Reason.String()),
		"kind":     structpb.NewStringValue(d.Kind.String()),
		"revision": structpb.NewStringValue(n.set.Revision()),
	}
	if d.Policy != nil {
		fields["policy"] = structpb.NewStringValue(d.Policy.Name)
		if d.Policy.Enforcement != policy.EnforcementEnforce {
			fields["enforcement"] = structpb.NewStringValue(d.Policy.Enforcement.String())
		}
	}
	if rule, ok := d.Rule(); ok {
		fields["rule"] = structpb.NewStringValue(rule.Field)
		fields["position"] = structpb.NewStringValue(rule.Position.String())
	}
	return &structpb.Struct{Fields: map[string]*structpb.Value{
		"cors": structpb.NewStructValue(&structpb.Struct{Fields: fields}),
	}}
}
