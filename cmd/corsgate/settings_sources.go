package main

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

// defaultEtcdPrefix is what the keys of an etcd begin with that are corsgate's.
const defaultEtcdPrefix = "/corsgate/"

// etcdSettings is which etcd holds policies.
type etcdSettings struct {
	endpoints    list
	prefix       text
	user         text
	passwordFile text
	ca           text
	cert         text
	key          text
}

func (e *etcdSettings) addFlags(command *cobra.Command) {
	flags := command.Flags()
	flags.Var(&e.endpoints, "etcd", "`URL` of a member of the etcd that holds policies; may be given more than once")
	flags.Var(&e.prefix, "etcd-prefix", "`key` below which the policies lie in it")
	flags.Var(&e.user, "etcd-user", "`name` by which corsgate is known there")
	flags.Var(&e.passwordFile, "etcd-password-file", "`file` with the password of --etcd-user")
	flags.Var(&e.ca, "etcd-ca", "`file` with the authorities, PEM, that etcd's certificates are signed by; the system's by default")
	flags.Var(&e.cert, "etcd-cert", "`file` with the certificate, PEM, by which corsgate is known there")
	flags.Var(&e.key, "etcd-key", "`file` with the key of --etcd-cert, PEM")
}

// check finds what is wrong with the settings by themselves.
func (e *etcdSettings) check() []error {
	var errs []error
	parts := []struct {
		name string
		text *text
	}{
		{"--etcd-user", &e.user},
		{"--etcd-password-file", &e.passwordFile},
		{"--etcd-ca", &e.ca},
		{"--etcd-cert", &e.cert},
		{"--etcd-key", &e.key},
	}
	if len(e.endpoints.values) == 0 {
		for _, part := range parts {
			if part.text.value != "" {
				errs = append(errs, fmt.Errorf("%s says nothing without an etcd; name one with --etcd, or leave it out", part.name))
			}
		}
		return errs
	}
	for _, endpoint := range e.endpoints.values {
		if err := e.checkEndpoint(endpoint); err != nil {
			errs = append(errs, err)
		}
	}
	if p := e.prefix.value; !strings.HasPrefix(p, "/") || !strings.HasSuffix(p, "/") || strings.Contains(p, "//") {
		errs = append(errs, fmt.Errorf("--etcd-prefix %q will not do; begin and end it with one slash, as in %s", p, defaultEtcdPrefix))
	}
	if (e.user.value == "") != (e.passwordFile.value == "") {
		errs = append(errs, errors.New("--etcd-user and --etcd-password-file belong together; give both, or neither"))
	}
	if (e.cert.value == "") != (e.key.value == "") {
		errs = append(errs, errors.New("--etcd-cert and --etcd-key belong together; give both, or neither"))
	}
	return errs
}

// checkEndpoint refuses what is no address, and secrets that would go in the clear.
func (e *etcdSettings) checkEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	switch {
	case err == nil && u.User != nil:
		return fmt.Errorf("--etcd %s holds who asks; write that with --etcd-user and --etcd-password-file", u.Redacted())
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.Path != "" && u.Path != "/", u.RawQuery != "":
		return fmt.Errorf("--etcd %q is not the address of an etcd; write one like https://etcd.internal:2379", endpoint)
	case u.Scheme == "http" && (e.ca.value != "" || e.cert.value != ""):
		return fmt.Errorf("--etcd %s is reached without TLS, so --etcd-ca and --etcd-cert say nothing; write https://%s, or leave them out", endpoint, u.Host)
	}
	return nil
}

// clusterSettings is which Kubernetes cluster holds policies.
type clusterSettings struct {
	use        toggle
	kubeconfig text
	namespaces list
}

func (c *clusterSettings) addFlags(command *cobra.Command) {
	flags := command.Flags()
	c.use.flag(command, "kubernetes", "read policies from the objects of a Kubernetes cluster, by default the one that this runs in")
	flags.Var(&c.kubeconfig, "kubeconfig", "`file` that says how to reach it")
	flags.Var(&c.namespaces, "kubernetes-namespace", "`namespace` whose policies to read; may be given more than once; all by default")
	_ = command.MarkFlagFilename("kubeconfig") // it fails only for a flag that is not there
}

// check finds what is wrong with the settings by themselves.
func (c *clusterSettings) check() []error {
	if c.use.value {
		return nil
	}
	var errs []error
	if c.kubeconfig.value != "" {
		errs = append(errs, errors.New("--kubeconfig says nothing without --kubernetes; add that, or leave it out"))
	}
	if len(c.namespaces.values) > 0 {
		errs = append(errs, errors.New("--kubernetes-namespace says nothing without --kubernetes; add that, or leave it out"))
	}
	return errs
}
