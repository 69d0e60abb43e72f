package etcd

import (
	"context"
	"encoding/json"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Blobs are shared, so that one may become needed while somebody who does not know
// it yet removes it. Therefore whoever removes says first, under the key "sweep",
// which blobs nothing needs; and whoever writes a reference to blobs writes those
// among them anew, and makes its transaction depend on the key being still the
// same. A blob that was written after it was named there is not removed.

const (
	// batch is how many keys are looked at in one transaction, of which etcd takes
	// 128 operations.
	batch = 100
	// maxSwept is how many blobs are removed at once.
	maxSwept = 1000
)

// swept returns the blobs that are being removed, and at which revision of etcd
// that was said.
func (s *Store) swept(ctx context.Context) (map[string]struct{}, int64, error) {
	got, err := call(ctx, s, func(ctx context.Context, client *clientv3.Client) (*clientv3.GetResponse, error) {
		return client.Get(ctx, s.layout.sweep())
	})
	if err != nil || len(got.Kvs) == 0 {
		return nil, 0, err
	}
	var hashes []string
	if err := json.Unmarshal(got.Kvs[0].GetValue(), &hashes); err != nil {
		return nil, got.Kvs[0].GetModRevision(), nil //nolint:nilerr // it may name any: everything is written anew
	}
	set := map[string]struct{}{}
	for _, hash := range hashes {
		set[hash] = struct{}{}
	}
	return set, got.Kvs[0].GetModRevision(), nil
}

// writeBlobs makes sure that blobs are there, and returns the revision of "sweep"
// at which they will stay.
func (s *Store) writeBlobs(ctx context.Context, b *blobs) (swept int64, err error) {
	if len(b.order) == 0 {
		return 0, nil
	}
	going, swept, err := s.swept(ctx)
	if err != nil {
		return 0, fmt.Errorf("see which blobs are being removed: %w", err)
	}
	for begin := 0; begin < len(b.order); begin += batch {
		hashes := b.order[begin:min(begin+batch, len(b.order))]
		there, err := s.present(ctx, hashes)
		if err != nil {
			return 0, err
		}
		for i, hash := range hashes {
			_, goes := going[hash]
			if there[i] && !goes && (swept == 0 || going != nil) {
				continue
			}
			_, err := call(ctx, s, func(ctx context.Context, client *clientv3.Client) (*clientv3.PutResponse, error) {
				return client.Put(ctx, s.layout.blob(hash), b.data[hash])
			})
			if err != nil {
				return 0, fmt.Errorf("write a blob: %w", err)
			}
		}
	}
	return swept, nil
}

// present reports which blobs are there.
func (s *Store) present(ctx context.Context, hashes []string) ([]bool, error) {
	ops := make([]clientv3.Op, len(hashes))
	for i, hash := range hashes {
		ops[i] = clientv3.OpGet(s.layout.blob(hash), clientv3.WithCountOnly())
	}
	answer, err := call(ctx, s, func(ctx context.Context, client *clientv3.Client) (*clientv3.TxnResponse, error) {
		return client.Txn(ctx).Then(ops...).Commit()
	})
	if err != nil {
		return nil, fmt.Errorf("see which blobs are there: %w", err)
	}
	there := make([]bool, len(hashes))
	for i, r := range answer.Responses {
		there[i] = r.GetResponseRange().GetCount() > 0
	}
	return there, nil
}

// sweep removes blobs that nothing needs.
func (s *Store) sweep(ctx context.Context) error {
	idle, guards, err := s.idle(ctx)
	if err != nil || len(idle) == 0 {
		return err
	}
	list, err := json.Marshal(idle)
	if err != nil {
		return fmt.Errorf("name the blobs that nothing needs: %w", err)
	}
	marked, err := call(ctx, s, func(ctx context.Context, client *clientv3.Client) (*clientv3.TxnResponse, error) {
		return client.Txn(ctx).If(guards...).Then(clientv3.OpPut(s.layout.sweep(), string(list))).Commit()
	})
	if err != nil {
		return fmt.Errorf("name the blobs that nothing needs: %w", err)
	}
	if !marked.Succeeded {
		return nil // something came to need one; the next sweep will see
	}
	for _, hash := range idle {
		key := s.layout.blob(hash)
		_, err := call(ctx, s, func(ctx context.Context, client *clientv3.Client) (*clientv3.TxnResponse, error) {
			return client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "<", marked.Header.GetRevision())).
				Then(clientv3.OpDelete(key)).Commit()
		})
		if err != nil {
			return fmt.Errorf("remove a blob that nothing needs: %w", err)
		}
	}
	return nil
}

// idle returns the blobs that nothing needed at one moment, and what must hold so
// that nothing needs them still.
func (s *Store) idle(ctx context.Context) (hashes []string, guards []clientv3.Cmp, err error) {
	l := s.layout
	answer, err := call(ctx, s, func(ctx context.Context, client *clientv3.Client) (*clientv3.TxnResponse, error) {
		return client.Txn(ctx).Then(
			clientv3.OpGet(l.checkpoint()),
			clientv3.OpGet(l.sweep(), clientv3.WithKeysOnly()),
			clientv3.OpGet(l.allParts(), clientv3.WithPrefix()),
			clientv3.OpGet(l.blobs(), clientv3.WithPrefix(), clientv3.WithKeysOnly()),
		).Commit()
	})
	if err != nil {
		return nil, nil, fmt.Errorf("look for blobs that nothing needs: %w", err)
	}
	ranges := make([]*clientv3.GetResponse, len(answer.Responses))
	for i, r := range answer.Responses {
		ranges[i] = (*clientv3.GetResponse)(r.GetResponseRange())
	}
	needed := map[string]struct{}{}
	for _, kv := range ranges[0].Kvs {
		e, err := open(kv.GetValue())
		if err != nil {
			return nil, nil, at(l.checkpoint(), err)
		}
		body, err := s.openCheckpoint(ctx, kv.GetValue())
		if err != nil {
			return nil, nil, at(l.checkpoint(), err)
		}
		for _, hash := range e.needs(body) {
			needed[hash] = struct{}{}
		}
	}
	for _, kv := range ranges[2].Kvs {
		var parts []string
		if err := json.Unmarshal(kv.GetValue(), &parts); err != nil {
			return nil, nil, keyFault{fault{codeCorrupt, "it is not what corsgate writes: " + err.Error(), mendCheckpoint}, string(kv.GetKey())}
		}
		for _, hash := range parts {
			needed[hash] = struct{}{}
		}
	}
	for _, kv := range ranges[3].Kvs {
		hash := string(kv.GetKey()[len(l.blobs()):])
		if _, is := needed[hash]; !is && len(hashes) < maxSwept {
			hashes = append(hashes, hash)
		}
	}
	return hashes, []clientv3.Cmp{
		sameKey(l.checkpoint(), ranges[0]),
		sameKey(l.sweep(), ranges[1]),
		// Whoever has made a change with blobs since has written a key there.
		clientv3.Compare(clientv3.ModRevision(l.allParts()), "<", answer.Header.GetRevision()+1).WithPrefix(),
	}, nil
}

// sameKey holds as long as a key is what it was when it was read.
func sameKey(key string, got *clientv3.GetResponse) clientv3.Cmp {
	mod := int64(0)
	if len(got.Kvs) > 0 {
		mod = got.Kvs[0].GetModRevision()
	}
	return clientv3.Compare(clientv3.ModRevision(key), "=", mod)
}
