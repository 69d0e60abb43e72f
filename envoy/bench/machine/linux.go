//go:build linux

package machine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ProcessCPU returns the CPU time that a process has used, in user and kernel
// mode, by all of its threads, those that have ended among them.
func ProcessCPU(pid int) (time.Duration, error) {
	// The clock of a process (clock_getcpuclockid(3)): the same accounting as
	// utime and stime in /proc/PID/stat, in nanoseconds and not in ticks of 10 ms.
	const schedClock = 2
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|schedClock), &ts); err != nil {
		return 0, fmt.Errorf("read the CPU time of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// ThreadCPU returns the CPU time that the calling thread has used.
func ThreadCPU() (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		return 0, fmt.Errorf("read the CPU time of this thread: %w", err)
	}
	return time.Duration(ts.Nano()), nil
}

// Memory returns what a process holds of memory now, and the most it has held
// since its start or the last [ResetPeak], in bytes.
func Memory(pid int) (resident, peak int64, err error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, 0, fmt.Errorf("read the memory of process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		var into *int64
		switch name {
		case "VmRSS":
			into = &resident
		case "VmHWM":
			into = &peak
		default:
			continue
		}
		kilobytes, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("read the memory of process %d: %w", pid, err)
		}
		*into = kilobytes << 10
	}
	return resident, peak, nil
}

// ResetPeak makes the peak of a process what it holds now.
func ResetPeak(pid int) error {
	const resetHighWaterMark = "5"
	if err := os.WriteFile(filepath.Join("/proc", strconv.Itoa(pid), "clear_refs"), []byte(resetHighWaterMark), 0); err != nil {
		return fmt.Errorf("reset the peak memory of process %d: %w", pid, err)
	}
	return nil
}

// Pin binds the calling thread, whose goroutine must be locked to it, to a core,
// and returns what undoes that. Threads and processes that it starts inherit the
// core. A core that the machine does not have is an error.
func Pin(core int) (undo func() error, err error) {
	if core == AnyCore {
		return func() error { return nil }, nil
	}
	var before, set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return nil, fmt.Errorf("read the cores of this thread: %w", err)
	}
	set.Set(core)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("bind this thread to core %d: %w", core, err)
	}
	return func() error {
		if err := unix.SchedSetaffinity(0, &before); err != nil {
			return fmt.Errorf("free this thread of core %d: %w", core, err)
		}
		return nil
	}, nil
}

// Start starts a program on a core, or on any. It ends when this process does.
func Start(cmd *exec.Cmd, core int) (err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	undo, err := Pin(core)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, undo()) }()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd.Start()
}

// ExactTimers lets waits of the calling thread end when they should, and not up
// to 50 microseconds later.
func ExactTimers() error {
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("make timers exact: %w", err)
	}
	return nil
}

// A Waiter waits for any of a fixed number of connections. It belongs to one
// goroutine.
type Waiter struct{ fds []unix.PollFd }

// Wait waits until a connection can be read, or written where that was asked
// for, or until the limit is over, and says in wakes which can.
func (w *Waiter) Wait(wakes []Wake, limit time.Duration) error {
	w.fds = w.fds[:0]
	for i := range wakes {
		events := int16(unix.POLLIN)
		if wakes[i].Write {
			events |= unix.POLLOUT
		}
		w.fds = append(w.fds, unix.PollFd{Fd: wakes[i].FD, Events: events})
	}
	ts := unix.NsecToTimespec(int64(max(limit, 0)))
	if _, err := unix.Ppoll(w.fds, &ts, nil); err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("wait for connections: %w", err)
	}
	for i := range wakes {
		wakes[i].Readable = w.fds[i].Revents&(unix.POLLIN|unix.POLLHUP|unix.POLLERR) != 0
		wakes[i].Writable = w.fds[i].Revents&unix.POLLOUT != 0
	}
	return nil
}
