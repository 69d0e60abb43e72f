package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/webhook"
)

// The webhook's bounds. The API server waits for 30 seconds at the most.
const (
	webhookReadTimeout  = 15 * time.Second
	webhookWriteTimeout = 35 * time.Second
	webhookIdleTimeout  = 5 * time.Minute
)

// WebhookOptions is how the validating webhook of a Kubernetes cluster is answered.
type WebhookOptions struct {
	// Address is host:port. Empty, there is none.
	Address string
	// TLS secures it, which it must: an API server speaks nothing else.
	TLS TLSOptions
	// Fresh, unless nil, returns the documents that the cluster holds at this moment.
	Fresh func(ctx context.Context) ([]policy.Document, error)
	// Ours reports whether a document in force comes from the cluster, so that Fresh
	// returns its successor.
	Ours func(doc *policy.Document) bool
}

// Check says whether the webhook can be answered in that way.
func (o *WebhookOptions) Check() error {
	switch {
	case o.Address == "" && !o.TLS.Enabled():
		return nil
	case o.Address == "":
		return errors.New("--webhook-tls-cert and --webhook-tls-key say nothing without a webhook; give its address with --webhook, as in --webhook 0.0.0.0:9443")
	case o.TLS.CertFile == "" || o.TLS.KeyFile == "":
		return errors.New("the webhook needs a certificate, because an API server speaks TLS alone; give both --webhook-tls-cert and --webhook-tls-key")
	}
	return CheckAddress(o.Address)
}

// webhookHandler judges changes as `corsgate validate` would, among what is in force.
func (s *Server) webhookHandler() http.Handler {
	options := webhook.Options{
		InForce: func() ([]policy.Document, bool) {
			status := s.policies.Status()
			return status.Documents, status.Set != nil
		},
		Compile: func(docs []policy.Document, breaches policy.Breaches) policy.Problems {
			options := s.options.Policy
			options.Now, options.Breaches, options.Previous = s.policies.now(), breaches, s.policies.Status().Set
			_, problems := policy.Compile(docs, options)
			return problems
		},
		Logger: s.logger,
	}
	if s.options.Webhook.Fresh != nil {
		options.Fresh = s.freshDocuments
	}
	mux := http.NewServeMux()
	mux.Handle(webhook.Path, webhook.New(options))
	return mux
}

// freshDocuments returns what would be in force if everything were by now that the
// cluster holds.
func (s *Server) freshDocuments(ctx context.Context) ([]policy.Document, error) {
	docs, err := s.options.Webhook.Fresh(ctx)
	if err != nil {
		return nil, err //nolint:wrapcheck // the webhook says what was tried
	}
	inForce := s.policies.Status().Documents
	for i := range inForce {
		if !s.options.Webhook.Ours(&inForce[i]) {
			docs = append(docs, inForce[i])
		}
	}
	return docs, nil
}

// serveWebhook answers the API server until ctx ends.
func (s *Server) serveWebhook(ctx context.Context, listener net.Listener, tlsKeeper *keeper) error {
	server := &http.Server{
		Handler:           s.webhookHandler(),
		TLSConfig:         httpTLS(tlsKeeper), //nolint:contextcheck // a handshake has a context of its own
		ReadHeaderTimeout: adminHeaderTimeout,
		ReadTimeout:       webhookReadTimeout,
		WriteTimeout:      webhookWriteTimeout,
		IdleTimeout:       webhookIdleTimeout,
		MaxHeaderBytes:    adminMaxHeader,
		ErrorLog:          slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("answering the webhook on %s: %w", listener.Addr(), err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), adminGrace)
		defer cancel()
		if err := server.Shutdown(ending); err != nil {
			return errors.Join(server.Close())
		}
		return nil
	})
	return group.Wait()
}

// httpTLS is what a keeper keeps, for HTTP of either version.
func httpTLS(k *keeper) *tls.Config {
	config := k.config()
	current := config.GetConfigForClient
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		config, err := current(hello)
		if err != nil {
			return nil, err
		}
		config = config.Clone()
		config.NextProtos = []string{"h2", "http/1.1"}
		return config, nil
	}
	config.NextProtos = []string{"h2", "http/1.1"}
	return config
}
