package kubernetes_test

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/document"
)

var update = flag.Bool("update", false, "write the golden texts anew")

// TestSchema is about what the API server refuses and takes by itself, without a
// webhook.
func TestSchema(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.namespace(t, "shop")
	t.Run("refuses", func(t *testing.T) { t.Parallel(); c.refuses(t) })
	t.Run("takes what corsgate takes", func(t *testing.T) { t.Parallel(); c.takes(t) })
	t.Run("refuses unknown fields", func(t *testing.T) { t.Parallel(); c.strict(t) })
}

// refuses applies objects with one fault each. What the API server says stands
// beside them, and corsgate refuses them too, with the same code where the message
// has one.
func (c *cluster) refuses(t *testing.T) {
	t.Helper()
	files, err := filepath.Glob("testdata/refused/*.yaml")
	must(t, err)
	if len(files) == 0 {
		t.Fatal("there is nothing to refuse")
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		must(t, err)
		object := decode(t, data)[0]
		if object.GetKind() != "CorsGuardrail" {
			object.SetNamespace("shop")
		}
		said := c.tryApply(t.Context(), object)
		if said == nil {
			t.Errorf("%s was taken", file)
			continue
		}
		golden(t, strings.TrimSuffix(file, ".yaml")+".txt", said.Error()+"\n")
		problems := validate(file, data)
		if len(problems.Errors()) == 0 {
			t.Errorf("%s: corsgate itself finds nothing wrong with it", file)
		}
		for _, code := range regexp.MustCompile(`\[([a-z_]+)\]`).FindAllStringSubmatch(said.Error(), -1) {
			if !slices.ContainsFunc(problems, func(p policy.Problem) bool { return p.Code == code[1] }) {
				t.Errorf("%s: the API server says %s, corsgate itself:\n%v", file, code[1], problems)
			}
		}
	}
}

// validate returns what corsgate says about a file.
func validate(file string, data []byte) policy.Problems {
	docs, problems := document.Read(file, data)
	if len(problems) > 0 {
		return problems
	}
	_, problems = policy.Compile(docs, policy.Options{})
	return problems
}

// takes applies every good policy that there is in the repository: the schema must
// not be stricter than corsgate.
func (c *cluster) takes(t *testing.T) {
	t.Helper()
	tried := 0
	must(t, filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		name := entry.Name()
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (name == ".git" || name == ".cache" || name == "refused" || name == "deploy"):
			return filepath.SkipDir
		case entry.IsDir() || filepath.Ext(name) != ".yaml" || strings.HasSuffix(name, "_test.yaml"):
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil || len(data) > 1<<20 || !strings.Contains(string(data), "kind: Cors") || len(validate(path, data).Errors()) > 0 {
			return err
		}
		for i, object := range decode(t, data) {
			if object.GetKind() != "CorsGuardrail" {
				object.SetNamespace("shop")
			}
			object.SetName(fmt.Sprintf("good-%d-%d", tried, i))
			if err := c.tryApply(t.Context(), object); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			tried++
		}
		return nil
	}))
	if tried < 10 {
		t.Errorf("only %d good documents were found", tried)
	}
}

// strict looks at fields that the schema does not have: kubectl asks for an error, and
// to clients that do not, nothing of them is kept.
func (c *cluster) strict(t *testing.T) {
	t.Helper()
	object := decode(t, []byte(`
apiVersion: corsgate.dev/v1
kind: CorsPolicy
metadata: {name: strict, namespace: shop}
spec:
  targets: [{hosts: [strict.example]}]
  origins: ["https://shop.example"]
  excludeOrigin: ["https://legacy.shop.example"]
`))[0]
	if err := c.tryApply(t.Context(), object); err == nil || !strings.Contains(err.Error(), ".spec.excludeOrigin: field not declared in schema") {
		t.Errorf("server-side apply returned %v", err)
	}
	_, err := c.resource(object).Create(t.Context(), object, metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict})
	if err == nil || !strings.Contains(err.Error(), `unknown field "spec.excludeOrigin"`) {
		t.Errorf("create with strict validation returned %v", err)
	}
	got, err := c.resource(object).Create(t.Context(), object, metav1.CreateOptions{FieldValidation: metav1.FieldValidationIgnore})
	must(t, err)
	if _, kept, _ := unstructured.NestedFieldNoCopy(got.Object, "spec", "excludeOrigin"); kept {
		t.Error("the unknown field was kept")
	}
}

// golden compares a text with a file.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		must(t, os.WriteFile(file, []byte(got), 0o600))
		return
	}
	want, err := os.ReadFile(file)
	must(t, err)
	if got != string(want) {
		t.Errorf("%s:\n got %s\nwant %s", file, got, want)
	}
}
