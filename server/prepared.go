package server

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unicode/utf8"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/corsgate/corsgate/policy"
)

// Why a decision cannot be sent. Each is a defect in this program; the caller
// turns it into a gRPC error, so that it is never an allow.
var (
	errUnknownAction = errors.New("the decision asks for an action that is not known")
	errUnknownWrite  = errors.New("the decision has a header with a write mode that is not known")
	errBadStatus     = errors.New("the decision answers with a status that HTTP does not have")
	errNotText       = errors.New("the decision has a text that is not UTF-8")
	errTooLong       = errors.New("the decision has more text than an answer can hold")
)

// The statuses that HTTP has (RFC 9110, section 15), without the interim ones.
const (
	minStatus = 200
	maxStatus = 599
)

// The numbers of the fields that answers are made of, from
// envoy/service/auth/v3/external_auth.proto, envoy/config/core/v3/base.proto,
// envoy/type/v3/http_status.proto and google/rpc/status.proto.
const (
	fieldStatus   protowire.Number = 1 // CheckResponse
	fieldDenied   protowire.Number = 2
	fieldOK       protowire.Number = 3
	fieldMetadata protowire.Number = 4

	fieldCode protowire.Number = 1 // google.rpc.Status, and HttpStatus

	fieldDeniedStatus  protowire.Number = 1 // DeniedHttpResponse
	fieldDeniedHeaders protowire.Number = 2
	fieldDeniedBody    protowire.Number = 3

	fieldOKHeaders protowire.Number = 6 // OkHttpResponse

	fieldHeader       protowire.Number = 1 // HeaderValueOption
	fieldAppendAction protowire.Number = 3

	fieldKey   protowire.Number = 1 // HeaderValue, and entries of maps
	fieldValue protowire.Number = 2
)

// A prepared answer is a status and an HTTP response in wire form, with gaps for
// what comes from a request. By its making it has both, so that no answer can be
// the empty response, or the one without a status, that Envoy takes for an allow.
type prepared struct {
	// forward says which of the two HTTP responses it holds.
	forward bool
	// head is what comes before the first gap: everything, where there is none.
	head []byte
	// response is where in head the length of the HTTP response stands, if there
	// is a gap.
	response int
	gaps     []gap
}

// A gap is a header whose value comes from the request.
type gap struct {
	field *policy.Field
	// lead is the header up to its value. option, header and value are where in it
	// the lengths of the message around the header, of the header, and of the
	// value stand.
	lead                  []byte
	option, header, value int
	// rest is what follows the value: action bytes that belong to the option, and
	// what follows the option, up to the next gap.
	rest   []byte
	action int
}

// preparedAnswers are those of one set, by the ID of the answer. Each is made
// when it is first needed: a set of ten thousand policies has many more answers than are
// ever given.
type preparedAnswers struct {
	answers []atomic.Pointer[prepared]
	// forward and refuse are for decisions without an answer.
	forward, refuse atomic.Pointer[prepared]
}

func newPreparedAnswers(set *policy.Set) *preparedAnswers {
	return &preparedAnswers{answers: make([]atomic.Pointer[prepared], set.Answers())}
}

// of returns what is prepared for a decision.
func (t *preparedAnswers) of(d *policy.Decision) (*prepared, error) {
	answer, forward := d.Answer(), d.Action == policy.ActionForward
	var slot *atomic.Pointer[prepared]
	switch {
	case answer != nil:
		slot = &t.answers[answer.ID]
	case forward:
		slot = &t.forward
	default:
		slot = &t.refuse
	}
	if ready := slot.Load(); ready != nil && ready.forward == forward && d.Action <= policy.ActionForward {
		return ready, nil
	}
	made, err := prepareAnswer(d)
	if err != nil {
		return nil, err
	}
	slot.Store(made)
	return made, nil
}

