package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is wrong with how sources are named is said before any is opened.
func TestSourceSettings(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args []string
		want []string
	}{
		"nothing":       {nil, []string{"no policies given; name a file or a folder with --policy PATH, an etcd with --etcd URL, or use a cluster's with --kubernetes"}},
		"files":         {[]string{"--policy=p"}, nil},
		"etcd":          {[]string{"--etcd=http://127.0.0.1:2379", "--etcd=http://[::1]:2379/", "--etcd-user=u", "--etcd-password-file=f"}, nil},
		"etcd with TLS": {[]string{"--etcd=https://etcd.internal:2379", "--etcd-ca=ca", "--etcd-cert=c", "--etcd-key=k", "--etcd-prefix=/a/b/"}, nil},
		"kubernetes":    {[]string{"--kubernetes", "--kubeconfig=f", "--kubernetes-namespace=a"}, nil},
		"everything":    {[]string{"--policy=p", "--etcd=http://127.0.0.1:2379", "--kubernetes", "--snapshot=s", "--max-staleness=10m"}, nil},
		"no etcd": {[]string{"--policy=p", "--etcd-user=u", "--etcd-ca=ca"}, []string{
			"--etcd-user says nothing without an etcd; name one with --etcd, or leave it out",
			"--etcd-ca says nothing without an etcd; name one with --etcd, or leave it out",
		}},
		"no cluster": {[]string{"--policy=p", "--kubeconfig=f", "--kubernetes-namespace=a"}, []string{
			"--kubeconfig says nothing without --kubernetes; add that, or leave it out",
			"--kubernetes-namespace says nothing without --kubernetes; add that, or leave it out",
		}},
		"halves": {[]string{"--etcd=https://e:2379", "--etcd-user=u", "--etcd-key=k"}, []string{
			"--etcd-user and --etcd-password-file belong together; give both, or neither",
			"--etcd-cert and --etcd-key belong together; give both, or neither",
		}},
		"TLS without TLS": {[]string{"--etcd=https://e:2379", "--etcd=http://f:2379", "--etcd-ca=ca"}, []string{
			"--etcd http://f:2379 is reached without TLS, so --etcd-ca and --etcd-cert say nothing; write https://f:2379, or leave them out",
		}},
		"no addresses": {[]string{"--etcd=e:2379", "--etcd=ftp://e", "--etcd=https://", "--etcd=https://u:p@e:1", "--etcd=https://e:1/x", "--etcd-prefix=corsgate"}, []string{
			`--etcd "e:2379" is not the address of an etcd; write one like https://etcd.internal:2379`,
			`--etcd "ftp://e" is not the address of an etcd; write one like https://etcd.internal:2379`,
			`--etcd "https://" is not the address of an etcd; write one like https://etcd.internal:2379`,
			`--etcd https://u:xxxxx@e:1 holds who asks; write that with --etcd-user and --etcd-password-file`,
			`--etcd "https://e:1/x" is not the address of an etcd; write one like https://etcd.internal:2379`,
			`--etcd-prefix "corsgate" will not do; begin and end it with one slash, as in /corsgate/`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings := newServeSettings()
			command := newServe(streams{})
			command.ResetFlags()
			settings.addFlags(command)
			if err := command.ParseFlags(test.args); err != nil {
				t.Fatal(err)
			}
			var got []string
			if err := settings.check(); err != nil {
				got = strings.Split(err.Error(), "\n")
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
		})
	}
}
