//go:build !linux

package machine

import (
	"os/exec"
	"time"
)

// ProcessCPU needs Linux.
func ProcessCPU(int) (time.Duration, error) { return 0, ErrUnsupported }

// ThreadCPU needs Linux.
func ThreadCPU() (time.Duration, error) { return 0, ErrUnsupported }

// Memory needs Linux.
func Memory(int) (resident, peak int64, err error) { return 0, 0, ErrUnsupported }

// ResetPeak needs Linux.
func ResetPeak(int) error { return ErrUnsupported }

// Pin needs Linux.
func Pin(int) (undo func() error, err error) { return nil, ErrUnsupported }

// Start needs Linux.
func Start(*exec.Cmd, int) error { return ErrUnsupported }

// ExactTimers needs Linux.
func ExactTimers() error { return ErrUnsupported }

// A Waiter needs Linux.
type Waiter struct{}

// Wait needs Linux.
func (*Waiter) Wait([]Wake, time.Duration) error { return ErrUnsupported }
