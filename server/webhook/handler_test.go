package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/source/kubernetes"
	"github.com/corsgate/corsgate/server/webhook"
)

// object returns an object as an API server sends it.
func object(kind, name, spec string) string {
	return fmt.Sprintf(`{"apiVersion":"corsgate.dev/v1","kind":%q,"metadata":{"name":%q,"namespace":"shop","uid":"u",`+
		`"managedFields":[{"manager":"kubectl"}]},"spec":%s,"status":{"conditions":[]}}`, kind, name, spec)
}

// document reads an object.
func document(tb testing.TB, object string) policy.Document {
	tb.Helper()
	var decoded map[string]any
	if err := json.Unmarshal([]byte(object), &decoded); err != nil {
		tb.Fatal(err)
	}
	doc, problems := kubernetes.Read(decoded)
	if doc == nil {
		tb.Fatal(problems)
	}
	return *doc
}

const (
	storefront = `{"targets":[{"hosts":["api.shop.example"]}],"originSets":["partners"]}`
	partners   = `{"origins":["https://partner.example"]}`
	rival      = `{"targets":[{"hosts":["api.shop.example"]}],"origins":["https://rival.example"]}`
)

// inForce are a policy and the set that it names.
func inForce(tb testing.TB) []policy.Document {
	tb.Helper()
	return []policy.Document{
		document(tb, object("CorsPolicy", "storefront", storefront)), document(tb, object("CorsOriginSet", "partners", partners)),
	}
}

func compile(docs []policy.Document, breaches policy.Breaches) policy.Problems {
	_, problems := policy.Compile(docs, policy.Options{Breaches: breaches})
	return problems
}

