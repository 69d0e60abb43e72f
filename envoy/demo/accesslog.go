package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	// logPause lies between two looks at the access log.
	logPause = 100 * time.Millisecond
	// logLimit bounds how long the last line may take to get there.
	logLimit = 20 * time.Second
)

// An accessLog returns the lines that Envoy's access log has written so far.
type accessLog func(ctx context.Context) ([]string, error)

// A Decision is what corsgate decided about a request, as Envoy's access log
// shows it. The zero value is of a request that Envoy did not ask about.
type Decision struct {
	Verdict, Reason, Policy string
}

// String returns the decision as the table shows it.
func (d Decision) String() string {
	switch {
	case d == Decision{}:
		return "not asked"
	case d.Policy == "":
		return d.Verdict + " " + d.Reason
	default:
		return d.Verdict + " " + d.Reason + " (" + d.Policy + ")"
	}
}

// logLine is what the demo reads of a line; absent values are null in it.
type logLine struct {
	Time    time.Time `json:"time"`
	Path    string    `json:"path"`
	Origin  string    `json:"origin"`
	Verdict string    `json:"verdict"`
	Reason  string    `json:"reason"`
	Policy  string    `json:"policy"`
}

// decisions finds each row's decision in the access log: that of its last
// request, which is the preflight where the browser asked and was told no. It
// looks again until all are there, because Envoy writes its log with a delay.
// Lines from before since belong to earlier runs.
func decisions(ctx context.Context, log accessLog, since time.Time, at addresses) (map[rowKey]Decision, error) {
	ctx, cancel := context.WithTimeout(ctx, logLimit)
	defer cancel()
	for {
		lines, err := log(ctx)
		if err != nil {
			return nil, fmt.Errorf("read Envoy's access log: %w", err)
		}
		found := match(parse(lines, since), at)
		if len(found) == len(rows()) {
			return found, nil
		}
		select {
		case <-ctx.Done():
			return found, errMissingLines
		case <-time.After(logPause):
		}
	}
}

var errMissingLines = errors.New("read Envoy's access log: it has no line for some of the calls")

// parse reads the access log's JSON lines; others are Envoy's own log.
func parse(lines []string, since time.Time) []logLine {
	var all []logLine
	for _, text := range lines {
		var line logLine
		if json.Unmarshal([]byte(text), &line) == nil && !line.Time.Before(since) {
			line.Path, _, _ = strings.Cut(line.Path, "?")
			all = append(all, line)
		}
	}
	return all
}

// match gives each line to the row whose path and origin it has.
func match(lines []logLine, at addresses) map[rowKey]Decision {
	found := make(map[rowKey]Decision)
	for _, row := range rows() {
		origin := at.origin(row.Page)
		if row.Call.Kind == KindImage && !row.Call.CrossOrigin {
			origin = "" // A no-cors GET has no Origin.
		}
		for _, line := range lines {
			if line.Path == row.Call.Path && line.Origin == origin {
				found[row.key()] = Decision{Verdict: line.Verdict, Reason: line.Reason, Policy: line.Policy}
			}
		}
	}
	return found
}
