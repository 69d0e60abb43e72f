package source_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/corsgate/corsgate/policy/source"
	"github.com/corsgate/corsgate/policy/source/sourcetest"
)

// A timed watch runs in a bubble of its own time, on real files and with a
// watcher that only tells what the test tells it.
type timed struct {
	*source.FakeWatcher

	t     *testing.T
	path  string
	start time.Time

	// delivered is called when a snapshot comes.
	delivered func()

	mu   sync.Mutex
	text strings.Builder
	came []time.Duration // when snapshots were delivered, from the start
}

// Write keeps what is logged.
func (w *timed) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(line)
}

func (w *timed) log() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func (w *timed) onChange(source.Snapshot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.came = append(w.came, time.Since(w.start))
	if w.delivered != nil {
		w.delivered()
	}
}

// inTime runs a test in a bubble, on a folder with one policy that was loaded.
func inTime(t *testing.T, prepare func(*source.File, *source.FakeWatcher), test func(*timed)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := &timed{t: t, path: filepath.Join(dir, "one.yaml")}
		file := source.NewFile([]string{dir}, source.FileOptions{Logger: slog.New(slog.NewTextHandler(w, nil))})
		w.FakeWatcher = file.WithFakeWatcher()
		if prepare != nil {
			prepare(file, w.FakeWatcher)
		}
		w.put("https://old.example")
		_, err := file.Load(t.Context())
		must(t, err)

		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		w.start = time.Now()
		go func() {
			defer close(ended)
			if err := file.Watch(ctx, w.onChange); err != nil {
				t.Errorf("Watch returned %v, want nil", err)
			}
		}()
		synctest.Wait()
		test(w)
		cancel()
		<-ended
	})
}

// put writes the file without a sign of it.
func (w *timed) put(origin string) {
	w.t.Helper()
	replace(w.t, w.path, sourcetest.Document("one", origin))
}

// sign tells that the file was written.
func (w *timed) sign() { w.Events <- fsnotify.Event{Name: w.path, Op: fsnotify.Create} }

// expect lets time pass and then wants snapshots to have come when they should.
func (w *timed) expect(pass time.Duration, want ...time.Duration) {
	w.t.Helper()
	time.Sleep(pass)
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.came, want) {
		w.t.Errorf("after %v snapshots came at %v, want %v", time.Since(w.start), w.came, want)
	}
}

func TestWatchWaitsUntilTheFilesRest(t *testing.T) {
	t.Parallel()
	inTime(t, nil, func(w *timed) {
		w.put("https://new.example")
		w.sign()
		time.Sleep(source.Quiet - 1)
		w.put("https://newer.example")
		w.sign()
		w.expect(2*time.Second, 2*source.Quiet-1)
	})
}

func TestWatchDoesNotWaitForeverForRest(t *testing.T) {
	t.Parallel()
	inTime(t, nil, func(w *timed) {
		for range 20 {
			w.put("https://new.example")
			w.sign()
			time.Sleep(source.Quiet * 4 / 5)
		}
		// The changes after the first second are the same, and so no news.
		w.expect(time.Second, source.MaxDelay)
	})
}

func TestWatchResyncs(t *testing.T) {
	t.Parallel()
	inTime(t, nil, func(w *timed) {
		w.expect(2 * source.DefaultResync)
		w.put("https://new.example")
		w.expect(source.DefaultResync - 1)
		w.expect(1+source.Quiet, 3*source.DefaultResync+source.Quiet)
		w.expect(2*source.DefaultResync, 3*source.DefaultResync+source.Quiet)
	})
}

func TestWatchReadsEverythingAfterAnOverflow(t *testing.T) {
	t.Parallel()
	inTime(t, nil, func(w *timed) {
		w.put("https://new.example")
		w.Errors <- fsnotify.ErrEventOverflow
		w.expect(time.Second, source.Quiet)
		if log := w.log(); log != "" {
			w.t.Errorf("an overflow was logged as trouble: %s", log)
		}
		w.put("https://newer.example")
		w.Errors <- errors.New("out of luck")
		w.expect(time.Second, source.Quiet, time.Second+source.Quiet)
		if log := w.log(); !strings.Contains(log, "out of luck") {
			w.t.Errorf("trouble was not logged: %s", log)
		}
	})
}

