package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/source"
)

var errUnreachable = errors.New("the store cannot be reached")

// kept is a source that keeps its last good snapshot in a file.
func kept(t *testing.T, src source.Source, path string) source.Source {
	t.Helper()
	wrapped, err := source.Keep(src, path, source.KeepOptions{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return wrapped
}

// savedShop is a file that holds shopPolicy as the last good snapshot.
func savedShop(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "snapshot")
	r := start(t, kept(t, newMemory(shopPolicy), path), Options{})
	eventually(t, "it is saved", func() bool { return r.view().Snapshot.SavedAt != nil })
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRunWaitsForItsSource(t *testing.T) {
	t.Parallel()
	src := newMemory(shopPolicy)
	src.set(shopPolicy, errUnreachable)
	server, err := New(src, Options{Listen: []string{"127.0.0.1:0"}, StartTimeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- server.Run(ctx) }()
	eventually(t, "/readyz says what it waits for", func() bool {
		response := get(t, server, http.MethodGet, "/readyz", nil)
		return response.code == http.StatusServiceUnavailable && response.text == "policies are not loaded yet: the store cannot be reached\n"
	})
	if view := server.view(); view.State != "starting" || view.LastReload.Error != errUnreachable.Error() {
		t.Errorf("/policies says %q, %q", view.State, view.LastReload.Error)
	}
	src.set(shopPolicy, nil)
	eventually(t, "it is ready", func() bool { return get(t, server, http.MethodGet, "/readyz", nil).code == http.StatusOK })
	if view := server.view(); view.LastReload.Error != "" {
		t.Errorf("/policies still says %q", view.LastReload.Error)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestRunGivesUpWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newMemory(shopPolicy)
		src.set(shopPolicy, errUnreachable)
		server, err := New(src, Options{StartTimeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		err = server.loadFirst(t.Context())
		if err == nil || err.Error() != "loading policies from memory: given up after 1m0s: the store cannot be reached" {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		if took := time.Since(began); took != time.Minute {
			t.Errorf("it took %v", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := server.loadFirst(ctx); err == nil || time.Since(began) > time.Minute+2*time.Second {
			t.Errorf("with an ended context: %v", err)
		}
	})
}

func TestStartFromTheSnapshot(t *testing.T) {
	t.Parallel()
	path := savedShop(t)
	src := newMemory("")
	src.set("", errUnreachable)
	r := start(t, kept(t, src, path), Options{Admin: "127.0.0.1:0"})
	client := r.client(t)
	if got := ask(t, client, "https://shop.example"); got != "allow" {
		t.Errorf("verdict %q", got)
	}
	view := r.view()
	if !view.LastReload.OK || view.SnapshotOf == nil || view.Snapshot == nil || view.Policies[1].Position.File != "policies.yaml" {
		t.Errorf("/policies shows %+v", view)
	}
	if _, page := r.fetch(t, "/policies"); !strings.Contains(page, `"snapshotOf": "20`) {
		t.Errorf("/policies lacks the snapshot:\n%s", page)
	}
	src.change(t, otherPolicy)
	eventually(t, "the source is back", func() bool { return ask(t, client, "https://other.example") == "allow" })
	eventually(t, "the snapshot is replaced", func() bool { return r.view().Snapshot.SavedAt != nil })
	if view := r.view(); view.SnapshotOf != nil {
		t.Errorf("/policies still shows a snapshot of %v", view.SnapshotOf)
	}
	expectSeries(t, r.metrics, map[string]float64{
		"snapshot_saved_timestamp_seconds{}": unixSeconds(*r.view().Snapshot.SavedAt), "source_staleness_seconds{}": 0,
	})
}

// A replica that starts decides like those that were running when somebody broke
// what the source holds, and shows what is wrong as they do.
func TestStartFromTheSnapshotOfABrokenSource(t *testing.T) {
	t.Parallel()
	path := savedShop(t)
	src, log := newMemory(brokenPolicy), &logBuffer{}
	r := start(t, kept(t, src, path), Options{Logger: slog.New(slog.NewTextHandler(log, nil))})
	client := r.client(t)
	if got := ask(t, client, "https://shop.example"); got != "allow" {
		t.Errorf("verdict %q", got)
	}
	view := r.view()
	if view.LastReload.OK || len(view.LastReload.Problems) != 1 || view.LastReload.Problems[0].Code != "origin_path" || view.SnapshotOf == nil {
		t.Errorf("/policies shows %+v", view.LastReload)
	}
	expectSeries(t, r.metrics, map[string]float64{"last_reload_success{}": 0, "policies{}": 2, "reloads_total{result=rejected}": 1})
	if !strings.Contains(log.String(), "its last good snapshot stands in") || !strings.Contains(log.String(), "policies.yaml:6:") {
		t.Errorf("the log does not say what is wrong:\n%s", log)
	}
	src.change(t, otherPolicy)
	eventually(t, "the source is mended", func() bool { return ask(t, client, "https://other.example") == "allow" })
	eventually(t, "the metric says so", func() bool { return series(t, r.metrics.registry)["corsgate_last_reload_success{}"] == 1 })
}

func TestStartWithoutAnythingGood(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "snapshot")
	log := &logBuffer{}
	server, err := New(kept(t, newMemory(brokenPolicy), path), Options{Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	problems := policy.Problems{}
	if err := server.loadFirst(t.Context()); !errors.As(err, &problems) || len(problems) != 1 {
		t.Errorf("it started with %v", err)
	}
	if !strings.Contains(log.String(), "there is no snapshot at "+path) {
		t.Errorf("the log does not say why no snapshot stands in:\n%s", log)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("what is broken was saved")
	}
}

// A dated memory says when it was in step.
type dated struct {
	*memory

	at atomic.Pointer[time.Time]
}

func (d *dated) InStep() time.Time {
	if at := d.at.Load(); at != nil {
		return *at
	}
	return time.Time{}
}

func (d *dated) inStep(at time.Time) *dated {
	d.at.Store(&at)
	return d
}

func TestMaxStaleness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &dated{memory: newMemory(shopPolicy)}
		server, err := New(src, Options{MaxStaleness: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		if got := server.staleness(); got != 0 {
			t.Errorf("before anything is loaded it is stale by %v", got)
		}
		if err := server.loadFirst(t.Context()); err != nil {
			t.Fatal(err)
		}
		server.state.Store(stateReady)
		healthServer := health.NewServer()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			server.showStaleness(ctx, healthServer)
		}()
		expect := func(ready bool, text string) {
			t.Helper()
			time.Sleep(stalenessPeriod)
			synctest.Wait()
			response := get(t, server, http.MethodGet, "/readyz", nil)
			if (response.code == http.StatusOK) != ready || response.text != text+"\n" {
				t.Errorf("/readyz: %d %s", response.code, response.text)
			}
			answer, err := healthServer.Check(t.Context(), &healthpb.HealthCheckRequest{Service: authService})
			if err != nil || (answer.GetStatus() == healthpb.HealthCheckResponse_SERVING) != ready {
				t.Errorf("health: %v, %v", answer, err)
			}
		}
		expect(true, "ready") // never in step, it counts from when it was loaded
		src.inStep(time.Now())
		time.Sleep(58 * time.Second)
		expect(true, "ready")
		time.Sleep(time.Minute)
		expect(false, "the policies are stale: memory was in step 2m0s ago, and at most 1m0s is wanted; the last good ones still decide")
		expectSeries(t, server.metrics, map[string]float64{"source_staleness_seconds{}": 120})
		request := &policy.Request{Method: "GET", Host: "api.example", Origin: "https://shop.example"}
		if got := server.policies.live.Load().set.Decide(request); got.Verdict != policy.VerdictAllow {
			t.Errorf("verdict %v", got.Verdict)
		}
		src.inStep(time.Now())
		expect(true, "ready")
		cancel()
		<-ended
	})
}

func TestNoLimitToStaleness(t *testing.T) {
	t.Parallel()
	server, err := New((&dated{memory: newMemory(shopPolicy)}).inStep(time.Unix(1, 0)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.loadFirst(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.state.Store(stateReady)
	if response := get(t, server, http.MethodGet, "/readyz", nil); response.code != http.StatusOK {
		t.Errorf("/readyz: %d %s", response.code, response.text)
	}
	if view := server.view(); view.InStep == nil || view.InStep.Unix() != 1 {
		t.Errorf("/policies says that it was in step at %v", view.InStep)
	}
}

func TestLoadedIsTold(t *testing.T) {
	t.Parallel()
	type told struct {
		files, problems int
		good            bool
	}
	calls := make(chan told, 1)
	src := newMemory(shopPolicy)
	start(t, src, Options{Loaded: func(s source.Snapshot, problems policy.Problems, set *policy.Set) {
		calls <- told{s.Files, len(problems), set != nil}
	}})
	if got := <-calls; got != (told{1, 0, true}) {
		t.Errorf("at the start: %+v", got)
	}
	src.change(t, brokenPolicy)
	if got := <-calls; got != (told{1, 1, false}) {
		t.Errorf("after a bad change: %+v", got)
	}
	src.change(t, otherPolicy)
	if got := <-calls; got != (told{1, 0, true}) {
		t.Errorf("after a good change: %+v", got)
	}
}

// A scattered source is one whose documents have authors who do not know of each
// other.
type scattered struct{ *memory }

func (s scattered) apart(snapshot source.Snapshot) source.Snapshot {
	for i := range snapshot.Documents {
		doc := &snapshot.Documents[i]
		doc.File, doc.Created = doc.Key().String(), time.Unix(1, 0)
	}
	return snapshot
}

func (s scattered) Load(ctx context.Context) (source.Snapshot, error) {
	snapshot, err := s.memory.Load(ctx)
	return s.apart(snapshot), err
}

func (s scattered) Watch(ctx context.Context, onChange func(source.Snapshot)) error {
	return s.memory.Watch(ctx, func(snapshot source.Snapshot) { onChange(s.apart(snapshot)) })
}

// What is kept is what is in force, not what the source holds, where some of that
// had to be set aside.
func TestSnapshotOfWhatIsInForce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "snapshot")
	src := scattered{newMemory(shopPolicy)}
	first := start(t, kept(t, src, path), Options{})
	src.change(t, brokenPolicy+"---\n"+strings.Replace(otherPolicy, "api.example", "other.example", 1))
	eventually(t, "the rest of the change is in force", func() bool { return len(first.Policies().Status().Set.Policies()) == 2 })
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	src.set("", errUnreachable)
	second := start(t, kept(t, src, path), Options{})
	client := second.client(t)
	if got := ask(t, client, "https://shop.example"); got != "allow" {
		t.Errorf("what the broken policy said before: verdict %q", got)
	}
	if got, want := second.Policies().Status().Set.Revision(), first.Policies().Status().Set.Revision(); got != want {
		t.Errorf("revision %s is in force, want %s", got, want)
	}
}
