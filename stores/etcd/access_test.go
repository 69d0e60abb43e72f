package etcd_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/corsgate/corsgate/policy/source"
	"github.com/corsgate/corsgate/policy/source/etcd"
	"github.com/corsgate/corsgate/policy/store"
	"github.com/corsgate/corsgate/stores/parts"
)

// secure lets an etcd ask for a password. The roles are those of docs/etcd.md.
func secure(t *testing.T, c *clientv3.Client) {
	t.Helper()
	do := func(_ any, err error) {
		t.Helper()
		must(t, err)
	}
	ctx := t.Context()
	end := clientv3.GetPrefixRangeEnd
	do(c.RoleAdd(ctx, "corsgate"))
	do(c.RoleGrantPermission(ctx, "corsgate", "/corsgate/", end("/corsgate/"), clientv3.PermissionType(clientv3.PermReadWrite)))
	do(c.RoleAdd(ctx, "reader"))
	do(c.RoleGrantPermission(ctx, "reader", "/corsgate/", end("/corsgate/"), clientv3.PermissionType(clientv3.PermRead)))
	do(c.RoleGrantPermission(ctx, "reader", "/corsgate/replica/", end("/corsgate/replica/"), clientv3.PermissionType(clientv3.PermReadWrite)))
	do(c.RoleAdd(ctx, "stranger"))
	for user, role := range map[string]string{"root": "root", "corsgate": "corsgate", "reader": "reader", "stranger": "stranger"} {
		do(c.UserAdd(ctx, user, "secret-"+user))
		do(c.UserGrantRole(ctx, user, role))
	}
	do(c.AuthEnable(ctx))
}

func as(user, password string) func(*etcd.Options) {
	return func(o *etcd.Options) { o.User, o.Password = user, password }
}

// expectRefused holds that an error says that etcd refuses, and what to do.
func expectRefused(t *testing.T, err error, want string) {
	t.Helper()
	if !errors.Is(err, store.ErrRefused) || !strings.Contains(err.Error(), want) {
		t.Errorf("the error is %v, want %v with %q", err, store.ErrRefused, want)
	}
}

func TestAuthentication(t *testing.T) {
	t.Parallel()
	endpoint := parts.StartCluster(t, 1)[0].Client
	secure(t, client(t, endpoint))
	s := open(t, endpoint, as("corsgate", "secret-corsgate"))
	commit(t, s, put(policyOf("a", "https://a.example")))

	t.Run("wrong password", func(t *testing.T) {
		_, err := open(t, endpoint, as("corsgate", "wrong")).Load(t.Context())
		expectRefused(t, err, "see that the user exists (etcdctl user get) and that the password file holds its password")
	})
	t.Run("no such user", func(t *testing.T) {
		_, err := open(t, endpoint, as("nobody", "wrong")).Load(t.Context())
		expectRefused(t, err, "see that the user exists")
	})
	t.Run("no user", func(t *testing.T) {
		_, err := open(t, endpoint).Load(t.Context())
		expectRefused(t, err, "etcd asks for a user and a password")
	})
	t.Run("a role without access", func(t *testing.T) {
		stranger := open(t, endpoint, as("stranger", "secret-stranger"))
		_, err := stranger.Load(t.Context())
		expectRefused(t, err, "grant the user's role what docs/etcd.md lists")
	})
	t.Run("a role that may only read", func(t *testing.T) {
		reader := open(t, endpoint, as("reader", "secret-reader"))
		on := head(t, reader)
		_, err := reader.Commit(t.Context(), on, put(policyOf("b", "https://b.example")))
		expectRefused(t, err, "permission denied")
		_, err = reader.Commit(t.Context(), on, put(setOf("large", originsNamed("customer-with-a-long-name", 5000)...)))
		expectRefused(t, err, "permission denied")
		expectRefused(t, reader.Tend(t.Context()), "permission denied")
		if got := head(t, s); got.Revision() != 1 {
			t.Errorf("the store is at revision %d", got.Revision())
		}
		announced(t, reader)
	})
	t.Run("a password that changes", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "password")
		must(t, os.WriteFile(file, []byte("secret-corsgate\n"), 0o600))
		s := open(t, endpoint, func(o *etcd.Options) { o.User, o.PasswordFile = "corsgate", file })
		head(t, s)
		root, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, Username: "root", Password: "secret-root"})
		must(t, err)
		defer func() { _ = root.Close() }()
		_, err = root.UserChangePassword(t.Context(), "corsgate", "another")
		must(t, err)
		must(t, os.WriteFile(file, []byte("another\n"), 0o600))
		retry(t, func() error {
			_, err := s.Head(t.Context())
			return err
		})
	})
}

