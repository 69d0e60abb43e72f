package source

import (
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/corsgate/corsgate/policy"
)

// What the timing tests count with.
const (
	Quiet      = quiet
	MaxDelay   = maxDelay
	PollPeriod = pollPeriod
)

// ProblemAccess is the problem that an error with a path makes.
func ProblemAccess(path string, err error) policy.Problem { return problemAccess(path, path, err) }

// OnParse makes a source tell which files it parses, and what they hold.
func (f *File) OnParse(told func(file string, data []byte)) {
	parse := f.parse
	var mu sync.Mutex // files are parsed side by side
	f.parse = func(file string, data []byte) ([]policy.Document, policy.Problems) {
		mu.Lock()
		told(file, data)
		mu.Unlock()
		return parse(file, data)
	}
}

// AfterList makes something happen each time after the files were listed.
func (f *File) AfterList(happen func()) {
	list := f.list
	f.list = func() *listing {
		l := list()
		happen()
		return l
	}
}

// WithoutNotifier makes a source do without being told of changes.
func (f *File) WithoutNotifier(err error, poll time.Duration) {
	f.notify = func() (*notifier, error) { return nil, err }
	f.poll = poll
}

// A FakeWatcher stands in for fsnotify.
type FakeWatcher struct {
	Events chan fsnotify.Event
	Errors chan error
	// Refuse is what Add returns.
	Refuse error

	mu      sync.Mutex
	folders map[string]bool
}

// WithFakeWatcher makes a source be told of changes by the test.
func (f *File) WithFakeWatcher() *FakeWatcher {
	w := &FakeWatcher{Events: make(chan fsnotify.Event), Errors: make(chan error), folders: map[string]bool{}}
	f.notify = func() (*notifier, error) { return startNotifier(w, w.Events, w.Errors, w.stop), nil }
	return w
}

func (w *FakeWatcher) Add(path string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.Refuse == nil {
		w.folders[path] = true
	}
	return w.Refuse
}

func (w *FakeWatcher) Remove(path string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.folders, path)
	return nil
}

func (w *FakeWatcher) WatchList() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []string
	for path := range w.folders {
		list = append(list, path)
	}
	return list
}

func (w *FakeWatcher) stop() error {
	close(w.Events)
	close(w.Errors)
	return nil
}

// Resealed gives a snapshot file that was changed the checksum that it would have.
func Resealed(file []byte) []byte {
	body := file[bodyBegin:]
	seal := fmt.Sprintf("%s%x %016d\n", sealLead, sha256.Sum256(body), len(body))
	return slices.Concat(file[:bodyBegin-sealLength], []byte(seal), body)
}

// SaveNow saves a snapshot, and returns the size of the file.
func SaveNow(kept Source, s Snapshot) (int64, error) {
	k := kept.(keptDated).Kept
	if err := k.file.write(&s, time.Now()); err != nil {
		return 0, err
	}
	info, err := os.Stat(k.file.path)
	return info.Size(), err
}
