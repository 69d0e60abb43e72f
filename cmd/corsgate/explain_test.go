package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/policy/explain"
	"github.com/corsgate/corsgate/policy/source"
	"github.com/corsgate/corsgate/server"
)

const explainPolicies = "testdata/explain/policies"

// asked is a question that is refused.
func asked(more ...string) []string {
	return append([]string{"explain", "--origin", "https://shop.example", "--url", "https://api.shop.example/v1/orders", "--method", "DELETE", "--header", "X-Csrf-Token"}, more...)
}

// The JSON of each kind of answer stands as a golden file: its shape is stable.
func TestExplainJSON(t *testing.T) {
	t.Parallel()
	chrome := "Access to fetch at 'https://api.shop.example/v1/orders' from origin 'https://evil.example' has been blocked by CORS policy: " +
		"Response to preflight request doesn't pass access control check: No 'Access-Control-Allow-Origin' header is present on the requested resource."
	for name, args := range map[string][]string{
		"refused": asked("--policy", explainPolicies, "--credentials"),
		"allowed": {
			"explain", "--policy", explainPolicies, "--origin", "https://www.partner.example", "--url", "https://api.shop.example/v1/orders",
			"--method", "POST", "--header", "Content-Type", "--credentials",
		},
		"no_policy": {"explain", "--policy", explainPolicies, "--origin", "https://shop.example", "--url", "https://nowhere.example/v1/orders"},
		"null":      {"explain", "--policy", explainPolicies, "--origin", "null", "--url", "https://api.shop.example/v1/orders"},
		"hidden":    {"explain", "--policy", explainPolicies, "--origin", "https://shop.example", "--url", "https://api.shop.example/v1/orders", "--read-header", "ETag"},
		"reported":  {"explain", "--policy", explainPolicies, "--origin", "https://evil.example", "--url", "https://trial.shop.example/"},
		"barred":    {"explain", "--policy", explainPolicies + "/../guarded", "--origin", "https://shop.example", "--url", "https://api.shop.example/v1/orders"},
		"console":   {"explain", "--console", "TypeError: Failed to fetch"},
		"console_explained": {
			"explain", "--policy", explainPolicies, "--console", chrome, "--method", "PUT",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := run(t, "", append(args, "-o", "json")...)
			if got.Code != exitOK || got.Err != "" {
				t.Fatalf("%+v", got)
			}
			golden := filepath.Join("testdata", "explain", name+".json")
			if *updateExplain {
				if err := os.WriteFile(golden, []byte(got.Out), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(read(t, golden), got.Out); diff != "" {
				t.Errorf("differs from %s (-want +got); -update-explain writes it anew:\n%s", golden, diff)
			}
		})
	}
}

// Every field of the JSON stands in docs/explain.md.
func TestExplainDocsFields(t *testing.T) {
	t.Parallel()
	doc := read(t, explainDocs)
	files, err := filepath.Glob("testdata/explain/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(err, files)
	}
	for _, file := range files {
		var value any
		if err := json.Unmarshal([]byte(read(t, file)), &value); err != nil {
			t.Fatal(err)
		}
		eachKey(value, func(key string) {
			if !strings.Contains(doc, key) {
				t.Errorf("docs/explain.md does not mention %q, of %s", key, file)
			}
		})
	}
}

func eachKey(value any, f func(string)) {
	switch value := value.(type) {
	case map[string]any:
		for key, below := range value {
			f(key)
			eachKey(below, f)
		}
	case []any:
		for _, below := range value {
			eachKey(below, f)
		}
	}
}

func TestExplainExitCodes(t *testing.T) {
	t.Parallel()
	bad := folder(t, "bad.yaml", badPolicy)
	allowed := []string{"explain", "--policy", explainPolicies, "--origin", "https://shop.example", "--url", "https://api.shop.example/v1/orders"}
	for name, test := range map[string]struct {
		args []string
		code int
		err  string
	}{
		"refused":                 {asked("--policy", explainPolicies), exitOK, ""},
		"refused, --exit-code":    {asked("--policy", explainPolicies, "--exit-code"), exitFailed, ""},
		"allowed, --exit-code":    {append(allowed, "--exit-code"), exitOK, ""},
		"left to the service":     {[]string{"explain", "--policy", explainPolicies, "--origin", "https://shop.example", "--url", "https://trial.shop.example", "--exit-code"}, exitFailed, ""},
		"no policies":             {asked(), exitUsage, "corsgate: no policies given; name a file or a folder with --policy PATH, or a running corsgate with --server ADDRESS\nRun 'corsgate explain --help' for how it is used.\n"},
		"both":                    {asked("--policy", explainPolicies, "--server", "127.0.0.1:9192"), exitUsage, "corsgate: --policy and --server are both given; the policies of which?\nRun 'corsgate explain --help' for how it is used.\n"},
		"all that is wrong":       {[]string{"explain", "--policy", explainPolicies, "--mode", "x"}, exitUsage, "corsgate: no origin; say where the page comes from, such as https://shop.example\ncorsgate: no URL; say what the page calls, such as https://api.shop.example/v1/orders\ncorsgate: mode is \"x\"; it must be one of cors, no-cors, navigate, websocket\nRun 'corsgate explain --help' for how it is used.\n"},
		"a mistyped flag":         {[]string{"explain", "--origi", "x"}, exitUsage, "corsgate: there is no flag --origi; did you mean --origin?\nRun 'corsgate explain --help' for how it is used.\n"},
		"invalid policies":        {asked("--policy", bad), exitInvalid, "DIR/bad.yaml:7:13: spec.origins[0]: \"https://shop.example/path\" has a path, and an origin ends with its host or port; write \"https://shop.example\" [origin_path]\nDIR/bad.yaml:14:16: spec.credentials: wants true or false, found the text \"yes\"; write true [wrong_type]\ncorsgate: 2 errors; nothing can be explained before they are mended\n"},
		"no server":               {asked("--server", "unix:///nowhere/corsgate.sock"), exitFailure, "corsgate: no corsgate can be asked at unix:///nowhere/corsgate.sock: there is no such socket; give the address of its --admin, by default 127.0.0.1:9192\n"},
		"not an address":          {asked("--server", "%zz"), exitUsage, "corsgate: --server \"%zz\" is not the address of a server; write http://host:port or https://host:port, as in http://127.0.0.1:9192, or unix:///path\nRun 'corsgate explain --help' for how it is used.\n"},
		"an argument":             {asked("more"), exitUsage, "corsgate: explain takes no arguments, and got \"more\"\nRun 'corsgate explain --help' for how it is used.\n"},
		"console and --exit-code": {[]string{"explain", "--console", "TypeError: Failed to fetch", "--exit-code"}, exitFailed, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := run(t, bad, test.args...)
			if got.Code != test.code || got.Err != test.err || (test.err == "") == (got.Out == "") {
				t.Errorf("%+v, want %d and %q", got, test.code, test.err)
			}
		})
	}
}

