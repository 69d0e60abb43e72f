package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/corsgate/corsgate/policy"
)

const (
	// Path is where the handler expects to be asked.
	Path = "/validate"
	// maxBody bounds a review, which holds an object twice: as it was and as it is
	// to be. Kubernetes keeps objects below 1.5 MiB.
	maxBody = 8 << 20
	// maxObject and maxElements bound an object, as anybody who reaches the webhook may
	// send what no API server would: reading it as a document takes many times its size.
	maxObject   = 2 << 20
	maxElements = 150_000
	// readAtOnce is how many reviews are in memory at a time, and patience how long
	// another waits for its place: no longer than an API server would.
	readAtOnce = 8
	patience   = 10 * time.Second
	// atOnce is how many reviews are judged at a time: each compiles all policies.
	atOnce = 2
)

// Options is what changes are held against.
type Options struct {
	// InForce returns the documents that are in force. It reports false while
	// nothing was loaded.
	InForce func() ([]policy.Document, bool)
	// Fresh, unless nil, returns the documents that there are at this moment, as far
	// as their source can tell. A change is refused only if it is wrong there too:
	// what was applied a moment before it may not be in force yet.
	Fresh func(ctx context.Context) ([]policy.Document, error)
	// Compile returns what is wrong with documents, where breaches of guardrails are
	// errors or not.
	Compile func(docs []policy.Document, breaches policy.Breaches) policy.Problems
	// Logger gets a line for each change that is refused.
	Logger *slog.Logger
}

// New returns the handler.
func New(options Options) http.Handler {
	return &handler{options: options, places: make(chan struct{}, readAtOnce), slots: make(chan struct{}, atOnce)}
}

type handler struct {
	options Options
	// places holds an element for each review that is in memory.
	places chan struct{}
	// slots holds an element for each review that is being judged.
	slots chan struct{}
}

// ServeHTTP answers an AdmissionReview with one.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	leave, ok := h.enter(r.Context())
	if !ok {
		http.Error(w, "other changes are being judged; try again", http.StatusServiceUnavailable)
		return
	}
	defer leave()
	review, failure := read(w, r)
	if failure != nil {
		http.Error(w, failure.text, failure.status)
		return
	}
	verdict := h.decide(r.Context(), review.Request)
	h.log(r.Context(), review.Request, verdict)
	review.Response = verdict.response(review.Request.UID)
	review.Request = nil
	body, err := json.Marshal(review)
	if err != nil {
		http.Error(w, "the verdict cannot be written: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // the API server may be gone; there is nobody to tell
}

// enter takes a place, and returns what gives it back. It reports false where none
// gets free in time.
func (h *handler) enter(ctx context.Context) (leave func(), ok bool) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case h.places <- struct{}{}:
		return func() { <-h.places }, true
	case <-ctx.Done():
		return nil, false
	}
}

// A failure is a request that is none of the API server's.
type failure struct {
	status int
	text   string
}

// read reads a review. Whoever sends something else learns what is expected.
func read(w http.ResponseWriter, r *http.Request) (*admissionv1.AdmissionReview, *failure) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return nil, &failure{http.StatusMethodNotAllowed, "only POST: a Kubernetes API server sends an AdmissionReview here"}
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, &failure{http.StatusUnsupportedMediaType, "an AdmissionReview is application/json"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, &failure{http.StatusRequestEntityTooLarge, fmt.Sprintf("the review is larger than %d bytes", tooLarge.Limit)}
	}
	if err != nil {
		return nil, &failure{http.StatusBadRequest, "the review cannot be read: " + err.Error()}
	}
	var review admissionv1.AdmissionReview
	switch err := json.Unmarshal(body, &review); {
	case err != nil:
		return nil, &failure{http.StatusBadRequest, "the body is not JSON: " + err.Error()}
	case review.Kind != "AdmissionReview" || review.APIVersion != admissionv1.SchemeGroupVersion.String():
		return nil, &failure{http.StatusBadRequest, fmt.Sprintf("the body is a %q of %q, not an AdmissionReview of %s; set admissionReviewVersions: [v1]",
			review.Kind, review.APIVersion, admissionv1.SchemeGroupVersion)}
	case review.Request == nil || review.Request.UID == "":
		return nil, &failure{http.StatusBadRequest, "the review has no request with a uid"}
	}
	return &review, nil
}

