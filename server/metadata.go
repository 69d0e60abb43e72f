package server

import (
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/corsgate/corsgate/policy"
)

// metadataKey nests what we say under a key of our own: Envoy files the
// metadata of every ext_authz filter in one namespace, whatever the filter is
// called. An access log reads it with
// %DYNAMIC_METADATA(envoy.filters.http.ext_authz:cors:verdict)%.
const metadataKey = "cors"

// metadataFields is how many fields a decision's metadata has at the most.
const metadataFields = 9

// metadata is the room for one decision's metadata, taken in one piece.
type metadata struct {
	values [metadataFields]structpb.Value
	texts  [metadataFields]structpb.Value_StringValue
	used   int
	fields structpb.Struct
	outer  structpb.Struct
	nested structpb.Value
	kind   structpb.Value_StructValue
}

// add sets a field. An absent value is left out, so that a log shows its own
// sign for nothing.
func (m *metadata) add(name, text string) {
	if text == "" {
		return
	}
	// A file may be named in bytes that protobuf refuses; a position must not
	// turn a decision into an error. Valid text comes back as it is.
	m.texts[m.used].StringValue = strings.ToValidUTF8(text, "\ufffd")
	m.values[m.used].Kind = &m.texts[m.used]
	m.fields.Fields[name] = &m.values[m.used]
	m.used++
}

// decisionMetadata says what was decided and by what, for Envoy's access log
// and for filters behind ours.
func decisionMetadata(d *policy.Decision, revision string) *structpb.Struct {
	m := &metadata{}
	m.fields.Fields = make(map[string]*structpb.Value, metadataFields)
	m.add("verdict", d.Verdict.String())
	m.add("reason", d.Reason.String())
	m.add("kind", d.Kind.String())
	m.add("action", actionWord(d.Action))
	m.add("revision", revision)
	if d.Policy != nil {
		m.add("policy", d.Policy.Name)
		m.add("enforcement", enforcementWord(d.Policy.Enforcement))
	}
	if rule, ok := d.Rule(); ok {
		m.add("rule", rule.Field)
		m.add("position", rule.Position.String())
	} else if d.Policy != nil {
		m.add("position", d.Policy.Position.String())
	}

	m.kind.StructValue = &m.fields
	m.nested.Kind = &m.kind
	m.outer.Fields = map[string]*structpb.Value{metadataKey: &m.nested}
	return &m.outer
}

// actionWord returns the word for an action in logs and metadata.
func actionWord(a policy.Action) string {
	switch a {
	case policy.ActionRefuse:
		return "refuse"
	case policy.ActionAnswer:
		return "answer"
	case policy.ActionForward:
		return "forward"
	default:
		return "unknown"
	}
}

// enforcementWord returns the word that a policy document uses.
func enforcementWord(e policy.Enforcement) string {
	switch e {
	case policy.EnforcementEnforce:
		return "ENFORCE"
	case policy.EnforcementReportOnly:
		return "REPORT_ONLY"
	case policy.EnforcementDisabled:
		return "DISABLED"
	default:
		return "UNKNOWN"
	}
}
