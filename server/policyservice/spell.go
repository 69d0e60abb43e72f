package policyservice

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// spell writes a document that was read, as YAML that reads the same again.
func spell(message proto.Message) (string, error) {
	text, err := yaml.Dump(nodeOf(message.ProtoReflect()), yaml.WithIndent(2)) //nolint:mnd // as people indent
	if err != nil {
		return "", fmt.Errorf("write the document: %w", err)
	}
	return string(text), nil
}

// nodeOf writes a message with its fields in the order of the schema.
func nodeOf(message protoreflect.Message) *yaml.Node {
	node := &yaml.Node{Kind: yaml.MappingNode}
	fields := message.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if message.Has(field) {
			node.Content = append(node.Content, textNode(field.JSONName()), valueNode(field, message.Get(field)))
		}
	}
	return node
}

func valueNode(field protoreflect.FieldDescriptor, value protoreflect.Value) *yaml.Node {
	switch {
	case field.IsMap():
		node := &yaml.Node{Kind: yaml.MappingNode}
		value.Map().Range(func(key protoreflect.MapKey, item protoreflect.Value) bool {
			node.Content = append(node.Content, textNode(key.String()), singleNode(field.MapValue(), item))
			return true
		})
		return node
	case field.IsList():
		node := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range value.List().Len() {
			node.Content = append(node.Content, singleNode(field, value.List().Get(i)))
		}
		return node
	default:
		return singleNode(field, value)
	}
}

func singleNode(field protoreflect.FieldDescriptor, value protoreflect.Value) *yaml.Node {
	switch field.Kind() {
	case protoreflect.MessageKind:
		return nodeOf(value.Message())
	case protoreflect.EnumKind:
		values := field.Enum().Values()
		prefix := strings.TrimSuffix(string(values.ByNumber(0).Name()), "UNSPECIFIED")
		if word := values.ByNumber(value.Enum()); word != nil {
			return textNode(strings.TrimPrefix(string(word.Name()), prefix))
		}
		return textNode(value.String())
	case protoreflect.StringKind:
		return textNode(value.String())
	default:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: value.String()}
	}
}

// textNode writes a text, in quotes where it could be taken for something else.
func textNode(text string) *yaml.Node {
	node := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	switch strings.ToLower(text) {
	case "yes", "no", "on", "off": // booleans of YAML 1.1
		node.Style = yaml.DoubleQuotedStyle
	}
	return node
}
