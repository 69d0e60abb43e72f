package main

import "slices"

// A figure is a metric of a cell, perhaps with that of another cell taken off.
type figure struct {
	cell, metric string
	minus        string
}

// A row is one line of the table.
type row struct {
	// name is what -only selects by.
	name string
	what string
	unit string
	ours figure
	// base, unless it is zero, is what ours is divided by.
	base figure
	// sign and limit are the goal, for the ratio or, without a base, for the
	// figure itself. Without a sign the row has no goal: it is there to be known.
	sign  string
	limit float64
}

const (
	atMost  = "≤"
	atLeast = "≥"
)

func (r *row) cells() []string {
	var names []string
	for _, f := range []figure{r.ours, r.base} {
		for _, name := range []string{f.cell, f.minus} {
			if name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// rows returns the rows that are wanted, in the order of the table.
func (b *bench) rows() []row {
	var rows []row
	for _, all := range [][]row{pieceRows(), checkRows(), originRows(), envoyRows(), otherRows()} {
		for _, r := range all {
			if b.opts.only.MatchString(r.name) {
				rows = append(rows, r)
			}
		}
	}
	return rows
}

// experiments returns all experiments, in the order in which they are run.
func (b *bench) experiments() []experiment {
	return slices.Concat(
		[]experiment{b.checkExperiment()}, b.envoyExperiments(),
		[]experiment{b.reloadExperiment(), b.startExperiment(), b.piecesExperiment()})
}

func pieceRows() []row {
	return []row{
		{
			name: "wire/time", what: "wire bytes → decision → wire bytes, 10,000 origins", unit: "ns",
			ours: figure{cell: wirePiece, metric: metricNanos}, sign: atMost, limit: 600,
		},
		{
			name: "wire/allocations", what: "… allocations", unit: "",
			ours: figure{cell: wirePiece, metric: metricAllocs}, sign: atMost, limit: 0,
		},
		{
			name: "wire/check", what: "… with the metrics of a Check", unit: "ns",
			ours: figure{cell: checkPiece, metric: metricNanos},
		},
	}
}

func checkRows() []row {
	cpu := func(cell string) figure { return figure{cell: cell, metric: metricCPU} }
	return []row{
		{
			name: "check/saturated/noop", what: "CPU per Check, saturated, against the no-op server as it comes", unit: "µs",
			ours: cpu(corsgateSaturated), base: cpu(noopSaturated), sign: atMost, limit: 0.30,
		},
		{
			name: "check/saturated/tuned", what: "… against the no-op server with our tuning", unit: "µs",
			ours: cpu(corsgateSaturated), base: cpu(tunedSaturated), sign: atMost, limit: 0.50,
		},
		{
			name: "check/saturated/naive", what: "… against the naive server", unit: "µs",
			ours: cpu(corsgateSaturated), base: cpu(naiveSaturated),
		},
		{
			name: "check/open/cpu", what: "CPU per Check at 5,000/s, against the no-op", unit: "µs",
			ours: cpu(corsgateOpen), base: cpu(noopOpen), sign: atMost, limit: 0.55,
		},
		{
			name: "check/open/p99", what: "… p99, against the no-op", unit: "µs",
			ours: figure{cell: corsgateOpen, metric: metricP99}, base: figure{cell: noopOpen, metric: metricP99},
			sign: atMost, limit: 0.50,
		},
		{
			name: "check/open/tuned", what: "… CPU, against the no-op server with our tuning", unit: "µs",
			ours: cpu(corsgateOpen), base: cpu(tunedOpen),
		},
		{
			name: "check/open/naive", what: "… CPU, against the naive server", unit: "µs",
			ours: cpu(corsgateOpen), base: cpu(naiveOpen),
		},
		{
			name: "check/one-core", what: "requests a second on one core, against the no-op", unit: "/s",
			ours: figure{cell: corsgateOneCore, metric: metricRate}, base: figure{cell: noopOneCore, metric: metricRate},
			sign: atLeast, limit: 3,
		},
		{
			name: "check/client", what: "the client's own CPU per Check, saturated (in no other figure)", unit: "µs",
			ours: figure{cell: corsgateSaturated, metric: metricClientCPU},
		},
	}
}

func originRows() []row {
	nanos := func(cell string) figure { return figure{cell: cell, metric: metricNanos} }
	return []row{
		{
			name: "origins/memory", what: "1,000,000 origins and 10,000 wildcards: index, each origin", unit: "B",
			ours: figure{cell: indexPiece, metric: metricBytes}, sign: atMost, limit: 45,
		},
		{name: "origins/hit", what: "… look-up, cold, hit", unit: "ns", ours: nanos(findHit), sign: atMost, limit: 150},
		{name: "origins/miss", what: "… look-up, cold, miss", unit: "ns", ours: nanos(findMiss), sign: atMost, limit: 150},
		{name: "origins/one", what: "… look-up among 1 origin", unit: "ns", ours: nanos(findOne), sign: atMost, limit: 150},
		{
			name: "origins/live", what: "… from text to live", unit: "ms",
			ours: figure{cell: indexPiece, metric: metricTime}, sign: atMost, limit: 150,
		},
		{
			name: "origins/yaml", what: "… from YAML to live", unit: "ms",
			ours: figure{cell: yamlPiece, metric: metricTime}, sign: atMost, limit: 450,
		},
		{
			name: "origins/json", what: "… from JSON to live", unit: "ms",
			ours: figure{cell: jsonPiece, metric: metricTime}, sign: atMost, limit: 450,
		},
		{
			name: "reload/p99", what: "… p99 at 5,000/s while it is rebuilt every second, against without", unit: "µs",
			ours: figure{cell: reloadWith, metric: metricP99}, base: figure{cell: reloadWithout, metric: metricP99},
			sign: atMost, limit: 2,
		},
		{
			name: "reload/memory", what: "… peak memory meanwhile, against without", unit: "MB",
			ours: figure{cell: reloadWith, metric: metricPeak}, base: figure{cell: reloadWithout, metric: metricResident},
			sign: atMost, limit: 2.5,
		},
		{
			name: "reload/count", what: "… how often it was rebuilt in 8 s", unit: "",
			ours: figure{cell: reloadWith, metric: metricReloads},
		},
	}
}

func envoyRows() []row {
	rate := func(cell string) figure { return figure{cell: cell, metric: metricRate} }
	cpu := func(cell string) figure { return figure{cell: cell, metric: metricCPU} }
	added := func(cell string) figure { return figure{cell: cell, metric: metricP99, minus: plainOpen} }
	return []row{
		{
			name: "envoy/cpu", what: "through Envoy: CPU of Envoy and server, against a no-op server", unit: "µs",
			ours: cpu(corsgateCross), base: cpu(noopCross), sign: atMost, limit: 0.82,
		},
		{
			name: "envoy/cpu/socket", what: "… over a Unix socket", unit: "µs",
			ours: cpu(socketCross), base: cpu(noopCross), sign: atMost, limit: 0.82,
		},
		{
			name: "envoy/cpu/routes", what: "… our sample with routes", unit: "µs",
			ours: cpu(routesCross), base: cpu(noopCross), sign: atMost, limit: 0.82,
		},
		{
			name: "envoy/cpu/naive", what: "… against the naive server, whose answers are the same", unit: "µs",
			ours: cpu(corsgateCross), base: cpu(naiveCross),
		},
		{name: "envoy/cpu/none", what: "… against Envoy with no filter", unit: "µs", ours: cpu(corsgateCross), base: cpu(plainCross)},
		{
			name: "envoy/rate", what: "… requests a second, against a no-op server", unit: "/s",
			ours: rate(corsgateCross), base: rate(noopCross), sign: atLeast, limit: 1.1,
		},
		{
			name: "envoy/no-origin/routes", what: "… without Origin, our sample with routes, against no filter", unit: "/s",
			ours: rate(routesBare), base: rate(plainBare), sign: atLeast, limit: 0.97,
		},
		{
			name: "envoy/no-origin/skip", what: "… without Origin, our sample with SkipFilter, against no filter", unit: "/s",
			ours: rate(skipBare), base: rate(plainBare), sign: atLeast, limit: 0.85,
		},
		{
			name: "envoy/same-origin/routes", what: "… Sec-Fetch-Site: same-origin, our sample with routes, against no filter", unit: "/s",
			ours: rate(routesSame), base: rate(plainSame), sign: atLeast, limit: 0.85,
		},
		{
			name: "envoy/same-origin/skip", what: "… Sec-Fetch-Site: same-origin, our sample with SkipFilter, against no filter", unit: "/s",
			ours: rate(skipSame), base: rate(plainSame), sign: atLeast, limit: 0.85,
		},
		{
			name: "envoy/p99", what: "… p99 that the filter adds at 1,000/s, against a no-op server", unit: "µs",
			ours: added(corsgateEnvoyOpen), base: added(noopEnvoyOpen), sign: atMost, limit: 0.6,
		},
		{
			name: "envoy/p99/socket", what: "… the same over a Unix socket", unit: "µs",
			ours: added(socketEnvoyOpen), base: added(noopEnvoyOpen),
		},
		{
			name: "envoy/cors", what: "… Envoy's own CORS filter (idle on direct responses), against no filter", unit: "µs",
			ours: cpu(corsCross), base: cpu(plainCross),
		},
		{
			name: "envoy/preflight", what: "… a preflight, against Envoy's own CORS filter with 1,000 origins", unit: "µs",
			ours: cpu(corsgatePreflight), base: cpu(corsPreflight),
		},
		{
			name: "envoy/client", what: "the client's own CPU per request (in no other figure)", unit: "µs",
			ours: figure{cell: corsgateCross, metric: metricClientCPU},
		},
	}
}

func otherRows() []row {
	return []row{{
		name: "start", what: "start to ready, 10,000 policies", unit: "ms",
		ours: figure{cell: startReady, metric: metricTime}, sign: atMost, limit: 500,
	}}
}
