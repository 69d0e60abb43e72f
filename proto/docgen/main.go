// Command docgen makes what is derived from the comments of the policy's schema:
// the reference in docs/policy.md and the table of field documentation that
// error texts quote. It reads a descriptor set with source information from its
// input and writes to its output:
//
//	buf build -o - --as-file-descriptor-set | docgen > docs/policy.md
//	buf build -o - --as-file-descriptor-set | docgen -go > policy/document/fielddocs_gen.go
package main

import (
	"flag"
	"fmt"
	"io"
	"os"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// schema is the file that documents are described in.
const schema = "corsgate/v1/policy.proto"

func main() {
	asGo := flag.Bool("go", false, "write the table of field documentation as Go")
	flag.Parse()
	if err := run(os.Stdin, os.Stdout, *asGo); err != nil {
		fmt.Fprintln(os.Stderr, "docgen:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer, asGo bool) error {
	file, err := read(in)
	if err != nil {
		return err
	}
	render := markdown
	if asGo {
		render = golang
	}
	text, err := render(file)
	if err != nil {
		return err
	}
	if _, err := out.Write(text); err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	return nil
}

// read returns the schema's file of a descriptor set.
func read(in io.Reader) (protoreflect.FileDescriptor, error) {
	data, err := io.ReadAll(in)
	if err != nil {
		return nil, fmt.Errorf("read the descriptor set: %w", err)
	}
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(data, &set); err != nil {
		return nil, fmt.Errorf("parse the descriptor set: %w", err)
	}
	files, err := protodesc.NewFiles(&set)
	if err != nil {
		return nil, fmt.Errorf("resolve the descriptor set: %w", err)
	}
	file, err := files.FindFileByPath(schema)
	if err != nil {
		return nil, fmt.Errorf("find %s in the descriptor set: %w", schema, err)
	}
	return file, nil
}
