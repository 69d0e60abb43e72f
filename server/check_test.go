package server

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/policy"
)

// answered is a CheckResponse as people would write it down.
type answered struct {
	Code     codes.Code
	Status   int32
	Headers  []string // "name: value", with + for append and ? for replace behind the name
	HasBody  bool
	Metadata map[string]any
}

func read(t *testing.T, response *authv3.CheckResponse) answered {
	t.Helper()
	if response.GetStatus() == nil || response.GetHttpResponse() == nil {
		t.Fatalf("the response says neither allow nor deny: %v", response)
	}
	marks := map[corev3.HeaderValueOption_HeaderAppendAction]string{
		corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD: "",
		corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD:    "+",
		corev3.HeaderValueOption_OVERWRITE_IF_EXISTS:        "?",
	}
	got := answered{
		Code:   codes.Code(response.GetStatus().GetCode()),
		Status: int32(response.GetDeniedResponse().GetStatus().GetCode()),
	}
	options := response.GetOkResponse().GetResponseHeadersToAdd()
	if denied := response.GetDeniedResponse(); denied != nil {
		options = denied.GetHeaders()
		got.HasBody = denied.GetBody() != ""
	}
	for _, option := range options {
		got.Headers = append(got.Headers,
			option.GetHeader().GetKey()+marks[option.GetAppendAction()]+": "+option.GetHeader().GetValue())
	}
	if nested, ok := response.GetDynamicMetadata().AsMap()["cors"].(map[string]any); ok {
		got.Metadata = nested
		delete(got.Metadata, "revision")
	}
	return got
}

func TestCheck(t *testing.T) {
	t.Parallel()
	client := start(t, newMemory(shopPolicy), Options{}).client(t)
	named := check("GET", "api.example", "/", map[string]string{"origin": "https://evil.example"})
	named.Attributes.ContextExtensions = map[string]string{"corsgate.policy": "named"}

	tests := map[string]struct {
		check *authv3.CheckRequest
		want  answered
	}{
		"an allowed origin": {
			check("GET", "api.example", "/", map[string]string{"origin": "https://shop.example"}),
			answered{
				Code: codes.OK,
				Headers: []string{
					"access-control-allow-origin: https://shop.example",
					"access-control-allow-credentials: true",
					"access-control-expose-headers: x-request-id",
					"vary+: Origin",
				},
				Metadata: map[string]any{
					"verdict": "allow", "reason": "origin_allowed", "kind": "actual",
					"policy": "shop", "rule": "spec.origins[0]", "position": "policies.yaml:7:13",
				},
			},
		},
		"a preflight": {
			check("OPTIONS", "api.example", "/", map[string]string{
				"origin": "https://shop.example", "access-control-request-method": "PUT",
			}),
			answered{
				Code: codes.PermissionDenied, Status: 204,
				Headers: []string{
					"access-control-allow-origin: https://shop.example",
					"access-control-allow-credentials: true",
					"access-control-allow-methods: GET, PUT",
					"access-control-allow-headers: content-type",
					"access-control-expose-headers: x-request-id",
					"access-control-max-age: 600",
					"vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
				},
				Metadata: map[string]any{
					"verdict": "allow", "reason": "origin_allowed", "kind": "preflight",
					"policy": "shop", "rule": "spec.origins[0]", "position": "policies.yaml:7:13",
				},
			},
		},
		"an origin that may not call": {
			check("GET", "api.example", "/", map[string]string{"origin": "https://evil.example"}),
			answered{
				Code: codes.PermissionDenied, Status: 403, HasBody: true,
				Headers: []string{"vary: Origin", "content-type: application/problem+json"},
				Metadata: map[string]any{
					"verdict": "deny", "reason": "origin_not_allowed", "kind": "actual",
					"policy": "shop", "rule": "spec.origins", "position": "policies.yaml:7:3",
				},
			},
		},
		"no policy": {
			check("GET", "elsewhere.example", "/", map[string]string{"origin": "https://shop.example"}),
			answered{
				Code: codes.PermissionDenied, Status: 403, HasBody: true,
				Headers:  []string{"vary: Origin", "content-type: application/problem+json"},
				Metadata: map[string]any{"verdict": "deny", "reason": "no_policy", "kind": "actual"},
			},
		},
		"report only changes nothing": {
			named,
			answered{
				Code: codes.OK,
				Metadata: map[string]any{
					"verdict": "allow", "reason": "origin_allowed", "kind": "actual",
					"policy": "named", "enforcement": "REPORT_ONLY", "rule": "spec.origins[0]", "position": "policies.yaml:19:13",
				},
			},
		},
		"no headers at all": {
			check("GET", "elsewhere.example", "/", nil),
			answered{
				Code:     codes.OK,
				Headers:  []string{"vary+: Origin"},
				Metadata: map[string]any{"verdict": "pass", "reason": "no_origin", "kind": "not_cors"},
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			response, err := client.Check(short(t), test.check)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, read(t, response)); diff != "" {
				t.Errorf("response (-want +got):\n%s", diff)
			}
			if response.GetDynamicMetadata().GetFields()["cors"].GetStructValue().GetFields()["revision"].GetStringValue() == "" {
				t.Error("the metadata has no revision")
			}
		})
	}
}

