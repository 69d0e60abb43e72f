package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// authority signs certificates for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert: cert, key: key, pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue returns a certificate and its key for 127.0.0.1, with a serial number to
// know it by.
func (a *authority) issue(t *testing.T, serial int64) (certPEM, keyPEM []byte) {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// write puts a file into place, with a time that differs from the one before.
func write(t *testing.T, path string, content []byte) {
	t.Helper()
	modified := time.Now()
	if info, err := os.Stat(path); err == nil {
		modified = info.ModTime().Add(time.Second)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, modified, modified); err != nil {
		t.Fatal(err)
	}
}

// tlsFiles writes a certificate and its key into a new folder.
func tlsFiles(t *testing.T, a *authority, serial int64) TLSOptions {
	t.Helper()
	folder := t.TempDir()
	options := TLSOptions{CertFile: filepath.Join(folder, "tls.crt"), KeyFile: filepath.Join(folder, "tls.key")}
	certPEM, keyPEM := a.issue(t, serial)
	write(t, options.CertFile, certPEM)
	write(t, options.KeyFile, keyPEM)
	return options
}

// served returns the serial number of the certificate that a listener shows.
func served(t *testing.T, addr net.Addr, config *tls.Config) int64 {
	t.Helper()
	config = config.Clone()
	config.NextProtos = []string{"h2"}
	dialer := tls.Dialer{Config: config}
	conn, err := dialer.DialContext(short(t), "tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func TestTLSReload(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	options := tlsFiles(t, a, 100)
	r := start(t, newMemory(shopPolicy), Options{TLS: options})
	trusting := &tls.Config{RootCAs: a.pool(), MinVersion: tls.VersionTLS12}

	client := authv3.NewAuthorizationClient(dial(t, r.bound.Listen[0], credentials.NewTLS(trusting)))
	if _, err := client.Check(short(t), check("GET", "api.example", "/", nil)); err != nil {
		t.Fatal(err)
	}
	if got := served(t, r.bound.Listen[0], trusting); got != 100 {
		t.Fatalf("certificate %d, want 100", got)
	}

	write(t, options.CertFile, []byte("not a certificate"))
	for range 2 {
		if got := served(t, r.bound.Listen[0], trusting); got != 100 {
			t.Fatalf("certificate %d after a bad one, want the last good one, 100", got)
		}
	}
	if n := strings.Count(r.log.String(), "the last good ones stay in force"); n != 1 {
		t.Errorf("the bad certificate was logged %d times, want once:\n%s", n, r.log)
	}

	certPEM, keyPEM := a.issue(t, 101)
	write(t, options.CertFile, certPEM)
	write(t, options.KeyFile, keyPEM)
	if got := served(t, r.bound.Listen[0], trusting); got != 101 {
		t.Fatalf("certificate %d, want the new one, 101", got)
	}
}

func TestTLSClients(t *testing.T) {
	t.Parallel()
	a, stranger := newAuthority(t), newAuthority(t)
	options := tlsFiles(t, a, 1)
	options.ClientCAFile = filepath.Join(filepath.Dir(options.CertFile), "ca.crt")
	options.MinVersion = tls.VersionTLS13
	write(t, options.ClientCAFile, a.pem)
	r := start(t, newMemory(shopPolicy), Options{TLS: options})
	pair := func(from *authority) []tls.Certificate {
		pair, err := tls.X509KeyPair(from.issue(t, 7))
		if err != nil {
			t.Fatal(err)
		}
		return []tls.Certificate{pair}
	}
	for name, test := range map[string]struct {
		creds credentials.TransportCredentials
		want  codes.Code
	}{
		"a client that is known":     {credentials.NewTLS(&tls.Config{RootCAs: a.pool(), Certificates: pair(a)}), codes.OK},
		"a stranger":                 {credentials.NewTLS(&tls.Config{RootCAs: a.pool(), Certificates: pair(stranger)}), codes.Unavailable},
		"nobody":                     {credentials.NewTLS(&tls.Config{RootCAs: a.pool()}), codes.Unavailable},
		"a protocol that is old":     {credentials.NewTLS(&tls.Config{RootCAs: a.pool(), Certificates: pair(a), MaxVersion: tls.VersionTLS12}), codes.Unavailable},
		"no TLS at all":              {insecure.NewCredentials(), codes.Unavailable},
		"a client that mistrusts us": {credentials.NewTLS(&tls.Config{RootCAs: stranger.pool(), Certificates: pair(a)}), codes.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := authv3.NewAuthorizationClient(dial(t, r.bound.Listen[0], test.creds))
			_, err := client.Check(short(t), check("GET", "api.example", "/", nil))
			if got := status.Code(err); got != test.want {
				t.Errorf("%v (%v), want %v", got, err, test.want)
			}
		})
	}
}

func TestTLSErrors(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	good, other := tlsFiles(t, a, 1), tlsFiles(t, a, 2)
	empty := filepath.Join(t.TempDir(), "empty.pem")
	write(t, empty, nil)
	for name, test := range map[string]struct {
		options TLSOptions
		want    string
	}{
		"no key":            {TLSOptions{CertFile: good.CertFile}, "give both --tls-cert and --tls-key"},
		"an authority only": {TLSOptions{ClientCAFile: good.CertFile}, "give both --tls-cert and --tls-key"},
		"no such file":      {TLSOptions{CertFile: good.CertFile + ".none", KeyFile: good.KeyFile}, "tls.crt.none cannot be read (no such file or directory); name a file that this user may read"},
		"another key":       {TLSOptions{CertFile: good.CertFile, KeyFile: other.KeyFile}, "are not a certificate and its key (tls: private key does not match public key)"},
		"no PEM":            {TLSOptions{CertFile: empty, KeyFile: good.KeyFile}, "are not a certificate and its key"},
		"no authority":      {TLSOptions{CertFile: good.CertFile, KeyFile: good.KeyFile, ClientCAFile: empty}, "empty.pem holds no certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, err := New(newMemory(shopPolicy), Options{Listen: []string{"127.0.0.1:0"}, TLS: test.options})
			if err != nil {
				t.Fatal(err)
			}
			err = server.Run(short(t))
			var explained *TLSError
			if !errors.As(err, &explained) || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("Run: %v, want one line with %q", err, test.want)
			}
		})
	}
}