// review returns a review of a change. Objects that are empty are left out.
func review(operation, kind, name, object, old string) string {
	or := func(s string) string {
		if s == "" {
			return "null"
		}
		return s
	}
	return fmt.Sprintf(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"42","operation":%q,`+
		`"kind":{"group":"corsgate.dev","version":"v1","kind":%q},"namespace":"shop","name":%q,"object":%s,"oldObject":%s}}`,
		operation, kind, name, or(object), or(old))
}

// ask sends a body to a handler.
func ask(handler http.Handler, method, contentType, body string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, webhook.Path, strings.NewReader(body))
	request.Header.Set("Content-Type", contentType)
	response := httptest.NewRecorder()
	handler.ServeHTTP(response, request)
	return response
}

// judge asks for a verdict.
func judge(tb testing.TB, options webhook.Options, body string) *admissionv1.AdmissionResponse {
	tb.Helper()
	options.Compile, options.Logger = compile, slog.New(slog.DiscardHandler)
	response := ask(webhook.New(options), http.MethodPost, "application/json; charset=utf-8", body)
	var answer admissionv1.AdmissionReview
	if err := json.Unmarshal(response.Body.Bytes(), &answer); err != nil || answer.Response == nil || answer.Response.UID != "42" ||
		answer.APIVersion != "admission.k8s.io/v1" || answer.Kind != "AdmissionReview" {
		tb.Fatalf("the answer is %d %s: %v", response.Code, response.Body, err)
	}
	return answer.Response
}

func TestJudge(t *testing.T) {
	t.Parallel()
	const finalizer = `"finalizers":["x"],"uid":"u"`
	unreadable := object("CorsPolicy", "old", `{"unheardOf":1}`)
	for _, test := range []struct {
		name, body string
		// want is in the message; empty, the change is let in.
		want string
		// code is that of the answer, warning is in the only warning.
		code    int32
		warning string
	}{
		{name: "a good policy", body: review("CREATE", "CorsPolicy", "cart", object("CorsPolicy", "cart",
			`{"targets":[{"hosts":["cart.shop.example"]}],"origins":["https://shop.example"]}`), "")},
		{
			name: "a tie", body: review("CREATE", "CorsPolicy", "a", object("CorsPolicy", "a", rival), ""), code: 422,
			want: `kubernetes:CorsPolicy/shop/storefront: spec.targets[0].hosts[0]: the policy "shop/a" at kubernetes:CorsPolicy/shop/a has the target`,
		},
		{
			name: "what cannot be read", body: review("CREATE", "CorsPolicy", "x", object("CorsPolicy", "x", `{"origin":"https://shop.example"}`), ""),
			want: `spec.origin: "origin" is not a field of spec; `, code: 422,
		},
		{
			name: "all errors, a line each", body: review("UPDATE", "CorsPolicy", "storefront", object("CorsPolicy", "storefront",
				`{"targets":[{"hosts":["api.shop.example"]}],"origins":["https://shop.example/","shop.example"],"methods":["TRACE"]}`),
				object("CorsPolicy", "storefront", storefront)),
			want: "[method_forbidden]\nspec.origins[0]: ", code: 422,
		},
		{
			name: "a warning", body: review("CREATE", "CorsOriginSet", "more", object("CorsOriginSet", "more", partners), ""),
			warning: `metadata.name: no policy names the origin set "shop/more"`,
		},
		{
			name: "a set that is still named", body: review("DELETE", "CorsOriginSet", "partners", "", object("CorsOriginSet", "partners", partners)),
			want: "the object is still needed:\nkubernetes:CorsPolicy/shop/storefront: spec.originSets[0]: there is no origin set", code: 422,
		},
		{name: "a policy goes", body: review("DELETE", "CorsPolicy", "storefront", "", object("CorsPolicy", "storefront", storefront))},
		{name: "what was never there goes", body: review("DELETE", "CorsPolicy", "x", "", "")},
		{
			name: "a finalizer on what cannot be read",
			body: review("UPDATE", "CorsPolicy", "old", strings.Replace(unreadable, `"uid":"u"`, finalizer, 1), unreadable),
		},
		{name: "no object", body: review("CREATE", "CorsPolicy", "x", "", ""), want: "the review holds no object of the kind CorsPolicy", code: 400},
		{
			name: "a guardrail bars and says whom", body: strings.ReplaceAll(review("CREATE", "CorsGuardrail", "house", `{"apiVersion":"corsgate.dev/v1",`+
				`"kind":"CorsGuardrail","metadata":{"name":"house"},"spec":{"originSuffixes":["shop.example"]}}`, ""), `"namespace":"shop",`, ""),
			warning: `kubernetes:CorsPolicy/shop/storefront: spec.originSets[0]: the origin set "shop/partners" holds an origin`,
		},
		{
			name: "another kind", body: strings.Replace(review("CREATE", "Pod", "x", `{}`, ""), `"group":"corsgate.dev"`, `"group":""`, 1),
			warning: "corsgate judges the kinds of corsgate.dev/v1 alone; leave /v1 Pod out of the rules of its webhook",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			answer := judge(t, webhook.Options{InForce: func() ([]policy.Document, bool) { return inForce(t), true }}, test.body)
			if answer.Allowed != (test.want == "") {
				t.Errorf("allowed is %t: %+v", answer.Allowed, answer.Result)
			}
			if test.want != "" && (!strings.Contains(answer.Result.Message, test.want) || answer.Result.Code != test.code) {
				t.Errorf("it said %d %q, want %d %q", answer.Result.Code, answer.Result.Message, test.code, test.want)
			}
			switch {
			case test.want != "":
			case test.warning == "" && len(answer.Warnings) > 0,
				test.warning != "" && (len(answer.Warnings) != 1 || !strings.HasPrefix(answer.Warnings[0], test.warning)):
				t.Errorf("the warnings are %q, want %q", answer.Warnings, test.warning)
			}
		})
	}
}

func TestNotLoaded(t *testing.T) {
	t.Parallel()
	answer := judge(t, webhook.Options{InForce: func() ([]policy.Document, bool) { return nil, false }},
		review("CREATE", "CorsPolicy", "a", object("CorsPolicy", "a", rival), ""))
	if answer.Allowed || answer.Result.Code != http.StatusServiceUnavailable ||
		!strings.HasPrefix(answer.Result.Message, "corsgate cannot judge the change: it has not loaded any policies yet") {
		t.Errorf("the answer is %+v", answer)
	}
}

// A change that what is in force refuses is held against what there is by now.
func TestFresh(t *testing.T) {
	t.Parallel()
	more := object("CorsPolicy", "cart", `{"targets":[{"hosts":["cart.shop.example"]}],"originSets":["more"]}`)
	body := review("CREATE", "CorsPolicy", "cart", more, "")
	docs := inForce(t)
	set := document(t, object("CorsOriginSet", "more", partners))
	broken := document(t, object("CorsPolicy", "broken", `{"targets":[{"hosts":["x.example"]}],"originSets":["never"]}`))
	for _, test := range []struct {
		name    string
		fresh   func(context.Context) ([]policy.Document, error)
		allowed bool
		warning string
	}{
		{"nobody can say", nil, false, ""},
		{"the set came meanwhile", func(context.Context) ([]policy.Document, error) { return append(inForce(t), set), nil }, true, ""},
		{"beside what is wrong already", func(context.Context) ([]policy.Document, error) { return append(inForce(t), set, broken), nil }, true, ""},
		{"it did not", func(context.Context) ([]policy.Document, error) { return inForce(t), nil }, false, ""},
		{
			"the cluster is away", func(context.Context) ([]policy.Document, error) { return nil, errors.New("away") }, false,
			"the change was held against what is in force alone, because what there is by now cannot be read: away",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			answer := judge(t, webhook.Options{InForce: func() ([]policy.Document, bool) { return docs, true }, Fresh: test.fresh}, body)
			if answer.Allowed != test.allowed || strings.Join(answer.Warnings, "\n") != test.warning {
				t.Errorf("the answer is %+v with %q", answer, answer.Warnings)
			}
		})
	}
}

// Anybody who reaches the webhook may send what no API server would, and the same
// process decides about requests.
func TestHugeObject(t *testing.T) {
	t.Parallel()
	for name, list := range map[string]string{
		"numbers": strings.Repeat("0,", 500_000) + "0",
		"texts":   strings.Repeat(`"a",`, 400_000) + `"\"["`,
		"long":    `"https://` + strings.Repeat("a", 3<<20) + `"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := judge(t, webhook.Options{InForce: func() ([]policy.Document, bool) { return nil, true }},
				review("CREATE", "CorsOriginSet", "a", object("CorsOriginSet", "a", `{"origins":[`+list+`]}`), ""))
			if answer.Allowed || answer.Result.Code != http.StatusRequestEntityTooLarge || !strings.Contains(answer.Result.Message, "150000 elements") {
				t.Errorf("the answer has the code %d and the message %.200s", answer.Result.Code, answer.Result.Message)
			}
		})
	}
}

