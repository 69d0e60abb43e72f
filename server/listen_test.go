package server

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestCheckAddress(t *testing.T) {
	t.Parallel()
	for address, good := range map[string]bool{
		"127.0.0.1:9191": true, "[::1]:0": true, ":9191": true, "localhost:http": true, "unix:///run/x.sock": true,
		"": false, "9191": false, "127.0.0.1": false, "127.0.0.1:": false, "unix://run/x.sock": false, "unix://": false, "::1:9191": false,
	} {
		if err := CheckAddress(address); (err == nil) != good {
			t.Errorf("CheckAddress(%q) = %v, want good %v", address, err, good)
		}
	}
}

func TestListenErrors(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	folder := t.TempDir()
	busy, err := listen(ctx, "127.0.0.1:0", 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = busy.Close() })
	live := "unix://" + filepath.Join(folder, "live.sock")
	socket, err := listen(ctx, live, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	file := filepath.Join(folder, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	// It refuses streams, but somebody has it open.
	datagrams := filepath.Join(folder, "datagrams.sock")
	other, err := new(net.ListenConfig).ListenPacket(ctx, "unixgram", datagrams)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })

	for name, test := range map[string]struct{ address, want string }{
		"busy port":      {busy.Addr().String(), "another program is listening there; stop it, or choose another address"},
		"live socket":    {live, "another program is listening there; stop it, or choose another path"},
		"another socket": {"unix://" + datagrams, "protocol wrong type for socket; choose another address"},
		"not a socket":   {"unix://" + file, "there is a file of that name which is not a socket; choose another path, or remove the file"},
		"no folder":      {"unix://" + filepath.Join(folder, "none", "x.sock"), "there is no such folder; create the folder, or choose another path"},
		"not an address": {"9191", "it is not an address; write host:port, as in 127.0.0.1:9191 or [::1]:9191, or unix:///path"},
		"not ours":       {"192.0.2.1:0", "this machine does not have that address; choose one that it has, or 0.0.0.0 for all"},
		"no such port":   {"127.0.0.1:99999", "invalid port"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listener, err := listen(ctx, test.address, 0o600)
			if listener != nil {
				_ = listener.Close()
				t.Fatal("it listens")
			}
			var explained *ListenError
			if !errors.As(err, &explained) || explained.Address != test.address {
				t.Fatalf("error %#v", err)
			}
			if got := err.Error(); !strings.HasPrefix(got, "cannot listen on "+test.address+": ") || !strings.Contains(got, test.want) || strings.Contains(got, "bind:") {
				t.Errorf("error %q, want %q", got, test.want)
			}
		})
	}
	t.Cleanup(func() {
		if _, err := os.Stat(datagrams); err != nil {
			t.Errorf("the socket of another program was removed: %v", err)
		}
		if content, err := os.ReadFile(file); err != nil || string(content) != "precious" {
			t.Errorf("the file was touched: %q, %v", content, err)
		}
	})
}

func TestListenUnix(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.sock")
	// A program that died leaves its socket file behind.
	stale, err := new(net.ListenConfig).Listen(context.Background(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := stale.Close(); err != nil {
		t.Fatal(err)
	}

	listener, err := listen(context.Background(), "unix://"+path, 0o620)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != fs.ModeSocket|0o620 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
	if _, err := listen(context.Background(), "unix://"+path, 0o620); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a second listener: %v", err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket file is left behind: %v", err)
	}
}
