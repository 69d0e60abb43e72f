package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	admissionv1 "k8s.io/api/admission/v1"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/document"
	"github.com/corsgate/corsgate/policy/source/kubernetes"
)

// kindGuardrail is the kind of guardrails.
const kindGuardrail = "CorsGuardrail"

// notOurs allows what is no change of a policy.
func notOurs(request *admissionv1.AdmissionRequest) (verdict, bool) {
	version := request.Kind.Group + "/" + request.Kind.Version
	switch {
	case version != document.APIVersion || !slices.Contains(document.Kinds(), request.Kind.Kind):
		return verdict{allowed: true, remarks: []string{fmt.Sprintf(
			"corsgate judges the kinds of %s alone; leave %s %s out of the rules of its webhook", document.APIVersion, version, request.Kind.Kind)}}, true
	case request.SubResource != "", request.Operation == admissionv1.Connect:
		return verdict{allowed: true}, true
	}
	return verdict{}, false
}

// A change is what is asked for.
type change struct {
	file string
	// document is nil where the object is to be deleted.
	document *policy.Document
	// guardrail is the name of the guardrail that changes, if one does.
	guardrail string
}

// judge holds a change against what is in force and, where that refuses it, against
// what there is by now.
func (h *handler) judge(ctx context.Context, request *admissionv1.AdmissionRequest) verdict {
	asked, v, done := parse(request)
	if done {
		return v
	}
	docs, loaded := h.options.InForce()
	if !loaded {
		return unable("it has not loaded any policies yet; try again in a moment, or see its log")
	}
	v = h.compile(docs, asked)
	if v.allowed || h.options.Fresh == nil {
		return v
	}
	fresh, err := h.options.Fresh(ctx)
	if err != nil {
		v.remarks = append(v.remarks, "the change was held against what is in force alone, because what there is by now cannot be read: "+err.Error())
		return v
	}
	return h.compile(fresh, asked)
}

// parse finds out what is asked for. It reports true where that decides.
func parse(request *admissionv1.AdmissionRequest) (asked change, v verdict, done bool) {
	asked.file = kubernetes.FileName(request.Kind.Kind, request.Namespace, request.Name)
	if request.Kind.Kind == kindGuardrail {
		asked.guardrail = request.Name
	}
	if request.Operation == admissionv1.Delete {
		return asked, verdict{}, false
	}
	for _, raw := range [][]byte{request.Object.Raw, request.OldObject.Raw} {
		if len(raw) > maxObject || elements(raw) > maxElements {
			return asked, verdict{code: http.StatusRequestEntityTooLarge, text: fmt.Sprintf(
				"the object has more than %d MiB or %d elements, and Kubernetes keeps none that is so large; split it", maxObject>>20, maxElements)}, true //nolint:mnd // bytes to MiB
		}
	}
	var object, old map[string]any
	if err := json.Unmarshal(request.Object.Raw, &object); err != nil || object == nil {
		return asked, verdict{code: http.StatusBadRequest, text: "the review holds no object of the kind " + request.Kind.Kind}, true
	}
	if err := json.Unmarshal(request.OldObject.Raw, &old); err == nil && kubernetes.Same(object, old) {
		// A finalizer, an owner or a status: it must be possible to put an object in
		// order, or to remove it, whatever its spec says.
		return asked, verdict{allowed: true}, true
	}
	doc, problems := kubernetes.Read(object)
	if doc == nil {
		return asked, verdict{code: http.StatusUnprocessableEntity, problems: problems, file: asked.file}, true
	}
	asked.file, asked.document = doc.File, doc
	return asked, verdict{}, false
}

// elements counts what JSON holds, more or less.
func elements(raw []byte) int {
	n, quoted := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ',' || c == '[' || c == '{'):
			n++
		}
	}
	return n
}

// compile holds a change against documents. What is wrong with them already is not
// the change's fault, such as a policy that a guardrail has barred.
func (h *handler) compile(docs []policy.Document, asked change) verdict {
	mode := policy.BreachesRefused
	if asked.guardrail != "" {
		// Who may change guardrails may bar policies by it, and is told which.
		mode = policy.BreachesBarred
	}
	v := verdict{allowed: true, file: asked.file}
	problems := h.options.Compile(asked.apply(docs), mode)
	if len(problems.Errors()) > 0 {
		problems = without(problems, h.options.Compile(docs, mode).Errors())
	}
	for _, p := range problems {
		switch {
		case p.Severity == policy.SeverityError:
			v.allowed, v.code = false, http.StatusUnprocessableEntity
			v.problems = append(v.problems, p)
		case p.Position.File == asked.file, asked.guardrail != "" && p.Guardrail == asked.guardrail:
			v.problems = append(v.problems, p)
		}
	}
	if !v.allowed && asked.document == nil {
		v.text = "the object is still needed:"
	}
	return v
}

// without returns the problems that are not among some.
func without(problems, known policy.Problems) policy.Problems {
	texts := make(map[string]struct{}, len(known))
	for _, p := range known {
		texts[p.Error()] = struct{}{}
	}
	return slices.DeleteFunc(slices.Clone(problems), func(p policy.Problem) bool {
		_, old := texts[p.Error()]
		return old
	})
}

// apply returns the documents as they would be.
func (c *change) apply(docs []policy.Document) []policy.Document {
	after := make([]policy.Document, 0, len(docs)+1)
	for i := range docs {
		if docs[i].File != c.file {
			after = append(after, docs[i])
		}
	}
	if c.document != nil {
		after = append(after, *c.document)
	}
	return after
}
