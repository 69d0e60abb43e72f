package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"go.yaml.in/yaml/v4"
)

const outputYAML = "yaml"

// writeYAML writes what JSON would hold as YAML, in the same order.
func writeYAML(to io.Writer, value any) error {
	var encoded bytes.Buffer
	encoder := json.NewEncoder(&encoded)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("writing YAML: %w", err)
	}
	var node yaml.Node // JSON is YAML
	if err := yaml.Unmarshal(encoded.Bytes(), &node); err != nil {
		return fmt.Errorf("writing YAML: %w", err)
	}
	unstyle(&node)
	out := yaml.NewEncoder(to)
	out.SetIndent(2)
	if err := out.Encode(&node); err != nil {
		return fmt.Errorf("writing YAML: %w", err)
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("writing YAML: %w", err)
	}
	return nil
}

// unstyle lets the encoder choose how to write a node: JSON has chosen braces.
// Texts stay texts.
func unstyle(node *yaml.Node) {
	node.Style = 0
	for _, part := range node.Content {
		unstyle(part)
	}
}

// writeStructured writes a value in the form that -o names.
func writeStructured(to io.Writer, form string, value any) error {
	if form == outputYAML {
		return writeYAML(to, value)
	}
	return writeJSON(to, value)
}
