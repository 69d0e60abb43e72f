package policyservice_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"go.uber.org/goleak"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/document"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
	"github.com/corsgate/corsgate/proto/corsgate/v1/corsgatev1connect"
	"github.com/corsgate/corsgate/server/access"
	"github.com/corsgate/corsgate/server/policyservice"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	// patience is how long a call may take that must end: the race detector and a busy
	// machine make some of them twenty times as long.
	patience = 2 * time.Minute

	shop = `apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata:
  name: shop
spec:
  targets: [{hosts: [api.shop.example]}]
  origins: [https://shop.example]
`
	pay = `apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata:
  name: pay
spec:
  targets: [{hosts: [pay.example]}]
  originSets: [partners]
`
	partners = `apiVersion: corsgate.dev/v1
kind: CorsOriginSet
metadata:
  name: partners
spec:
  origins: [https://a.partner.example]
`
)

// A setting is a service under test.
type setting struct {
	store   *memory
	service *policyservice.Service
	client  corsgatev1connect.PolicyServiceClient
	server  *httptest.Server
	log     *logBuffer

	mu    sync.Mutex
	force policyservice.InForce
	codes map[string]int
}

// logBuffer is a log that may be read while it is written.
type logBuffer struct {
	mu      sync.Mutex
	content bytes.Buffer
}

func (b *logBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.content.Write(line)
}

// audits returns the audit records so far.
func (b *logBuffer) audits(t *testing.T) []map[string]any {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var records []map[string]any
	for line := range strings.Lines(b.content.String()) {
		var record struct {
			Audit map[string]any `json:"audit"`
		}
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatal(err)
		}
		if record.Audit != nil {
			records = append(records, record.Audit)
		}
	}
	return records
}

// as is an authenticator that knows whom a test says by the token.
type as struct{ file *access.File }

func (a as) Authenticate(r *http.Request) (*access.Caller, error) {
	if a.file == nil {
		return access.Local{}.Authenticate(r)
	}
	return a.file.Authenticate(r)
}

// serve runs a service over HTTP/1.1 until the test ends.
func serve(t *testing.T, change func(*policyservice.Options)) *setting {
	t.Helper()
	s := &setting{store: newMemory(), log: &logBuffer{}, codes: map[string]int{}}
	s.force.Source = "memory"
	options := policyservice.Options{
		Store: s.store, Access: as{}, Logger: slog.New(slog.NewJSONHandler(s.log, nil)),
		InForce: func() policyservice.InForce {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.force
		},
		Observe: func(method, code string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.codes[method+" "+code]++
		},
	}
	if change != nil {
		change(&options)
	}
	service := policyservice.New(options)
	s.service = service
	mux := http.NewServeMux()
	mux.Handle(service.Handler())
	s.server = httptest.NewServer(mux)
	t.Cleanup(func() {
		service.Close()
		s.server.Close()
	})
	s.client = corsgatev1connect.NewPolicyServiceClient(s.server.Client(), s.server.URL)
	return s
}

// inForce puts documents of files in force.
func (s *setting) inForce(t *testing.T, file, text string) {
	t.Helper()
	docs, problems := document.Read(file, []byte(text))
	set, more := policy.Compile(docs, policy.Options{})
	if set == nil || len(problems) > 0 {
		t.Fatal(problems, more)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.force.Set, s.force.Documents = set, docs
}

func short(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// file is a text to apply.
func file(name, text string) *corsgatev1.SourceText {
	return &corsgatev1.SourceText{Name: name, Text: text}
}

func (s *setting) apply(t *testing.T, request *corsgatev1.ApplyRequest) (*corsgatev1.ApplyResponse, error) {
	t.Helper()
	response, err := s.client.Apply(short(t), connect.NewRequest(request))
	if err != nil {
		return nil, err
	}
	return response.Msg, nil
}

func (s *setting) mustApply(t *testing.T, texts ...string) *corsgatev1.ApplyResponse {
	t.Helper()
	request := &corsgatev1.ApplyRequest{}
	for i, text := range texts {
		request.Files = append(request.Files, file(string(rune('a'+i))+".yaml", text))
	}
	response, err := s.apply(t, request)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// expect checks the code of an error and a part of its text.
func expect(t *testing.T, err error, code connect.Code, part string) {
	t.Helper()
	if err == nil || connect.CodeOf(err) != code || !strings.Contains(err.Error(), part) {
		t.Errorf("error %v, want %v with %q", err, code, part)
	}
}

// detail returns the first detail of an error that is of a type.
func detail[T any](t *testing.T, err error) (found T) {
	t.Helper()
	told, ok := err.(*connect.Error) //nolint:errorlint // the client returns it as it is
	if !ok {
		t.Fatalf("%v is not of the service", err)
	}
	for _, one := range told.Details() {
		value, err := one.Value()
		if err != nil {
			t.Fatal(err)
		}
		if message, ok := value.(T); ok {
			return message
		}
	}
	t.Errorf("%v has no detail of type %T", err, found)
	return found
}

// post sends a body as curl does.
func (s *setting) post(t *testing.T, method, contentType, body string, header ...string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(short(t), http.MethodPost, s.server.URL+"/corsgate.v1.PolicyService/"+method, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := s.server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}