func TestCheckMalformed(t *testing.T) {
	t.Parallel()
	r := start(t, newMemory(shopPolicy), Options{})
	client := r.client(t)
	for name, test := range malformedChecks() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			response, err := client.Check(short(t), test.check)
			if status.Code(err) != codes.InvalidArgument || response != nil {
				t.Errorf("response %v, error %v; want InvalidArgument", response, err)
			}
		})
	}
}

func TestCheckHostile(t *testing.T) {
	t.Parallel()
	client := start(t, newMemory(shopPolicy), Options{}).client(t)
	large := strings.Repeat("https://shop.example", (1<<20)/len("https://shop.example"))
	raw := func(value string) *authv3.CheckRequest {
		request := check("GET", "api.example", "/", nil)
		request.Attributes.Request.Http.HeaderMap = &corev3.HeaderMap{Headers: []*corev3.HeaderValue{rawLine("origin", value)}}
		return request
	}
	extended := check("GET", "api.example", "/", map[string]string{"origin": "https://shop.example"})
	extended.Attributes.ContextExtensions = map[string]string{"corsgate.policy": strings.Repeat("p", 1<<20)}
	tests := map[string]struct {
		check  *authv3.CheckRequest
		reason string
	}{
		"an origin of 1 MB":             {check("GET", "api.example", "/", map[string]string{"origin": large}), "origin_malformed"},
		"a raw origin of 1 MB":          {raw(large), "origin_malformed"},
		"bytes that are not UTF-8":      {raw("https://shop.example\xff\xfe"), "origin_malformed"},
		"a line break":                  {raw("https://shop.example\r\nx-evil: 1"), "origin_malformed"},
		"a zero byte":                   {raw("https://shop.example\x00"), "origin_malformed"},
		"two origins":                   {raw("https://shop.example,https://shop.example"), "origin_malformed"},
		"a context extension of 1 MB":   {extended, "unknown_policy"},
		"a method that is not a method": {check("G E\x01T", "api.example", "/", map[string]string{"origin": "https://shop.example"}), "method_not_allowed"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			response, err := client.Check(short(t), test.check)
			if err != nil {
				t.Fatal(err)
			}
			got := read(t, response)
			if got.Code != codes.PermissionDenied || got.Status != 403 || got.Metadata["reason"] != test.reason {
				t.Errorf("got %+v, want a 403 for %s", got, test.reason)
			}
			for _, header := range got.Headers {
				if strings.ContainsFunc(header, func(r rune) bool { return r < ' ' || r == utf8.RuneError }) {
					t.Errorf("a control byte came back: %q", header)
				}
			}
		})
	}
}

func TestCheckTooLarge(t *testing.T) {
	t.Parallel()
	client := start(t, newMemory(shopPolicy), Options{MaxMessageBytes: 64 << 10}).client(t)
	large := check("GET", "api.example", "/", map[string]string{"x": strings.Repeat("x", 64<<10)})
	if response, err := client.Check(short(t), large); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("response %v, error %v; want ResourceExhausted", response, err)
	}
}

func TestCheckBeforePoliciesAreLoaded(t *testing.T) {
	t.Parallel()
	a := newAuthorization("")
	response, err := a.Check(short(t), check("GET", "api.example", "/", nil))
	if response != nil || status.Code(err) != codes.Unavailable {
		t.Errorf("response %v, error %v; want Unavailable", response, err)
	}
}