// decide judges a change, unless too many are being judged already.
func (h *handler) decide(ctx context.Context, request *admissionv1.AdmissionRequest) verdict {
	if v, ok := notOurs(request); ok {
		return v
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
		return h.judge(ctx, request)
	case <-ctx.Done():
		return unable("other changes are being judged; try again")
	}
}

// log says what was refused, and why.
func (h *handler) log(ctx context.Context, request *admissionv1.AdmissionRequest, v verdict) {
	if v.allowed {
		return
	}
	h.options.Logger.LogAttrs(ctx, slog.LevelInfo, "a change of policies was refused",
		slog.String("kind", request.Kind.Kind), slog.String("namespace", request.Namespace), slog.String("name", request.Name),
		slog.String("operation", string(request.Operation)), slog.String("user", request.UserInfo.Username),
		slog.Int("errors", len(v.problems.Errors())), slog.String("why", v.message()))
}

// A verdict is what becomes of a change.
type verdict struct {
	allowed bool
	// code is the HTTP status that says why not.
	code int32
	// text says why not where no problem does.
	text string
	// problems are errors, which come with a refusal, and warnings.
	problems policy.Problems
	// file is what the object is called in problems.
	file string
	// remarks are warnings that are no problem of a document.
	remarks []string
}

// unable is the verdict where corsgate cannot judge. A change that nobody judged is
// not let in by accident; whether it is where corsgate does not answer at all is for
// the webhook's failurePolicy to say.
func unable(why string) verdict {
	return verdict{code: http.StatusServiceUnavailable, text: "corsgate cannot judge the change: " + why}
}

// response returns the verdict as the API server takes it.
func (v *verdict) response(uid types.UID) *admissionv1.AdmissionResponse {
	response := &admissionv1.AdmissionResponse{UID: uid, Allowed: v.allowed, Warnings: v.remarks}
	warnings := v.problems.Warnings()
	for _, p := range warnings[:min(len(warnings), maxLines)] {
		response.Warnings = append(response.Warnings, v.line(p))
	}
	if v.allowed {
		return response
	}
	// Of what is Invalid kubectl shows the causes alone, and neither the object nor its
	// file; so there is no reason but the message.
	status := &metav1.Status{Status: metav1.StatusFailure, Code: v.code, Message: v.message()}
	if v.code == http.StatusServiceUnavailable {
		status.Reason = metav1.StatusReasonServiceUnavailable
	}
	if errs := v.problems.Errors(); len(errs) > 0 {
		errs = errs[:min(len(errs), maxCauses)]
		status.Details = &metav1.StatusDetails{Causes: make([]metav1.StatusCause, len(errs))}
		for i, p := range errs {
			status.Details.Causes[i] = metav1.StatusCause{Type: metav1.CauseType(p.Code), Field: p.Field, Message: v.line(p)}
		}
	}
	response.Result = status
	return response
}

// maxLines is how many errors the message holds, and how many warnings are told.
// maxCauses is how many errors are among the causes.
const (
	maxLines  = 50
	maxCauses = 1000
)

// message says why the change is refused, an error a line.
func (v *verdict) message() string {
	errs := v.problems.Errors()
	if len(errs) == 0 {
		return v.text
	}
	text := v.text
	for i, p := range errs {
		if i == maxLines {
			return text + fmt.Sprintf("\nand %d more", len(errs)-i)
		}
		if text != "" {
			text += "\n"
		}
		text += v.line(p)
	}
	return text
}

// line writes a problem. What the object itself is called goes without saying.
func (v *verdict) line(p policy.Problem) string {
	if p.Position.File == v.file {
		p.Position = policy.Position{}
	}
	p.Severity = policy.SeverityError // that it is a warning is said by where it stands
	return p.Error()
}
