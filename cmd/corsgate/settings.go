package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/source"
	"github.com/corsgate/corsgate/server"
)

// What `serve` does unless it is told otherwise.
const (
	defaultListen           = "127.0.0.1:9191"
	defaultAdmin            = "127.0.0.1:9192"
	defaultDrainDelay       = 5 * time.Second
	defaultDrainTimeout     = 10 * time.Second
	defaultMaxConnectionAge = 5 * time.Minute
	defaultSocketMode       = 0o660
	defaultMaxMessageBytes  = 4 << 20
	defaultStartTimeout     = time.Minute
)

// The words of settings that are choices.
const (
	noPolicyDeny = "deny"
	noPolicyPass = "pass"
	formatJSON   = "json"
	formatText   = "text"
	tlsVersion12 = "1.2"
	tlsVersion13 = "1.3"
)

// serveSettings is how `serve` runs. Each is a flag, a key of the configuration
// file and an environment variable, and is read by the same Set.
type serveSettings struct {
	policies list
	etcd     etcdSettings
	cluster  clusterSettings

	snapshot     text
	maxStaleness duration
	startTimeout duration

	listen     list
	admin      text
	adminHosts list
	socketMode mode
	noPolicy   choice

	tlsCert       text
	tlsKey        text
	tlsClientCA   text
	tlsMinVersion choice

	webhook webhookSettings

	adminTLSCert     text
	adminTLSKey      text
	adminTLSClientCA text
	access           text
	replicaID        text

	drainDelay       duration
	drainTimeout     duration
	maxConnectionAge duration
	maxMessageBytes  size
	resync           duration

	logLevel  choice
	logFormat choice
}

func newServeSettings() *serveSettings {
	return &serveSettings{
		etcd:             etcdSettings{prefix: text{value: defaultEtcdPrefix}},
		startTimeout:     duration{value: defaultStartTimeout},
		listen:           list{values: []string{defaultListen}},
		admin:            text{value: defaultAdmin},
		socketMode:       mode{value: defaultSocketMode},
		noPolicy:         newChoice(noPolicyDeny, noPolicyDeny, noPolicyPass),
		tlsMinVersion:    newChoice(tlsVersion12, tlsVersion12, tlsVersion13),
		drainDelay:       duration{value: defaultDrainDelay},
		drainTimeout:     duration{value: defaultDrainTimeout},
		maxConnectionAge: duration{value: defaultMaxConnectionAge},
		maxMessageBytes:  size{value: defaultMaxMessageBytes},
		resync:           duration{value: source.DefaultResync},
		logLevel:         newChoice("info", "debug", "info", "warn", "error"),
		logFormat:        newChoice(formatJSON, formatJSON, formatText),
	}
}

