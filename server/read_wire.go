package server

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
	"unsafe"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/policy"
)

// A CheckRequest is mostly what a decision does not look at: unmarshalling all of
// it costs some eight hundred times what the decision does. So the wire form is
// walked once, and only the fields of a policy.Request are taken from it.
//
// The walk knows the one form that Envoy writes: each message once, each map
// entry and header with its fields once and in order, no header twice. Whatever
// else protobuf allows, it leaves to readRequest, and so it needs no meaning of
// its own for what is rare. What it accepts means the same as it does to
// readRequest after proto.Unmarshal, with one difference: it passes over a field
// that no decision looks at by that field's length, so that what is wrong inside
// such a field, a text that is not UTF-8 or a broken message, goes unseen.

// The fields that are taken, as tags: a field's number and its wire type. The
// numbers are those of envoy/service/auth/v3/attribute_context.proto,
// external_auth.proto and envoy/config/core/v3/base.proto.
const (
	bytesType = uint64(protowire.BytesType)

	tagAttributes = 1<<3 | bytesType // CheckRequest

	tagRequest    = 4<<3 | bytesType // AttributeContext
	tagExtensions = 10<<3 | bytesType

	tagHTTP = 2<<3 | bytesType // AttributeContext.Request

	tagMethod    = 2<<3 | bytesType // AttributeContext.HttpRequest
	tagHeaders   = 3<<3 | bytesType
	tagPath      = 4<<3 | bytesType
	tagHost      = 5<<3 | bytesType
	tagScheme    = 6<<3 | bytesType
	tagHeaderMap = 13<<3 | bytesType

	tagLine = 1<<3 | bytesType // HeaderMap

	tagKey   = 1<<3 | bytesType // HeaderValue, and entries of maps
	tagValue = 2<<3 | bytesType
	tagRaw   = 3<<3 | bytesType // HeaderValue alone
)

// readWire fills r from the wire form of a CheckRequest. The strings in r may be
// views of message: r is good for as long as message is not written to.
func readWire(message []byte, r *policy.Request) error {
	w := walker{request: r}
	if w.check(message) && r.Method != "" && r.Host != "" {
		return nil
	}
	*r = policy.Request{}
	check := &authv3.CheckRequest{}
	if err := proto.Unmarshal(message, check); err != nil {
		return errNotCheck
	}
	return readRequest(check, r)
}

// A walker takes a request from a CheckRequest's wire form. Each of its methods
// walks one message, and reports false where the walk must be left to
// readRequest.
type walker struct {
	request *policy.Request
	// Which messages and headers were seen: none may come twice.
	attributes, inner, http bool
	headers                 headerSet
}

// headerSet is a set of the headers that decisions look at.
type headerSet uint8

const (
	seenOrigin headerSet = 1 << iota
	seenUpgrade
	seenFetchSite
	seenFetchMode
	seenRequestMethod
	seenRequestHeaders
	seenPrivateNetwork
)

func (w *walker) check(message []byte) bool {
	for len(message) > 0 {
		tag, field, rest, ok := nextField(message)
		if !ok {
			return false
		}
		message = rest
		if tag == tagAttributes {
			if w.attributes || !w.attribute(field) {
				return false
			}
			w.attributes = true
		}
	}
	return w.http
}

func (w *walker) attribute(message []byte) bool {
	for len(message) > 0 {
		tag, field, rest, ok := nextField(message)
		if !ok {
			return false
		}
		message = rest
		switch tag {
		case tagRequest:
			if w.inner || !w.innerRequest(field) {
				return false
			}
			w.inner = true
		case tagExtensions:
			if !w.extension(field) {
				return false
			}
		}
	}
	return true
}

func (w *walker) innerRequest(message []byte) bool {
	for len(message) > 0 {
		tag, field, rest, ok := nextField(message)
		if !ok {
			return false
		}
		message = rest
		if tag == tagHTTP {
			if w.http || !w.httpRequest(field) {
				return false
			}
			w.http = true
		}
	}
	return true
}

// httpRequest walks the message that holds the headers, and with them nearly all
// of the bytes. So it takes the common form of a field apart by itself.
func (w *walker) httpRequest(message []byte) bool {
	for at := 0; at < len(message); {
		tag := uint64(message[at])
		length, begin := shortLength(message, at+1)
		end := begin + length
		if begin == 0 || end > len(message) || tag&^uint64(0x78) != bytesType || tag == bytesType {
			tag, field, rest, ok := nextFieldSlow(message[at:])
			if !ok || !w.httpField(tag, field) {
				return false
			}
			at = len(message) - len(rest)
			continue
		}
		field := message[begin:end:end]
		at = end
		if tag == tagHeaders {
			key, value := glance(field)
			if value != 0 {
				if name := field[2:key]; mayMatter(name) && !w.take(name, field[value:], true) {
					return false
				}
				continue
			}
		}
		if !w.httpField(tag, field) {
			return false
		}
	}
	return true
}