func TestExplainNoPolicyPass(t *testing.T) {
	t.Parallel()
	got := run(t, "", "explain", "--policy", explainPolicies, "--no-policy", "pass", "--origin", "https://shop.example", "--url", "https://nowhere.example/")
	if got.Code != exitOK || !strings.HasPrefix(got.Out, "corsgate leaves it to the service whether https://shop.example may GET") {
		t.Errorf("%+v", got)
	}
}

// A running corsgate explains as the command does with the same policies.
func TestExplainServer(t *testing.T) {
	t.Parallel()
	for name, more := range map[string][]string{
		"text": nil, "JSON": {"-o", "json"}, "all": {"--credentials", "--read-header", "ETag", "--upload-listener", "--stream", "--fetch-site", "same-site"},
		"named": {"--policy-name", "trial"}, "console": {"--console", "TypeError: Failed to fetch"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			explainBoth(t, explainPolicies, asked(more...))
		})
	}
	t.Run("barred", func(t *testing.T) {
		t.Parallel()
		explainBoth(t, explainPolicies+"/../guarded", []string{"explain", "--origin", "https://shop.example", "--url", "https://api.shop.example/v1/orders"})
	})
}

// explainBoth compares what a command says with files and with a server of them.
func explainBoth(t *testing.T, policies string, args []string) {
	t.Helper()
	local, remote := run(t, "", append(args, "--policy", policies)...), run(t, "", append(args, "--server", serveFiles(t, policies))...)
	if diff := cmp.Diff(local, remote); diff != "" || local.Code != exitOK {
		t.Errorf("(-files +server):\n%s", diff)
	}
}

// serveFiles runs a server with policies, and returns the address of its admin
// listener.
func serveFiles(t *testing.T, policies string) string {
	t.Helper()
	ready, finished := make(chan server.Bound, 1), make(chan error, 1)
	files := source.NewFile([]string{policies}, source.FileOptions{})
	instance, err := server.New(files, server.Options{
		Listen: []string{"127.0.0.1:0"}, Admin: "127.0.0.1:0", Ready: func(bound server.Bound) { ready <- bound },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() { finished <- instance.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-finished; err != nil {
			t.Error(err)
		}
	})
	select {
	case bound := <-ready:
		return bound.Admin.String()
	case err := <-finished:
		finished <- err
		t.Fatal(err)
		return ""
	}
}

// What is not corsgate is said not to be.
func TestExplainOtherServers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"no such page": {http.NotFound, "what answers at ADDRESS knows no /explain: it is another program, or an older corsgate"},
		"an error": {
			func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, "policies are not loaded yet\nmore", http.StatusServiceUnavailable)
			},
			"corsgate at ADDRESS does not explain (status 503): policies are not loaded yet",
		},
		"no JSON": {
			func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") },
			"what answers at ADDRESS is not corsgate's admin listener: reading the explanation: invalid character 'h' looking for beginning of value",
		},
		"too long": {
			func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusRequestHeaderFieldsTooLarge) },
			"the question is too long for ADDRESS; name fewer headers",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			other := &http.Server{Handler: test.handler}
			finished := make(chan struct{})
			go func() { _ = other.Serve(listener); close(finished) }()
			t.Cleanup(func() { _ = other.Close(); <-finished })
			address := listener.Addr().String()
			got := run(t, "", asked("--server", "http://"+address+"/")...)
			want := outcome{Code: exitFailure, Err: "corsgate: " + strings.ReplaceAll(test.want, "ADDRESS", "http://"+address) + "\n"}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestExplainColour(t *testing.T) {
	if showsColour(&bytes.Buffer{}) {
		t.Error("a buffer is no terminal")
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	if showsColour(file) {
		t.Error("a file is no terminal")
	}
	// A device stands in for a terminal, which a test has none of.
	device, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = device.Close() })
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	if !showsColour(device) {
		t.Error("a terminal shows colours")
	}
	t.Setenv("NO_COLOR", "1")
	if showsColour(device) {
		t.Error("NO_COLOR is not heeded")
	}
}

func TestExplainHelp(t *testing.T) {
	t.Parallel()
	got := run(t, "", "explain", "--help")
	for _, mode := range explain.Modes() {
		if !strings.Contains(got.Out, mode) {
			t.Errorf("the help does not mention the mode %s", mode)
		}
	}
	if got.Code != exitOK || !strings.Contains(got.Out, "exits with 4") {
		t.Errorf("%+v", got)
	}
}
