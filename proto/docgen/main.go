// Command docgen makes what is derived from the schema of policies, of their tests
// and of who may use the policy service, and from its comments: the references in
// docs/policy.md, docs/testing.md and docs/access.md, the table of field documentation that error texts quote, and the
// custom resources of Kubernetes. It reads a descriptor set with source information
// from its input and writes to its output:
//
//	buf build -o - --as-file-descriptor-set | docgen > docs/policy.md
//	buf build -o - --as-file-descriptor-set | docgen -tests > docs/testing.md
//	buf build -o - --as-file-descriptor-set | docgen -access > docs/access.md
//	buf build -o - --as-file-descriptor-set | docgen -go > policy/document/fielddocs_gen.go
//	buf build -o - --as-file-descriptor-set | docgen -crds > deploy/kubernetes/crds.yaml
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

// The files that documents are described in.
const (
	schema       = "corsgate/v1/policy.proto"
	testsSchema  = "corsgate/v1/testing.proto"
	accessSchema = "corsgate/v1/access.proto"
)

// options is what to make: without any, the reference of policies.
type options struct {
	asGo, tests, access, crds bool
}

func main() {
	var o options
	flag.BoolVar(&o.asGo, "go", false, "write the table of field documentation as Go")
	flag.BoolVar(&o.tests, "tests", false, "write of the documents that test policies")
	flag.BoolVar(&o.access, "access", false, "write of the documents that say who may use the policy service")
	flag.BoolVar(&o.crds, "crds", false, "write the custom resources of Kubernetes as YAML")
	flag.Parse()
	if err := run(os.Stdin, os.Stdout, o); err != nil {
		fmt.Fprintln(os.Stderr, "docgen:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer, o options) error {
	path, introduction := schema, introduction
	switch {
	case o.tests:
		path, introduction = testsSchema, testsIntroduction
	case o.access:
		path, introduction = accessSchema, accessIntroduction
	}
	file, err := read(in, path)
	if err != nil {
		return err
	}
	var text []byte
	switch {
	case o.asGo:
		text, err = golang(file)
	case o.crds:
		text, err = definitions(file)
	default:
		text, err = markdown(file, introduction)
	}
	if err != nil {
		return err
	}
	if _, err := out.Write(text); err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	return nil
}

// read returns a file of a descriptor set.
func read(in io.Reader, path string) (protoreflect.FileDescriptor, error) {
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
	file, err := files.FindFileByPath(path)
	if err != nil {
		return nil, fmt.Errorf("find %s in the descriptor set: %w", path, err)
	}
	return file, nil
}
