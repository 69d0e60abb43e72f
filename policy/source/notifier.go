package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"

	"github.com/fsnotify/fsnotify"
)

// A folderWatcher is what fsnotify does with folders.
type folderWatcher interface {
	Add(path string) error
	Remove(path string) error
	WatchList() []string
}

// A notifier tells that something of interest happened in some folders.
type notifier struct {
	watcher folderWatcher
	events  <-chan fsnotify.Event
	errors  <-chan error
	stop    func() error // ends the watcher and closes both channels

	// woken holds an element when something happened since it was last read.
	woken chan struct{}
	// trouble holds an error that made signs be lost, if one did.
	trouble chan error
	done    sync.WaitGroup

	// following is what is watched, by what stood there when it was added.
	following map[string]fs.FileInfo

	mu        sync.Mutex
	interests interests
}

func newNotifier() (*notifier, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch for changes: %w", err)
	}
	return startNotifier(w, w.Events, w.Errors, w.Close), nil
}

func startNotifier(w folderWatcher, events <-chan fsnotify.Event, errs <-chan error, stop func() error) *notifier {
	n := &notifier{
		watcher:   w,
		events:    events,
		errors:    errs,
		stop:      stop,
		woken:     make(chan struct{}, 1),
		trouble:   make(chan error, 1),
		following: map[string]fs.FileInfo{},
	}
	n.done.Go(n.pump)
	return n
}

// close stops all watching and waits until nothing runs any more.
func (n *notifier) close() error {
	err := n.stop()
	n.done.Wait()
	if err != nil {
		return fmt.Errorf("stop to watch for changes: %w", err)
	}
	return nil
}

// pump takes what fsnotify sends, always and at once: fsnotify holds a lock that
// Add needs while it sends an error, and the kernel's queue is short.
func (n *notifier) pump() {
	events, errs := n.events, n.errors
	for events != nil || errs != nil {
		select {
		case event, ok := <-events:
			if !ok {
				events = nil
			} else if n.matter(event.Name) {
				n.wake()
			}
		case err, ok := <-errs:
			if !ok {
				errs = nil
				continue
			}
			select {
			case n.trouble <- err:
			default: // one is enough to look at everything
			}
		}
	}
}

func (n *notifier) wake() {
	select {
	case n.woken <- struct{}{}:
	default:
	}
}

func (n *notifier) matter(path string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.interests.matter(path)
}

// follow watches what is of interest and nothing else. It reports whether it
// began to watch a folder: what happened there before went unseen, and so the
// folders must be listed again. An error is of a folder that cannot be watched.
func (n *notifier) follow(in interests) (began bool, err error) {
	n.mu.Lock()
	n.interests = in
	n.mu.Unlock()

	for folder := range n.following {
		if _, ok := in[folder]; !ok {
			n.forget(folder)
		}
	}
	// A watch ends when its folder is removed or renamed.
	alive := n.watcher.WatchList()
	slices.Sort(alive)
	for folder := range in {
		info, statErr := os.Lstat(folder)
		if statErr != nil {
			n.forget(folder)
			continue // it vanished since it was listed; what took it away is seen above it
		}
		if was, ok := n.following[folder]; ok {
			if _, lives := slices.BinarySearch(alive, folder); lives && os.SameFile(was, info) {
				continue
			}
			n.forget(folder)
		}
		switch addErr := n.watcher.Add(folder); {
		case addErr == nil:
			n.following[folder] = info
			began = true
		case !errors.Is(addErr, fs.ErrNotExist):
			err = fmt.Errorf("watch the folder %s: %w", folder, addErr)
		}
	}
	return began, err
}

func (n *notifier) forget(folder string) {
	if _, ok := n.following[folder]; !ok {
		return
	}
	delete(n.following, folder)
	_ = n.watcher.Remove(folder) // it may have ended by itself
}
