package server

import (
	"encoding/binary"
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

func (w *walker) httpRequest(message []byte) bool {
	for len(message) > 0 {
		tag, field, rest, ok := nextField(message)
		if !ok {
			return false
		}
		message = rest
		switch tag {
		case tagHeaders:
			ok = w.header(field)
		case tagMethod:
			ok = setText(&w.request.Method, field)
		case tagPath:
			ok = setText(&w.request.Path, field)
		case tagHost:
			ok = setText(&w.request.Host, field)
		case tagScheme:
			ok = setText(&w.request.Scheme, field)
		case tagHeaderMap:
			ok = w.headerMap(field)
		}
		if !ok {
			return false
		}
	}
	return true
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
		if !utf8.Valid(value) {
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
	if !lengthMatters(len(key)) {
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
		return !lengthMatters(len(key)) || w.take(key, nil, true)
	}
	tag, value, rest, ok := nextField(rest)
	if !ok || len(rest) != 0 || (tag != tagValue && tag != tagRaw) {
		return false
	}
	return !lengthMatters(len(key)) || w.take(key, value, tag == tagValue)
}

// take puts a header where decisions look for it, unless they do not. A text
// must be UTF-8; raw bytes need not be.
func (w *walker) take(key, value []byte, text bool) bool {
	r := w.request
	var field *string
	which := which(key)
	switch which {
	case 0:
		return !hasUpper(key)
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
	if w.headers&which != 0 || (text && !utf8.Valid(value)) {
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

// which returns the header of a name in lower case, as Envoy writes names: zero
// if decisions do not look at it.
func which(name []byte) headerSet {
	switch string(name) {
	case "origin":
		return seenOrigin
	case "upgrade":
		return seenUpgrade
	case "sec-fetch-site":
		return seenFetchSite
	case "sec-fetch-mode":
		return seenFetchMode
	case "access-control-request-method":
		return seenRequestMethod
	case "access-control-request-headers":
		return seenRequestHeaders
	case privateNetworkHeader:
		return seenPrivateNetwork
	default:
		return 0
	}
}

// hasUpper says whether a name is not in lower case, and may be any.
func hasUpper(name []byte) bool {
	for _, b := range name {
		if 'A' <= b && b <= 'Z' {
			return true
		}
	}
	return false
}

// lengthMatters says whether a header with a name of this length can be one that
// decisions look at. Most are not, and this is all that they cost.
func lengthMatters(length int) bool {
	const lengths = 1<<len("origin") | 1<<len("upgrade") | 1<<len("sec-fetch-site") | 1<<len("access-control-request-method") |
		1<<len("access-control-request-headers") | 1<<len(privateNetworkHeader)
	return uint64(lengths)>>uint(length)&1 != 0
}

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
	return utf8.Valid(field)
}

// view returns bytes as a string without copying them.
//
//nolint:gosec // The bytes stay as they are until the call is forgotten, and its strings with it.
func view(text []byte) string { return unsafe.String(unsafe.SliceData(text), len(text)) }
