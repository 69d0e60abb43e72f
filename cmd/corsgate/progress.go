package main

import (
	"fmt"
	"io"
	"time"
)

// A progress is one line on a terminal that says how far something is. On
// anything else, and where it is soon over, it says nothing.
type progress struct {
	to    io.Writer
	since time.Time
	shown bool
}

func newProgress(to io.Writer) *progress {
	if !isTerminal(to) {
		to = nil
	}
	return &progress{to: to, since: time.Now()}
}

// showf replaces the line.
func (p *progress) showf(format string, args ...any) {
	if p.to == nil || time.Since(p.since) < progressAfter {
		return
	}
	p.shown = true
	sayf(p.to, "\r\x1b[K%s", fmt.Sprintf(format, args...))
}

// clear removes the line.
func (p *progress) clear() {
	if p.shown {
		p.shown = false
		sayf(p.to, "\r\x1b[K")
	}
}
