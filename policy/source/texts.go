package source

import (
	"context"

	"github.com/corsgate/corsgate/policy"
)

// A Text is a file of policies as it stands.
type Text struct {
	// Name is the path as the user knows it.
	Name string
	Data []byte
}

// Texts reads the files that paths stand for, by the rules of [NewFile] and as
// they are at one moment, without a look at what they say. The problems are those
// of the paths and files; the only error is that ctx has ended.
func Texts(ctx context.Context, paths []string) ([]Text, policy.Problems, error) {
	f := NewFile(paths, FileOptions{})
	r, err := f.read(ctx)
	if err != nil {
		return nil, nil, err
	}
	texts := make([]Text, 0, len(r.contents))
	for i := range r.contents {
		if !r.contents[i].faulty {
			texts = append(texts, Text{Name: r.files[i].name, Data: r.contents[i].data})
		}
	}
	problems := append(policy.Problems(nil), r.problems...)
	problems.Sort()
	return texts, problems, nil
}