// announced makes sure that a replica can announce itself.
func announced(t *testing.T, s *etcd.Store) {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	changes, ended := make(chan store.Replica, 1), make(chan error)
	changes <- store.Replica{ID: "reader"}
	go func() { ended <- s.Announce(ctx, changes) }()
	retry(t, func() error {
		got, err := s.Replicas(t.Context())
		if err == nil && len(got) != 1 {
			err = errors.New("the replica is not there")
		}
		return err
	})
	leave()
	must(t, <-ended)
}

// retry does something until it succeeds.
func retry(t *testing.T, do func() error) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		err := do()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	authority, others := parts.NewAuthority(t), parts.NewAuthority(t)
	serverCert, serverKey := authority.Issue(t, "server")
	m := parts.StartCluster(t, 1, func(c *parts.MemberConfig) {
		c.Client = strings.Replace(c.Client, "http://", "https://", 1)
		c.Cert, c.Key, c.CA = serverCert, serverKey, authority.CAFile
	})[0]
	cert, key := authority.Issue(t, "client")
	otherCert, otherKey := others.Issue(t, "client")
	soon := func(o *etcd.Options) { o.DialTimeout = time.Second }
	tests := []struct {
		name          string
		ca, cert, key string
		want          string // nothing is success
	}{
		{"all is well", authority.CAFile, cert, key, ""},
		{"no client certificate", authority.CAFile, "", "", "etcd asks for a client certificate, and none is given"},
		{"a client certificate of another authority", authority.CAFile, otherCert, otherKey, "etcd asks for a client certificate, and perhaps does not take the one in "},
		{"a server of another authority", others.CAFile, cert, key, "certificate signed by unknown authority"},
		{"no authority", "", cert, key, "certificate signed by unknown authority"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := open(t, m.Client, soon, func(o *etcd.Options) { o.CAFile, o.CertFile, o.KeyFile = test.ca, test.cert, test.key })
			_, err := s.Load(t.Context())
			switch {
			case test.want == "" && err != nil:
				t.Errorf("Load returned %v", err)
			case test.want != "" && (!errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), test.want)):
				t.Errorf("Load returned %v, want %v with %q", err, store.ErrUnavailable, test.want)
			}
		})
	}
}

// TestRotation changes the authority of both sides while a replica watches.
func TestRotation(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	install := func(a *parts.Authority) {
		for _, side := range []string{"server", "client"} {
			cert, key := a.Issue(t, side)
			replaceFile(t, cert, file(side+".pem"))
			replaceFile(t, key, file(side+".key"))
		}
		replaceFile(t, a.CAFile, file("ca.pem"))
	}
	install(parts.NewAuthority(t))
	m := parts.StartCluster(t, 1, func(c *parts.MemberConfig) {
		c.Client = strings.Replace(c.Client, "http://", "https://", 1)
		c.Cert, c.Key, c.CA = file("server.pem"), file("server.key"), file("ca.pem")
	})[0]
	files := func(o *etcd.Options) {
		o.CAFile, o.CertFile, o.KeyFile = file("ca.pem"), file("client.pem"), file("client.key")
	}
	replica := open(t, m.Client, files)
	commit(t, replica, put(policyOf("a", "https://a.example")))
	seen := watch(t, replica)
	seen.await(t, 1)

	install(parts.NewAuthority(t))
	m.Restart(t)
	commit(t, open(t, m.Client, files), put(policyOf("a", "https://b.example")))
	seen.await(t, 2)
}

func replaceFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	must(t, err)
	must(t, os.WriteFile(to+".new", text, 0o600))
	must(t, os.Rename(to+".new", to))
}

// A seen is what a watch delivers.
type seen struct{ snapshots chan source.Snapshot }

// watch follows a source until the test ends.
func watch(t *testing.T, s source.Source) seen {
	t.Helper()
	w := seen{make(chan source.Snapshot)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- s.Watch(ctx, func(got source.Snapshot) {
			select {
			case w.snapshots <- got:
			case <-ctx.Done():
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		must(t, <-ended)
	})
	return w
}

// await waits for a revision, and returns its snapshot. Revisions must grow.
func (w seen) await(t *testing.T, revision int64) source.Snapshot {
	t.Helper()
	late := time.After(patience)
	last := int64(-1)
	for {
		select {
		case got := <-w.snapshots:
			if got.Revision <= last {
				t.Errorf("revision %d was delivered after %d", got.Revision, last)
			}
			if last = got.Revision; last >= revision {
				return got
			}
		case <-late:
			t.Fatalf("revision %d was not delivered, the last was %d", revision, last)
		}
	}
}
