package etcd

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/corsgate/corsgate/policy/store"
)

func TestOptions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rubbish := filepath.Join(dir, "rubbish.pem")
	if err := os.WriteFile(rubbish, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	plain, secure := []string{"http://127.0.0.1:2379"}, []string{"https://127.0.0.1:2379"}
	tests := []struct {
		name    string
		options Options
		want    string // nothing is success
	}{
		{"an endpoint", Options{Endpoints: plain}, ""},
		{"no endpoint", Options{}, "no endpoint of etcd is given; name one, such as http://127.0.0.1:2379"},
		{"no URL", Options{Endpoints: []string{"127.0.0.1:2379"}}, `"127.0.0.1:2379" is no endpoint of etcd; write http://HOST:PORT or https://HOST:PORT`},
		{"a path", Options{Endpoints: []string{"http://127.0.0.1:2379/v3"}}, "is no endpoint of etcd"},
		{"half of them secure", Options{Endpoints: []string{secure[0], plain[0]}}, "both http and https"},
		{"certificates for nothing", Options{Endpoints: plain, CAFile: rubbish}, "the endpoint http://127.0.0.1:2379 is not https"},
		{"a certificate without a key", Options{Endpoints: secure, CertFile: rubbish}, "only one is given"},
		{"an authority that is none", Options{Endpoints: secure, CAFile: rubbish}, rubbish + " holds no certificate in PEM form"},
		{"an authority that is not there", Options{Endpoints: secure, CAFile: filepath.Join(dir, "absent")}, "no such file"},
		{"a certificate that is none", Options{Endpoints: secure, CertFile: rubbish, KeyFile: rubbish}, "read the client certificate for etcd"},
		{"a password for nobody", Options{Endpoints: plain, Password: "secret"}, "a password for etcd is given, but no user"},
		{"a user without a password", Options{Endpoints: plain, User: "corsgate"}, `no password is given for etcd's user "corsgate"`},
		{"a password that is not there", Options{Endpoints: plain, User: "corsgate", PasswordFile: filepath.Join(dir, "absent")}, "read the password for etcd"},
		{"all of etcd", Options{Endpoints: plain, Prefix: "/"}, "give corsgate one of its own, such as /corsgate/"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, err := New(test.options)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("New returned %v", err)
			case test.want == "":
				if got := s.String(); got != "etcd://127.0.0.1:2379/corsgate/" {
					t.Errorf("the store is called %s", got)
				}
			case err == nil || !strings.Contains(err.Error(), test.want):
				t.Errorf("New returned %v, want %q", err, test.want)
			}
		})
	}
}

// TestLate loads until the caller's time is over, and says what etcd was in the way
// of that and not only that time is over.
func TestLate(t *testing.T) {
	t.Parallel()
	s, err := New(Options{Endpoints: []string{"http://127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err = s.Load(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("Load returned %v, want its cause", err)
	}
}

func TestLayout(t *testing.T) {
	t.Parallel()
	l := layout("/corsgate/")
	for key, want := range map[string]int64{
		"/corsgate/log/0000000000000042":  42,
		"/corsgate/log/0000000000000000":  0,
		"/corsgate/log/42":                0,
		"/corsgate/log/+000000000000042":  0,
		"/corsgate/log/-000000000000042":  0,
		"/corsgate/log/00000000000000042": 0,
		"/other/log/0000000000000042":     0,
	} {
		if got, ok := l.logRevision(key); got != want && ok || ok != (want > 0) {
			t.Errorf("%s is of revision %d, %v", key, got, ok)
		}
	}
	end := ""
	for _, gap := range l.gaps() {
		if gap[0] > gap[1] || gap[0] < end {
			t.Errorf("the gap %q is out of order", gap)
		}
		end = gap[1]
	}
}
