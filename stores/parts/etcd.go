package parts

import (
	"net/url"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// etcdPatience is how long an etcd may take to start on a busy machine.
const etcdPatience = time.Minute

// StartEtcd runs an etcd of one member within the test, and returns its endpoint.
// It ends with the test.
func StartEtcd(tb testing.TB) (endpoint string) {
	tb.Helper()
	config := embed.NewConfig()
	config.Dir = tb.TempDir()
	config.UnsafeNoFsync = true // a test's data need not outlive the machine
	config.EnableGRPCGateway = false
	config.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	config.TickMs, config.ElectionMs = 10, 100
	anywhere := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	config.ListenClientUrls, config.AdvertiseClientUrls = anywhere, anywhere
	config.ListenPeerUrls, config.AdvertisePeerUrls = anywhere, anywhere
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		tb.Fatalf("start etcd: %v", err)
	}
	tb.Cleanup(etcd.Close)
	select {
	case <-etcd.Server.ReadyNotify():
	case err := <-etcd.Err():
		tb.Fatalf("etcd ended: %v", err)
	case <-time.After(etcdPatience):
		tb.Fatal("etcd was not ready in time")
	}
	return "http://" + etcd.Clients[0].Addr().String()
}
