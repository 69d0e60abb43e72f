package etcd_test

import (
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/corsgate/corsgate/policy/source/etcd"
	"github.com/corsgate/corsgate/policy/source/sourcetest"
	"github.com/corsgate/corsgate/stores/parts"
)

// TestConformance runs the suite. All its etcds are one, emptied in between. The
// check for what was missed is rare, so that each change must be seen by itself.
func TestConformance(t *testing.T) { // not parallel: the suite counts goroutines
	endpoint := parts.StartCluster(t, 1)[0].Client
	sourcetest.Run(t, func(tb testing.TB) sourcetest.Fixture {
		tb.Helper()
		c := client(tb, endpoint)
		_, err := c.Delete(tb.Context(), "/corsgate/", clientv3.WithPrefix())
		must(tb, err)
		rarely := func(o *etcd.Options) { o.CheckEvery = time.Hour }
		return sourcetest.Fixture{
			Source: open(tb, endpoint, rarely),
			Store:  writer{open(tb, endpoint, rarely), c},
			Quiet:  300 * time.Millisecond,
		}
	})
}