func (w *walker) httpField(tag uint64, field []byte) bool {
	switch tag {
	case tagHeaders:
		return w.header(field)
	case tagMethod:
		return setText(&w.request.Method, field)
	case tagPath:
		return setText(&w.request.Path, field)
	case tagHost:
		return setText(&w.request.Host, field)
	case tagScheme:
		return setText(&w.request.Scheme, field)
	case tagHeaderMap:
		return w.headerMap(field)
	}
	return true
}

// glance returns where in an entry of the map of headers the name ends and where the
// value begins. Of an entry that is not in the form that encoders write, or has an empty
// or a very long value, it returns zeros.
func glance(entry []byte) (key, value int) {
	const room = 4 // for two tags and two lengths
	if len(entry) < room || uint64(entry[0]) != tagKey {
		return 0, 0
	}
	key = 2 + int(entry[1])
	if key > len(entry)-2 || entry[1] >= 0x80 || uint64(entry[key]) != tagValue {
		return 0, 0
	}
	length, value := shortLength(entry, key+1)
	if value+length != len(entry) {
		return 0, 0
	}
	return key, value
}

// extension takes one entry of context_extensions. Of a key that comes twice the
// last value counts, as in any map.
func (w *walker) extension(entry []byte) bool {
	key, value, ok := mapEntry(entry)
	if !ok {
		return false
	}
	switch string(key) {
	case extensionPolicy:
		return setText(&w.request.PolicyName, value)
	case extensionVary:
		if !isText(value) {
			return false
		}
		w.request.RouteVaries = string(value) == varyByRoute
	}
	return true
}

// header takes one entry of the map of headers.
func (w *walker) header(entry []byte) bool {
	key, value, ok := mapEntry(entry)
	if !ok {
		return false
	}
	if !mayMatter(key) {
		return true
	}
	return w.take(key, value, true)
}

// headerMap takes the headers that come as a list, one line each.
func (w *walker) headerMap(message []byte) bool {
	for len(message) > 0 {
		tag, field, rest, ok := nextField(message)
		if !ok {
			return false
		}
		message = rest
		if tag == tagLine && !w.line(field) {
			return false
		}
	}
	return true
}

// line takes one header of the list: its name, and its value in one of two
// fields, of which Envoy writes one.
func (w *walker) line(message []byte) bool {
	tag, key, rest, ok := nextField(message)
	if !ok || tag != tagKey {
		return false
	}
	if len(rest) == 0 { // an empty value is not written
		return !mayMatter(key) || w.take(key, nil, true)
	}
	tag, value, rest, ok := nextField(rest)
	if !ok || len(rest) != 0 || (tag != tagValue && tag != tagRaw) {
		return false
	}
	return !mayMatter(key) || w.take(key, value, tag == tagValue)
}

// take puts a header where decisions look for it, unless they do not. A text
// must be UTF-8; raw bytes need not be.
func (w *walker) take(key, value []byte, text bool) bool {
	r := w.request
	var field *string
	which := which(key)
	switch which {
	case 0:
		return true
	case otherSpelling:
		return false
	case seenOrigin:
		field = &r.Origin
	case seenUpgrade:
		field = &r.Upgrade
	case seenFetchSite:
		field = &r.FetchSite
	case seenFetchMode:
		field = &r.FetchMode
	case seenRequestMethod:
		field = &r.RequestMethod
	case seenRequestHeaders:
		field = &r.RequestHeaders
	}
	if w.headers&which != 0 || (text && !isText(value)) {
		return false
	}
	w.headers |= which
	if field == nil {
		r.PrivateNetwork = string(value) == "true"
		return true
	}
	*field = view(value)
	return true
}

// otherSpelling is of a name that may be one of those in other letters than the
// lower case in which Envoy writes names.
const otherSpelling headerSet = 1 << 7

// which returns the header of a name: zero if decisions do not look at it.
func which(name []byte) headerSet {
	switch len(name) {
	case len("origin"):
		return spelled(name, "origin", seenOrigin)
	case len("upgrade"):
		return spelled(name, "upgrade", seenUpgrade)
	case len("sec-fetch-site"): // as long as sec-fetch-mode
		// What tells them apart stands at the end.
		if name[len("sec-fetch-")]|0x20 == 's' {
			return spelled(name, "sec-fetch-site", seenFetchSite)
		}
		return spelled(name, "sec-fetch-mode", seenFetchMode)
	case len("access-control-request-method"):
		return spelled(name, "access-control-request-method", seenRequestMethod)
	case len("access-control-request-headers"):
		return spelled(name, "access-control-request-headers", seenRequestHeaders)
	case len(privateNetworkHeader):
		return spelled(name, privateNetworkHeader, seenPrivateNetwork)
	}
	return 0
}

// spelled says whether a name is that of a header.
func spelled(name []byte, as string, header headerSet) headerSet {
	switch {
	case string(name) == as:
		return header
	case strings.EqualFold(view(name), as):
		return otherSpelling
	}
	return 0
}

// mayMatter says whether a header can be one that decisions look at, by the length
// of its name and by its ends, in whatever letters. Most are not, and this is all
// that they cost.
func mayMatter(name []byte) bool {
	if len(name) == 0 || len(name) >= len(headerEnds) {
		return false
	}
	return headerEnds[len(name)] == endsOf(name[0], name[len(name)-1])
}

