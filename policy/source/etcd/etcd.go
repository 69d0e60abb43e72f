package etcd

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/corsgate/corsgate/policy/source"
	"github.com/corsgate/corsgate/policy/store"
)

// Defaults of Options.
const (
	DefaultDialTimeout = 5 * time.Second
	DefaultKeepEntries = 10_000
	DefaultCheckEvery  = time.Second
)

const (
	// place is what documents are said to be in, see store.New.
	place = "etcd"
	// A silent connection is probed, and given up where no answer comes.
	probeAfter   = 10 * time.Second
	probeTimeout = 3 * time.Second
	// pageSize is how many keys of the log are read at once.
	pageSize = 200
)

// When a checkpoint is written.
const (
	checkpointEntries = 1000
	checkpointBytes   = 8 << 20
)

var (
	_ source.Source = (*Store)(nil)
	_ source.Dated  = (*Store)(nil)
	_ store.Store   = (*Store)(nil)
	_ store.Fleet   = (*Store)(nil)
)

// Options is where etcd is and how to speak to it. Endpoints are needed.
type Options struct {
	// Endpoints are URLs, all http:// or all https://.
	Endpoints []string
	// Prefix is what all keys begin with; empty is DefaultPrefix.
	Prefix string
	// User is who to be, where etcd asks for it. The password is in PasswordFile or
	// else in Password.
	User, Password, PasswordFile string
	// CAFile holds the certificates that etcd's must be signed by; empty are the
	// system's. CertFile and KeyFile are the client's certificate and its key. The
	// files are read for each connection.
	CAFile, CertFile, KeyFile string
	// DialTimeout is how long etcd may take to answer a request. Zero is
	// DefaultDialTimeout.
	DialTimeout time.Duration
	// KeepEntries is how many changes are kept for the history at least. Zero is
	// DefaultKeepEntries. With KeepFor younger ones are kept beyond that.
	KeepEntries int
	KeepFor     time.Duration
	// CheckEvery is how often to make sure that nothing was missed, and that etcd
	// is still there. Zero is DefaultCheckEvery.
	CheckEvery time.Duration
	// CheckpointEntries and CheckpointBytes are after how much of the log a new
	// checkpoint is written. Zero is 1000 changes, and 8 MiB.
	CheckpointEntries, CheckpointBytes int
	// Logger gets what goes wrong and mends itself. Nil is slog's default.
	Logger *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// A Store is policies in etcd. Its methods may be called by several goroutines.
type Store struct {
	options Options
	layout  layout
	logger  *slog.Logger
	dial    dialer

	// reading holds an element while somebody reads; see refresh.
	reading chan struct{}
	// committing holds an element while a change is being made.
	committing chan struct{}

	mu sync.Mutex
	// current is the newest version that is known. It is nil until one was read.
	current *version
	// known is what the latest Load or onChange returned.
	known *delivered
	// inStep is when what was delivered last was known to be what etcd holds.
	inStep time.Time
}

// A version is a state, and where it was read.
type version struct {
	state *store.State
	// mod is the revision of etcd at which the key of the state's change was
	// written, and sum that of its content: they tell one history from another. The
	// key may be gone; then mod is zero.
	mod int64
	sum string
	// checkpoint is the revision of the checkpoint that was read, and since how
	// many bytes of the log came behind it.
	checkpoint int64
	since      int
	// fault, unless nil, is why the log could not be read beyond the state.
	fault error
	// foreign is the keys below the prefix that are not ours.
	foreign []string
}

// New returns a store. It does not need etcd to be there; what is wrong with the
// options themselves is an error.
func New(options Options) (*Store, error) {
	options.Endpoints = slices.Clone(options.Endpoints)
	if err := options.check(); err != nil {
		return nil, err
	}
	if options.Prefix == "" {
		options.Prefix = DefaultPrefix
	}
	if !strings.HasSuffix(options.Prefix, "/") {
		options.Prefix += "/"
	}
	setDefault(&options.DialTimeout, DefaultDialTimeout)
	setDefault(&options.KeepEntries, DefaultKeepEntries)
	setDefault(&options.CheckEvery, DefaultCheckEvery)
	setDefault(&options.CheckpointEntries, checkpointEntries)
	setDefault(&options.CheckpointBytes, checkpointBytes)
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	s := &Store{
		options: options, layout: layout(options.Prefix),
		reading: make(chan struct{}, 1), committing: make(chan struct{}, 1),
	}
	s.logger = options.Logger.With(slog.String("source", s.String()))
	s.dial.options = options
	return s, nil
}

func setDefault[T ~int | ~int64](value *T, otherwise T) {
	if *value <= 0 {
		*value = otherwise
	}
}

// shown says which client certificate etcd was shown.
func (o *Options) shown() string {
	if o.CertFile == "" {
		return "none is given"
	}
	return "perhaps does not take the one in " + o.CertFile
}

// check says what is wrong with the options.
func (o *Options) check() error {
	if len(o.Endpoints) == 0 {
		return errors.New("no endpoint of etcd is given; name one, such as http://127.0.0.1:2379")
	}
	for _, endpoint := range o.Endpoints {
		u, err := url.Parse(endpoint)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" {
			return fmt.Errorf("%q is no endpoint of etcd; write http://HOST:PORT or https://HOST:PORT", endpoint)
		}
		if strings.HasPrefix(endpoint, "https://") != o.isTLS() {
			return errors.New("the endpoints of etcd are both http and https; let all be https")
		}
	}
	switch {
	case !o.isTLS() && o.CAFile+o.CertFile+o.KeyFile != "":
		return fmt.Errorf("certificates for etcd are given, but the endpoint %s is not https", o.Endpoints[0])
	case (o.CertFile == "") != (o.KeyFile == ""):
		return errors.New("of the client certificate for etcd and its key only one is given; give both")
	case o.User == "" && o.Password+o.PasswordFile != "":
		return errors.New("a password for etcd is given, but no user")
	case o.User != "" && o.Password+o.PasswordFile == "":
		return fmt.Errorf("no password is given for etcd's user %q; name a file that holds it", o.User)
	case o.Prefix != "" && strings.Trim(o.Prefix, "/") == "":
		return fmt.Errorf("the prefix %q is all that etcd holds; give corsgate one of its own, such as %s", o.Prefix, DefaultPrefix)
	}
	if _, err := o.password(); err != nil {
		return err
	}
	_, err := o.config()
	return err
}