func TestWatchKeepsSilentOnSignsWithoutNews(t *testing.T) {
	t.Parallel()
	inTime(t, nil, func(w *timed) {
		w.put("https://old.example")
		w.sign()
		w.expect(time.Second)
	})
}

func TestWatchIgnoresSignsOfHiddenFiles(t *testing.T) {
	t.Parallel()
	inTime(t, nil, func(w *timed) {
		w.put("https://new.example") // seen by the resync only
		w.Events <- fsnotify.Event{Name: filepath.Join(filepath.Dir(w.path), ".one.yaml.swp"), Op: fsnotify.Write}
		w.expect(time.Second)
	})
}

func TestWatchPollsWhereItIsToldNothing(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*source.File, *source.FakeWatcher){
		"no inotify instance": func(f *source.File, _ *source.FakeWatcher) {
			f.WithoutNotifier(syscall.EMFILE, source.PollPeriod)
		},
		"no inotify watch": func(_ *source.File, w *source.FakeWatcher) { w.Refuse = syscall.ENOSPC },
	}
	for name, prepare := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inTime(t, prepare, func(w *timed) {
				w.expect(1500 * time.Millisecond)
				w.put("https://longer.example")
				w.expect(time.Second, 2*source.PollPeriod+source.Quiet)
				w.expect(time.Minute, 2*source.PollPeriod+source.Quiet)
				if n := strings.Count(w.log(), "cannot watch policies"); n != 1 {
					w.t.Errorf("it was logged %d times that nothing tells of changes, want once:\n%s", n, w.log())
				}
			})
		})
	}
}

func TestWatchTakesSignsWhileBusy(t *testing.T) {
	t.Parallel()
	inTime(t, nil, func(w *timed) {
		w.delivered = func() {
			w.delivered = nil
			w.put("https://newer.example")
			for range 3 { // more than any buffer holds; blocking here is a deadlock
				w.sign()
				w.Errors <- fsnotify.ErrEventOverflow
			}
		}
		w.put("https://new.example")
		w.sign()
		w.expect(time.Second, source.Quiet, 2*source.Quiet)
	})
}

func TestWatchFollowsFoldersThatCameMeanwhile(t *testing.T) {
	t.Parallel()
	deeper := ""
	prepare := func(f *source.File, _ *source.FakeWatcher) {
		f.AfterList(func() {
			if deeper != "" {
				must(t, os.MkdirAll(deeper, 0o750))
			}
		})
	}
	inTime(t, prepare, func(w *timed) {
		below := filepath.Join(filepath.Dir(w.path), "below")
		must(t, os.Mkdir(below, 0o750))
		deeper = filepath.Join(below, "deeper") // made once below was listed, before it is watched
		w.sign()
		w.expect(time.Second)
		if list := w.WatchList(); !slices.Contains(list, deeper) {
			t.Errorf("%q is not watched, only %q", deeper, list)
		}
	})
}

// TestWatchTellsOfFilesThatNeverRest has them rest after a while.
func TestWatchTellsOfFilesThatNeverRest(t *testing.T) {
	t.Parallel()
	var restless atomic.Bool
	var w *timed
	prepare := func(f *source.File, _ *source.FakeWatcher) {
		size := 0
		f.AfterList(func() {
			if restless.Load() {
				size++
				w.put("https://" + strings.Repeat("x", size%60+1) + ".example")
			}
		})
	}
	inTime(t, prepare, func(timed *timed) {
		w = timed
		restless.Store(true)
		w.sign()
		// The tries' pauses make 100 ms.
		w.expect(300*time.Millisecond, source.Quiet+100*time.Millisecond)
		restless.Store(false)
		w.put("https://new.example")
		// Without another sign.
		w.expect(2*time.Second, source.Quiet+100*time.Millisecond, 350*time.Millisecond)
	})
}

func TestWatchDeliversNothingThatCameAfterTheEnd(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	dir := t.TempDir()
	putPolicy(t, dir, "a.yaml")
	file := newFile(dir)
	file.OnParse(func(string, []byte) { cancel() })
	must(t, file.Watch(ctx, func(source.Snapshot) { t.Error("a snapshot was delivered after the end") }))
}
