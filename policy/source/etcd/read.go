package etcd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/corsgate/corsgate/policy/store"
)

// errRestart is of a version that cannot be continued, because the log before it
// is gone or another: what there is must be read from the checkpoint.
var errRestart = errors.New("the log goes on elsewhere")

// attempts is how often a load begins anew because what it was reading is gone: a
// newer checkpoint has made it superfluous.
const attempts = 5

// refresh reads what is new. The version has every change that was committed before
// refresh was called.
func (s *Store) refresh(ctx context.Context) (*version, error) {
	select {
	case s.reading <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-s.reading }()
	v := s.latest()
	if v == nil {
		return s.reload(ctx)
	}
	next, err := s.advance(ctx, *v)
	if err == nil && next.fault != nil {
		// A checkpoint of a replica that has read on may lead beyond it.
		var beyond bool
		if beyond, err = s.isBeyond(ctx, next); beyond {
			err = errRestart
		}
	}
	switch {
	case errors.Is(err, errRestart):
		return s.reload(ctx)
	case err != nil:
		return nil, err
	default:
		return s.supersede(v, next), nil
	}
}

// reload reads everything. The caller holds reading.
func (s *Store) reload(ctx context.Context) (*version, error) {
	next, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	if before := s.latest(); before != nil && next.state.Revision() < before.state.Revision() {
		s.logger.LogAttrs(ctx, slog.LevelWarn, "etcd holds an earlier revision than it did: it was emptied, damaged or restored from a backup",
			slog.Int64("before", before.state.Revision()), slog.Int64("now", next.state.Revision()))
	}
	s.setLatest(next)
	return next, nil
}

func (s *Store) latest() *version {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// supersede makes what was read from a version on the newest version, unless a
// change that was made here meanwhile has made a newer one of it.
func (s *Store) supersede(v, next *version) *version {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != v && s.current.state.Revision() >= next.state.Revision() {
		return s.current
	}
	s.current = next
	return next
}

func (s *Store) setLatest(v *version) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = v
}

// load reads the checkpoint and what the log has beyond it.
func (s *Store) load(ctx context.Context) (*version, error) {
	for attempt := 1; ; attempt++ {
		begin, err := s.readCheckpoint(ctx)
		var broken keyFault
		switch {
		case errors.As(err, &broken):
			// The log may be whole.
			begin = &version{state: store.New(place)}
		case err != nil:
			return nil, err
		}
		if begin.foreign, err = s.foreignKeys(ctx); err != nil {
			return nil, err
		}
		next, err := s.advance(ctx, *begin)
		switch {
		case errors.Is(err, errRestart) && attempt < attempts:
			continue
		case errors.Is(err, errRestart):
			next = begin
			next.fault = keyFault{fault{codeHistory, "the checkpoint and the log do not belong together", "restore etcd from a backup"}, s.layout.log(begin.state.Revision())}
		case err != nil:
			return nil, err
		case gone(next.fault) && attempt < attempts:
			continue
		}
		if broken.key != "" && (next.fault != nil || next.state.Revision() == 0) {
			next.fault = broken
		}
		return next, nil
	}
}

// gone reports whether a fault is of what may have become superfluous while it was
// being read.
func gone(err error) bool {
	f, ok := errors.AsType[keyFault](err)
	return ok && (f.code == codeBlobAbsent || f.code == codeGap)
}

// advance reads the log from a version on. What cannot be read becomes the fault
// of the version that it leads to.
func (s *Store) advance(ctx context.Context, v version) (*version, error) {
	v.fault = nil
	from := s.layout.log(max(v.state.Revision(), 1))
	for first := true; ; first = false {
		page, err := call(ctx, s, func(ctx context.Context, client *clientv3.Client) (*clientv3.GetResponse, error) {
			return client.Get(ctx, from, clientv3.WithRange(s.layout.logEnd()), clientv3.WithLimit(pageSize),
				clientv3.WithSort(clientv3.SortByKey, clientv3.SortAscend))
		})
		if err != nil {
			return nil, fmt.Errorf("read the changes after revision %d: %w", v.state.Revision(), err)
		}
		kvs := page.Kvs
		if first && v.state.Revision() > 0 {
			if kvs, err = s.anchor(&v, kvs); err != nil {
				return nil, err
			}
		}
		if err := s.applyAll(ctx, &v, kvs); err != nil || v.fault != nil || !page.More {
			return &v, err
		}
		from = string(page.Kvs[len(page.Kvs)-1].GetKey()) + "\x00"
	}
}

// anchor makes sure that the log goes on from the version, and returns what comes
// behind it.
func (s *Store) anchor(v *version, kvs []*mvccpb.KeyValue) ([]*mvccpb.KeyValue, error) {
	if len(kvs) == 0 || string(kvs[0].GetKey()) != s.layout.log(v.state.Revision()) {
		if v.mod != 0 {
			return nil, errRestart
		}
		return kvs, nil // A checkpoint whose change is no longer kept.
	}
	if head := kvs[0]; head.GetModRevision() != v.mod {
		e, err := open(head.GetValue())
		if err != nil || e.SHA256 != v.sum {
			return nil, errRestart
		}
		v.mod = head.GetModRevision()
	}
	return kvs[1:], nil
}