// String returns the first endpoint and the prefix.
func (s *Store) String() string {
	u, err := url.Parse(s.options.Endpoints[0])
	if err != nil {
		return place + string(s.layout)
	}
	return place + "://" + u.Host + string(s.layout)
}

// Close ends the connections. Nothing may be called any more, or be under way.
func (s *Store) Close() error { return s.dial.close() }

// newID returns a name that nobody else has.
func newID() string { return rand.Text() }

// call makes a request within the time that etcd may take, and says what an error
// means. It may make the request several times: where a member does not answer,
// another may.
func call[T any](ctx context.Context, s *Store, f func(ctx context.Context, client *clientv3.Client) (T, error)) (answer T, err error) {
	if err := ctx.Err(); err != nil {
		return answer, err
	}
	bounded, cancel := context.WithTimeout(ctx, s.options.DialTimeout)
	defer cancel()
	attempt := s.options.DialTimeout / firstShare
	for {
		answer, err = try(bounded, attempt, s, f)
		if err == nil || !isTransient(err) || !s.pause(bounded, callPause) {
			return answer, s.explained(ctx, err)
		}
		attempt = s.options.DialTimeout
	}
}

// firstShare is which part of the time the first member has to answer. The second
// has the rest, since the answer may be large.
const firstShare = 3

// callPause is how long to wait before a request is made again.
const callPause = 50 * time.Millisecond

// A callError is an error of etcd, and what its latest attempt met.
type callError struct{ err, cause error }

func (e *callError) Error() string { return e.err.Error() }
func (e *callError) Unwrap() error { return e.err }

// A lateError is what etcd was in the way of a call until the caller's time was
// over. That alone would tell nobody what to mend.
type lateError struct{ said, ended error }

func (e *lateError) Error() string   { return e.said.Error() }
func (e *lateError) Unwrap() []error { return []error{e.said, e.ended} }

// try is call with one request within some time, and the error as it came.
func try[T any](ctx context.Context, within time.Duration, s *Store, f func(ctx context.Context, client *clientv3.Client) (T, error)) (answer T, err error) {
	if err := ctx.Err(); err != nil {
		return answer, err
	}
	bounded, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	bounded, met := withTrouble(bounded)
	client, err := s.dial.get(bounded)
	if err == nil {
		answer, err = f(bounded, client)
	}
	if err != nil {
		return answer, &callError{err, met()}
	}
	return answer, nil
}

// explained says what an error of try means.
func (s *Store) explained(ctx context.Context, err error) error {
	failed, ok := errors.AsType[*callError](err)
	if !ok {
		return err
	}
	said := s.options.explain(failed.err, failed.cause)
	if ended := ctx.Err(); ended != nil {
		if failed.cause == nil || !errors.Is(ended, context.DeadlineExceeded) {
			return ended
		}
		return &lateError{said, ended}
	}
	if errors.Is(said, store.ErrRefused) {
		s.dial.renew()
	}
	if errors.Is(said, store.ErrUnavailable) && s.dial.asked.Load() && isHungUp(said) {
		return fmt.Errorf("%w; etcd asks for a client certificate, and %s", said, s.options.shown())
	}
	return said
}
