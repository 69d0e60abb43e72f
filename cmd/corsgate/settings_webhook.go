package main

import (
	"crypto/tls"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/server"
)

// webhookSettings is how a cluster's validating webhook is answered.
type webhookSettings struct {
	address text
	tlsCert text
	tlsKey  text
}

func (w *webhookSettings) addFlags(command *cobra.Command) {
	flags := command.Flags()
	flags.Var(&w.address, "webhook", "`address` of the validating webhook for Kubernetes, host:port; none by default")
	flags.Var(&w.tlsCert, "webhook-tls-cert", "`file` with the certificate chain for --webhook, PEM; read anew when it changes")
	flags.Var(&w.tlsKey, "webhook-tls-key", "`file` with the key of --webhook-tls-cert, PEM")
	for _, name := range []string{"webhook-tls-cert", "webhook-tls-key"} {
		_ = command.MarkFlagFilename(name, "pem", "crt", "key") // it fails only for a flag that is not there
	}
}

// options returns the settings as the server takes them.
func (w *webhookSettings) options() server.WebhookOptions {
	return server.WebhookOptions{
		Address: w.address.value,
		TLS:     server.TLSOptions{CertFile: w.tlsCert.value, KeyFile: w.tlsKey.value, MinVersion: tls.VersionTLS12},
	}
}
