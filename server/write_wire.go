package server

import (
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/corsgate/corsgate/policy"
)

// An answer is written in one pass, from front to back: what is prepared is
// copied, and what comes from the request goes between. The lengths around it
// are known only afterwards. So they get a fixed room, which protobuf allows: a
// varint may have more bytes than it needs.
const (
	// openBytes is the room for such a length.
	openBytes = 3
	// maxOpen is the longest that fits.
	maxOpen = 1<<(7*openBytes) - 1
)

// appendOpen begins a field whose length is not known yet, and returns where the
// length goes.
func appendOpen(dst []byte, field protowire.Number) (opened []byte, at int) {
	dst = protowire.AppendTag(dst, field, protowire.BytesType)
	return append(dst, 0, 0, 0), len(dst)
}

// closeLength says how long what was opened at a place has become: all that
// follows. It reports false if that is too long.
func closeLength(dst []byte, at int) bool {
	length := len(dst) - at - openBytes
	_ = dst[at+2]
	dst[at] = byte(length&0x7f) | 0x80
	dst[at+1] = byte(length>>7&0x7f) | 0x80
	dst[at+2] = byte(length >> 14 & 0x7f)
	return length <= maxOpen
}

// appendAnswer writes the CheckResponse of a decision that the set made.
func (l *live) appendAnswer(dst []byte, d *policy.Decision, o *outcome) ([]byte, error) {
	t, err := l.prepared.of(d)
	if err != nil {
		return nil, err
	}
	dst, fits := t.append(dst, d)
	start := len(dst)
	dst, fitsToo := appendMetadata(append(dst, o.metadata...), start, d)
	if !fits || !fitsToo {
		return nil, errTooLong
	}
	return dst, nil
}

// append writes the status and the HTTP response.
func (t *prepared) append(dst []byte, d *policy.Decision) (answer []byte, fits bool) {
	start := len(dst)
	dst = append(dst, t.head...)
	if len(t.gaps) == 0 {
		return dst, true
	}
	fits = true
	for i := range t.gaps {
		g := &t.gaps[i]
		at := len(dst)
		dst = d.AppendValue(append(dst, g.lead...), g.field)
		fits = closeLength(dst, at+g.value) && closeLength(dst, at+g.header) && fits
		end := len(dst) + g.action
		dst = append(dst, g.rest...)
		fits = closeLength(dst[:end], at+g.option) && fits
	}
	return dst, closeLength(dst, start+t.response) && fits
}

// metadataKey nests what we say under a key of our own: Envoy files the
// metadata of every ext_authz filter in one namespace, whatever the filter is
// called. An access log reads it with
// %DYNAMIC_METADATA(envoy.filters.http.ext_authz:cors:verdict)%.
const metadataKey = "cors"

// The numbers of the fields of google/protobuf/struct.proto.
const (
	fieldFields protowire.Number = 1 // Struct
	fieldString protowire.Number = 3 // Value
	fieldStruct protowire.Number = 5
)

// metadataOpen are the places, in what metadataLead returns, of the lengths that
// are not known there: of the metadata, of its one entry, of the entry's value,
// and of the structure that this is.
var metadataOpen = func() (open [4]int) {
	_, open = openMetadata(nil)
	return open
}()

func openMetadata(dst []byte) (opened []byte, open [4]int) {
	dst, open[0] = appendOpen(dst, fieldMetadata)
	dst, open[1] = appendOpen(dst, fieldFields)
	dst = appendText(dst, fieldKey, metadataKey)
	dst, open[2] = appendOpen(dst, fieldValue)
	dst, open[3] = appendOpen(dst, fieldStruct)
	return dst, open
}

// metadataLead is what the metadata of a decision begins with: all that does not
// depend on the rule that decided. The metadata says what was decided and by
// what, for Envoy's access log and for filters behind ours. Each entry costs Envoy a
// microsecond or more, so what goes without saying is left out: that a policy is
// in force, and the action, which follows from the rest.
func metadataLead(d *policy.Decision, revision string) []byte {
	dst, _ := openMetadata(nil)
	dst = appendEntry(dst, "verdict", d.Verdict.String())
	dst = appendEntry(dst, "reason", d.Reason.String())
	dst = appendEntry(dst, "kind", d.Kind.String())
	dst = appendEntry(dst, "revision", revision)
	if d.Policy != nil {
		dst = appendEntry(dst, "policy", d.Policy.Name)
		if d.Policy.Enforcement != policy.EnforcementEnforce {
			dst = appendEntry(dst, "enforcement", d.Policy.Enforcement.String())
		}
	}
	return dst
}

// appendEntry writes an entry of a structure. An absent value is left out, so
// that a log shows its own sign for nothing.
func appendEntry(dst []byte, name, text string) []byte {
	if text == "" {
		return dst
	}
	value := appendText(nil, fieldString, validText(text))
	return appendNested(dst, fieldFields, appendNested(appendText(nil, fieldKey, name), fieldValue, value))
}

// validText replaces what protobuf refuses. A file may be named in bytes that
// are not UTF-8; a position must not turn a decision into an error.
func validText(text string) string { return strings.ToValidUTF8(text, "\ufffd") }

// ruleOpen and positionOpen begin the entries of what depends on the rule, each up
// to its text.
var ruleOpen, positionOpen = openEntry("rule"), openEntry("position")

func openEntry(name string) []byte {
	dst, _ := appendOpen(nil, fieldFields)
	dst = appendText(dst, fieldKey, name)
	dst, _ = appendOpen(dst, fieldValue)
	dst, _ = appendOpen(dst, fieldString)
	return dst
}

// appendMetadata adds to the lead, which begins at start, the rule that decided,
// and closes the metadata.
func appendMetadata(dst []byte, start int, d *policy.Decision) (answer []byte, fits bool) {
	entry := len(dst)
	dst = append(dst, ruleOpen...)
	text := len(dst)
	dst, fits = closeEntry(d.AppendRule(dst), entry, text)

	entry = len(dst)
	dst = append(dst, positionOpen...)
	text = len(dst)
	dst, fitsToo := closeEntry(d.AppendPosition(dst), entry, text)

	fits = fits && fitsToo
	for _, at := range metadataOpen {
		fits = closeLength(dst, start+at) && fits
	}
	return dst, fits
}

// closeEntry ends an entry that begins at one place, and its text at another. An
// entry without a text is taken back.
func closeEntry(dst []byte, entry, text int) (closed []byte, fits bool) {
	if len(dst) == text {
		return dst[:entry], true
	}
	if !isText(dst[text:]) {
		dst = append(dst[:text], validText(string(dst[text:]))...)
	}
	// All tags here are of one byte.
	fits = closeLength(dst, text-openBytes)
	fits = closeLength(dst, text-openBytes-1-openBytes) && fits
	return dst, closeLength(dst, entry+1) && fits
}
