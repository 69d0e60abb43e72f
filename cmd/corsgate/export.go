package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

const (
	exportFolderMode = 0o755
	exportFileMode   = 0o644
)

// exportOptions is how `export` was called.
type exportOptions struct {
	client   clientSettings
	to       text
	force    bool
	revision revision
}

func newExport(to streams) *cobra.Command {
	options := exportOptions{client: newClientSettings()}
	command := &cobra.Command{
		Use:   "export [--to FOLDER]",
		Short: "Write the documents of the central store to files",
		Long: `export writes all documents of the central store that you may see, as they were
written: into a folder, one file for each and a folder for each namespace, or as one
stream to the standard output. apply -f and serve --policy read them back as the
same documents.

It does not write into a folder that holds anything, unless --force says so; then
files of the same names are replaced, and others stay.`,
		Example: `  corsgate export --to backup/
  corsgate export --to policies/ --force && git -C policies diff
  corsgate export --revision 12 >as-of-12.yaml`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error { return options.run(command, to) },
	}
	flags := command.Flags()
	flags.SortFlags = false
	flags.Var(&options.to, "to", "`folder` to write to; the standard output if it is not given")
	flags.BoolVar(&options.force, "force", false, "write into a folder that holds something")
	flags.Var(&options.revision, "revision", "the `revision` to write; the newest if it is not given")
	options.client.addFlags(command)
	_ = command.MarkFlagDirname("to") // it fails only for a flag that is not there
	return command
}

func (o *exportOptions) run(command *cobra.Command, to streams) error {
	if o.force && o.to.value == "" {
		return usagef("--force is for --to, which is not given")
	}
	// Before anything is asked for: what cannot be written need not come.
	if err := o.look(); err != nil {
		return err
	}
	asked, err := o.client.connect(command.Flags())
	if err != nil {
		return err
	}
	defer asked.close()
	got, err := fetchAll(command.Context(), asked, o.revision.value, everything)
	if err != nil {
		return err
	}
	if o.to.value == "" {
		return writeDocuments(to.out, got.GetDocuments())
	}
	if len(got.GetDocuments()) == 0 {
		return fmt.Errorf("there is nothing to write: no document that you may see is in the store at revision %d", got.GetRevision())
	}
	others, err := writeFolder(o.to.value, got.GetDocuments())
	if err != nil {
		return err
	}
	of := ""
	if got.GetRevision() > 0 {
		of = " of revision " + strconv.FormatInt(got.GetRevision(), 10)
	}
	sayf(to.err, "%s%s written to %s\n", count(len(got.GetDocuments()), "document", "documents"), of, o.to.value)
	if len(others) > 0 {
		sayf(to.err, "%s there %s not among them: %s\n", count(len(others), "other file", "other files"), isOrAre(len(others)), strings.Join(others, ", "))
	}
	return nil
}

func isOrAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// look refuses a folder that holds something.
func (o *exportOptions) look() error {
	if o.to.value == "" {
		return nil
	}
	entries, err := os.ReadDir(o.to.value)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("the folder %s cannot be read (%w); name one that this user may write to", o.to.value, innermost(err))
	case len(entries) > 0 && !o.force:
		return fmt.Errorf("the folder %s holds something already, such as %s; name another, or write over it with --force", o.to.value, entries[0].Name())
	}
	return nil
}

// writeFolder writes documents to files of a folder, and returns the policy files
// in it that are not of them. Nothing is written outside of the folder, whatever
// the server says that documents are called.
func writeFolder(folder string, documents []*corsgatev1.Document) (others []string, err error) {
	if err := os.MkdirAll(folder, exportFolderMode); err != nil {
		return nil, fmt.Errorf("the folder %s cannot be made: %w", folder, innermost(err))
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("the folder %s cannot be opened: %w", folder, innermost(err))
	}
	defer func() { _ = root.Close() }()
	written := map[string]bool{}
	for _, document := range documents {
		name, err := fileName(document)
		if err != nil {
			return nil, err
		}
		if written[name] {
			return nil, fmt.Errorf("two documents would be written to %s; the server says that there are two called %s", name, refName(document.GetRef()))
		}
		if err := writeFile(root, name, document.GetText()); err != nil {
			return nil, fmt.Errorf("%s cannot be written: %w", path.Join(folder, name), innermost(err))
		}
		written[name] = true
	}
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := strings.HasPrefix(entry.Name(), ".") && name != "."
		switch {
		case entry.IsDir() && hidden:
			return fs.SkipDir
		case !entry.IsDir() && !hidden && !written[name] && slices.Contains([]string{".yaml", ".yml", ".json"}, path.Ext(name)):
			others = append(others, name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for other files in %s: %w", folder, err)
	}
	return others, nil
}

// fileName returns where a document is written to, such as
// "shop/storefront.policy.yaml". The kind stands in it because documents of
// several kinds may have one name, and behind a dot because a name may end with
// _test.
func fileName(document *corsgatev1.Document) (string, error) {
	ref := document.GetRef()
	kind := strings.ToLower(strings.TrimPrefix(ref.GetKind(), "Cors"))
	extension := ".yaml"
	if strings.HasPrefix(strings.TrimSpace(document.GetText()), "{") {
		extension = ".json"
	}
	name := path.Join(ref.GetNamespace(), ref.GetName()+"."+kind+extension)
	for _, part := range []string{ref.GetNamespace(), ref.GetName(), kind} {
		if strings.ContainsAny(part, `/\`+"\x00") || strings.HasPrefix(part, ".") || ref.GetName() == "" || kind == "" {
			return "", fmt.Errorf("the server has a document %q, which cannot be the name of a file", refName(ref))
		}
	}
	return name, nil
}

// writeFile replaces a file at once, so that who reads the folder meanwhile never
// sees half of it.
func writeFile(root *os.Root, name, text string) error {
	folder, base := path.Split(name)
	if folder != "" {
		if err := root.MkdirAll(path.Clean(folder), exportFolderMode); err != nil {
			return err
		}
	}
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	hidden := path.Join(folder, "."+base+".new")
	if err := root.WriteFile(hidden, []byte(text), exportFileMode); err != nil {
		return err
	}
	return root.Rename(hidden, name)
}
