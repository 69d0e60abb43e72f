package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// The pauses before a watch that broke off is begun again.
const (
	firstRetry = 200 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// watchOptions is how `watch` was called.
type watchOptions struct {
	client clientSettings
	after  revision
	count  int
	diff   bool
	output choice
}

func newWatch(to streams) *cobra.Command {
	options := watchOptions{client: newClientSettings(), output: outputChoice()}
	command := &cobra.Command{
		Use:   "watch",
		Short: "Show changes of the central store as they are made",
		Long: `watch shows each change of the central store as it is made, without a gap, until
it is interrupted or has shown --count changes: where the connection breaks, it
goes on where it was. With -o json, each change is a line of JSON in the shape of
an entry of history -o json.`,
		Example: `  corsgate watch
  corsgate watch --diff
  corsgate watch --after-revision 12 --count 1 -o json | jq -r .author`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error { return options.run(command, to) },
	}
	flags := command.Flags()
	flags.SortFlags = false
	flags.Var(&options.after, "after-revision", "begin with the change after this `revision`; the next one if it is not given")
	flags.IntVar(&options.count, "count", 0, "end after so many changes; 0 for never")
	flags.BoolVar(&options.diff, "diff", false, "show what was written before and after")
	options.output.flag(command, "output", "o", "how to write it")
	options.client.addFlags(command)
	return command
}

func (o *watchOptions) run(command *cobra.Command, to streams) error {
	if o.count < 0 {
		return usagef("--count is %d; it must be 1 or more, or 0 for no end", o.count)
	}
	asked, err := o.client.connect(command.Flags())
	if err != nil {
		return err
	}
	defer asked.close()
	ctx := command.Context()
	w := &watcher{watchOptions: o, to: to, asked: asked, last: o.after.value, resumes: o.after.set}
	for pause := firstRetry; ; pause = min(2*pause, lastRetry) {
		w.heard = false
		err := w.follow(ctx)
		switch {
		case ctx.Err() != nil, errors.Is(err, errEnough):
			return nil
		case !w.began, w.stop:
			return err // it never worked, and trying again would hide why
		case w.heard:
			pause = firstRetry
		}
		if err != nil {
			sayf(to.err, "corsgate: %s; going on after revision %d\n", err, w.last)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// errEnough is of a watch that has shown what it should.
var errEnough = errors.New("all changes that were asked for have been shown")

// A watcher follows changes over several connections.
type watcher struct {
	*watchOptions

	to    streams
	asked *client
	shown int
	// last is the revision that was shown last, or from which the watch began.
	last int64
	// resumes says that last is where to begin; else it is with the next change.
	resumes bool
	// began says that the server has answered once, heard that it has on this
	// connection, and stop that what went wrong will go wrong again.
	began, heard, stop bool
}

// follow shows changes until the connection ends.
func (w *watcher) follow(ctx context.Context) error {
	request := &corsgatev1.WatchRequest{Texts: w.diff}
	if w.resumes {
		request.AfterRevision = w.last
		if w.last == 0 && w.began {
			// After revision 0 means with the next change. The store was empty when the
			// watch began, so that what is there now is what was missed.
			if err := w.catchUp(ctx); err != nil {
				return err
			}
			request.AfterRevision = w.last
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := w.asked.policies.Watch(ctx, connect.NewRequest(request))
	if err != nil {
		return w.failed(err)
	}
	defer func() { _ = stream.Close() }()
	for stream.Receive() {
		message := stream.Msg()
		w.began, w.heard = true, true
		switch entry := message.GetEntry(); {
		case entry == nil && !w.resumes:
			w.last, w.resumes = message.GetRevision(), true
		case entry == nil:
		case w.resumes && entry.GetRevision() <= w.last:
		default:
			if err := w.show(entry); err != nil {
				return err
			}
			w.last, w.resumes = entry.GetRevision(), true
		}
	}
	if err := stream.Err(); err != nil {
		return w.failed(err)
	}
	return errors.New("the server ended the watch")
}

// failed says what ended the connection, and notes what will not mend itself.
func (w *watcher) failed(err error) error {
	switch connect.CodeOf(err) {
	case connect.CodeUnauthenticated, connect.CodePermissionDenied, connect.CodeFailedPrecondition, connect.CodeUnimplemented,
		connect.CodeInvalidArgument, connect.CodeOutOfRange, connect.CodeNotFound:
		w.stop = true
	}
	return w.asked.failure(err)
}

// catchUp shows all changes since the store was empty.
func (w *watcher) catchUp(ctx context.Context) error {
	missed := historyOptions{diff: w.diff}
	entries, _, err := missed.fetch(ctx, w.asked, &corsgatev1.HistoryRequest{Texts: w.diff})
	if err != nil {
		return err
	}
	for _, entry := range slices.Backward(entries) {
		if err := w.show(entry); err != nil {
			return err
		}
		w.last = entry.GetRevision()
	}
	return nil
}

// show writes one change. What cannot be written ends the watch.
func (w *watcher) show(entry *corsgatev1.HistoryEntry) error {
	if err := w.write(entry); err != nil {
		w.stop = true
		return err
	}
	if w.shown++; w.shown == w.count {
		return errEnough
	}
	return nil
}

func (w *watcher) write(entry *corsgatev1.HistoryEntry) error {
	if w.output.value == outputJSON {
		encoder := json.NewEncoder(w.to.out)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(newEntryItem(entry)); err != nil {
			return fmt.Errorf("writing the change: %w", err)
		}
		return nil
	}
	if w.diff {
		if err := writeEntryDiff(w.to.out, entry, time.Now()); err != nil {
			return err
		}
		_, err := fmt.Fprintln(w.to.out)
		return err
	}
	at := entry.GetTime().AsTime().Local().Format(time.TimeOnly) //nolint:gosmopolitan // people look at their own clock
	line := fmt.Sprintf("%s revision %d by %s: %s", at, entry.GetRevision(),
		byWhom(entry.GetAuthor()), strings.Join(changeLines(entry), "; "))
	if reason := cell(entry.GetReason(), whyWidth); reason != "" {
		line += " (" + reason + ")"
	}
	if _, err := fmt.Fprintln(w.to.out, line); err != nil {
		return fmt.Errorf("writing the change: %w", err)
	}
	return nil
}
