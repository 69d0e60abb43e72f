package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/policy/source/kubernetes"
	"github.com/corsgate/corsgate/server"
)

func newServe(to streams) *cobra.Command {
	settings := newServeSettings()
	var printConfig bool
	command := &cobra.Command{
		Use:   "serve --policy PATH… | --etcd URL… | --kubernetes",
		Short: "Answer Envoy",
		Long: `serve answers Envoy's external authorization requests
(envoy.service.auth.v3.Authorization/Check) from policies, and follows their
changes. They are in files (--policy), in an etcd (--etcd), in a Kubernetes cluster
(--kubernetes), or in several of these: then a document in files counts before one of
the same name in etcd, and that before one in Kubernetes.

Policies that are invalid keep it from starting; once it runs, they leave the last
good ones in force. With --snapshot those are kept in a file, and it starts from
that while their source is down or broken.

Every flag can be set in a file (--config) and in the environment, too:
--drain-delay is drain-delay in the file and CORSGATE_DRAIN_DELAY in the
environment, where a list is separated by commas. Flags win over the environment,
the environment over the file.

SIGTERM and SIGINT stop it in order, a second one at once. SIGHUP makes it read
the policies now. It exits with 3 if the policies are invalid, 2 if it was called
wrongly, and 1 if anything else keeps it from serving.`,
		Example: `  corsgate serve --policy policies/
  corsgate serve --policy policies/ --listen unix:///run/corsgate/corsgate.sock
  corsgate serve --policy policies/ --listen 0.0.0.0:9191 --tls-cert tls.crt --tls-key tls.key
  corsgate serve --etcd https://etcd.internal:2379 --snapshot /var/lib/corsgate/snapshot
  CORSGATE_POLICY=policies/ corsgate serve --print-config`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			config, err := settings.resolve(command.Flags(), os.Environ())
			if err != nil {
				return err
			}
			if printConfig {
				return config.print(to.out)
			}
			if err := settings.check(); err != nil {
				return err
			}
			return runServe(command.Context(), to.err, settings)
		},
	}
	settings.addFlags(command)
	command.Flags().BoolVar(&printConfig, "print-config", false, "print what is in force, and from where, and exit")
	return command
}

// runServe serves until a signal or the end of ctx stops it.
func runServe(ctx context.Context, logTo io.Writer, settings *serveSettings) error {
	logger := settings.logger(logTo)
	tuneMemory(ctx, logger)
	opened, err := settings.open(logger)
	if err != nil {
		return err
	}
	defer func() {
		if err := opened.close(); err != nil {
			logger.Warn("a source could not be closed", slog.String("error", err.Error()))
		}
	}()

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	abort, reload := make(chan struct{}), make(chan struct{}, 1)
	options := settings.options(logger)
	options.Abort, options.Reload, options.Loaded = abort, reload, opened.report
	options.ReplicaID = opened.replicaID
	if opened.etcd != nil {
		options.Store, options.Fleet = opened.etcd, opened.etcd
	}
	if cluster := opened.cluster; cluster != nil {
		// A cluster is there before its first policy, which comes through the webhook.
		options.MayBeEmpty = true
		options.Webhook.Fresh, options.Webhook.Ours = cluster.Documents, kubernetes.Ours
	}
	instance, err := server.New(opened.Source, options)
	if err != nil {
		return fmt.Errorf("setting up: %w", err)
	}

	signals := make(chan os.Signal, signalBacklog)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)
	done := make(chan struct{})
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		obey(signals, done, stop, abort, reload)
	}()
	// What runs beside the server sees it drain.
	beside, stopBeside := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		opened.run(beside, logger)
	}()
	err = instance.Run(ctx)
	stopBeside()
	<-ended
	close(done)
	<-finished
	if errors.Is(err, context.Canceled) {
		return nil // stopped before it was ready
	}
	return err
}

// signalBacklog is how many signals may wait to be obeyed.
const signalBacklog = 8

// obey does what signals ask, until done is closed: the first to stop begins a
// drain, the second ends it.
func obey(signals <-chan os.Signal, done <-chan struct{}, drain func(), abort, reload chan<- struct{}) {
	stopping := false
	for {
		select {
		case <-done:
			return
		case received := <-signals:
			switch {
			case received == syscall.SIGHUP:
				select {
				case reload <- struct{}{}:
				default: // one is waiting already, and will read what is there then
				}
			case !stopping:
				stopping = true
				drain()
			default:
				close(abort)
				<-done
				return
			}
		}
	}
}

// logger returns where the server's log goes.
func (s *serveSettings) logger(to io.Writer) *slog.Logger {
	var level slog.Level
	// The word is one of those that --log-level allows.
	_ = level.UnmarshalText([]byte(s.logLevel.value))
	options := &slog.HandlerOptions{Level: level}
	if s.logFormat.value == formatText {
		return slog.New(slog.NewTextHandler(to, options))
	}
	return slog.New(slog.NewJSONHandler(to, options))
}
