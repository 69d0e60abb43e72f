package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/corsgate/corsgate/policy"
)

// readPlain reads a request the plain way, through protobuf's messages.
func readPlain(message []byte) (policy.Request, error) {
	var r policy.Request
	request := &authv3.CheckRequest{}
	if err := proto.Unmarshal(message, request); err != nil {
		return r, errors.Join(errNotCheck, err)
	}
	err := readRequest(request, &r)
	return r, err
}

// partType describes a CheckRequest in which nothing is but what decisions look
// at, and every text is bytes. To it, all else is unknown fields.
func partType(tb testing.TB) protoreflect.MessageDescriptor {
	tb.Helper()
	field := func(number protowire.Number, name, message string, repeated bool) *descriptorpb.FieldDescriptorProto {
		f := &descriptorpb.FieldDescriptorProto{
			Name: new(name), Number: new(int32(number)),
			Type:  descriptorpb.FieldDescriptorProto_TYPE_BYTES.Enum(),
			Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}
		if message != "" {
			f.Type, f.TypeName = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), new("."+message)
		}
		if repeated {
			f.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
		}
		return f
	}
	message := func(name string, fields ...*descriptorpb.FieldDescriptorProto) *descriptorpb.DescriptorProto {
		return &descriptorpb.DescriptorProto{Name: new(name), Field: fields}
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: new("part.proto"), Syntax: new("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{
			message("Check", field(1, "attributes", "Attributes", false)),
			message("Attributes", field(4, "request", "Request", false), field(10, "extensions", "Header", true)),
			message("Request", field(2, "http", "HTTP", false)),
			message("HTTP", field(2, "method", "", false), field(3, "headers", "Header", true), field(4, "path", "", false),
				field(5, "host", "", false), field(6, "scheme", "", false), field(13, "list", "List", false)),
			message("List", field(1, "headers", "Header", true)),
			message("Header", field(1, "key", "", false), field(2, "value", "", false), field(3, "raw", "", false)),
		},
	}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return file.Messages().ByName("Check")
}

// errPartNotText is of a part that decisions look at and is not UTF-8.
var errPartNotText = errors.New("a text that a decision looks at is not UTF-8")

// readPart reads a request from no more of a message than decisions look at.
func readPart(kind protoreflect.MessageDescriptor, message []byte) (policy.Request, error) {
	part := dynamicpb.NewMessage(kind)
	if err := proto.Unmarshal(message, part); err != nil {
		return policy.Request{}, err
	}
	valid := true
	child := func(m protoreflect.Message, name protoreflect.Name) protoreflect.Message {
		return m.Get(m.Descriptor().Fields().ByName(name)).Message()
	}
	text := func(m protoreflect.Message, name protoreflect.Name) string {
		value := m.Get(m.Descriptor().Fields().ByName(name)).Bytes()
		valid = valid && utf8.Valid(value)
		return string(value)
	}
	raw := func(m protoreflect.Message, name protoreflect.Name) []byte {
		return m.Get(m.Descriptor().Fields().ByName(name)).Bytes()
	}
	each := func(m protoreflect.Message, name protoreflect.Name, use func(protoreflect.Message)) {
		list := m.Get(m.Descriptor().Fields().ByName(name)).List()
		for i := range list.Len() {
			use(list.Get(i).Message())
		}
	}
	relevant := func(key []byte) bool {
		name := string(key)
		return headerField(&policy.Request{}, name) != nil || isPrivateNetwork(name)
	}
	attributes := child(part, "attributes")
	http := child(child(attributes, "request"), "http")
	request := &authv3.CheckRequest{Attributes: &authv3.AttributeContext{ContextExtensions: map[string]string{}}}
	each(attributes, "extensions", func(m protoreflect.Message) {
		if key := string(raw(m, "key")); key == extensionPolicy || key == extensionVary {
			request.Attributes.ContextExtensions[key] = text(m, "value")
		}
	})
	if http.IsValid() {
		out := &authv3.AttributeContext_HttpRequest{Headers: map[string]string{}, HeaderMap: &corev3.HeaderMap{}}
		out.Method, out.Path, out.Host, out.Scheme = text(http, "method"), text(http, "path"), text(http, "host"), text(http, "scheme")
		each(http, "headers", func(m protoreflect.Message) {
			if relevant(raw(m, "key")) {
				out.Headers[string(raw(m, "key"))] = text(m, "value")
			}
		})
		each(child(http, "list"), "headers", func(m protoreflect.Message) {
			if relevant(raw(m, "key")) {
				out.HeaderMap.Headers = append(out.HeaderMap.Headers,
					&corev3.HeaderValue{Key: string(raw(m, "key")), Value: text(m, "value"), RawValue: raw(m, "raw")})
			}
		})
		request.Attributes.Request = &authv3.AttributeContext_Request{Http: out}
	}
	var r policy.Request
	if err := readRequest(request, &r); err != nil {
		return r, err
	}
	if !valid {
		return r, errPartNotText
	}
	return r, nil
}

