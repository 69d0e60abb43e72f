package kubernetes

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/connrotation"
)

// Bounds of what corsgate asks of the API server, which has its own fair shares.
const (
	clientQPS   = 100
	clientBurst = 200

	dialTimeout = 10 * time.Second
	keepAlive   = 30 * time.Second
)

// Options is which cluster to read, and what of it.
type Options struct {
	// Kubeconfig is a file that says how to reach the cluster. Empty, it is what
	// $KUBECONFIG names or kubectl uses, and within a cluster that cluster.
	Kubeconfig string
	// Config, unless nil, says how to reach the cluster in place of Kubeconfig.
	Config *rest.Config
	// Namespaces are those to read policies and origin sets of. Empty, it is all.
	// Guardrails are the whole cluster's and always read.
	Namespaces []string
	// Logger gets what goes wrong with reaching the cluster. Nil is slog's default.
	Logger *slog.Logger
}

// A ConnectError says why it cannot even be tried to reach a cluster.
type ConnectError struct {
	// Reason says what is wrong.
	Reason string
	// Mend says what to do about it.
	Mend string
	// Err is the cause. It may be nil.
	Err error
}

// Error returns reason and mend on one line.
func (e *ConnectError) Error() string {
	return "cannot read policies from Kubernetes: " + e.Reason + "; " + e.Mend
}

// Unwrap returns the cause.
func (e *ConnectError) Unwrap() error { return e.Err }

// config returns how to reach the cluster.
func (o *Options) config() (*rest.Config, error) {
	config := o.Config
	if config == nil {
		rules := clientcmd.NewDefaultClientConfigLoadingRules()
		rules.ExplicitPath = o.Kubeconfig
		var err error
		config, err = clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{}).ClientConfig()
		switch {
		case err == nil:
		case clientcmd.IsEmptyConfig(err), errors.Is(err, rest.ErrNotInCluster):
			return nil, &ConnectError{
				Reason: "no kubeconfig says where the cluster is, and this is not a pod of one",
				Mend:   "name a kubeconfig with --kubeconfig FILE", Err: err,
			}
		default:
			return nil, &ConnectError{
				Reason: fmt.Sprintf("the kubeconfig %s cannot be used (%s)", o.kubeconfig(rules), strings.TrimSpace(err.Error())),
				Mend:   "name one that kubectl can use, or mend it", Err: err,
			}
		}
	}
	config = rest.CopyConfig(config)
	config.UserAgent = "corsgate"
	config.QPS, config.Burst = clientQPS, clientBurst
	return config, nil
}

// kubeconfig names the files in question.
func (o *Options) kubeconfig(rules *clientcmd.ClientConfigLoadingRules) string {
	if o.Kubeconfig != "" {
		return o.Kubeconfig
	}
	return strings.Join(rules.GetLoadingPrecedence(), ", ")
}

// New makes a source of the policies in a cluster. It opens nothing yet: a cluster
// that cannot be reached shows in [Source.Load].
func New(options Options) (*Source, error) {
	config, err := options.config()
	if err != nil {
		return nil, err
	}
	dialer := connrotation.NewDialer((&net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}).DialContext)
	config.Dial = dialer.DialContext
	transport, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, &ConnectError{
			Reason: "the credentials for the cluster cannot be used (" + err.Error() + ")",
			Mend:   "mend the certificates and the token that the kubeconfig names", Err: err,
		}
	}
	client, err := dynamic.NewForConfigAndClient(config, transport)
	if err != nil {
		return nil, &ConnectError{
			Reason: fmt.Sprintf("%q is not the address of a cluster (%s)", config.Host, err.Error()),
			Mend:   "mend the server that the kubeconfig names", Err: err,
		}
	}
	logger := options.Logger
	if logger == nil {
		logger = slog.Default()
	}
	return &Source{
		client: client, config: config, transport: transport, dialer: dialer, places: places(options.Namespaces), logger: logger,
		memory: memory{byUID: map[string]*entry{}}, moved: make(chan struct{}, 1),
	}, nil
}
