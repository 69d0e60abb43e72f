package fleet_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// apply --wait returns when all live replicas serve the change, and says which does
// not.
func TestApplyWaits(t *testing.T) {
	f := startFleet(t)
	edit := func(i int) string { return strings.Replace(documents, "https://shop.example", partner(i), 1) }

	out := f.command(0, edit(1), "apply", "-f", "-", "--wait")
	if !strings.Contains(out, "revision 2\nin force on 3 replicas after ") {
		t.Errorf("with all in step it writes\n%s", out)
	}
	for _, r := range f.replicas {
		if in, err := r.allowed(t.Context(), partner(1)); err != nil || !in {
			t.Errorf("%s is said to serve the change, and does not: %v", r.id, err)
		}
	}
	f.command(0, "", "status", "--check")

	// One that stands still is alive for a while, as far as the others know.
	f.replicas[2].Pause()
	out, code := f.tryCommand(0, edit(2), "apply", "-f", "-", "--wait=3s")
	want := "updated CorsPolicy shop\nrevision 3\n" +
		"corsgate: revision 3 is made, but after 3s 1 of 3 replicas does not serve it:\n" +
		"corsgate:   replica-c serves revision 2\n"
	if code != 7 || out != want {
		t.Errorf("with one paused: exit %d\n%s", code, out)
	}
	out, code = f.tryCommand(1, "", "status", "--check", "-o", "json")
	var fleet struct {
		Revision int64
		InStep   bool
		Replicas []struct {
			ID         string
			Revision   int64
			LagSeconds float64
		}
	}
	if err := json.Unmarshal([]byte(out), &fleet); err != nil {
		t.Fatal(err)
	}
	if code != 7 || fleet.InStep || fleet.Revision != 3 || len(fleet.Replicas) != 3 || fleet.Replicas[2].Revision != 2 || fleet.Replicas[2].LagSeconds <= 0 {
		t.Errorf("with one paused, status: exit %d\n%s", code, out)
	}

	// Once it has not been heard of for long, it is not alive, and nobody waits.
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := f.until(ctx, func(s *corsgatev1.StatusResponse) bool { return len(s.GetReplicas()) == 2 }); err != nil {
		t.Fatal(err)
	}
	f.command(0, edit(3), "apply", "-f", "-", "--wait")
	f.replicas[2].Resume()
	f.awaitInStep(t)
	f.command(2, "", "status", "--check")
}