// headerEnds are the ends of the names of the headers that decisions look at, by
// the lengths of the names.
var headerEnds = [64]uint16{
	len("origin"):                         endsOf('o', 'n'),
	len("upgrade"):                        endsOf('u', 'e'),
	len("sec-fetch-site"):                 endsOf('s', 'e'), // and sec-fetch-mode
	len("access-control-request-method"):  endsOf('a', 'd'),
	len("access-control-request-headers"): endsOf('a', 's'),
	len(privateNetworkHeader):             endsOf('a', 'k'),
}

// endsOf puts the first and the last byte of a name together, without regard to
// case.
func endsOf(first, last byte) uint16 { return uint16(first|0x20)<<8 | uint16(last|0x20) }

// mapEntry takes an entry of a map apart, in the only form that encoders write:
// the key, then the value, and nothing else.
func mapEntry(entry []byte) (key, value []byte, ok bool) {
	// Both lengths are below 128 for almost all headers.
	if len(entry) >= 2 && uint64(entry[0]) == tagKey && entry[1] < 0x80 {
		end := 2 + int(entry[1])
		if len(entry) >= end+2 && uint64(entry[end]) == tagValue && entry[end+1] < 0x80 {
			if len(entry) != end+2+int(entry[end+1]) {
				return nil, nil, false
			}
			return entry[2:end], entry[end+2:], true
		}
	}
	tag, key, rest, ok := nextField(entry)
	if !ok || tag != tagKey {
		return nil, nil, false
	}
	tag, value, rest, ok = nextField(rest)
	if !ok || tag != tagValue || len(rest) != 0 {
		return nil, nil, false
	}
	return key, value, true
}

// nextField takes the first field off a message. The field is what it holds
// where it has a length, and nil otherwise. Groups, which Envoy's messages do
// not have, are left to readRequest.
func nextField(message []byte) (tag uint64, field, rest []byte, ok bool) {
	if len(message) >= 2 && message[0] < 0x80 && message[1] < 0x80 && uint64(message[0])&7 == bytesType && message[0] >= 1<<3 {
		length := int(message[1])
		if len(message) < 2+length {
			return 0, nil, nil, false
		}
		return uint64(message[0]), message[2 : 2+length : 2+length], message[2+length:], true
	}
	return nextFieldSlow(message)
}

// shortLength reads a length of one byte or two, which all but the longest fields
// have, and returns where what is as long begins: zero if the length is longer, or
// stands at the very end. Which of the two it is cannot be foreseen, so nothing
// branches on it.
func shortLength(message []byte, at int) (length, begin int) {
	if at >= len(message)-1 || message[at]&message[at+1] >= 0x80 {
		return 0, 0
	}
	more := int(message[at] >> 7)
	return int(message[at]&0x7f) | int(message[at+1])<<7&-more, at + 1 + more
}

// nextFieldSlow is nextField for long fields and other wire types.
func nextFieldSlow(message []byte) (tag uint64, field, rest []byte, ok bool) {
	tag, n := binary.Uvarint(message)
	if n <= 0 || tag>>3 < uint64(protowire.MinValidNumber) || tag>>3 > uint64(protowire.MaxValidNumber) {
		return 0, nil, nil, false
	}
	rest = message[n:]
	switch protowire.Type(tag & 7) {
	case protowire.BytesType:
		length, n := binary.Uvarint(rest)
		if n <= 0 || length > uint64(len(rest)-n) { //nolint:gosec // Uvarint has read n of them
			return 0, nil, nil, false
		}
		end := n + int(length) //nolint:gosec // not more than the message is long
		return tag, rest[n:end:end], rest[end:], true
	case protowire.VarintType:
		_, n = binary.Uvarint(rest)
	case protowire.Fixed32Type:
		n = 4
	case protowire.Fixed64Type:
		n = 8
	default:
		return 0, nil, nil, false
	}
	if n <= 0 || n > len(rest) {
		return 0, nil, nil, false
	}
	return tag, nil, rest[n:], true
}

// setText takes a field that must be UTF-8.
func setText(to *string, field []byte) bool {
	*to = view(field)
	return isText(field)
}

// isText reports whether bytes are UTF-8. Nearly all are ASCII, and short.
func isText(text []byte) bool {
	const (
		word   = 8
		beyond = 0x8080808080808080 // the bits that no byte of ASCII has
	)
	var all uint64
	if n := len(text); n >= word {
		for at := 0; at < n-word; at += word {
			all |= binary.LittleEndian.Uint64(text[at:])
		}
		all |= binary.LittleEndian.Uint64(text[n-word:]) // the rest, and perhaps some once more
	} else {
		for _, b := range text {
			all |= uint64(b)
		}
	}
	return all&beyond == 0 || utf8.Valid(text)
}

// view returns bytes as a string without copying them.
//
//nolint:gosec // The bytes stay as they are until the call is forgotten, and its strings with it.
func view(text []byte) string { return unsafe.String(unsafe.SliceData(text), len(text)) }