func TestDecisionLog(t *testing.T) {
	t.Parallel()
	log := &logBuffer{}
	r := start(t, newMemory(shopPolicy), Options{
		Logger: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	request := check("GET", "api.example", "/orders?token=secret", map[string]string{"origin": "https://" + strings.Repeat("x", 1000)})
	if _, err := r.client(t).Check(short(t), request); err != nil {
		t.Fatal(err)
	}
	lines := log.String()
	for _, want := range []string{`"msg":"decision","verdict":"deny","reason":"origin_malformed"`, `"path":"/orders"`, `"policy":"shop"`, "…"} {
		if !strings.Contains(lines, want) {
			t.Errorf("the log lacks %s:\n%s", want, lines)
		}
	}
	if strings.Contains(lines, "secret") {
		t.Errorf("the log has the query:\n%s", lines)
	}
}

// newAuthorization is a Check without a transport; without a text it has no
// policies.
func newAuthorization(text string) *authorization {
	m := newMetrics(Build{})
	logger := slog.New(slog.DiscardHandler)
	policies := newPolicies(policy.Options{}, m, logger, time.Now)
	if text != "" {
		policies.Load(context.Background(), snapshot(text))
	}
	return &authorization{
		began:    time.Now(),
		policies: policies, metrics: m, logger: logger,
		guard: &recoverer{metrics: m, logger: logger}, calls: newCalls(),
	}
}

// Check is a Check without a transport, between what it reads and writes.
func (a *authorization) Check(ctx context.Context, request *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	encoded, err := proto.Marshal(request)
	if err != nil {
		return nil, err
	}
	answer, err := a.answer(ctx, encoded)
	if err != nil {
		return nil, err
	}
	response := &authv3.CheckResponse{}
	return response, proto.Unmarshal(answer, response)
}

// answer is Check on the wire. What it returns is a copy.
func (a *authorization) answer(ctx context.Context, request []byte) ([]byte, error) {
	codec := newCodec(a.calls)
	reply, err := a.serve(ctx, func(message any) error {
		return codec.Unmarshal(mem.BufferSlice{mem.SliceBuffer(request)}, message)
	})
	if err != nil {
		return nil, err
	}
	sent, err := codec.Marshal(reply)
	if err != nil {
		return nil, err
	}
	defer sent.Free()
	return sent.Materialize(), nil
}

// FuzzCheck sends arbitrary requests to Check. Whatever comes, the answer is an
// error or complete, and only an origin that the policy lists is granted
// anything.
func FuzzCheck(f *testing.F) {
	seed := func(request *authv3.CheckRequest) {
		encoded, err := proto.Marshal(request)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(encoded)
	}
	for _, method := range []string{"GET", "OPTIONS", "PUT"} {
		for _, origin := range []string{"", "null", "https://shop.example", "https://evil.example", "https://shop.example,https://shop.example"} {
			seed(check(method, "api.example", "/", map[string]string{
				"origin": origin, "access-control-request-method": "PUT", "access-control-request-headers": "content-type,x",
			}))
		}
	}
	for _, malformed := range malformedChecks() {
		seed(malformed.check)
	}
	a := newAuthorization(shopPolicy)
	f.Fuzz(func(t *testing.T, encoded []byte) {
		request := &authv3.CheckRequest{}
		if err := proto.Unmarshal(encoded, request); err != nil {
			return // gRPC answers this with an error before we see it
		}
		response, err := a.Check(t.Context(), request)
		if err != nil {
			if response != nil {
				t.Fatalf("a response beside an error: %v", response)
			}
			return
		}
		if !complete(response) {
			t.Fatalf("the response says neither allow nor deny: %v", response)
		}
		if _, err := proto.Marshal(response); err != nil {
			t.Fatalf("the response cannot be sent: %v", err)
		}
		var asked policy.Request
		if err := readRequest(request, &asked); err != nil {
			t.Fatalf("an undecidable request was decided: %v", err)
		}
		options := append(response.GetOkResponse().GetResponseHeadersToAdd(), response.GetDeniedResponse().GetHeaders()...)
		for _, option := range options {
			name, value := option.GetHeader().GetKey(), option.GetHeader().GetValue()
			if value == "" || strings.ContainsAny(value, "\r\n\x00") {
				t.Fatalf("header %s has the value %q", name, value)
			}
			granted := option.GetAppendAction() != corev3.HeaderValueOption_OVERWRITE_IF_EXISTS
			if name == "access-control-allow-origin" && granted && (value != "https://shop.example" || asked.Origin != value) {
				t.Fatalf("origin %q was granted to %q", value, asked.Origin)
			}
		}
	})
}
