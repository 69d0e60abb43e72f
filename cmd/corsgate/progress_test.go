package main

import (
	"bytes"
	"testing"
	"time"
)

// What takes long shows one line on a terminal, which is gone in the end; what is
// soon over shows none, and neither does what nobody sits before.
func TestProgress(t *testing.T) {
	t.Parallel()
	long := time.Now().Add(-time.Minute)
	for name, test := range map[string]struct {
		terminal bool
		since    time.Time
		want     string
	}{
		"long":         {true, long, "\r\x1b[Kread 1 of 2\r\x1b[Kread 2 of 2\r\x1b[K"},
		"soon over":    {true, time.Now().Add(time.Minute), ""},
		"for programs": {false, long, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			shown := newProgress(&out)
			if test.terminal {
				shown.to = &out
			}
			shown.since = test.since
			for i := range 2 {
				shown.showf("read %d of 2", i+1)
			}
			shown.clear()
			shown.clear() // once is enough
			if got := out.String(); got != test.want {
				t.Errorf("it shows %q, want %q", got, test.want)
			}
		})
	}
}
