package server

import (
	"errors"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/policy"
)

func line(name, value string) *corev3.HeaderValue {
	return &corev3.HeaderValue{Key: name, Value: value}
}

func rawLine(name, value string) *corev3.HeaderValue {
	return &corev3.HeaderValue{Key: name, RawValue: []byte(value)}
}

func TestReadRequest(t *testing.T) {
	t.Parallel()
	plain := policy.Request{Method: "GET", Scheme: "https", Host: "api.example", Path: "/v1?q=1"}
	with := func(change func(r *policy.Request)) policy.Request {
		r := plain
		change(&r)
		return r
	}
	tests := map[string]struct {
		headers    map[string]string
		headerMap  []*corev3.HeaderValue
		extensions map[string]string
		want       policy.Request
	}{
		"no headers": {want: plain},
		"every header that decisions look at": {
			headers: map[string]string{
				"origin":                         "https://a.example",
				"access-control-request-method":  "PUT",
				"access-control-request-headers": "a,b",
				"sec-fetch-site":                 "cross-site",
				"sec-fetch-mode":                 "cors",
				"upgrade":                        "websocket",
				"cookie":                         "secret",
				"x-orig":                         "6 letters, as origin has",
			},
			want: with(func(r *policy.Request) {
				r.Origin, r.RequestMethod, r.RequestHeaders = "https://a.example", "PUT", "a,b"
				r.FetchSite, r.FetchMode, r.Upgrade = "cross-site", "cors", "websocket"
			}),
		},
		"a private network": {
			headers: map[string]string{"access-control-request-private-network": "true"},
			want:    with(func(r *policy.Request) { r.PrivateNetwork = true }),
		},
		"a private network, raw and in capitals": {
			headerMap: []*corev3.HeaderValue{rawLine("Access-Control-Request-Private-Network", "true")},
			want:      with(func(r *policy.Request) { r.PrivateNetwork = true }),
		},
		"no private network": {
			headers: map[string]string{"access-control-request-private-network": "false"},
			want:    plain,
		},
		"names in any case": {
			headers:   map[string]string{"ORIGIN": "https://a.example"},
			headerMap: []*corev3.HeaderValue{line("Sec-Fetch-Mode", "cors"), line("UpGrade", "websocket")},
			want: with(func(r *policy.Request) {
				r.Origin, r.FetchMode, r.Upgrade = "https://a.example", "cors", "websocket"
			}),
		},
		"raw values": {
			headerMap: []*corev3.HeaderValue{rawLine("origin", "https://a.example\xff"), rawLine("cookie", "x")},
			want:      with(func(r *policy.Request) { r.Origin = "https://a.example\xff" }),
		},
		"several lines are joined in their order": {
			headerMap: []*corev3.HeaderValue{
				rawLine("origin", "https://b.example"), rawLine("access-control-request-headers", "x-b"),
				line("Origin", "https://a.example"), line("access-control-request-headers", "x-a"),
			},
			want: with(func(r *policy.Request) {
				r.Origin, r.RequestHeaders = "https://b.example,https://a.example", "x-b,x-a"
			}),
		},
		"an empty line beside another says nothing": {
			headerMap: []*corev3.HeaderValue{line("origin", ""), line("origin", "https://a.example"), rawLine("origin", "")},
			want:      with(func(r *policy.Request) { r.Origin = "https://a.example" }),
		},
		"an origin cannot hide in the other form": {
			headers:   map[string]string{"origin": "https://b.example"},
			headerMap: []*corev3.HeaderValue{line("origin", "https://a.example")},
			want:      with(func(r *policy.Request) { r.Origin = "https://a.example,https://b.example" }),
		},
		"the same in both forms is one": {
			headers:   map[string]string{"origin": "https://a.example"},
			headerMap: []*corev3.HeaderValue{line("origin", "https://a.example")},
			want:      with(func(r *policy.Request) { r.Origin = "https://a.example" }),
		},
		"the route names its policy and adds Vary": {
			extensions: map[string]string{"corsgate.policy": "shop", "corsgate.vary": "route", "other": "x"},
			want:       with(func(r *policy.Request) { r.PolicyName, r.RouteVaries = "shop", true }),
		},
		"a vary that means nothing is none": {
			extensions: map[string]string{"corsgate.vary": "Route"},
			want:       plain,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := check("GET", "api.example", "/v1?q=1", test.headers)
			request.Attributes.ContextExtensions = test.extensions
			if test.headerMap != nil {
				request.Attributes.Request.Http.HeaderMap = &corev3.HeaderMap{Headers: test.headerMap}
			}
			var got policy.Request
			if err := readRequest(request, &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadRequestMalformed(t *testing.T) {
	t.Parallel()
	for name, test := range malformedChecks() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r policy.Request
			if err := readRequest(test.check, &r); !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
		})
	}
}

type malformedCheck struct {
	check *authv3.CheckRequest
	want  error
}

// malformedChecks are requests that cannot be decided.
func malformedChecks() map[string]malformedCheck {
	return map[string]malformedCheck{
		"empty":         {&authv3.CheckRequest{}, errNoHTTP},
		"no attributes": {&authv3.CheckRequest{Attributes: nil}, errNoHTTP},
		"no request":    {&authv3.CheckRequest{Attributes: &authv3.AttributeContext{}}, errNoHTTP},
		"no http": {&authv3.CheckRequest{Attributes: &authv3.AttributeContext{
			Request: &authv3.AttributeContext_Request{},
		}}, errNoHTTP},
		"empty http":       {check("", "", "", nil), errNoMethod},
		"no method":        {check("", "api.example", "/", nil), errNoMethod},
		"no host":          {check("GET", "", "/", nil), errNoHost},
		"extensions alone": {&authv3.CheckRequest{Attributes: &authv3.AttributeContext{ContextExtensions: map[string]string{"corsgate.policy": strings.Repeat("p", 1<<20)}}}, errNoHTTP},
	}
}