// addFlags gives a command a flag for each setting. The names of the flags are
// the names of the settings everywhere.
func (s *serveSettings) addFlags(command *cobra.Command) {
	flags := command.Flags()
	flags.SortFlags = false
	flags.Var(&s.policies, "policy", "`path` of a file or folder that holds policies; may be given more than once")
	s.etcd.addFlags(command)
	s.cluster.addFlags(command)
	flags.Var(&s.snapshot, "snapshot", "`file` for the last good policies, from which to start while their source is down; one for each replica")
	flags.Var(&s.maxStaleness, "max-staleness", "for how long to be ready while nobody knows whether the source holds something newer; 0s for ever")
	flags.Var(&s.startTimeout, "start-timeout", "for how long to try to read the first policies; 0s for once")
	flags.Var(&s.listen, "listen", "`address` for Envoy, host:port or unix:///path; may be given more than once")
	flags.Var(&s.admin, "admin", "`address` of /policies, /metrics, /livez and /readyz; empty for none")
	flags.Var(&s.adminHosts, "admin-host", "`name` by which browsers reach --admin, beside IP addresses and localhost; may be given more than once")
	flags.Var(&s.adminTLSCert, "admin-tls-cert", "`file` with the certificate chain for --admin, PEM; read anew when it changes")
	flags.Var(&s.adminTLSKey, "admin-tls-key", "`file` with the key of --admin-tls-cert, PEM")
	flags.Var(&s.adminTLSClientCA, "admin-tls-client-ca", "`file` with the authorities, PEM, by one of which a client's certificate must be signed if it shows one")
	flags.Var(&s.access, "access", "`file` that says who may use the policy service on --admin; read anew when it changes")
	flags.Var(&s.replicaID, "replica-id", "`name` of this replica, unique in the fleet; one is made up by default")
	flags.Var(&s.socketMode, "socket-mode", "`mode` of the files of Unix sockets")
	s.noPolicy.flag(command, "no-policy", "", "what becomes of cross-origin requests that no policy governs")
	flags.Var(&s.resync, "resync", "how often to read the policies without a sign of a change")
	flags.Var(&s.tlsCert, "tls-cert", "`file` with the certificate chain for --listen, PEM; read anew when it changes")
	flags.Var(&s.tlsKey, "tls-key", "`file` with the key of --tls-cert, PEM")
	flags.Var(&s.tlsClientCA, "tls-client-ca", "`file` with the authorities, PEM, by one of which clients' certificates must be signed")
	s.tlsMinVersion.flag(command, "tls-min-version", "", "oldest TLS version accepted; Envoy offers 1.2 unless it is told to offer more")
	s.webhook.addFlags(command)
	flags.Var(&s.drainDelay, "drain-delay", "how long to go on after a signal to stop, not ready, so that Envoy looks elsewhere")
	flags.Var(&s.drainTimeout, "drain-timeout", "how long calls in flight may take after that")
	flags.Var(&s.maxConnectionAge, "max-connection-age", "after how long Envoy is asked to reconnect; 0s for never")
	flags.Var(&s.maxMessageBytes, "max-message-bytes", "how large a check request may be")
	s.logLevel.flag(command, "log-level", "", "least severe level that is logged; debug has a line for each decision")
	s.logFormat.flag(command, "log-format", "", "form of the log")
	flags.String(configFlag, "", "`file` with settings, YAML, TOML or JSON ($"+configVariable+")")
	for _, name := range []string{
		"tls-cert", "tls-key", "tls-client-ca", "admin-tls-cert", "admin-tls-key", "admin-tls-client-ca", "etcd-ca", "etcd-cert", "etcd-key",
	} {
		_ = command.MarkFlagFilename(name, "pem", "crt", "key") // it fails only for a flag that is not there
	}
	_ = command.MarkFlagFilename(configFlag, configExtensions()...)
}

// check finds what is wrong with the settings before anything is opened. It
// reports all of it.
func (s *serveSettings) check() error {
	var errs []error
	if len(s.policies.values) == 0 && len(s.etcd.endpoints.values) == 0 && !s.cluster.use.value {
		errs = append(errs, errors.New("no policies given; name a file or a folder with --policy PATH, an etcd with --etcd URL, or use a cluster's with --kubernetes"))
	}
	errs = append(errs, s.etcd.check()...)
	errs = append(errs, s.cluster.check()...)
	if len(s.listen.values) == 0 {
		errs = append(errs, errors.New("no address to listen on; name one with --listen, as in --listen "+defaultListen))
	}
	addresses := s.listen.values
	if s.admin.value != "" {
		addresses = append(slices.Clip(addresses), s.admin.value)
	}
	for _, address := range addresses {
		if err := server.CheckAddress(address); err != nil {
			errs = append(errs, err)
		}
	}
	tlsOptions := s.tls()
	if err := tlsOptions.Check(); err != nil {
		errs = append(errs, err)
	}
	webhook := s.webhook.options()
	if err := webhook.Check(); err != nil {
		errs = append(errs, err)
	}
	adminTLS := s.adminTLS()
	if err := adminTLS.CheckAdmin(); err != nil {
		errs = append(errs, err)
	}
	if len(errs) > 0 {
		return &usageError{err: errors.Join(errs...)}
	}
	return nil
}

// options returns the settings as the server takes them.
func (s *serveSettings) options(logger *slog.Logger) server.Options {
	build := readBuild()
	options := server.Options{
		Listen:           s.listen.values,
		Admin:            s.admin.value,
		AdminHosts:       s.adminHosts.values,
		SocketMode:       s.socketMode.value,
		TLS:              s.tls(),
		Webhook:          s.webhook.options(),
		AdminTLS:         s.adminTLS(),
		AccessFile:       s.access.value,
		DrainDelay:       s.drainDelay.value,
		DrainTimeout:     s.drainTimeout.value,
		MaxConnectionAge: s.maxConnectionAge.value,
		MaxMessageBytes:  s.maxMessageBytes.value,
		StartTimeout:     s.startTimeout.value,
		MaxStaleness:     s.maxStaleness.value,
		Build:            server.Build{Version: build.Version, Revision: build.Revision},
		Logger:           logger,
	}
	if s.noPolicy.value == noPolicyPass {
		options.Policy.NoPolicy = policy.DispositionPass
	}
	return options
}

