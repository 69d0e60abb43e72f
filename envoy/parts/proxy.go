package parts

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A Proxy is a running Envoy.
type Proxy struct {
	*Process

	// Admin is the host and port of its admin interface.
	Admin string
	// Listeners holds the host and port of each listener by its name.
	Listeners map[string]string
}

// Start runs an Envoy with a bootstrap, in YAML or JSON, and waits until it is
// live. The folder dir receives what Envoy writes; give each Envoy its own.
//
// The bootstrap's admin address and its listeners may have port 0: the ports
// that Envoy then chose are in what Start returns. Envoy ends with ctx, or when
// the caller stops it.
func Start(ctx context.Context, bootstrap []byte, dir string) (*Proxy, error) {
	binary, err := Envoy(ctx)
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "bootstrap.yaml")
	if err := os.WriteFile(config, bootstrap, 0o600); err != nil {
		return nil, fmt.Errorf("write Envoy's bootstrap: %w", err)
	}
	adminFile := filepath.Join(dir, "admin-address")
	process, err := launch(ctx, "Envoy", dir, binary,
		"--config-path", config,
		"--admin-address-path", adminFile,
		"--disable-hot-restart",
		"--concurrency", "1",
		"--log-level", "warning",
		// The access log is buffered for ten seconds otherwise.
		"--file-flush-interval-msec", "20",
	)
	if err != nil {
		return nil, err
	}
	p := &Proxy{Process: process}
	if err := p.settle(ctx, adminFile); err != nil {
		if stop := p.Kill(); stop != nil {
			return nil, fmt.Errorf("%w; %w", err, stop)
		}
		return nil, err
	}
	return p, nil
}

// settle waits until Envoy serves, and learns its addresses.
func (p *Proxy) settle(ctx context.Context, adminFile string) error {
	err := p.await(ctx, "to be live", func(ctx context.Context) (bool, error) {
		text, err := os.ReadFile(adminFile)
		if err != nil {
			return false, fmt.Errorf("learn the admin address: %w", err)
		}
		p.Admin = strings.TrimSpace(string(text))
		body, err := fetch(ctx, "http://"+p.Admin+"/ready")
		return strings.TrimSpace(body) == "LIVE", err
	})
	if err != nil {
		return err
	}
	return p.learnListeners(ctx)
}

func (p *Proxy) learnListeners(ctx context.Context) error {
	body, err := fetch(ctx, "http://"+p.Admin+"/listeners?format=json")
	if err != nil {
		return fmt.Errorf("ask Envoy for its listeners: %w", err)
	}
	var answer struct {
		Statuses []struct {
			Name    string `json:"name"`
			Address struct {
				Socket struct {
					Host string `json:"address"`
					Port int    `json:"port_value"`
				} `json:"socket_address"`
			} `json:"local_address"`
		} `json:"listener_statuses"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return fmt.Errorf("read Envoy's listeners: %w", err)
	}
	p.Listeners = make(map[string]string, len(answer.Statuses))
	for _, s := range answer.Statuses {
		p.Listeners[s.Name] = net.JoinHostPort(s.Address.Socket.Host, strconv.Itoa(s.Address.Socket.Port))
	}
	return nil
}

// Stats returns Envoy's counters and gauges whose names match an RE2 expression.
func (p *Proxy) Stats(ctx context.Context, filter string) (map[string]int64, error) {
	body, err := fetch(ctx, "http://"+p.Admin+"/stats?format=json&type=All&filter="+url.QueryEscape(filter))
	if err != nil {
		return nil, fmt.Errorf("ask Envoy for its statistics: %w", err)
	}
	var answer struct {
		Stats []struct {
			Name  string          `json:"name"`
			Value json.RawMessage `json:"value"`
		} `json:"stats"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return nil, fmt.Errorf("read Envoy's statistics: %w", err)
	}
	stats := make(map[string]int64, len(answer.Stats))
	for _, s := range answer.Stats {
		// Histograms have no name, and text readouts no number.
		if n, err := strconv.ParseInt(string(s.Value), 10, 64); err == nil && s.Name != "" {
			stats[s.Name] = n
		}
	}
	return stats, nil
}

// AccessLog returns the lines that Envoy's access log has written to its
// standard output so far. Envoy writes them a moment after the response.
func (p *Proxy) AccessLog() ([]string, error) {
	text, err := p.Output()
	if err != nil {
		return nil, err
	}
	whole := text[:strings.LastIndexByte(text, '\n')+1]
	if whole == "" {
		return nil, nil
	}
	return strings.Split(strings.TrimSuffix(whole, "\n"), "\n"), nil
}
