package parts

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// memberEnv tells a test's program that it is to be an etcd, and which.
const memberEnv = "CORSGATE_TEST_ETCD"

// readyLine is what a member prints when it serves.
const readyLine = "ready"

// A MemberConfig is one etcd of a cluster.
type MemberConfig struct {
	Name, Dir       string
	Client, Peer    string // URLs
	InitialCluster  string
	Quota           int64 // bytes; zero is etcd's default
	MaxRequestBytes uint  // zero is etcd's default
	// Files of TLS for clients; empty is none. With CA clients need a certificate.
	Cert, Key, CA string
}

// Main is what TestMain calls in a package whose tests start members: it runs the
// tests, or is a member where it was started as one.
func Main(run func() int) int {
	text := os.Getenv(memberEnv)
	if text == "" {
		return run()
	}
	if err := serveMember(text); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func serveMember(text string) error {
	var m MemberConfig
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return fmt.Errorf("read the member's configuration: %w", err)
	}
	config, err := m.embed()
	if err != nil {
		return err
	}
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return fmt.Errorf("start etcd: %w", err)
	}
	defer etcd.Close()
	select {
	case <-etcd.Server.ReadyNotify():
		fmt.Fprintln(os.Stdout, readyLine)
	case err := <-etcd.Err():
		return fmt.Errorf("etcd ended: %w", err)
	}
	// Until the test ends, whose end of the pipe is the input.
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func (m *MemberConfig) embed() (*embed.Config, error) {
	config := embed.NewConfig()
	config.Name, config.Dir = m.Name, m.Dir
	config.UnsafeNoFsync = true // a test's data need not outlive the machine
	config.EnableGRPCGateway = false
	config.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	config.TickMs, config.ElectionMs = memberTick, memberElection
	config.InitialCluster = m.InitialCluster
	config.QuotaBackendBytes = m.Quota
	config.BcryptCost = 4 // passwords of tests
	if m.MaxRequestBytes > 0 {
		config.MaxRequestBytes = m.MaxRequestBytes
	}
	if m.Cert != "" {
		config.ClientTLSInfo = transport.TLSInfo{CertFile: m.Cert, KeyFile: m.Key, TrustedCAFile: m.CA, ClientCertAuth: m.CA != ""}
	}
	for text, to := range map[string][]*[]url.URL{
		m.Client: {&config.ListenClientUrls, &config.AdvertiseClientUrls},
		m.Peer:   {&config.ListenPeerUrls, &config.AdvertisePeerUrls},
	} {
		u, err := url.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("read the member's address: %w", err)
		}
		for _, urls := range to {
			*urls = []url.URL{*u}
		}
	}
	return config, nil
}

// A busy machine may take a while to schedule a heartbeat.
const (
	memberTick     = 50
	memberElection = 500
)

// A Member is an etcd in a process of its own.
type Member struct {
	MemberConfig

	command *exec.Cmd
	output  *bufio.Reader
}

// StartCluster runs some etcds, each in a process of its own, as one cluster. They
// end with the test.
func StartCluster(tb testing.TB, members int, change ...func(*MemberConfig)) []*Member {
	tb.Helper()
	cluster := make([]*Member, members)
	var initial []string
	for i := range cluster {
		m := &Member{MemberConfig: MemberConfig{
			Name: fmt.Sprintf("m%d", i), Dir: tb.TempDir(), Client: "http://" + freeAddress(tb), Peer: "http://" + freeAddress(tb),
		}}
		for _, c := range change {
			c(&m.MemberConfig)
		}
		initial = append(initial, m.Name+"="+m.Peer)
		cluster[i] = m
	}
	for _, m := range cluster {
		m.InitialCluster = strings.Join(initial, ",")
		m.start(tb)
		tb.Cleanup(func() { m.Kill(tb) })
	}
	for _, m := range cluster {
		m.await(tb)
	}
	return cluster
}

// Endpoints returns the addresses of some members.
func Endpoints(cluster []*Member) []string {
	endpoints := make([]string, len(cluster))
	for i, m := range cluster {
		endpoints[i] = m.Client
	}
	return endpoints
}

// freeAddress returns an address that nobody uses now.
func freeAddress(tb testing.TB) string {
	tb.Helper()
	l, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("find a free port: %v", err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (m *Member) start(tb testing.TB) {
	tb.Helper()
	text, err := json.Marshal(m.MemberConfig)
	if err != nil {
		tb.Fatalf("write the member's configuration: %v", err)
	}
	self, err := os.Executable()
	if err != nil {
		tb.Fatalf("find the test's program: %v", err)
	}
	m.command = exec.Command(self) //nolint:noctx // Kill ends it
	m.command.Env = append(os.Environ(), memberEnv+"="+string(text))
	m.command.Stderr = os.Stderr
	if _, err := m.command.StdinPipe(); err != nil {
		tb.Fatalf("start etcd: %v", err)
	}
	output, err := m.command.StdoutPipe()
	if err != nil {
		tb.Fatalf("start etcd: %v", err)
	}
	m.output = bufio.NewReader(output)
	if err := m.command.Start(); err != nil {
		tb.Fatalf("start etcd: %v", err)
	}
}

// await waits until the member serves.
func (m *Member) await(tb testing.TB) {
	tb.Helper()
	late := time.AfterFunc(etcdPatience, func() { _ = m.command.Process.Kill() })
	defer late.Stop()
	line, err := m.output.ReadString('\n')
	if err != nil || strings.TrimSpace(line) != readyLine {
		tb.Fatalf("etcd %s did not serve: it printed %q, %v", m.Name, line, err)
	}
}

// Kill ends the member as a power cut would. One that has ended stays so.
func (m *Member) Kill(tb testing.TB) {
	tb.Helper()
	if m.command == nil {
		return
	}
	_ = m.command.Process.Kill()
	_ = m.command.Wait() // it was killed
	m.command = nil
}

// Restart starts the member again, and waits until it serves.
func (m *Member) Restart(tb testing.TB) {
	tb.Helper()
	m.Kill(tb)
	m.start(tb)
	m.await(tb)
}

// Pause stops the member from doing anything, its connections stay.
func (m *Member) Pause(tb testing.TB) {
	tb.Helper()
	m.signal(tb, syscall.SIGSTOP)
}

// Resume lets the member go on.
func (m *Member) Resume(tb testing.TB) {
	tb.Helper()
	m.signal(tb, syscall.SIGCONT)
}

func (m *Member) signal(tb testing.TB, s syscall.Signal) {
	tb.Helper()
	if err := m.command.Process.Signal(s); err != nil {
		tb.Fatalf("send %v to etcd %s: %v", s, m.Name, err)
	}
}