func (s *serveSettings) tls() server.TLSOptions {
	options := server.TLSOptions{
		CertFile:     s.tlsCert.value,
		KeyFile:      s.tlsKey.value,
		ClientCAFile: s.tlsClientCA.value,
		MinVersion:   tls.VersionTLS12,
	}
	if s.tlsMinVersion.value == tlsVersion13 {
		options.MinVersion = tls.VersionTLS13
	}
	return options
}

func (s *serveSettings) adminTLS() server.TLSOptions {
	return server.TLSOptions{
		CertFile: s.adminTLSCert.value, KeyFile: s.adminTLSKey.value, ClientCAFile: s.adminTLSClientCA.value,
		MinVersion: tls.VersionTLS12,
	}
}

// text is a setting of any words.
type text struct{ value string }

func (t *text) String() string         { return t.value }
func (t *text) Set(value string) error { t.value = value; return nil }

// Type is what help texts show in place of the value.
func (t *text) Type() string { return "text" }

// toggle is a setting that is on or off.
type toggle struct{ value bool }

func (t *toggle) String() string { return strconv.FormatBool(t.value) }

// Set reads true or false.
func (t *toggle) Set(value string) error {
	switch value {
	case "true":
		t.value = true
	case "false":
		t.value = false
	default:
		return errors.New("it must be true or false")
	}
	return nil
}

// Type is what help texts show in place of the value.
func (t *toggle) Type() string { return "bool" }

// flag makes the setting a flag that needs no value.
func (t *toggle) flag(command *cobra.Command, name, usage string) {
	command.Flags().VarPF(t, name, "", usage).NoOptDefVal = "true"
}

// list is a setting of several words. As a flag it is given once for each; the
// first replaces the default.
type list struct {
	values []string
	set    bool
}

func (l *list) String() string { return strings.Join(l.values, ",") }

// Set adds a value.
func (l *list) Set(value string) error {
	if value == "" {
		return errors.New("it must not be empty")
	}
	if !l.set {
		l.values, l.set = nil, true
	}
	l.values = append(l.values, value)
	return nil
}

// Type is what help texts show in place of the value.
func (l *list) Type() string { return "text" }

// duration is a setting of a time with its unit.
type duration struct{ value time.Duration }

func (d *duration) String() string { return shortDuration(d.value) }

// Set reads a duration, which must have a unit and not be negative.
func (d *duration) Set(value string) error {
	parsed, err := time.ParseDuration(value)
	if err != nil || parsed < 0 {
		return errors.New("it must be a duration with its unit, such as 500ms, 5s or 2m")
	}
	d.value = parsed
	return nil
}

// Type is what help texts show in place of the value.
func (d *duration) Type() string { return "duration" }

// shortDuration writes 5m0s as 5m.
func shortDuration(d time.Duration) string {
	short := d.String()
	if strings.HasSuffix(short, "m0s") {
		short = strings.TrimSuffix(short, "0s")
	}
	if strings.HasSuffix(short, "h0m") {
		short = strings.TrimSuffix(short, "0m")
	}
	return short
}

// mode is a setting of the permissions of a file, in octal digits.
type mode struct{ value fs.FileMode }

func (m *mode) String() string { return fmt.Sprintf("%04o", uint32(m.value)) }

// Set reads octal digits.
func (m *mode) Set(value string) error {
	const octal, bits = 8, 32
	parsed, err := strconv.ParseUint(value, octal, bits)
	if err != nil || fs.FileMode(parsed)&^fs.ModePerm != 0 {
		return errors.New(`it must be octal digits of permissions, such as "0660" (in a file, between quotation marks)`)
	}
	m.value = fs.FileMode(parsed)
	return nil
}

// Type is what help texts show in place of the value.
func (m *mode) Type() string { return "mode" }

// size is a setting of a number of bytes.
type size struct{ value int }

func (s *size) String() string { return strconv.Itoa(s.value) }

// Set reads a number of bytes.
func (s *size) Set(value string) error {
	parsed, err := strconv.Atoi(value)
	if err != nil || parsed <= 0 {
		return errors.New("it must be a number of bytes, such as 4194304")
	}
	s.value = parsed
	return nil
}

// Type is what help texts show in place of the value.
func (s *size) Type() string { return "bytes" }
