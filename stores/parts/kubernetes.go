package parts

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

const (
	// kubernetesPatience is how long a kube-apiserver may take to start or to end
	// on a busy machine.
	kubernetesPatience = 2 * time.Minute
	// pollPause lies between two looks at whether it is ready.
	pollPause = 50 * time.Millisecond
	// adminToken is that of the cluster's administrator.
	adminToken = "admin-token"
)

// A Kubernetes is a real kube-apiserver with an etcd of its own, and nothing else of
// a cluster: no nodes, no controllers.
type Kubernetes struct {
	tb     testing.TB
	binary string
	dir    string
	port   string
	etcd   string

	mu      sync.Mutex
	process *exec.Cmd
	log     *bytes.Buffer
	ended   chan struct{}
}

// StartKubernetes runs an API server on a free port of 127.0.0.1. It ends with the
// test.
func StartKubernetes(tb testing.TB) *Kubernetes {
	tb.Helper()
	binary, err := APIServer(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	k := &Kubernetes{tb: tb, binary: binary, dir: tb.TempDir(), port: freePort(tb), etcd: StartEtcd(tb)}
	k.write("tokens.csv", []byte(adminToken+",admin,admin,system:masters\n"))
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatalf("make a key for service accounts: %v", err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		tb.Fatalf("encode the key for service accounts: %v", err)
	}
	k.write("accounts.key", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
	tb.Cleanup(k.Stop)
	k.Start()
	return k
}

// Address is the URL of the API server.
func (k *Kubernetes) Address() string { return "https://127.0.0.1:" + k.port }

// Etcd is the endpoint of its etcd.
func (k *Kubernetes) Etcd() string { return k.etcd }

// Config returns how the administrator reaches the API server.
func (k *Kubernetes) Config() *rest.Config { return k.ConfigOf(adminToken) }

// ConfigOf returns how the bearer of a token reaches the API server.
func (k *Kubernetes) ConfigOf(token string) *rest.Config {
	return &rest.Config{
		Host: k.Address(), BearerToken: token, QPS: -1,
		TLSClientConfig: rest.TLSClientConfig{CAFile: filepath.Join(k.dir, "certs", "apiserver.crt")},
	}
}

// Kubeconfig writes a file by which the bearer of a token reaches the API server.
func (k *Kubernetes) Kubeconfig(token string) string {
	k.tb.Helper()
	return k.write("kubeconfig-"+token[:min(len(token), 8)]+".yaml", fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: u, user: {token: %q}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`, k.Address(), filepath.Join(k.dir, "certs", "apiserver.crt"), token))
}

// AdminKubeconfig writes a file by which the administrator reaches it.
func (k *Kubernetes) AdminKubeconfig() string {
	k.tb.Helper()
	return k.Kubeconfig(adminToken)
}

// Start runs the API server again after Stop, with the same address and data.
func (k *Kubernetes) Start() {
	k.tb.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	flags := []string{
		"--etcd-servers=" + k.etcd, "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--secure-port=" + k.port,
		"--cert-dir=" + filepath.Join(k.dir, "certs"), "--service-cluster-ip-range=10.0.0.0/24",
		"--service-account-issuer=https://kubernetes.test", "--service-account-key-file=" + filepath.Join(k.dir, "accounts.key"),
		"--service-account-signing-key-file=" + filepath.Join(k.dir, "accounts.key"),
		"--token-auth-file=" + filepath.Join(k.dir, "tokens.csv"), "--authorization-mode=RBAC",
		"--disable-admission-plugins=ServiceAccount", "--endpoint-reconciler-type=none",
		"--shutdown-delay-duration=0s", "--shutdown-send-retry-after=false",
	}
	k.log, k.ended = &bytes.Buffer{}, make(chan struct{})
	k.process = exec.Command(k.binary, flags...) //nolint:noctx // it ends after its test, whose context has ended before
	k.process.Stdout, k.process.Stderr = k.log, k.log
	if err := k.process.Start(); err != nil {
		k.tb.Fatalf("start kube-apiserver: %v", err)
	}
	go func(process *exec.Cmd, ended chan struct{}) {
		_ = process.Wait() // how it ended is in its log
		close(ended)
	}(k.process, k.ended)
	k.awaitReady()
}

// Stop ends the API server at once, as a machine that fails does. Its etcd runs on.
func (k *Kubernetes) Stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	_ = k.process.Process.Kill() // it may have ended by itself
	<-k.ended
}

// awaitReady waits until the API server says that it is ready.
func (k *Kubernetes) awaitReady() {
	k.tb.Helper()
	ctx, cancel := context.WithTimeout(k.tb.Context(), kubernetesPatience)
	defer cancel()
	// The certificate is one that it has just made for itself.
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true,
	}}
	for {
		last := k.ready(ctx, client)
		if last == "ok" {
			return
		}
		select {
		case <-k.ended:
			k.tb.Fatalf("kube-apiserver ended:\n%s", k.log)
		case <-ctx.Done():
			_ = k.process.Process.Kill()
			<-k.ended
			k.tb.Fatalf("kube-apiserver was not ready in time: %s\n%s", last, k.log)
		case <-time.After(pollPause):
		}
	}
}

func (k *Kubernetes) ready(ctx context.Context, client *http.Client) string {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, k.Address()+"/readyz", nil)
	if err != nil {
		return err.Error()
	}
	request.Header.Set("Authorization", "Bearer "+adminToken)
	response, err := client.Do(request)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(body))
}

func (k *Kubernetes) write(name string, data []byte) string {
	k.tb.Helper()
	path := filepath.Join(k.dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		k.tb.Fatalf("write %s: %v", name, err)
	}
	return path
}

// freePort returns a port of 127.0.0.1 on which nobody listens now.
func freePort(tb testing.TB) string {
	tb.Helper()
	listener, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("find a free port: %v", err)
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		tb.Fatalf("find a free port: %v", err)
	}
	return port
}
