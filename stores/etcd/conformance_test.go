package etcd_test

import (
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/corsgate/corsgate/policy/source/etcd"
	"github.com/corsgate/corsgate/policy/source/sourcetest"
	"github.com/corsgate/corsgate/stores/parts"
)

// TestConformance runs the suite. All its etcds are one, emptied in between.
func TestConformance(t *testing.T) { // not parallel: the suite counts goroutines
	endpoint := parts.StartCluster(t, 1)[0].Client
	empty := func(tb testing.TB) writer {
		tb.Helper()
		c := client(tb, endpoint)
		_, err := c.Delete(tb.Context(), "/corsgate/", clientv3.WithPrefix())
		must(tb, err)
		return writer{open(tb, endpoint), c}
	}
	t.Run("told", func(t *testing.T) { // not parallel: the suite counts goroutines
		// Each change must be seen by itself, without looking for what was missed.
		sourcetest.Run(t, func(tb testing.TB) sourcetest.Fixture {
			tb.Helper()
			return sourcetest.Fixture{
				Store:  empty(tb),
				Source: open(tb, endpoint, func(o *etcd.Options) { o.CheckEvery = time.Hour }),
				Quiet:  quiet,
			}
		})
	})
	t.Run("cut off", func(t *testing.T) { // not parallel: the suite counts goroutines
		sourcetest.Run(t, func(tb testing.TB) sourcetest.Fixture {
			tb.Helper()
			line := parts.NewLine(tb, strings.TrimPrefix(endpoint, "http://"))
			return sourcetest.Fixture{
				Store:  remote{empty(tb), line},
				Source: open(tb, "http://"+line.Address, func(o *etcd.Options) { o.DialTimeout = time.Second }),
				Quiet:  quiet,
				Large:  million,
			}
		})
	})
}

// quiet is well above what the source needs to deliver a change.
const quiet = 300 * time.Millisecond

// remote is a store whose source reads it over a line.
type remote struct {
	writer

	line *parts.Line
}

var _ sourcetest.Forgetful = remote{}

func (r remote) Cut(testing.TB)  { r.line.Cut() }
func (r remote) Mend(testing.TB) { r.line.Mend() }

// Forget tidies the store, so that the changes themselves are gone, and compacts
// etcd, so that a watch cannot go on.
func (r remote) Forget(tb testing.TB) {
	tb.Helper()
	tidy := open(tb, r.client.Endpoints()[0], func(o *etcd.Options) { o.KeepEntries = 1 })
	must(tb, tidy.Tend(tb.Context()))
	got, err := r.client.Get(tb.Context(), "x")
	must(tb, err)
	_, err = r.client.Compact(tb.Context(), got.Header.GetRevision(), clientv3.WithCompactPhysical())
	must(tb, err)
}
