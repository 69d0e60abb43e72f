package store

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/document"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// kept is one document. It is immutable, and shared by all states that have it.
type kept struct {
	key      Key
	file     string // what positions in it are said to be in
	revision int64
	changed  time.Time
	author   string
	// text is the whole document, or where origins is not nil one without them.
	text    string
	origins *origins

	once     sync.Once
	done     atomic.Bool // whether it was read
	doc      policy.Document
	problems policy.Problems
}

// keep returns a document that is new to a state.
func (s *State) keep(key Key, text string) *kept {
	return &kept{key: key, file: s.file(key), text: text}
}

// file returns the name of a document in positions.
func (s *State) file(key Key) string {
	name := key.Name
	if key.Namespace != "" {
		name = key.Namespace + "/" + name
	}
	return s.place + ":" + name + "." + key.Kind
}

func (k *kept) record() Record {
	r := Record{Key: k.key, Revision: k.revision, Changed: k.changed, Author: k.author}
	if k.origins != nil {
		r.Origins = k.origins.count
		return r
	}
	if doc, problems := k.read(); len(problems) == 0 {
		if set, ok := doc.Message.(*corsgatev1.CorsOriginSet); ok {
			r.Origins = len(set.GetSpec().GetOrigins())
		}
	}
	return r
}

// whole returns the document with its origins.
func (k *kept) whole() string {
	if k.origins == nil {
		return k.text
	}
	return wholeText(k.text, k.origins.flat().origins)
}

// read returns what the text says. It is read once.
func (k *kept) read() (policy.Document, policy.Problems) {
	k.once.Do(func() {
		if k.origins == nil {
			k.doc, k.problems = k.readText(k.text)
		} else {
			k.doc, k.problems = k.readApart()
		}
		k.done.Store(true)
	})
	return k.doc, k.problems
}

// know says what the text is known to say, so that it need not be read again.
func (k *kept) know(doc policy.Document) {
	k.once.Do(func() {
		doc.File = k.file
		k.doc = doc
		k.done.Store(true)
	})
}

func (k *kept) readText(text string) (policy.Document, policy.Problems) {
	docs, problems := document.Read(k.file, []byte(text))
	switch {
	case len(problems) > 0:
		return policy.Document{}, problems
	case len(docs) != 1:
		return policy.Document{}, policy.Problems{problemAt(k.file, codeKept, fmt.Sprintf("there are %d documents under the key of one", len(docs)), mendHistory)}
	}
	if key, ok := keyOf(docs[0].Message); !ok || key != k.key {
		return policy.Document{}, policy.Problems{problemAt(k.file, codeKept, fmt.Sprintf("under this key a document is kept that says it is %s", key), mendHistory)}
	}
	return docs[0], nil
}

// sampleOrigin stands for a set's origins where only their place is wanted.
const sampleOrigin = "https://corsgate.invalid"

// readApart reads a set whose origins are kept apart: those were read when they
// came.
func (k *kept) readApart() (policy.Document, policy.Problems) {
	doc, problems := k.readText(wholeText(k.text, []string{sampleOrigin}))
	if len(problems) > 0 {
		return doc, problems
	}
	set, ok := doc.Message.(*corsgatev1.CorsOriginSet)
	if !ok {
		return policy.Document{}, policy.Problems{problemAt(k.file, codeKept, "it is no origin set, and yet its origins are kept apart", mendHistory)}
	}
	flat := k.origins.flat()
	if len(flat.origins) != k.origins.count {
		return policy.Document{}, policy.Problems{problemAt(k.file, codeKept, fmt.Sprintf("the changes of the set make %d origins of it, and say that it has %d", len(flat.origins), k.origins.count), mendHistory)}
	}
	place := doc.Root.Field("spec").Field("origins")
	set.Spec.Origins, doc.Texts = flat.origins, flat.texts
	place.Marks, place.Items = flat.marks(place.Item(0)), nil
	return doc, nil
}

// A named message is a document's.
type named interface {
	proto.Message
	GetMetadata() *corsgatev1.Metadata
}

// keyOf returns what a document calls itself.
func keyOf(m proto.Message) (Key, bool) {
	doc, ok := m.(named)
	if !ok {
		return Key{}, false
	}
	return Key{
		Kind:      string(m.ProtoReflect().Descriptor().Name()),
		Namespace: doc.GetMetadata().GetNamespace(),
		Name:      doc.GetMetadata().GetName(),
	}, true
}
