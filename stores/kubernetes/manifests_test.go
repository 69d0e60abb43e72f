package kubernetes_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/corsgate/corsgate/stores/parts"
)

// TestManifests applies what a user applies, and holds the parts against each other
// that must fit: names, ports, labels, and arguments against the program that takes
// them.
func TestManifests(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	for _, file := range []string{"rbac.yaml", "deployment.yaml", "webhook.yaml"} {
		for _, object := range readManifests(t, filepath.Join(manifests, file)) {
			c.apply(t, object)
		}
	}
	deployed := byKind(readManifests(t, filepath.Join(manifests, "deployment.yaml")))
	pod := at(t, deployed["Deployment"], "spec", "template")
	container := list(t, pod, "spec", "containers")[0].(map[string]any)
	var args []string
	for _, arg := range container["args"].([]any) {
		args = append(args, strings.ReplaceAll(arg.(string), "$(POD_NAME)", "corsgate-0"))
	}
	program, err := parts.BuildCorsgate(t.TempDir())
	must(t, err)
	if out, err := exec.CommandContext(t.Context(), program, append(args, "--print-config")...).CombinedOutput(); err != nil {
		t.Errorf("corsgate %s: %v\n%s", strings.Join(args, " "), err, out)
	}

	ports := map[string]bool{}
	for _, port := range container["ports"].([]any) {
		name, number := port.(map[string]any)["name"].(string), port.(map[string]any)["containerPort"]
		ports[name] = slices.ContainsFunc(args, func(arg string) bool { return strings.HasSuffix(arg, fmt.Sprintf(":%v", number)) })
		if !ports[name] {
			t.Errorf("nothing listens on the port %s", name)
		}
	}
	labels := at(t, pod, "metadata", "labels")
	for _, service := range []string{"corsgate", "corsgate-webhook"} {
		of := deployed["Service "+service]
		for key, value := range at(t, of, "spec", "selector") {
			if labels[key] != value {
				t.Errorf("the service %s selects no pod", service)
			}
		}
		for _, port := range list(t, of, "spec", "ports") {
			if target := port.(map[string]any)["targetPort"].(string); !ports[target] {
				t.Errorf("the service %s leads to the port %s, which there is not", service, target)
			}
		}
	}
	for _, hook := range list(t, byKind(readManifests(t, filepath.Join(manifests, "webhook.yaml")))["ValidatingWebhookConfiguration"], "webhooks") {
		service := at(t, hook.(map[string]any), "clientConfig", "service")
		if deployed["Service "+service["name"].(string)] == nil || service["namespace"] != "corsgate" {
			t.Errorf("the webhook asks the service %v", service)
		}
	}
	issued := byKind(readManifests(t, filepath.Join(manifests, "cert-manager.yaml")))["Certificate"]
	volume := list(t, pod, "spec", "volumes")[0].(map[string]any)
	if secret := at(t, volume, "secret")["secretName"]; secret != at(t, issued, "spec")["secretName"] {
		t.Errorf("the pod mounts the secret %v, which nobody makes", secret)
	}
	if account := at(t, pod, "spec")["serviceAccountName"]; account != byKind(readManifests(t, filepath.Join(manifests, "rbac.yaml")))["ServiceAccount"]["metadata"].(map[string]any)["name"] {
		t.Errorf("the pod runs as %v, who has no rights", account)
	}
}

// byKind returns objects by their kind, and by their kind and name.
func byKind(objects []*unstructured.Unstructured) map[string]map[string]any {
	all := map[string]map[string]any{}
	for _, one := range objects {
		all[one.GetKind()], all[one.GetKind()+" "+one.GetName()] = one.Object, one.Object
	}
	return all
}

func at(tb testing.TB, in map[string]any, path ...string) map[string]any {
	tb.Helper()
	found, ok, err := unstructured.NestedMap(in, path...)
	if err != nil || !ok {
		tb.Fatalf("there is no %s: %v", strings.Join(path, "."), err)
	}
	return found
}

func list(tb testing.TB, in map[string]any, path ...string) []any {
	tb.Helper()
	found, ok, err := unstructured.NestedSlice(in, path...)
	if err != nil || !ok {
		tb.Fatalf("there is no %s: %v", strings.Join(path, "."), err)
	}
	return found
}
