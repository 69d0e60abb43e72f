package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// TLSOptions is how a listener is secured. The zero value leaves it in
// clear text, which is right on loopback and on a Unix socket.
type TLSOptions struct {
	// CertFile and KeyFile hold a certificate chain and its key, in PEM. Both or
	// neither must be named.
	CertFile string
	KeyFile  string
	// ClientCAFile holds the authorities, in PEM, by one of which a client's
	// certificate must be signed. Empty, clients need none.
	ClientCAFile string
	// MinVersion is the oldest protocol version accepted: tls.VersionTLS12 if it
	// is zero. Envoy, as a client, offers nothing newer unless it is told to.
	MinVersion uint16

	// admin says that it is of the admin listener: HTTP/1.1 is spoken there too, and
	// a client may have a certificate and need not.
	admin bool
}

// forAdmin returns the options as those of the admin listener.
func (o *TLSOptions) forAdmin() TLSOptions {
	admin := *o
	admin.admin = true
	return admin
}

// Enabled says whether the listener speaks TLS.
func (o *TLSOptions) Enabled() bool {
	return o.CertFile != "" || o.KeyFile != "" || o.ClientCAFile != ""
}

// A TLSError says what is wrong with the TLS files, and what to do.
type TLSError struct {
	// Reason says what is wrong, and names the file.
	Reason string
	// Mend says what to do about it.
	Mend string
	// Err is the cause. It may be nil.
	Err error
}

// Error returns reason and mend on one line.
func (e *TLSError) Error() string { return "cannot set up TLS: " + e.Reason + "; " + e.Mend }

// Unwrap returns the cause.
func (e *TLSError) Unwrap() error { return e.Err }

// Check says whether the files that are named for the gRPC listener belong
// together.
func (o *TLSOptions) Check() error { return o.check("--tls") }

// CheckAdmin says whether those that are named for the admin listener do.
func (o *TLSOptions) CheckAdmin() error { return o.check("--admin-tls") }

func (o *TLSOptions) check(flags string) error {
	if o.Enabled() && (o.CertFile == "" || o.KeyFile == "") {
		return &TLSError{
			Reason: "a certificate and a key are needed together, and one of them is not named",
			Mend:   fmt.Sprintf("give both %[1]s-cert and %[1]s-key", flags),
		}
	}
	return nil
}

// fileStamp is what tells that a file changed.
type fileStamp struct {
	modified time.Time
	size     int64
}

// keeper holds the TLS configuration that is in force, and looks at each
// handshake whether its files changed. Files that are broken are reported once
// and leave the last good configuration in force.
type keeper struct {
	options TLSOptions
	logger  *slog.Logger

	mu      sync.Mutex
	stamps  map[string]fileStamp // of the last attempt, good or bad
	current *tls.Config
}

// newKeeper loads the files; here, and only here, a broken one is an error.
func newKeeper(options TLSOptions, logger *slog.Logger) (*keeper, error) {
	check := options.Check
	if options.admin {
		check = options.CheckAdmin
	}
	if err := check(); err != nil {
		return nil, err
	}
	k := &keeper{options: options, logger: logger}
	// Stamped before they are read: a change in between is seen at the next
	// handshake.
	k.stamps = k.stamp()
	current, err := k.load()
	if err != nil {
		return nil, err
	}
	k.current = current
	return k, nil
}

// config returns the configuration for a listener.
func (k *keeper) config() *tls.Config {
	return &tls.Config{
		MinVersion: k.minVersion(),
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			return k.get(hello.Context()), nil
		},
	}
}

// get returns the configuration in force, after a look at the files.
func (k *keeper) get(ctx context.Context) *tls.Config {
	k.mu.Lock()
	defer k.mu.Unlock()
	stamps := k.stamp()
	if sameStamps(stamps, k.stamps) {
		return k.current
	}
	k.stamps = stamps
	next, err := k.load()
	if err != nil {
		k.logger.LogAttrs(ctx, slog.LevelError, "TLS files changed and cannot be used; the last good ones stay in force",
			slog.String("error", err.Error()))
		return k.current
	}
	k.logger.LogAttrs(ctx, slog.LevelInfo, "TLS files loaded", slog.String("cert", k.options.CertFile))
	k.current = next
	return k.current
}

func (k *keeper) minVersion() uint16 {
	if k.options.MinVersion == 0 {
		return tls.VersionTLS12
	}
	return k.options.MinVersion
}

// files returns the files that are named.
func (k *keeper) files() []string {
	files := []string{k.options.CertFile, k.options.KeyFile}
	if k.options.ClientCAFile != "" {
		files = append(files, k.options.ClientCAFile)
	}
	return files
}

// stamp looks at each file. One that is not there has no stamp. Links are
// followed, as Kubernetes changes a secret by changing a link.
func (k *keeper) stamp() map[string]fileStamp {
	stamps := make(map[string]fileStamp)
	for _, file := range k.files() {
		if info, err := os.Stat(file); err == nil {
			stamps[file] = fileStamp{modified: info.ModTime(), size: info.Size()}
		}
	}
	return stamps
}

func sameStamps(a, b map[string]fileStamp) bool {
	if len(a) != len(b) {
		return false
	}
	for file, stamp := range a {
		other, ok := b[file]
		if !ok || !stamp.modified.Equal(other.modified) || stamp.size != other.size {
			return false
		}
	}
	return true
}

// load reads the files.
func (k *keeper) load() (*tls.Config, error) {
	certPEM, err := readTLSFile(k.options.CertFile)
	if err != nil {
		return nil, err
	}
	keyPEM, err := readTLSFile(k.options.KeyFile)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, &TLSError{
			Reason: fmt.Sprintf("%s and %s are not a certificate and its key (%s)", k.options.CertFile, k.options.KeyFile, cause(err)),
			Mend:   "name a certificate chain and the key that belongs to it, both in PEM",
			Err:    err,
		}
	}
	config := &tls.Config{
		MinVersion:   k.minVersion(),
		Certificates: []tls.Certificate{pair},
		NextProtos:   []string{"h2"}, // gRPC is nothing else
	}
	if k.options.admin {
		config.NextProtos = append(config.NextProtos, "http/1.1")
	}
	if k.options.ClientCAFile == "" {
		return config, nil
	}
	caPEM, err := readTLSFile(k.options.ClientCAFile)
	if err != nil {
		return nil, err
	}
	config.ClientCAs = x509.NewCertPool()
	if !config.ClientCAs.AppendCertsFromPEM(caPEM) {
		return nil, &TLSError{
			Reason: k.options.ClientCAFile + " holds no certificate",
			Mend:   "name a file with the certificates of the authorities that sign your clients' certificates, in PEM",
		}
	}
	config.ClientAuth = tls.RequireAndVerifyClientCert
	if k.options.admin {
		config.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return config, nil
}

func readTLSFile(file string) ([]byte, error) {
	content, err := os.ReadFile(file) //nolint:gosec // naming this file is what the option is for
	if err != nil {
		return nil, &TLSError{
			Reason: fmt.Sprintf("%s cannot be read (%s)", file, cause(err)),
			Mend:   "name a file that this user may read",
			Err:    err,
		}
	}
	return content, nil
}
