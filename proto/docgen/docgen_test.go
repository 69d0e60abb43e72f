package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// described returns the descriptor set of the schema with a comment on every part:
// what buf would add, without buf.
func described(t *testing.T) *descriptorpb.FileDescriptorSet {
	t.Helper()
	return &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{
		describedFile(corsgatev1.File_corsgate_v1_policy_proto), describedFile(corsgatev1.File_corsgate_v1_testing_proto),
		describedFile(corsgatev1.File_corsgate_v1_access_proto),
	}}
}

func describedFile(fd protoreflect.FileDescriptor) *descriptorpb.FileDescriptorProto {
	file := protodesc.ToFileDescriptorProto(fd)
	info := &descriptorpb.SourceCodeInfo{}
	say := func(comment string, path ...int32) {
		info.Location = append(info.Location, &descriptorpb.SourceCodeInfo_Location{
			Path: path, Span: []int32{0, 0, 0}, LeadingComments: new(comment),
		})
	}
	const messages, enums, below = 4, 5, 2
	for i, md := range file.GetMessageType() {
		say(" "+md.GetName()+" is a thing, they say.\n", messages, int32(i))
		for j, fd := range md.GetField() {
			say(" About "+fd.GetJsonName()+". More.\n", messages, int32(i), below, int32(j))
		}
	}
	for i, ed := range file.GetEnumType() {
		say(" An enum.\n", enums, int32(i))
		for j, v := range ed.GetValue() {
			comment := " Meaning " + v.GetName() + ".\n"
			if v.GetNumber() == 0 {
				first := strings.TrimPrefix(ed.GetValue()[1].GetName(), strings.ToUpper(ed.GetName())+"_")
				comment = " Not said: `" + first + "`.\n"
			}
			say(comment, enums, int32(i), below, int32(j))
		}
	}
	file.SourceCodeInfo = info
	return file
}

func render(t *testing.T, set *descriptorpb.FileDescriptorSet, o options) (string, error) {
	t.Helper()
	in, err := proto.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = run(bytes.NewReader(in), &out, o)
	return out.String(), err
}

func TestMarkdown(t *testing.T) {
	t.Parallel()
	page, err := render(t, described(t), options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\n## CorsPolicy\n",
		"\nCorsPolicy is a thing, they say.\n\n**`apiVersion`** (text, required)\\\nAbout apiVersion. More.\n",
		"\n### `spec` of a CorsPolicy\n\nA thing, they say.\n\n**`targets`** (list of mappings)\\\n",
		"\n**`methods`** (list of texts)\\\n",
		"\n**`timingAllowOrigin`** (true or false)\\\n",
		"\n**`preflightStatus`** (whole number)\\\n",
		"\n**`navigations`** (word)\\\nAbout navigations. More.\n\n- `DENY` (default): Meaning DISPOSITION_DENY.\n- `PASS`: Meaning DISPOSITION_PASS.\n",
		"\n### `spec.targets[]` of a CorsPolicy\n",
		"\n### `spec` of a CorsOriginSet\n",
		"\n## `metadata` of every document\n\nA thing, they say.\n\n**`name`** (text, required)\\\n",
		"\n**`labels`** (texts by key)\\\n",
	} {
		if n := strings.Count(page, want); n != 1 {
			t.Errorf("the page has %d times, want once:\n%s", n, want)
		}
	}
}

func TestAccessMarkdown(t *testing.T) {
	t.Parallel()
	page, err := render(t, described(t), options{access: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\n# Who may use the policy service\n",
		"\n## CorsAccess\n",
		"\n### `spec.bindings[]` of a CorsAccess\n",
		"\n**`role`** (word)\\\nAbout role. More.\n",
	} {
		if n := strings.Count(page, want); n != 1 {
			t.Errorf("the page has %d times, want once:\n%s", n, want)
		}
	}
}

func TestTestsMarkdown(t *testing.T) {
	t.Parallel()
	page, err := render(t, described(t), options{tests: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\n# Testing policies\n",
		"\n## CorsPolicyTest\n",
		"\n### `spec.tests[].rows[]` of a CorsPolicyTest\n",
		"\n## `request`\n",
		"\n### `request.preflight`\n",
		"\n## `expect`\n",
		"\n**`headersExactly`** (true or false)\\\nAbout headersExactly. More.\n",
	} {
		if n := strings.Count(page, want); n != 1 {
			t.Errorf("the page has %d times, want once:\n%s", n, want)
		}
	}
}

func TestGo(t *testing.T) {
	t.Parallel()
	source, err := render(t, described(t), options{asGo: true})
	if err != nil {
		t.Fatal(err)
	}
	want := "\tcase \"corsgate.v1.CorsPolicySpec.max_age\":\n\t\treturn \"About maxAge.\"\n"
	if !strings.Contains(source, want) {
		t.Errorf("the source lacks:\n%s", want)
	}
}

// What the definitions make of an API server is tried on a real one in stores/.
func TestCustomResources(t *testing.T) {
	t.Parallel()
	text, err := render(t, described(t), options{crds: true})
	if err != nil {
		t.Fatal(err)
	}
	for want, times := range map[string]int{
		"kind: CustomResourceDefinition\n":                               3,
		"name: corspolicies.corsgate.dev\n":                              1,
		"scope: Namespaced\n":                                            2,
		"scope: Cluster\n":                                               1,
		"description: About preflightStatus. More.\n":                    1,
		"[any_origin_with_credentials]":                                  1,
		"x-kubernetes-preserve-unknown-fields":                           0,
		"jsonPath: .status.conditions[?(@.type==\"Accepted\")].reason\n": 3,
	} {
		if n := strings.Count(text, want); n != times {
			t.Errorf("the definitions have %q %d times, want %d", want, n, times)
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	mute := described(t)
	mute.File[0].SourceCodeInfo = nil
	for name, c := range map[string]struct {
		set  *descriptorpb.FileDescriptorSet
		want string
	}{
		"without comments": {mute, "corsgate.v1.CorsPolicy has no comment; is the descriptor set without source information?"},
		"another schema":   {&descriptorpb.FileDescriptorSet{}, "find corsgate/v1/policy.proto in the descriptor set"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if out, err := render(t, c.set, options{}); err == nil || !strings.Contains(err.Error(), c.want) || out != "" {
				t.Errorf("error %v, output %q; want %q and none", err, out, c.want)
			}
		})
	}
	if err := run(strings.NewReader("not a descriptor set"), &bytes.Buffer{}, options{}); err == nil {
		t.Error("what is not a descriptor set is read")
	}
}

func TestSplit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, said string
		parts      []string
	}{
		{"One line.", "One line.", nil},
		{"Two\nlines: a, b.", "Two lines: a, b.", nil},
		{"One of:\nan a (`b`; c);\na long\nd; e;\nor f.", "One of:", []string{"an a (`b`; c)", "a long d; e", "f"}},
	} {
		said, parts := split(c.text)
		if said != c.said || !slices.Equal(parts, c.parts) {
			t.Errorf("split(%q) = %q, %q; want %q, %q", c.text, said, parts, c.said, c.parts)
		}
	}
}

func TestFirstSentence(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"One.":                    "One.",
		"One\nof two. The\nrest.": "One of two.",
		"No. 1.5 is":              "No.",
		"1.5 s":                   "1.5 s",
	} {
		if got := firstSentence(text); got != want {
			t.Errorf("firstSentence(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	word := strings.Repeat("x", 60)
	if got, want := wrap(word+" a\n"+word+" b", "  "), word+" a\n  "+word+" b"; got != want {
		t.Errorf("wrap: %q, want %q", got, want)
	}
}
