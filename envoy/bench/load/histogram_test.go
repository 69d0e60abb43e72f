package load

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestBuckets wants each latency in a bucket whose end is at most one part in
// 128 above it.
func TestBuckets(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{
		0, 1, 127, 128, 129, 255, 256, 257, 511, 512, 1023, 1024, 999_999, time.Millisecond, time.Second, time.Hour,
	} {
		end := upper(bucket(d))
		if end < d || end > d+d/128 {
			t.Errorf("%d is counted as up to %d", d, end)
		}
	}
	if got := bucket(-5); got != 0 {
		t.Errorf("a negative latency is in bucket %d", got)
	}
	if got, last := bucket(1<<62), len(Histogram{}.counts)-1; got != last {
		t.Errorf("146 years are in bucket %d of %d", got, last)
	}
}

// TestQuantile compares with sorting.
func TestQuantile(t *testing.T) {
	t.Parallel()
	var h Histogram
	if h.Quantile(0.5) != 0 || h.Count() != 0 {
		t.Error("an empty histogram is not empty")
	}
	random := rand.New(rand.NewPCG(1, 2))
	var all []time.Duration
	for range 10_000 {
		d := time.Duration(random.ExpFloat64() * float64(time.Millisecond))
		all = append(all, d)
		h.Record(d)
	}
	slices.Sort(all)
	for _, row := range []struct {
		q    float64
		rank int
	}{{0, 1}, {0.0001, 1}, {0.5, 5000}, {0.99, 9900}, {0.9999, 9999}, {1, 10_000}} {
		want := upper(bucket(all[row.rank-1]))
		if got := h.Quantile(row.q); got != want {
			t.Errorf("quantile %v is %d, want %d", row.q, got, want)
		}
	}
	if h.Count() != 10_000 {
		t.Errorf("%d are counted", h.Count())
	}
}
