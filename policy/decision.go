package policy

// Verdict is what a decision concludes. The zero value denies.
type Verdict uint8

const (
	// VerdictDeny grants nothing: the caller may not do this.
	VerdictDeny Verdict = iota
	// VerdictAllow grants a cross-origin caller what it asks.
	VerdictAllow
	// VerdictPass lets a request through without granting anything: it is not
	// cross-origin, or the policy does not want it stopped.
	VerdictPass
)

// Action is what the proxy must do. The zero value refuses.
type Action uint8

const (
	// ActionRefuse answers in the service's place, with a status of 403 and a
	// body that says why.
	ActionRefuse Action = iota
	// ActionAnswer answers a preflight in the service's place.
	ActionAnswer
	// ActionForward lets the request go on to the service and adds headers to
	// whatever response comes, error replies too.
	ActionForward
)

// Kind is how a request takes part in the CORS protocol.
type Kind uint8

const (
	// KindNotCORS is a request without an Origin, or from the request's own.
	KindNotCORS Kind = iota
	// KindPreflight asks whether an actual request may be made.
	KindPreflight
	// KindActual is any other cross-origin request.
	KindActual
	// KindWebSocket is a WebSocket handshake, which browsers send to any host
	// without asking (RFC 6455, section 10.2).
	KindWebSocket
)

// Reason is why a decision came out as it did. The list is closed: the same
// words stand in logs, metrics, explanations, tests and docs.
type Reason uint8

const (
	// ReasonNone is the zero value, which no decision carries.
	ReasonNone Reason = iota
	// ReasonNoOrigin is of a request without an Origin.
	ReasonNoOrigin
	// ReasonSameOrigin is of a request from its own origin.
	ReasonSameOrigin
	// ReasonOriginAllowed is of an origin that may call, and asks for no more
	// than it may do.
	ReasonOriginAllowed
	// ReasonOriginMalformed is of an Origin that no browser sends: several
	// origins, or none by the Fetch standard's grammar.
	ReasonOriginMalformed
	// ReasonOriginNull is of the origin `null` where it may not call.
	ReasonOriginNull
	// ReasonOriginNotAllowed is of an origin that may not call.
	ReasonOriginNotAllowed
	// ReasonOriginExcluded is of an origin that `excludeOrigins` names.
	ReasonOriginExcluded
	// ReasonCrossSiteNavigation is of a form post that navigates, from an
	// origin that may not call.
	ReasonCrossSiteNavigation
	// ReasonMethodNotAllowed is of an origin that may call, but not with this
	// method.
	ReasonMethodNotAllowed
	// ReasonHeaderNotAllowed is of an origin that may call, but not with one
	// of these request headers.
	ReasonHeaderNotAllowed
	// ReasonTooManyHeaders is of a preflight that asks for more than 128
	// request headers, or for more than 8 KiB of them.
	ReasonTooManyHeaders
	// ReasonNoPolicy is of a request that no policy governs.
	ReasonNoPolicy
	// ReasonUnknownPolicy is of a route that names a policy that is not loaded.
	ReasonUnknownPolicy
	// ReasonGuardrail is of a policy that does what a guardrail forbids, and so lets
	// nobody in.
	ReasonGuardrail
	// ReasonDisabled is of a policy with `enforcement: DISABLED`.
	ReasonDisabled

	reasonCount
)

// WriteMode is how a header meets what the service itself sends.
type WriteMode uint8

const (
	// WriteSet replaces the service's header, or adds ours.
	WriteSet WriteMode = iota
	// WriteAppend adds ours beside the service's.
	WriteAppend
	// WriteReplace replaces the service's header where there is one, and adds
	// nothing where there is none: the service cannot grant what the policy
	// does not.
	WriteReplace
)

// A Header is one header of an answer.
type Header struct {
	// Name is in lower case.
	Name string
	// Value holds no control bytes, and is never empty.
	Value string
	Write WriteMode
}

var verdictWords = [...]string{"deny", "allow", "pass"}

// String returns the word for v in logs and metrics.
func (v Verdict) String() string { return verdictWords[v] }

