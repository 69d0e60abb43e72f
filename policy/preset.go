package policy

import "slices"

// A preset is what a known protocol needs.
type preset struct {
	name           string
	requestHeaders []string
	exposeHeaders  []string
}

// presets are ordered by name. Their lists are those that the protocols' own
// documents give.
var presets = []preset{
	{
		name:           "connect",
		requestHeaders: []string{"connect-protocol-version", "connect-timeout-ms", "content-type", "grpc-timeout", "x-grpc-web", "x-user-agent"},
		exposeHeaders:  []string{"grpc-message", "grpc-status", "grpc-status-details-bin"},
	},
	{
		name:           "graphql",
		requestHeaders: []string{"apollo-require-preflight", "content-type", "graphql-preflight"},
	},
	{
		name:           "grpc-web",
		requestHeaders: []string{"content-type", "grpc-timeout", "x-grpc-web", "x-user-agent"},
		exposeHeaders:  []string{"grpc-message", "grpc-status", "grpc-status-details-bin"},
	},
	{
		name:           "mcp",
		requestHeaders: []string{"content-type", "last-event-id", "mcp-protocol-version", "mcp-session-id"},
		exposeHeaders:  []string{"mcp-session-id"},
	},
	{
		name: "tus",
		requestHeaders: []string{
			"content-type", "tus-resumable", "upload-concat", "upload-defer-length", "upload-length", "upload-metadata",
			"upload-offset", "x-request-id", "x-requested-with",
		},
		exposeHeaders: []string{
			"location", "tus-extension", "tus-max-size", "tus-resumable", "tus-version", "upload-concat", "upload-defer-length",
			"upload-expires", "upload-length", "upload-metadata", "upload-offset",
		},
	},
}

func findPreset(name string) (preset, bool) {
	i := slices.IndexFunc(presets, func(p preset) bool { return p.name == name })
	if i < 0 {
		return preset{}, false
	}
	return presets[i], true
}

func presetNames() []string {
	names := make([]string, len(presets))
	for i := range presets {
		names[i] = presets[i].name
	}
	return names
}
