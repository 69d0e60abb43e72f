package server

import (
	"errors"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"github.com/google/go-cmp/cmp"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/policy"
)

func TestWriteResponseNeverFallsThrough(t *testing.T) {
	t.Parallel()
	current := newAuthorization(shopPolicy).policies.live.Load()
	for action := policy.ActionForward + 1; action != 0; action++ {
		d := &policy.Decision{Action: action, Verdict: policy.VerdictAllow}
		answer, err := current.appendAnswer(nil, d, &outcome{})
		if answer != nil || !errors.Is(err, errUnknownAction) {
			t.Fatalf("action %d: answer %v, error %v", action, answer, err)
		}
	}
	for mode := policy.WriteReplace + 1; mode != 0; mode++ {
		if _, err := appendAction(mode); !errors.Is(err, errUnknownWrite) {
			t.Fatalf("write mode %d: error %v", mode, err)
		}
	}
}

func TestZeroDecisionRefuses(t *testing.T) {
	t.Parallel()
	current := newAuthorization(shopPolicy).policies.live.Load()
	d := &policy.Decision{}
	answer, err := current.appendAnswer(nil, d, current.outcome(d))
	if err != nil {
		t.Fatal(err)
	}
	response := &authv3.CheckResponse{}
	if err := proto.Unmarshal(answer, response); err != nil {
		t.Fatal(err)
	}
	if got := response.GetDeniedResponse().GetStatus().GetCode(); got != typev3.StatusCode_Forbidden {
		t.Errorf("status %v, want 403", got)
	}
	if got := response.GetStatus().GetCode(); got != int32(codes.PermissionDenied) {
		t.Errorf("code %d, want PermissionDenied", got)
	}
}

func TestAppendActions(t *testing.T) {
	t.Parallel()
	headers := []policy.Header{
		{Name: "a", Value: "1", Write: policy.WriteSet},
		{Name: "b", Value: "2", Write: policy.WriteAppend},
		{Name: "c", Value: "3", Write: policy.WriteReplace},
	}
	type written struct {
		Name, Value string
		Action      corev3.HeaderValueOption_HeaderAppendAction
	}
	read := func(options []*corev3.HeaderValueOption, err error) []written {
		if err != nil {
			t.Fatal(err)
		}
		var out []written
		for _, option := range options {
			if option.GetAppend() != nil { //nolint:staticcheck // that it is deprecated is why it must not be set
				t.Errorf("%s sets the deprecated append", option.GetHeader().GetKey())
			}
			out = append(out, written{option.GetHeader().GetKey(), option.GetHeader().GetValue(), option.GetAppendAction()})
		}
		return out
	}
	forward := []written{
		{"a", "1", corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD},
		{"b", "2", corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD},
		{"c", "3", corev3.HeaderValueOption_OVERWRITE_IF_EXISTS},
	}
	if diff := cmp.Diff(forward, read(writeHeaders(headers, appendAction))); diff != "" {
		t.Errorf("forwarded (-want +got):\n%s", diff)
	}
	own := []written{
		{"a", "1", corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD},
		{"b", "2", corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD},
		{"c", "3", corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD},
	}
	if diff := cmp.Diff(own, read(writeHeaders(headers, overwriteAlways))); diff != "" {
		t.Errorf("our own answer (-want +got):\n%s", diff)
	}
}

func TestComplete(t *testing.T) {
	t.Parallel()
	ok, denied := &rpcstatus.Status{}, &rpcstatus.Status{Code: int32(codes.PermissionDenied)}
	okResponse := &authv3.CheckResponse_OkResponse{OkResponse: &authv3.OkHttpResponse{}}
	deniedResponse := &authv3.CheckResponse_DeniedResponse{DeniedResponse: &authv3.DeniedHttpResponse{
		Status: &typev3.HttpStatus{Code: typev3.StatusCode_Forbidden},
	}}
	tests := map[string]struct {
		response *authv3.CheckResponse
		want     bool
	}{
		"nil":                    {nil, false},
		"empty":                  {&authv3.CheckResponse{}, false},
		"ok without status":      {&authv3.CheckResponse{HttpResponse: okResponse}, false},
		"status alone":           {&authv3.CheckResponse{Status: ok}, false},
		"ok with denied":         {&authv3.CheckResponse{Status: ok, HttpResponse: deniedResponse}, false},
		"denied with ok":         {&authv3.CheckResponse{Status: denied, HttpResponse: okResponse}, false},
		"denied without status":  {&authv3.CheckResponse{Status: denied, HttpResponse: &authv3.CheckResponse_DeniedResponse{}}, false},
		"denied status alone":    {&authv3.CheckResponse{Status: denied}, false},
		"ok with an ok response": {&authv3.CheckResponse{Status: ok, HttpResponse: okResponse}, true},
		"denied with a response": {&authv3.CheckResponse{Status: denied, HttpResponse: deniedResponse}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := complete(test.response); got != test.want {
				t.Errorf("complete = %v, want %v", got, test.want)
			}
		})
	}
}
