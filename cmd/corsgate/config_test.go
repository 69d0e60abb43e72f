package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

// configure resolves settings as `serve` does, and returns what
// --print-config would print, or the error.
func configure(t *testing.T, environ []string, args ...string) (string, error) {
	t.Helper()
	settings := newServeSettings()
	command := &cobra.Command{Use: "serve"}
	settings.addFlags(command)
	if err := command.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	config, err := settings.resolve(command.Flags(), environ)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	if err := config.print(&out); err != nil {
		t.Fatal(err)
	}
	return out.String(), nil
}

// lineOf returns the line of one setting.
func lineOf(config, name string) string {
	for line := range strings.Lines(config) {
		if strings.HasPrefix(line, name+":") {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

func configFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestConfigDefaults(t *testing.T) {
	t.Parallel()
	got, err := configure(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := `policy: [] # default
etcd: [] # default
etcd-prefix: "/corsgate/" # default
etcd-user: "" # default
etcd-password-file: "" # default
etcd-ca: "" # default
etcd-cert: "" # default
etcd-key: "" # default
kubernetes: false # default
kubeconfig: "" # default
kubernetes-namespace: [] # default
snapshot: "" # default
max-staleness: "0s" # default
start-timeout: "1m" # default
listen: ["127.0.0.1:9191"] # default
admin: "127.0.0.1:9192" # default
admin-host: [] # default
admin-tls-cert: "" # default
admin-tls-key: "" # default
admin-tls-client-ca: "" # default
access: "" # default
replica-id: "" # default
socket-mode: "0660" # default
no-policy: "deny" # default
resync: "10s" # default
tls-cert: "" # default
tls-key: "" # default
tls-client-ca: "" # default
tls-min-version: "1.2" # default
webhook: "" # default
webhook-tls-cert: "" # default
webhook-tls-key: "" # default
drain-delay: "5s" # default
drain-timeout: "10s" # default
max-connection-age: "5m" # default
max-message-bytes: 4194304 # default
log-level: "info" # default
log-format: "json" # default
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
}

func TestConfigPrecedence(t *testing.T) {
	t.Parallel()
	file := configFile(t, "corsgate.yaml", "drain-delay: 1s\nlisten: [127.0.0.1:1, 127.0.0.1:2]\nadmin: 127.0.0.1:3\n")
	fromFile, env := "--config="+file, func(name, value string) []string { return []string{"CORSGATE_" + name + "=" + value} }
	tests := map[string]struct {
		environ []string
		args    []string
		setting string
		want    string
	}{
		"file over default":             {nil, []string{fromFile}, "drain-delay", `drain-delay: "1s" # file ` + file},
		"environment over file":         {env("DRAIN_DELAY", "2s"), []string{fromFile}, "drain-delay", `drain-delay: "2s" # environment CORSGATE_DRAIN_DELAY`},
		"flag over environment":         {env("DRAIN_DELAY", "2s"), []string{fromFile, "--drain-delay=3s"}, "drain-delay", `drain-delay: "3s" # flag --drain-delay`},
		"environment over default":      {env("DRAIN_DELAY", "0s"), nil, "drain-delay", `drain-delay: "0s" # environment CORSGATE_DRAIN_DELAY`},
		"the file by the environment":   {env("CONFIG", file), nil, "drain-delay", `drain-delay: "1s" # file ` + file},
		"the file's flag over that":     {env("CONFIG", "none.yaml"), []string{fromFile}, "drain-delay", `drain-delay: "1s" # file ` + file},
		"a list in a file":              {nil, []string{fromFile}, "listen", `listen: ["127.0.0.1:1","127.0.0.1:2"] # file ` + file},
		"a list in the environment":     {env("LISTEN", "127.0.0.1:4, unix:///x"), []string{fromFile}, "listen", `listen: ["127.0.0.1:4","unix:///x"] # environment CORSGATE_LISTEN`},
		"a list in flags":               {env("LISTEN", "127.0.0.1:4"), []string{"--listen=127.0.0.1:5", "--listen=127.0.0.1:6"}, "listen", `listen: ["127.0.0.1:5","127.0.0.1:6"] # flag --listen`},
		"an empty variable":             {env("ADMIN", ""), []string{fromFile}, "admin", `admin: "" # environment CORSGATE_ADMIN`},
		"an empty flag":                 {nil, []string{fromFile, "--admin="}, "admin", `admin: "" # flag --admin`},
		"variables of others":           {[]string{"CORSGATEX=1", "PATH=/", "XCORSGATE_A=1"}, nil, "admin", `admin: "127.0.0.1:9192" # default`},
		"a service in Kubernetes":       {[]string{"CORSGATE_SERVICE_HOST=10.0.0.1", "CORSGATE_SERVICE_PORT=9191", "CORSGATE_SERVICE_PORT_GRPC=9191", "CORSGATE_PORT=tcp://10.0.0.1:9191", "CORSGATE_PORT_9191_TCP=tcp://10.0.0.1:9191", "CORSGATE_PORT_9191_TCP_ADDR=10.0.0.1"}, nil, "admin", `admin: "127.0.0.1:9192" # default`},
		"on in a file":                  {nil, []string{"--config=" + configFile(t, "on.yaml", "kubernetes: true\n")}, "kubernetes", "kubernetes: true # file "},
		"on in the environment":         {env("KUBERNETES", "true"), nil, "kubernetes", "kubernetes: true # environment CORSGATE_KUBERNETES"},
		"on as a flag":                  {env("KUBERNETES", "false"), []string{"--kubernetes"}, "kubernetes", "kubernetes: true # flag --kubernetes"},
		"off as a flag":                 {env("KUBERNETES", "true"), []string{"--kubernetes=false"}, "kubernetes", "kubernetes: false # flag --kubernetes"},
		"another service in Kubernetes": {[]string{"CORSGATE_ADMIN_SERVICE_HOST=10.0.0.1", "CORSGATE_ADMIN_PORT_80_TCP_PROTO=tcp"}, nil, "admin", `admin: "127.0.0.1:9192" # default`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, err := configure(t, test.environ, test.args...)
			if err != nil {
				t.Fatal(err)
			}
			got := lineOf(config, test.setting)
			if strings.HasSuffix(test.want, " # file ") {
				got = got[:min(len(got), len(test.want))] // the file is any
			}
			if got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestConfigForms(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"c.yaml": "policy: policies/\nmax-message-bytes: 5000000\n",
		"c.yml":  "policy: [policies/]\nmax-message-bytes: \"5000000\"\n",
		"c.toml": "policy = ['policies/']\nmax-message-bytes = 5000000\n",
		"c.json": `{"policy": ["policies/"], "max-message-bytes": 5000000}`,
	} {
		config, err := configure(t, nil, "--config", configFile(t, name, content))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := lineOf(config, "policy") + lineOf(config, "max-message-bytes"); !strings.HasPrefix(got, `policy: ["policies/"] # file`) || !strings.Contains(got, "max-message-bytes: 5000000 # file") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// What --print-config prints is a configuration file.
func TestPrintedConfigCanBeRead(t *testing.T) {
	t.Parallel()
	first, err := configure(t, []string{`CORSGATE_POLICY=a "b" #c,d: e`}, "--socket-mode=0600", "--max-connection-age=1h", "--admin=")
	if err != nil {
		t.Fatal(err)
	}
	file := configFile(t, "printed.yaml", first)
	second, err := configure(t, nil, "--config", file)
	if err != nil {
		t.Fatalf("%v in:\n%s", err, first)
	}
	values := func(config string) (out []string) {
		for line := range strings.Lines(config) {
			out = append(out, line[:strings.LastIndex(line, " # ")])
		}
		return out
	}
	if diff := cmp.Diff(values(first), values(second)); diff != "" {
		t.Errorf("printed (-first +second):\n%s", diff)
	}
}

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		file    string
		content string
		environ []string
		want    []string
	}{
		"unknown keys": {"c.yaml", "lisen: x\nfrobnicate:\ntls:\n  cert: x\n", nil, []string{
			`the configuration file FILE has an unknown key "frobnicate"; serve --help lists the settings`,
			`the configuration file FILE has an unknown key "lisen"; did you mean listen?`,
			`the configuration file FILE has an unknown key "tls"; did you mean tls-cert?`,
		}},
		"unknown variables": {"c.yaml", "", []string{"CORSGATE_DRAINDELAY=5s", "CORSGATE_FROBNICATE=1"}, []string{
			"the environment variable CORSGATE_DRAINDELAY sets nothing; did you mean CORSGATE_DRAIN_DELAY?",
			"the environment variable CORSGATE_FROBNICATE sets nothing; serve --help lists the settings",
		}},
		"wrong values": {"c.yaml", "drain-delay: 5\nlog-level: loud\nsocket-mode: 0999\nadmin: [a]\nno-policy: true\nlisten: [1]\nresync: {a: 1}\n", nil, []string{
			`listen, from file FILE: entry 1 is 1; it must be text`,
			`admin, from file FILE: it is a list; it must be a single value`,
			`socket-mode, from file FILE: "999" will not do; it must be octal digits of permissions, such as "0660" (in a file, between quotation marks)`,
			`no-policy, from file FILE: it is true or false; it must be a single value`,
			`resync, from file FILE: it is a mapping; it must be a single value`,
			`drain-delay, from file FILE: "5" will not do; it must be a duration with its unit, such as 500ms, 5s or 2m`,
			`log-level, from file FILE: "loud" will not do; it must be debug, info, warn or error`,
		}},
		"neither on nor off": {"c.yaml", "kubernetes: yes\n", []string{"CORSGATE_KUBERNETES="}, []string{
			`kubernetes, from environment CORSGATE_KUBERNETES: "" will not do; it must be true or false`,
		}},
		"no value": {"c.yaml", "policy:\nAdmin:\n", nil, []string{
			`the configuration file FILE has no value for "Admin"; write one, or leave it out`,
			`the configuration file FILE has no value for "policy"; write one, or leave it out`,
		}},
		"a wrong variable": {"c.yaml", "", []string{"CORSGATE_DRAIN_DELAY=soon"}, []string{
			`drain-delay, from environment CORSGATE_DRAIN_DELAY: "soon" will not do; it must be a duration with its unit, such as 500ms, 5s or 2m`,
		}},
		"another form": {"c.ini", "", nil, []string{"the configuration file FILE has an unknown form; name it *.yaml, yml, toml or json"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := configFile(t, test.file, test.content)
			config, err := configure(t, test.environ, "--config", file)
			if err == nil {
				t.Fatalf("no error, but:\n%s", config)
			}
			got := strings.Split(strings.ReplaceAll(err.Error(), file, "FILE"), "\n")
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
		})
	}
	for name, file := range map[string]string{
		"not there": filepath.Join(t.TempDir(), "none.yaml"),
		"not YAML":  configFile(t, "c.yaml", "a: [b\n"),
		"twice":     configFile(t, "c.yaml", "admin: a\nadmin: b\n"),
	} {
		_, err := configure(t, nil, "--config", file)
		if err == nil || !strings.HasPrefix(err.Error(), "the configuration file "+file+" cannot be read: ") || strings.Count(err.Error(), file) != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDurationText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"0s", "500ms", "5s", "1m30s", "5m", "10m", "1h", "20h", "1h30m", "1h0m5s"} {
		var d duration
		if err := d.Set(text); err != nil || d.String() != text {
			t.Errorf("%s became %s (%v)", text, d.String(), err)
		}
	}
}