// sameRead holds one message against the contract of readWire. What protobuf
// accepts, readWire must read as readRequest does. What protobuf refuses,
// readWire must refuse too, unless what is wrong lies where no decision looks.
func sameRead(t *testing.T, part protoreflect.MessageDescriptor, message []byte) {
	t.Helper()
	before := bytes.Clone(message)
	var got policy.Request
	gotErr := readWire(message, &got)
	want, wantErr := readPlain(message)
	if errors.Is(wantErr, errNotCheck) && gotErr == nil {
		if want, wantErr = readPart(part, message); wantErr != nil {
			t.Fatalf("accepted, though what a decision looks at is broken: %v", wantErr)
		}
	}
	switch {
	case wantErr != nil && gotErr == nil:
		t.Fatalf("read %+v, want the error %v", got, wantErr)
	case wantErr != nil:
		if !errors.Is(wantErr, gotErr) {
			t.Fatalf("error %v, want %v", gotErr, wantErr)
		}
	case gotErr != nil:
		t.Fatalf("error %v, want %+v", gotErr, want)
	case got != want:
		t.Fatalf("requests differ (-want +got):\n%s", cmp.Diff(want, got))
	}
	if !bytes.Equal(before, message) {
		t.Fatal("the message was written to")
	}
}

// strangeChecks are messages in forms that Envoy does not write.
func strangeChecks(tb testing.TB) map[string][]byte {
	tb.Helper()
	encode := func(request *authv3.CheckRequest) []byte {
		out, err := proto.Marshal(request)
		if err != nil {
			tb.Fatal(err)
		}
		return out
	}
	nested := func(message []byte, numbers ...protowire.Number) []byte {
		for _, number := range numbers {
			message = appendNested(nil, number, message)
		}
		return message
	}
	inHTTP := func(fields []byte) []byte { return nested(fields, 2, 4, 1) }
	plain := encode(check("GET", "api.example", "/v1", map[string]string{"origin": "https://a.example", "cookie": "x"}))
	with := func(more ...[]byte) []byte { return append(bytes.Clone(plain), bytes.Join(more, nil)...) }
	group := func(inside []byte) []byte {
		out := append(protowire.AppendTag(nil, 9, protowire.StartGroupType), inside...)
		return protowire.AppendTag(out, 9, protowire.EndGroupType)
	}
	entry := func(fields ...[]byte) []byte { return inHTTP(appendNested(nil, 3, bytes.Join(fields, nil))) }
	key, value := appendText(nil, 1, "origin"), appendText(nil, 2, "https://b.example")
	list := func(lines ...*corev3.HeaderValue) []byte {
		request := check("GET", "api.example", "/", map[string]string{"cookie": "x"})
		request.Attributes.Request.Http.HeaderMap = &corev3.HeaderMap{Headers: lines}
		return encode(request)
	}
	overlong := []byte{0x8a, 0x80, 0x00} // the tag 10, in three bytes
	extended := check("GET", "api.example", "/", nil)
	extended.Attributes.ContextExtensions = map[string]string{extensionPolicy: "shop", extensionVary: varyByRoute, "x": "y"}
	return map[string][]byte{
		"plain":                      plain,
		"empty":                      {},
		"extensions":                 encode(extended),
		"an extension twice":         append(encode(extended), nested(append(appendText(nil, 1, extensionPolicy), appendText(nil, 2, "b")...), 10, 1)...),
		"an extension without value": append(encode(extended), nested(appendText(nil, 1, extensionPolicy), 10, 1)...),
		"attributes twice":           with(inHTTP(appendText(nil, 2, "PUT"))),
		"a scalar twice":             inHTTP(append(appendText(appendText(nil, 2, "GET"), 2, "PUT"), appendText(nil, 5, "h")...)),
		"a header twice in the map":  with(entry(key, value)),
		"a header in two spellings":  with(entry(appendText(nil, 1, "Origin"), value)),
		"a header in capitals":       with(entry(appendText(nil, 1, "UPGRADE"), value)),
		"a header that only folds":   with(entry(appendText(nil, 1, "UPGRADE\u0130"), value), entry(appendText(nil, 1, "OR\u0130GIN"), value)),
		"an entry without key":       with(entry(value)),
		"an entry without value":     with(entry(key)),
		"an empty entry":             with(entry()),
		"an entry in reverse":        with(entry(value, key)),
		"a key twice in an entry":    with(entry(key, value, appendText(nil, 1, "upgrade"))),
		"an entry with more":         with(entry(key, value, appendText(nil, 9, "?"))),
		"raw lines":                  list(rawLine("origin", "https://a.example\xff"), rawLine("cookie", "\xff")),
		"lines":                      list(line("origin", "https://a.example"), line("cookie", "x"), line("upgrade", "")),
		"lines of one header":        list(line("access-control-request-headers", "a"), line("access-control-request-headers", "b")),
		"a line with both values":    list(&corev3.HeaderValue{Key: "origin", Value: "a", RawValue: []byte("b")}),
		"both lists":                 append(list(line("origin", "https://b.example")), entry(key, value)...),
		"a private network":          encode(check("OPTIONS", "h", "/", map[string]string{privateNetworkHeader: "true"})),
		"unknown fields":             with(appendText(nil, 99, "?"), appendNumber(nil, 100, 7), nested(appendNumber(nil, 1000, 1), 1000, 1000)),
		"another wire type":          with(inHTTP(appendNumber(nil, 2, 7))),
		"fixed fields":               with(protowire.AppendFixed32(protowire.AppendTag(nil, 7, protowire.Fixed32Type), 1), protowire.AppendFixed64(protowire.AppendTag(nil, 8, protowire.Fixed64Type), 1)),
		"a group":                    with(group(appendText(nil, 1, "x"))),
		"a group in http":            inHTTP(append(group(nil), appendText(appendText(nil, 2, "GET"), 5, "h")...)),
		"a group without end":        with(protowire.AppendTag(nil, 9, protowire.StartGroupType)),
		"an end without group":       with(protowire.AppendTag(nil, 9, protowire.EndGroupType)),
		"truncated":                  plain[:len(plain)-3],
		"an overlong tag":            append(overlong, plain[1:]...),
		"field zero":                 with([]byte{0x02, 0x00}),
		"a field beyond the last":    with(protowire.AppendVarint(nil, uint64(protowire.MaxValidNumber+1)<<3|2), []byte{0}),
		"a varint without end":       with(bytes.Repeat([]byte{0xff}, 11)),
		"wire type seven":            with([]byte{0x0f}),
		"a method not in UTF-8":      inHTTP(append(appendText(nil, 2, "G\xff"), appendText(nil, 5, "h")...)),
		"an origin not in UTF-8":     with(entry(appendText(nil, 1, "upgrade"), appendText(nil, 2, "\xff"))),
		"a cookie not in UTF-8":      with(entry(appendText(nil, 1, "x-cookie"), appendText(nil, 2, "\xff"))),
		"a broken peer":              with(nested([]byte{0xff}, 1, 1)),
		"a broken time":              with(nested([]byte{0xff}, 1, 4, 1)),
	}
}

