package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/corsgate/corsgate/proto/corsgate/v1/corsgatev1connect"
)

const (
	defaultServer        = "http://" + defaultAdmin
	defaultClientTimeout = time.Minute
	// tokenVariable holds a token itself. There is no flag for it: what stands in a
	// command line can be read by everybody on the machine.
	tokenVariable = envPrefix + "TOKEN"
	unixPrefix    = "unix://"
	// compressFrom is the size from which requests are compressed, in bytes.
	compressFrom = 64 << 10
)

// clientSettings is how commands reach a running corsgate. Each is a flag, and
// an environment variable where the flag is not given.
type clientSettings struct {
	server    text
	tokenFile text
	ca        text
	cert      text
	key       text
	timeout   duration
}

func newClientSettings() clientSettings {
	return clientSettings{server: text{value: defaultServer}, timeout: duration{value: defaultClientTimeout}}
}

// addFlags gives a command the flags.
func (s *clientSettings) addFlags(command *cobra.Command) {
	flags := command.Flags()
	flags.Var(&s.server, "server", "`URL` of the --admin of a running corsgate, http://, https:// or unix:///path ($CORSGATE_SERVER)")
	flags.Var(&s.tokenFile, "token-file", "`file` with the bearer token to show; $"+tokenVariable+" holds one itself")
	flags.Var(&s.ca, "ca", "`file` with the authorities, PEM, by one of which the server's certificate must be signed, if not the system's")
	flags.Var(&s.cert, "cert", "`file` with the certificate to show to the server, PEM")
	flags.Var(&s.key, "key", "`file` with the key of --cert, PEM")
	flags.Var(&s.timeout, "timeout", "how long the server may take to answer")
	for _, name := range []string{"ca", "cert", "key"} {
		_ = command.MarkFlagFilename(name, "pem", "crt", "key") // it fails only for a flag that is not there
	}
}

// clientSettingNames returns the names of the settings.
func clientSettingNames() []string {
	return []string{"server", "token-file", "ca", "cert", "key", "timeout"}
}

// isClientVariable says whether a variable of the environment is one of those
// that the commands read which ask a server.
func isClientVariable(name string) bool {
	if name == tokenVariable {
		return true
	}
	for _, setting := range clientSettingNames() {
		if name == variableName(setting) {
			return true
		}
	}
	return false
}

// resolve takes from the environment what no flag says.
func (s *clientSettings) resolve(flags *pflag.FlagSet) error {
	var errs []error
	for _, name := range clientSettingNames() {
		value, ok := os.LookupEnv(variableName(name))
		flag := flags.Lookup(name)
		if !ok || value == "" || flag == nil || flag.Changed {
			continue
		}
		if err := flag.Value.Set(value); err != nil {
			errs = append(errs, fmt.Errorf("%s %q will not do; %w", variableName(name), value, err))
		}
	}
	if (s.cert.value == "") != (s.key.value == "") {
		errs = append(errs, errors.New("a certificate and its key are needed together, and one of them is not named; give both --cert and --key"))
	}
	if len(errs) > 0 {
		return &usageError{err: errors.Join(errs...)}
	}
	return nil
}

// A client asks one server.
type client struct {
	policies corsgatev1connect.PolicyServiceClient
	// web is for what is not of the policy service.
	web *http.Client
	// base is the URL that requests go to, and server what the user calls it.
	base, server string
	timeout      time.Duration
	// shows says that a token is shown.
	shows bool
}

// connect makes a client. It opens nothing yet.
func (s *clientSettings) connect(flags *pflag.FlagSet) (*client, error) {
	if err := s.resolve(flags); err != nil {
		return nil, err
	}
	where, socket, err := parseServer(s.server.value)
	if err != nil {
		return nil, err
	}
	token, err := s.token(flags)
	if err != nil {
		return nil, err
	}
	if token != "" && where.Scheme == "http" && socket == "" && !isLoopback(where.Hostname()) {
		return nil, usagef("%s is not encrypted, and a token would be there for all on the way to read; "+
			"write https://, or reach it on this machine, as through kubectl port-forward", s.server.value)
	}
	if where.Scheme == "http" && (s.ca.value != "" || s.cert.value != "") {
		return nil, usagef("--ca, --cert and --key are for https, and the server is %s; write https:// where it speaks TLS", s.server.value)
	}
	transport, err := s.transport(socket)
	if err != nil {
		return nil, err
	}
	web := &http.Client{
		Transport: &bearer{token: token, next: transport},
		// A token must not follow to where somebody points.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &client{
		policies: corsgatev1connect.NewPolicyServiceClient(
			&http.Client{Transport: &speaking{next: web.Transport}, CheckRedirect: web.CheckRedirect}, where.String(),
			connect.WithSendGzip(), connect.WithCompressMinBytes(compressFrom),
		),
		web: web, base: where.String(), server: strings.TrimSuffix(s.server.value, "/"), timeout: s.timeout.value,
		shows: token != "",
	}, nil
}

