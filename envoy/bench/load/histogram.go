package load

import (
	"math/bits"
	"time"
)

const (
	// subBits makes 128 buckets of each power of two: a latency is known to
	// within one part in 128.
	subBits = 7
	// powers of two above the first 128 nanoseconds; the last holds 73 minutes.
	powers = 36
)

// A Histogram counts latencies, with the same relative precision from
// nanoseconds to an hour, as HdrHistogram does. The zero value is empty.
type Histogram struct {
	counts [(powers + 1) << subBits]uint32
	total  uint64
}

// Record counts one latency. A negative one counts as zero.
func (h *Histogram) Record(d time.Duration) {
	h.counts[bucket(d)]++
	h.total++
}

// Count returns how many were recorded.
func (h *Histogram) Count() uint64 { return h.total }

// Quantile returns a latency that the share q of all did not exceed: the upper
// end of its bucket. It is zero where nothing was recorded.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.total == 0 {
		return 0
	}
	// The rank of the slowest latency that belongs to the share.
	rank := max(uint64(q*float64(h.total)+0.999999), 1)
	var seen uint64
	for i, n := range h.counts {
		if seen += uint64(n); seen >= rank {
			return upper(i)
		}
	}
	return upper(len(h.counts) - 1)
}

func bucket(d time.Duration) int {
	v := uint64(max(d, 0))
	power := max(bits.Len64(v)-subBits-1, 0)
	if power >= powers {
		return (powers+1)<<subBits - 1
	}
	// For v below 256 this is v itself; above, each power of two has the upper
	// half of a range of 256.
	return power<<subBits + int(v>>power)
}

// upper is the largest latency of a bucket.
func upper(i int) time.Duration {
	power := max(i>>subBits-1, 0)
	low := uint64(i-power<<subBits) << power
	return time.Duration(low + 1<<power - 1)
}