// bigChecks are large.
func bigChecks(tb testing.TB) map[string][]byte {
	tb.Helper()
	body := check("POST", "api.example", "/", map[string]string{"origin": "https://a.example"})
	body.Attributes.Request.Http.Body = strings.Repeat("x", 10<<20)
	origin := check("POST", "api.example", "/", map[string]string{"origin": strings.Repeat("x", 10<<20)})
	deep := check("GET", "api.example", "/", map[string]string{"origin": "https://a.example"})
	value := structpb.NewStringValue("x")
	for range 200 {
		value = structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{value}})
	}
	deep.Attributes.MetadataContext = &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{"a": {Fields: map[string]*structpb.Value{"b": value}}}}
	deep.Attributes.Request.Time = &timestamppb.Timestamp{Seconds: 1}
	out := map[string][]byte{}
	for name, request := range map[string]*authv3.CheckRequest{"a body": body, "an origin": origin, "deep metadata": deep} {
		encoded, err := proto.Marshal(request)
		if err != nil {
			tb.Fatal(err)
		}
		out[name] = encoded
	}
	return out
}

func TestReadWire(t *testing.T) {
	t.Parallel()
	part := partType(t)
	for name, message := range strangeChecks(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sameRead(t, part, message)
			for i := range message { // cut anywhere
				sameRead(t, part, message[:i])
			}
		})
	}
	for name, message := range bigChecks(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sameRead(t, part, message)
		})
	}
	for _, message := range loadChecks(t)[:64] {
		sameRead(t, part, message)
	}
}