// applyAll applies keys of the log. A fault ends it.
func (s *Store) applyAll(ctx context.Context, v *version, kvs []*mvccpb.KeyValue) error {
	for _, kv := range kvs {
		key := string(kv.GetKey())
		revision, ours := s.layout.logRevision(key)
		if !ours {
			continue // foreignKeys says so
		}
		if revision != v.state.Revision()+1 {
			missing := s.layout.log(v.state.Revision() + 1)
			v.fault = keyFault{fault{codeGap, fmt.Sprintf("it is missing, and revision %d is there", revision), "restore etcd from a backup"}, missing}
			return nil
		}
		change, err := s.decode(ctx, kv)
		if err == nil {
			v.state, err = applied(v.state, change)
		}
		if err != nil {
			f, is := errors.AsType[keyFault](at(key, err))
			if !is {
				return err
			}
			v.fault = f
			return nil
		}
		v.mod, v.sum = kv.GetModRevision(), change.sum
		v.since += change.size
	}
	return nil
}

func applied(state *store.State, change *committed) (*store.State, error) {
	next, err := state.Apply(change.entry)
	if err != nil {
		return state, fault{codeHistory, err.Error(), "restore etcd from a backup"}
	}
	return next, nil
}

// A committed is an entry as it was read.
type committed struct {
	entry store.Entry
	sum   string
	size  int // how many bytes it has, more or less
}

// decode reads a key of the log and the blobs that it needs. A fault is a keyFault
// where another key has it.
func (s *Store) decode(ctx context.Context, kv *mvccpb.KeyValue) (*committed, error) {
	e, body, err := s.decodeBody(ctx, kv)
	if err != nil {
		return nil, err
	}
	size := len(kv.GetValue()) + len(e.Blobs)*maxBlob
	lists := body.lists()
	fetched := make([][]string, len(lists))
	for i, list := range lists {
		if fetched[i], err = s.fetchLines(ctx, list); err != nil {
			return nil, err
		}
		if list != nil {
			size += len(list.Blobs) * usualBlob
		}
	}
	return &committed{entry: body.entry(fetched), sum: e.SHA256, size: size}, nil
}

func (s *Store) decodeBody(ctx context.Context, kv *mvccpb.KeyValue) (*envelope, *entryBody, error) {
	e, err := open(kv.GetValue())
	if err != nil {
		return nil, nil, err
	}
	var body entryBody
	if err := s.readBody(ctx, e, &body); err != nil {
		return nil, nil, err
	}
	if key := s.layout.log(body.Revision); key != string(kv.GetKey()) {
		return nil, nil, fault{codeCorrupt, "it says that it stands under " + key, mendCorrupt}
	}
	return e, &body, nil
}

// readBody reads the body of an envelope, wherever it is.
func (s *Store) readBody(ctx context.Context, e *envelope, into any) error {
	body := []byte(e.Body)
	if len(e.Blobs) > 0 {
		pieces, err := s.fetch(ctx, e.Blobs)
		if err != nil {
			return err
		}
		for _, piece := range pieces {
			body = append(body, piece...)
		}
	}
	return e.read(body, into)
}

func (s *Store) fetchLines(ctx context.Context, l *lines) ([]string, error) {
	if l == nil || len(l.Blobs) == 0 {
		return l.join(nil)
	}
	pieces, err := s.fetch(ctx, l.Blobs)
	if err != nil {
		return nil, err
	}
	return l.join(pieces)
}

// fetchAtOnce is how many blobs are read at the same time.
const fetchAtOnce = 4

// fetch reads blobs.
func (s *Store) fetch(ctx context.Context, hashes []string) ([]string, error) {
	if len(hashes) > maxBlobs {
		return nil, fault{codeTooLarge, fmt.Sprintf("it needs %d blobs, and %d are the limit", len(hashes), maxBlobs), mendForeign}
	}
	pieces := make([]string, len(hashes))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(fetchAtOnce)
	for i, hash := range hashes {
		group.Go(func() error {
			key := s.layout.blob(hash)
			got, err := call(ctx, s, func(ctx context.Context, client *clientv3.Client) (*clientv3.GetResponse, error) {
				return client.Get(ctx, key)
			})
			switch {
			case err != nil:
				return fmt.Errorf("read %s: %w", key, err)
			case len(got.Kvs) == 0:
				return keyFault{fault{codeBlobAbsent, "it is missing, and a change or the checkpoint needs it", "restore etcd from a backup"}, key}
			case hashOf(got.Kvs[0].GetValue()) != hash:
				return keyFault{fault{codeCorrupt, "its content is not the one that it is named after", "restore etcd from a backup"}, key}
			}
			pieces[i] = string(got.Kvs[0].GetValue())
			return nil
		})
	}
	return pieces, group.Wait()
}

// someForeign is how many keys that are not ours are named.
const someForeign = 10

// foreignKeys returns keys below the prefix that are not ours, if there are any.
func (s *Store) foreignKeys(ctx context.Context) ([]string, error) {
	var ops []clientv3.Op
	options := []clientv3.OpOption{clientv3.WithKeysOnly(), clientv3.WithLimit(someForeign)}
	for _, gap := range s.layout.gaps() {
		ops = append(ops, clientv3.OpGet(gap[0], append(options, clientv3.WithRange(gap[1]))...))
	}
	// In the log those that do not begin with a digit stand before and behind.
	logs := s.layout.logs()
	ops = append(ops,
		clientv3.OpGet(logs, append(options, clientv3.WithRange(logs+"0"))...),
		clientv3.OpGet(logs+":", append(options, clientv3.WithRange(s.layout.logEnd()))...))
	answer, err := call(ctx, s, func(ctx context.Context, client *clientv3.Client) (*clientv3.TxnResponse, error) {
		return client.Txn(ctx).Then(ops...).Commit()
	})
	if err != nil {
		return nil, fmt.Errorf("look for keys of others: %w", err)
	}
	var foreign []string
	for _, r := range answer.Responses {
		for _, kv := range r.GetResponseRange().GetKvs() {
			foreign = append(foreign, string(kv.GetKey()))
		}
	}
	return foreign, nil
}
