package etcd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
)

// A dialer makes the client when it is wanted first, since etcd may be down then,
// and anew when the password has changed.
type dialer struct {
	options Options

	mu       sync.Mutex
	client   *clientv3.Client
	password string
	closed   bool

	// asked is whether etcd has asked for a client certificate.
	asked atomic.Bool
}

// get returns the client.
func (d *dialer) get(ctx context.Context) (*clientv3.Client, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.client != nil {
		return d.client, nil
	}
	if d.closed {
		return nil, errors.New("the store is closed")
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	password, err := d.options.password()
	if err != nil {
		return nil, err
	}
	config := clientv3.Config{
		Endpoints:            d.options.Endpoints,
		Username:             d.options.User,
		Password:             password,
		DialTimeout:          d.options.DialTimeout,
		DialKeepAliveTime:    probeAfter,
		DialKeepAliveTimeout: probeTimeout,
		Logger:               zap.NewNop(), // what goes wrong is in errors
		DialOptions: []grpc.DialOption{
			grpc.WithChainUnaryInterceptor(noteTrouble),
			// gRPC itself would wait for up to two minutes.
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff:           backoff.Config{BaseDelay: firstPause, Multiplier: 1.6, Jitter: 0.2, MaxDelay: longestPause / 2},
				MinConnectTimeout: d.options.DialTimeout,
			}),
		},
	}
	if d.options.isTLS() {
		// Behind the client's own, so that this is the one in force.
		config.DialOptions = append(config.DialOptions, grpc.WithTransportCredentials(&rotating{options: &d.options, asked: &d.asked}))
	}
	client, err := clientv3.New(config)
	if err != nil {
		return nil, err
	}
	d.client, d.password = client, password
	return client, nil
}

// renew drops the client if the password is another than it was made with.
func (d *dialer) renew() {
	d.mu.Lock()
	defer d.mu.Unlock()
	password, err := d.options.password()
	if err != nil || d.client == nil || password == d.password {
		return
	}
	_ = d.client.Close()
	d.client = nil
}

func (d *dialer) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	if d.client == nil {
		return nil
	}
	err := d.client.Close()
	d.client = nil
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("close the connection to etcd: %w", err)
	}
	return nil
}

func (o *Options) password() (string, error) {
	if o.PasswordFile == "" {
		return o.Password, nil
	}
	text, err := os.ReadFile(o.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("read the password for etcd: %w", err)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

func (o *Options) isTLS() bool {
	return len(o.Endpoints) > 0 && strings.HasPrefix(o.Endpoints[0], "https://")
}

// config reads the files of TLS.
func (o *Options) config() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CAFile != "" {
		text, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read the certificates that etcd's must be signed by: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("read the certificates that etcd's must be signed by: %s holds no certificate in PEM form", o.CAFile)
		}
	}
	if o.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("read the client certificate for etcd: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// rotating reads the files of TLS for each connection that is made: who replaces
// them need not restart anything.
type rotating struct {
	options *Options
	asked   *atomic.Bool
	server  string
}

var _ credentials.TransportCredentials = (*rotating)(nil)

// ClientHandshake makes a connection secure.
func (r *rotating) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	config, err := r.options.config()
	if err != nil {
		return nil, nil, err
	}
	config.ServerName = r.server
	given := &tls.Certificate{}
	if len(config.Certificates) > 0 {
		given = &config.Certificates[0]
	}
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		r.asked.Store(true)
		return given, nil
	}
	return credentials.NewTLS(config).ClientHandshake(ctx, authority, conn)
}

// ServerHandshake is not for clients.
func (r *rotating) ServerHandshake(net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("a client of etcd serves nobody")
}

// Info says what the connections are.
func (r *rotating) Info() credentials.ProtocolInfo {
	return credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12}).Info()
}

// Clone returns a copy.
func (r *rotating) Clone() credentials.TransportCredentials {
	clone := *r
	return &clone
}

// OverrideServerName sets the name that etcd's certificate must have.
func (r *rotating) OverrideServerName(name string) error {
	r.server = name
	return nil
}

// troubleKey is where a call's context keeps a place for what went wrong: a call
// that is tried until its time is over would else end with no word on why.
type troubleKey struct{}

// withTrouble returns a context for a call, and what its latest attempt met.
func withTrouble(ctx context.Context) (context.Context, func() error) {
	t := &trouble{}
	return context.WithValue(ctx, troubleKey{}, t), t.last
}

type trouble struct {
	mu  sync.Mutex
	err error
}

func (t *trouble) last() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// noteTrouble is within each attempt of a call. It lets one fail that has no
// connection, instead of waiting for it in silence: whoever calls tries again.
func noteTrouble(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	err := invoke(ctx, method, req, reply, cc, append(opts, grpc.WaitForReady(false))...)
	if t, ok := ctx.Value(troubleKey{}).(*trouble); ok && err != nil && ctx.Err() == nil {
		t.mu.Lock()
		t.err = err
		t.mu.Unlock()
	}
	return err
}