// Lengths are read in one byte, in two, or the slow way, and a text's bytes eight
// at a time.
func TestReadWireLengths(t *testing.T) {
	t.Parallel()
	part := partType(t)
	for _, n := range []int{0, 1, 7, 8, 9, 15, 16, 17, 127, 128, 129, 255, 256, 16383, 16384, 16385} {
		text := strings.Repeat("x", n)
		for _, headers := range []map[string]string{
			{"origin": text},
			{"cookie": text},
			{"user-agent": text},
			{text: "y"},
			{"o" + text + "n": "y"},
			{"origin": text + "\u00e9"},
			{"origin": "\u00e9" + text},
			{"upgrade": text, "x": text},
		} {
			encoded, err := proto.Marshal(check("GET", "api.example", "/"+text, headers))
			if err != nil {
				t.Fatal(err)
			}
			sameRead(t, part, encoded)
			if n == 0 {
				continue
			}
			for _, at := range []int{0, n - 1} { // not UTF-8 at either end
				broken := []byte(text)
				broken[at] = 0xff
				sameRead(t, part, bytes.ReplaceAll(encoded, []byte(text), broken))
			}
		}
	}
}

// A header counts in whatever letters its name comes, and one that only looks like
// it does not.
func TestReadWireNames(t *testing.T) {
	t.Parallel()
	part := partType(t)
	for _, name := range []string{
		"origin", "upgrade", "sec-fetch-site", "sec-fetch-mode", "access-control-request-method",
		"access-control-request-headers", privateNetworkHeader,
	} {
		middle := name[:1] + strings.Repeat("\r", len(name)-2) + name[len(name)-1:]
		last := len(name) - 1
		for _, as := range []string{
			name, strings.ToUpper(name), strings.ToUpper(name[:1]) + name[1:], name[:last] + strings.ToUpper(name[last:]),
			middle, strings.ReplaceAll(name, "-", "\r"),
		} {
			encoded, err := proto.Marshal(check("GET", "api.example", "/", map[string]string{as: "true"}))
			if err != nil {
				t.Fatal(err)
			}
			sameRead(t, part, encoded)
		}
	}
}

// What the walk is for must not be left to readRequest.
func TestReadWireWalks(t *testing.T) {
	t.Parallel()
	strange := strangeChecks(t)
	messages := slices.Concat(loadChecks(t)[:64], [][]byte{
		strange["plain"], strange["extensions"], strange["lines"], strange["raw lines"], strange["unknown fields"], strange["a private network"],
	})
	for _, message := range messages {
		if w := (walker{request: &policy.Request{}}); !w.check(message) {
			t.Errorf("not walked: %q", message)
		}
	}
}

func FuzzReadWire(f *testing.F) {
	for _, message := range strangeChecks(f) {
		f.Add(message)
	}
	f.Add(loadChecks(f)[2])
	part := partType(f)
	f.Fuzz(func(t *testing.T, message []byte) { sameRead(t, part, message) })
}

// answersPolicies give every kind of answer.
const answersPolicies = shopPolicy + `---
apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata: {name: public}
spec:
  targets: [{hosts: [public.example]}]
  origins: ["*"]
  requestHeaders: ["*"]
  timingAllowOrigin: true
  exposeHeaders: ["*"]
---
apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata: {name: wide}
spec:
  targets: [{hosts: [wide.example]}]
  origins: [https://*.shop.example, "https://pr-*.preview.example:*"]
  excludeOrigins: [https://legacy.shop.example]
  originRegexes: ["https://[a-z]+[.]regex[.]example"]
  methods: ["*"]
  requestHeaders: ["*", Authorization]
  credentials: true
  privateNetwork: true
  timingAllowOrigin: true
  onDisallowedOrigin: PASS
  navigations: PASS
  maxAge: 0s
  preflightStatus: 200
---
apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata: {name: strict}
spec:
  targets: [{hosts: [strict.example]}]
  origins: [https://shop.example, "null"]
  methods: [GET, X-ODD]
  timingAllowOrigin: false
---
apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata: {name: disabled}
spec:
  targets: [{hosts: [disabled.example]}]
  origins: [https://shop.example]
  enforcement: DISABLED
---
apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata: {name: long}
spec:
  targets: [{hosts: [long.example]}]
  origins: [https://shop.example]
  requestHeaders:
`