// close lets go of idle connections.
func (c *client) close() { c.web.CloseIdleConnections() }

// parseServer reads the URL of a server, and the path of its socket where it is
// one.
func parseServer(given string) (where *url.URL, socket string, err error) {
	if path, ok := strings.CutPrefix(given, unixPrefix); ok {
		if !strings.HasPrefix(path, "/") {
			return nil, "", usagef("--server %q is not a socket's address; write unix:///path, with the whole path", given)
		}
		return &url.URL{Scheme: "http", Host: "localhost"}, path, nil
	}
	text := given
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	where, err = url.Parse(text)
	if err != nil || where.Hostname() == "" || where.User != nil || where.RawQuery != "" || where.Fragment != "" ||
		where.Scheme != "http" && where.Scheme != "https" {
		return nil, "", usagef("--server %q is not the address of a server; write http://host:port or https://host:port, as in %s, or unix:///path", given, defaultServer)
	}
	where.Path = strings.TrimSuffix(where.Path, "/")
	return where, "", nil
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback() || strings.EqualFold(host, "localhost")
}

// token returns the token to show. It is empty where there is none.
func (s *clientSettings) token(flags *pflag.FlagSet) (string, error) {
	direct := os.Getenv(tokenVariable)
	given := flags.Lookup("token-file").Changed
	if direct != "" && s.tokenFile.value != "" && !given {
		return "", usagef("%s and %s are both set; unset one of them", tokenVariable, variableName("token-file"))
	}
	if s.tokenFile.value == "" || direct != "" && !given {
		return checkToken(direct, tokenVariable)
	}
	content, err := os.ReadFile(s.tokenFile.value)
	if err != nil {
		return "", fmt.Errorf("the token's file %s cannot be read (%w); name a file that this user may read", s.tokenFile.value, innermost(err))
	}
	token := strings.TrimSpace(string(content))
	if token == "" {
		return "", fmt.Errorf("the token's file %s is empty; write the token into it", s.tokenFile.value)
	}
	return checkToken(token, s.tokenFile.value)
}

// checkToken refuses what cannot stand in a header. The token itself is never
// shown.
func checkToken(token, where string) (string, error) {
	token = strings.TrimSpace(token)
	for _, c := range token {
		if c <= ' ' || c >= 0x7f {
			return "", fmt.Errorf("what stands in %s is not a token: it has spaces, line breaks or characters beyond ASCII; write the token alone", where)
		}
	}
	return token, nil
}

// transport makes what carries the requests.
func (s *clientSettings) transport(socket string) (*http.Transport, error) {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	if socket != "" {
		transport.Proxy = nil
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}
	}
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if s.ca.value != "" {
		content, err := os.ReadFile(s.ca.value)
		if err != nil {
			return nil, fmt.Errorf("the authorities' file %s cannot be read (%w); name a file that this user may read", s.ca.value, innermost(err))
		}
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(content) {
			return nil, fmt.Errorf("the authorities' file %s holds no certificate; name a file with certificates in PEM", s.ca.value)
		}
	}
	if s.cert.value != "" {
		certificate, err := tls.LoadX509KeyPair(s.cert.value, s.key.value)
		if err != nil {
			return nil, fmt.Errorf("the certificate %s with the key %s cannot be used (%w); name two files in PEM that belong together", s.cert.value, s.key.value, err)
		}
		transport.TLSClientConfig.Certificates = []tls.Certificate{certificate}
	}
	return transport, nil
}

// bearer shows a token with each request.
type bearer struct {
	token string
	next  http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (b *bearer) RoundTrip(request *http.Request) (*http.Response, error) {
	if b.token != "" {
		request = request.Clone(request.Context())
		request.Header.Set("Authorization", "Bearer "+b.token)
	}
	return b.next.RoundTrip(request)
}

// CloseIdleConnections lets [http.Client.CloseIdleConnections] reach the
// transport.
func (b *bearer) CloseIdleConnections() {
	if closer, ok := b.next.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

// ask makes one call, within the time that the server may take. Errors are in
// words for people.
func ask[Request, Response any](
	ctx context.Context, c *client,
	call func(context.Context, *connect.Request[Request]) (*connect.Response[Response], error), request *Request,
) (*Response, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	response, err := call(ctx, connect.NewRequest(request))
	if err != nil {
		return nil, c.failure(err)
	}
	return response.Msg, nil
}