var actionWords = [...]string{"refuse", "answer", "forward"}

// String returns the word for a in logs and metadata.
func (a Action) String() string { return actionWords[a] }

var kindWords = [...]string{"not_cors", "preflight", "actual", "websocket"}

// String returns the word for k in logs and metrics.
func (k Kind) String() string { return kindWords[k] }

var reasonWords = [reasonCount]string{
	ReasonNone:                "none",
	ReasonNoOrigin:            "no_origin",
	ReasonSameOrigin:          "same_origin",
	ReasonOriginAllowed:       "origin_allowed",
	ReasonOriginMalformed:     "origin_malformed",
	ReasonOriginNull:          "origin_null",
	ReasonOriginNotAllowed:    "origin_not_allowed",
	ReasonOriginExcluded:      "origin_excluded",
	ReasonCrossSiteNavigation: "cross_site_navigation",
	ReasonMethodNotAllowed:    "method_not_allowed",
	ReasonHeaderNotAllowed:    "header_not_allowed",
	ReasonTooManyHeaders:      "too_many_headers",
	ReasonNoPolicy:            "no_policy",
	ReasonUnknownPolicy:       "unknown_policy",
	ReasonGuardrail:           "guardrail",
	ReasonDisabled:            "disabled",
}

// String returns the word for r in logs, metrics, explanations and docs.
func (r Reason) String() string { return reasonWords[r] }

// A Decision is what one request gets. The zero value refuses.
type Decision struct {
	Verdict Verdict
	Reason  Reason
	Action  Action
	Kind    Kind
	// Policy governs the request. It is nil where none does.
	Policy *Policy

	rule   ruleRef
	answer *Answer
	// What the answer takes from the request.
	origin         string
	requestMethod  string
	requestHeaders string
	safe           safelisted
}

// Answer returns what was prepared for such decisions, or nil where the request
// goes on unchanged.
func (d *Decision) Answer() *Answer { return d.answer }

// Rule returns the part of a document that decided. It reports false where no
// single part did.
func (d *Decision) Rule() (Rule, bool) { return d.rule.resolve() }

// AppendRule writes the path of the rule's field, or nothing where no single part
// decided.
func (d *Decision) AppendRule(dst []byte) []byte { return d.rule.appendField(dst) }

// AppendPosition writes the position of the rule or, where no single part
// decided, of the policy.
func (d *Decision) AppendPosition(dst []byte) []byte {
	if d.rule.part != partNone {
		return d.rule.appendPosition(dst)
	}
	if d.Policy != nil {
		return d.Policy.Position.appendTo(dst)
	}
	return dst
}

// AppendValue writes the value of a field of the decision's answer.
func (d *Decision) AppendValue(dst []byte, f *Field) []byte {
	switch f.from {
	case fromOrigin:
		return append(dst, d.origin...)
	case fromMethod:
		return append(dst, d.requestMethod...)
	case fromNames:
		return d.Policy.headers.appendWhole(dst, f.value, d.safe)
	case fromAsked:
		return d.Policy.headers.appendAllowed(dst, d.requestHeaders)
	default:
		return append(dst, f.value...)
	}
}

// Status is the status of our own answer, or zero where the request goes on to
// the service.
func (d *Decision) Status() int {
	switch {
	case d.answer != nil:
		return d.answer.Status
	case d.Action == ActionForward:
		return 0
	default:
		return statusForbidden
	}
}

// Headers returns the headers to send, in a stable order, each name once.
func (d *Decision) Headers() []Header {
	if d.answer == nil {
		return nil
	}
	headers := make([]Header, len(d.answer.Fields))
	for i := range d.answer.Fields {
		f := &d.answer.Fields[i]
		headers[i] = Header{Name: f.Name, Value: f.value, Write: f.Write}
		if f.from != fromValue {
			headers[i].Value = string(d.AppendValue(nil, f))
		}
	}
	return headers
}

// Body is the body of our own answer, and its type is that of the content-type
// among the headers. It is empty for preflights that are not refused and where
// the request goes on.
func (d *Decision) Body() string {
	if d.answer == nil {
		return ""
	}
	return d.answer.Body
}