// prepareAnswer prepares the answer of a decision. Each header carries an explicit
// append_action: what Envoy does without one differs between its versions, and
// the deprecated `append` field makes it drop headers of denied responses
// silently.
func prepareAnswer(d *policy.Decision) (*prepared, error) {
	var fields []policy.Field
	if answer := d.Answer(); answer != nil {
		fields = answer.Fields
	}
	switch d.Action {
	case policy.ActionForward:
		b := preparation{forward: true}
		return b.build(codes.OK, fieldOK, nil, fields, fieldOKHeaders, appendAction)

	case policy.ActionRefuse, policy.ActionAnswer:
		status := d.Status()
		if status < minStatus || status > maxStatus {
			return nil, fmt.Errorf("writing status %d: %w", status, errBadStatus)
		}
		b := preparation{}
		if body := d.Body(); body != "" {
			b.body = appendText(nil, fieldDeniedBody, body)
		}
		lead := appendNested(nil, fieldDeniedStatus, appendNumber(nil, fieldCode, status))
		// Any code but OK makes Envoy send the denied response; a preflight's 204 is
		// one too.
		return b.build(codes.PermissionDenied, fieldDenied, lead, fields, fieldDeniedHeaders, overwriteAlways)

	default:
		return nil, fmt.Errorf("writing action %d: %w", d.Action, errUnknownAction)
	}
}

// headerAction says how a header of the service's own response meets ours.
type headerAction func(policy.WriteMode) (corev3.HeaderValueOption_HeaderAppendAction, error)

// appendAction is for headers that go on whatever response comes.
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

// A preparation makes one prepared answer.
type preparation struct {
	forward bool
	body    []byte
	gaps    []gap
}

// build puts an answer together: the status, the HTTP response, and in it lead,
// the headers, and the body.
func (b *preparation) build(
	code codes.Code, response protowire.Number, lead []byte, fields []policy.Field, headers protowire.Number, action headerAction,
) (*prepared, error) {
	parts := lead // of the HTTP response, up to the first gap
	for i := range fields {
		field := &fields[i]
		how, err := action(field.Write)
		if err != nil {
			return nil, fmt.Errorf("writing header %s: %w", field.Name, err)
		}
		value, constant := field.Value()
		if !utf8.ValidString(field.Name) || (constant && !utf8.ValidString(value)) {
			return nil, fmt.Errorf("writing header %s: %w", field.Name, errNotText)
		}
		if !constant {
			b.gaps = append(b.gaps, newGap(field, headers, how))
			continue
		}
		header := appendText(appendText(nil, fieldKey, field.Name), fieldValue, value)
		option := appendAppendAction(appendNested(nil, fieldHeader, header), how)
		b.after(&parts, func(dst []byte) []byte { return appendNested(dst, headers, option) })
	}
	b.after(&parts, func(dst []byte) []byte { return append(dst, b.body...) })

	var status []byte
	if code != codes.OK {
		status = appendNumber(nil, fieldCode, int(code))
	}
	t := &prepared{forward: b.forward, gaps: b.gaps}
	t.head = appendNested(nil, fieldStatus, status)
	if len(b.gaps) == 0 {
		t.head = appendNested(t.head, response, parts)
		return t, nil
	}
	t.head, t.response = appendOpen(t.head, response)
	t.head = append(t.head, parts...)
	return t, nil
}

// after writes behind the last gap or, as long as there is none, to parts.
func (b *preparation) after(parts *[]byte, write func([]byte) []byte) {
	if len(b.gaps) == 0 {
		*parts = write(*parts)
		return
	}
	last := &b.gaps[len(b.gaps)-1]
	last.rest = write(last.rest)
}

func newGap(field *policy.Field, headers protowire.Number, how corev3.HeaderValueOption_HeaderAppendAction) gap {
	g := gap{field: field}
	g.lead, g.option = appendOpen(nil, headers)
	g.lead, g.header = appendOpen(g.lead, fieldHeader)
	g.lead = appendText(g.lead, fieldKey, field.Name)
	g.lead, g.value = appendOpen(g.lead, fieldValue)
	g.rest = appendAppendAction(nil, how)
	g.action = len(g.rest)
	return g
}

func appendText(dst []byte, field protowire.Number, text string) []byte {
	return protowire.AppendString(protowire.AppendTag(dst, field, protowire.BytesType), text)
}

func appendNested(dst []byte, field protowire.Number, message []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(dst, field, protowire.BytesType), message)
}

func appendNumber(dst []byte, field protowire.Number, number int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(dst, field, protowire.VarintType), uint64(number)) //nolint:gosec // never negative
}

func appendAppendAction(dst []byte, how corev3.HeaderValueOption_HeaderAppendAction) []byte {
	if how == 0 {
		return dst // proto3 does not write zeros
	}
	return appendNumber(dst, fieldAppendAction, int(how))
}
