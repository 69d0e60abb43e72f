package etcd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/corsgate/corsgate/policy/store"
)

// checkpointBody is all documents at a revision.
type checkpointBody struct {
	Revision int64     `json:"revision"`
	Changed  time.Time `json:"changed"`
	// Sum is that of the revision's change.
	Sum string `json:"sum"`
	// Documents are lines of documentBody.
	Documents *lines `json:"documents"`
	// Lists are all blobs that the documents' lists need.
	Lists []string `json:"lists,omitempty"`
}

// documentBody is a store.Kept.
type documentBody struct {
	store.Key

	Revision int64     `json:"revision"`
	Changed  time.Time `json:"changed"`
	Author   string    `json:"author,omitempty"`
	Text     string    `json:"text"`
	Apart    bool      `json:"apart,omitempty"`
	List     *lines    `json:"list,omitempty"`
}

// sealCheckpoint writes a version as the value of the checkpoint.
func sealCheckpoint(v *version, to *blobs) ([]byte, error) {
	body := checkpointBody{Revision: v.state.Revision(), Changed: v.state.Changed(), Sum: v.sum}
	var documents []string
	for kept := range v.state.Kept() {
		d := documentBody{Key: kept.Key, Revision: kept.Revision, Changed: kept.Changed, Author: kept.Author, Text: kept.Text, Apart: kept.Apart}
		if kept.Apart {
			d.List = to.addLines(kept.List)
			body.Lists = append(body.Lists, d.List.Blobs...)
		}
		line, err := json.Marshal(d)
		if err != nil {
			return nil, fmt.Errorf("write the checkpoint: %w", err)
		}
		documents = append(documents, string(line))
	}
	body.Documents = to.addLines(documents)
	if len(body.Documents.Blobs) > maxBlobs {
		return nil, fmt.Errorf("write the checkpoint: the documents take %d blobs, and %d are the limit: %w", len(body.Documents.Blobs), maxBlobs, store.ErrTooLarge)
	}
	value, _, err := seal(body, to)
	return value, err
}

// readCheckpoint returns the version of the checkpoint, or that of nothing.
func (s *Store) readCheckpoint(ctx context.Context) (*version, error) {
	v := &version{state: store.New(place)}
	key := s.layout.checkpoint()
	got, err := call(ctx, s, func(ctx context.Context, client *clientv3.Client) (*clientv3.GetResponse, error) {
		return client.Get(ctx, key)
	})
	if err != nil {
		return nil, fmt.Errorf("read the checkpoint: %w", err)
	}
	if len(got.Kvs) == 0 {
		return v, nil
	}
	body, err := s.openCheckpoint(ctx, got.Kvs[0].GetValue())
	if err != nil {
		return nil, at(key, err)
	}
	documents, err := s.restoreDocuments(ctx, body)
	if err != nil {
		return nil, at(key, err)
	}
	if v.state, err = store.Restore(place, body.Revision, body.Changed, documents); err != nil {
		return nil, keyFault{fault{codeCorrupt, err.Error(), mendCheckpoint}, key}
	}
	v.sum, v.checkpoint = body.Sum, body.Revision
	return v, nil
}

const mendCheckpoint = "restore etcd from a backup"

// isBeyond reports whether there is a checkpoint of a later revision.
func (s *Store) isBeyond(ctx context.Context, v *version) (bool, error) {
	got, err := call(ctx, s, func(ctx context.Context, client *clientv3.Client) (*clientv3.GetResponse, error) {
		return client.Get(ctx, s.layout.checkpoint())
	})
	if err != nil || len(got.Kvs) == 0 {
		return false, err
	}
	body, err := s.openCheckpoint(ctx, got.Kvs[0].GetValue())
	if _, broken := errors.AsType[keyFault](at("", err)); broken {
		return false, nil
	}
	return err == nil && body.Revision > v.state.Revision(), err
}

func (s *Store) openCheckpoint(ctx context.Context, value []byte) (*checkpointBody, error) {
	e, err := open(value)
	if err != nil {
		return nil, mended(err, mendCheckpoint)
	}
	var body checkpointBody
	if err := s.readBody(ctx, e, &body); err != nil {
		return nil, mended(err, mendCheckpoint)
	}
	return &body, nil
}

// mended gives a fault of what is not in the log another mend.
func mended(err error, mend string) error {
	if f, ok := errors.AsType[fault](err); ok && f.mend == mendCorrupt {
		f.mend = mend
		return f
	}
	return err
}

func (s *Store) restoreDocuments(ctx context.Context, body *checkpointBody) ([]store.Kept, error) {
	list, err := s.fetchLines(ctx, body.Documents)
	if err != nil {
		return nil, err
	}
	documents := make([]store.Kept, len(list))
	for i, line := range list {
		var d documentBody
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			return nil, fault{codeCorrupt, fmt.Sprintf("its document %d is not what corsgate writes: %v", i, err), mendCheckpoint}
		}
		documents[i] = store.Kept{
			Record: store.Record{Key: d.Key, Revision: d.Revision, Changed: d.Changed, Author: d.Author},
			Text:   d.Text, Apart: d.Apart,
		}
		if documents[i].List, err = s.fetchLines(ctx, d.List); err != nil {
			return nil, err
		}
	}
	return documents, nil
}

// needs returns the blobs of a checkpoint.
func (e *envelope) needs(body *checkpointBody) []string {
	needed := slices.Concat(e.Blobs, body.Lists)
	if body.Documents != nil {
		needed = append(needed, body.Documents.Blobs...)
	}
	return needed
}