// newAnswering is a Check with a policy for every kind of answer, one of them
// with more headers than are sent whole.
func newAnswering(tb testing.TB) *authorization {
	tb.Helper()
	var long strings.Builder
	for i := range 200 {
		long.WriteString("  - X-Header-" + strings.Repeat("a", 1+i%20) + "-" + string(rune('a'+i%26)) + strings.Repeat("b", i/26) + "\n")
	}
	a := newAuthorization("")
	if !a.policies.Load(context.Background(), snapshot(answersPolicies+long.String())) {
		tb.Fatal(a.policies.Status().Problems)
	}
	return a
}

// sameAnswer holds what is written for a request against what protobuf writes.
func sameAnswer(t *testing.T, current *live, r *policy.Request) {
	t.Helper()
	d := current.set.Decide(r)
	want, wantErr := writeResponse(&d, current.set.Revision())
	if wantErr == nil {
		_, wantErr = proto.Marshal(want)
	}
	for range 2 { // once prepared, and once more
		answer, err := current.appendAnswer(nil, &d, current.outcome(&d))
		if (err != nil) != (wantErr != nil) {
			t.Fatalf("error %v, want %v", err, wantErr)
		}
		if err != nil {
			continue
		}
		got := &authv3.CheckResponse{}
		if err := proto.Unmarshal(answer, got); err != nil {
			t.Fatalf("the answer is no CheckResponse: %v\n%q", err, answer)
		}
		if !proto.Equal(want, got) {
			t.Fatalf("the answers differ\nwant %v\ngot  %v", want, got)
		}
		if !complete(got) {
			t.Fatalf("the answer says neither allow nor deny: %v", got)
		}
	}
}

// writeSeeds are requests that get answers of every kind.
func writeSeeds() []policy.Request {
	var out []policy.Request
	for _, host := range []string{"api.example", "public.example", "wide.example", "strict.example", "disabled.example", "long.example", "no.example"} {
		for _, origin := range []string{
			"", "null", "https://shop.example", "https://a.shop.example", "https://legacy.shop.example", "https://pr-1.preview.example:81",
			"https://abc.regex.example", "https://evil.example", "bad origin", "https://a.example\xff",
		} {
			for _, method := range []string{"GET", "OPTIONS", "PUT"} {
				r := policy.Request{Method: method, Scheme: "https", Host: host, Path: "/", Origin: origin}
				out = append(out, r)
				r.RequestMethod, r.RequestHeaders = "GET", "accept,x-header-a-a"
				out = append(out, r)
				r.RequestMethod, r.RequestHeaders, r.PrivateNetwork = "PUT", "content-type, RANGE,authorization", true
				out = append(out, r)
				r.FetchMode, r.RouteVaries, r.Upgrade = "navigate", true, "websocket"
				out = append(out, r)
				r.PolicyName = "unknown"
				out = append(out, r)
			}
		}
	}
	return out
}

func TestWriteWire(t *testing.T) {
	t.Parallel()
	current := newAnswering(t).policies.live.Load()
	for _, r := range writeSeeds() {
		sameAnswer(t, current, &r)
	}
	// Answers of each kind were given: forwarded or not, with and without gaps.
	kinds := map[string]bool{"forward": current.prepared.forward.Load() != nil}
	for i := range current.prepared.answers {
		if p := current.prepared.answers[i].Load(); p != nil {
			kinds[fmt.Sprintf("forward %t, with gaps %t", p.forward, len(p.gaps) > 0)] = true
		}
	}
	want := map[string]bool{
		"forward":                        true,
		"forward true, with gaps true":   true,
		"forward true, with gaps false":  true,
		"forward false, with gaps true":  true,
		"forward false, with gaps false": true,
	}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Errorf("kinds of answers (-want +got):\n%s", diff)
	}
}

func FuzzWriteWire(f *testing.F) {
	for _, r := range writeSeeds() {
		f.Add(r.Method, r.Scheme, r.Host, r.Path, r.Origin, r.RequestMethod, r.RequestHeaders, r.FetchSite, r.FetchMode, r.Upgrade, r.PolicyName, r.RouteVaries, r.PrivateNetwork)
	}
	current := newAnswering(f).policies.live.Load()
	f.Fuzz(func(t *testing.T, method, scheme, host, path, origin, requestMethod, requestHeaders, site, mode, upgrade, name string, varies, private bool) {
		sameAnswer(t, current, &policy.Request{
			Method: method, Scheme: scheme, Host: host, Path: path, Origin: origin,
			RequestMethod: requestMethod, RequestHeaders: requestHeaders, FetchSite: site, FetchMode: mode,
			Upgrade: upgrade, PolicyName: name, RouteVaries: varies, PrivateNetwork: private,
		})
	})
}
