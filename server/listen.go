package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// unixScheme begins the address of a Unix socket: unix:///run/corsgate.sock.
const unixScheme = "unix://"

// probeTimeout bounds the look for a program that listens on a socket file.
const probeTimeout = time.Second

// A ListenError says why an address cannot be listened on, and what to do.
type ListenError struct {
	// Address is as the user gave it.
	Address string
	// Reason says what is wrong.
	Reason string
	// Mend says what to do about it.
	Mend string
	// Err is the cause. It may be nil.
	Err error
}

// Error returns address, reason and mend on one line.
func (e *ListenError) Error() string {
	return fmt.Sprintf("cannot listen on %s: %s; %s", e.Address, e.Reason, e.Mend)
}

// Unwrap returns the cause.
func (e *ListenError) Unwrap() error { return e.Err }

// CheckAddress says whether an address has a form that can be listened on:
// host:port or unix:///path.
func CheckAddress(address string) error {
	if path, ok := strings.CutPrefix(address, unixScheme); ok {
		if !strings.HasPrefix(path, "/") {
			return &ListenError{
				Address: address, Reason: "the path of a Unix socket must be absolute",
				Mend: "write three slashes, as in unix:///run/corsgate/corsgate.sock",
			}
		}
		return nil
	}
	if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
		return &ListenError{
			Address: address, Reason: "it is not an address",
			Mend: "write host:port, as in 127.0.0.1:9191 or [::1]:9191, or unix:///path", Err: err,
		}
	}
	return nil
}

// listen opens one address: host:port or unix:///path. The socket file of a
// Unix socket gets the mode given, and is removed when the listener closes.
func listen(ctx context.Context, address string, mode fs.FileMode) (net.Listener, error) {
	if err := CheckAddress(address); err != nil {
		return nil, err
	}
	if path, ok := strings.CutPrefix(address, unixScheme); ok {
		return listenUnix(ctx, address, path, mode)
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, explainListen(address, err)
	}
	return listener, nil
}

// listenUnix opens a Unix socket. A file left by a program that died is removed;
// one that a program listens on, or that is no socket, is left alone.
func listenUnix(ctx context.Context, address, path string, mode fs.FileMode) (net.Listener, error) {
	if err := removeStale(ctx, address, path); err != nil {
		return nil, err
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, explainListen(address, err)
	}
	if err := os.Chmod(path, mode); err != nil {
		return nil, errors.Join(&ListenError{
			Address: address, Reason: "the mode of the socket file cannot be set (" + cause(err) + ")",
			Mend: "choose a folder that this user owns", Err: err,
		}, listener.Close())
	}
	return listener, nil
}

// removeStale removes a socket file on which nobody listens.
func removeStale(ctx context.Context, address, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return explainListen(address, err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return &ListenError{
			Address: address, Reason: "there is a file of that name which is not a socket",
			Mend: "choose another path, or remove the file",
		}
	}
	dialer := net.Dialer{Timeout: probeTimeout}
	conn, err := dialer.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		_ = conn.Close() // it was only opened to see whether it opens
		return &ListenError{
			Address: address, Reason: "another program is listening there",
			Mend: "stop it, or choose another path", Err: syscall.EADDRINUSE,
		}
	case !errors.Is(err, syscall.ECONNREFUSED):
		return explainListen(address, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &ListenError{
			Address: address, Reason: "the socket file of a program that died cannot be removed (" + cause(err) + ")",
			Mend: "remove it, or choose another path", Err: err,
		}
	}
	return nil
}

// explainListen puts an error of the operating system into words.
func explainListen(address string, err error) error {
	e := &ListenError{Address: address, Err: err}
	var unresolved *net.DNSError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		e.Reason, e.Mend = "another program is listening there", "stop it, or choose another address"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		e.Reason, e.Mend = "this machine does not have that address", "choose one that it has, or 0.0.0.0 for all"
	case errors.Is(err, fs.ErrPermission):
		e.Reason, e.Mend = "this user may not", "choose a port above 1023, or a folder that this user may write to"
	case errors.Is(err, fs.ErrNotExist):
		e.Reason, e.Mend = "there is no such folder", "create the folder, or choose another path"
	case errors.As(err, &unresolved):
		e.Reason, e.Mend = "the host is not known", "write an IP address"
	default:
		e.Reason, e.Mend = cause(err), "choose another address"
	}
	return e
}

// cause returns the innermost words of an error: what the operating system said,
// without the layers that passed it on.
func cause(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}