// Of what is wrong with a list, some is told.
func TestManyFaults(t *testing.T) {
	t.Parallel()
	list := strings.Repeat(`"a",`, 100_000) + `"a"`
	answer := judge(t, webhook.Options{InForce: func() ([]policy.Document, bool) { return nil, true }},
		review("CREATE", "CorsOriginSet", "a", object("CorsOriginSet", "a", `{"origins":[`+list+`]}`), ""))
	if answer.Allowed || len(answer.Result.Details.Causes) != 1000 || strings.Count(answer.Result.Message, "\n") != 50 {
		t.Errorf("it is allowed: %t, with %d causes", answer.Allowed, len(answer.Result.Details.Causes))
	}
}

// What no API server sends is refused with what is expected.
func TestNoReview(t *testing.T) {
	t.Parallel()
	handler := webhook.New(webhook.Options{Logger: slog.New(slog.DiscardHandler)})
	for _, test := range []struct {
		name, method, contentType, body string
		code                            int
		want                            string
	}{
		{"GET", http.MethodGet, "application/json", "", 405, "only POST"},
		{"a form", http.MethodPost, "application/x-www-form-urlencoded", "a=b", 415, "an AdmissionReview is application/json"},
		{"no JSON", http.MethodPost, "application/json", "{", 400, "the body is not JSON: "},
		{"another kind", http.MethodPost, "application/json", `{"kind":"Pod","apiVersion":"v1"}`, 400, `the body is a "Pod" of "v1", not an AdmissionReview of admission.k8s.io/v1`},
		{"another version", http.MethodPost, "application/json", `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1beta1"}`, 400, "set admissionReviewVersions: [v1]"},
		{"no request", http.MethodPost, "application/json", `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}`, 400, "the review has no request with a uid"},
		{"50 MB", http.MethodPost, "application/json", `{"a":"` + strings.Repeat("x", 50<<20) + `"}`, 413, "the review is larger than 8388608 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			response := ask(handler, test.method, test.contentType, test.body)
			if response.Code != test.code || !strings.Contains(response.Body.String(), test.want) {
				t.Errorf("it said %d %q, want %d %q", response.Code, response.Body, test.code, test.want)
			}
		})
	}
}
