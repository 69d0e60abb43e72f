package server

import (
	"errors"
	"fmt"
	"net/http"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"

	"github.com/corsgate/corsgate/policy"
)

// Why a decision cannot be sent. Each is a defect in this program; the caller
// turns it into a gRPC error, so that it is never an allow.
var (
	errUnknownAction = errors.New("the decision asks for an action that is not known")
	errUnknownWrite  = errors.New("the decision has a header with a write mode that is not known")
	errBadStatus     = errors.New("the decision answers with a status that HTTP does not have")
	errIncomplete    = errors.New("the response says neither allow nor deny")
)

// The statuses that HTTP has (RFC 9110, section 15), without the interim ones.
const (
	minStatus = 200
	maxStatus = 599
)

// writeResponse turns a decision into what Envoy understands. Each header
// carries an explicit append_action: what Envoy does without one differs
// between its versions, and the deprecated `append` field makes it drop headers
// of denied responses silently.
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
			// Any code but OK makes Envoy send the denied response; a preflight's
			// 204 is one too.
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

// writeHeaders returns the headers as Envoy's options, in their order. It
// allocates all of them at once.
func writeHeaders(
	headers []policy.Header,
	action func(policy.WriteMode) (corev3.HeaderValueOption_HeaderAppendAction, error),
) ([]*corev3.HeaderValueOption, error) {
	if len(headers) == 0 {
		return nil, nil
	}
	values := make([]corev3.HeaderValue, len(headers))
	options := make([]corev3.HeaderValueOption, len(headers))
	out := make([]*corev3.HeaderValueOption, len(headers))
	for i := range headers {
		header := &headers[i]
		how, err := action(header.Write)
		if err != nil {
			return nil, fmt.Errorf("writing header %s: %w", header.Name, err)
		}
		values[i].Key, values[i].Value = header.Name, header.Value
		options[i].Header, options[i].AppendAction = &values[i], how
		out[i] = &options[i]
	}
	return out, nil
}

// appendAction returns how a header of the service's own response meets ours.
func appendAction(mode policy.WriteMode) (corev3.HeaderValueOption_HeaderAppendAction, error) {
	switch mode {
	case policy.WriteSet:
		return corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD, nil
	case policy.WriteAppend:
		return corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD, nil
	case policy.WriteReplace:
		return corev3.HeaderValueOption_OVERWRITE_IF_EXISTS, nil
	default:
		return 0, fmt.Errorf("write mode %d: %w", mode, errUnknownWrite)
	}
}

// overwriteAlways is for answers in the service's place: there is nothing beside
// which a header could stand, and Envoy starts from an empty response.
func overwriteAlways(policy.WriteMode) (corev3.HeaderValueOption_HeaderAppendAction, error) {
	return corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD, nil
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
