package server

import (
	"strings"
	"time"

	"github.com/corsgate/corsgate/policy"
	corsgatev1 "github.com/corsgate/corsgate/proto/corsgate/v1"
)

// View is what /policies shows, and its JSON. Fields are added to it, and none
// changes its meaning.
type View struct {
	// State is "starting", "ready" or "draining".
	State string `json:"state"`
	// Version is this program's.
	Version string `json:"version"`
	// Source is where policies come from.
	Source string `json:"source"`
	// Revision is of the set in force.
	Revision string `json:"revision"`
	// LoadedAt is when that set came into force.
	LoadedAt *time.Time `json:"loadedAt,omitempty"`
	// Files and OriginSets count what the set was made from.
	Files      int `json:"files"`
	OriginSets int `json:"originSets"`
	// Barred counts the policies that do what a guardrail forbids.
	Barred int `json:"barred"`
	// StoreRevision is the source's own number of the last change in force. It is
	// absent where the source does not count its changes.
	StoreRevision int64 `json:"storeRevision,omitempty"`
	// InStep is when it was known last that the source holds nothing newer than
	// what was read. It is absent where that is always known, as of files.
	InStep *time.Time `json:"inStep,omitempty"`
	// SnapshotOf says that what is in force comes from the snapshot file, and when
	// that was in step with the source.
	SnapshotOf *time.Time `json:"snapshotOf,omitempty"`
	// Snapshot is how the file of the last good snapshot stands. It is absent where
	// there is none.
	Snapshot *SnapshotView `json:"snapshot,omitempty"`
	// NoPolicy is what becomes of cross-origin requests that no policy governs.
	NoPolicy string `json:"noPolicy"`
	// LastReload is how the last attempt to load policies went.
	LastReload Reload `json:"lastReload"`
	// Exceptions are the dangers that policies take upon themselves, with the
	// reasons that they give.
	Exceptions []policy.Exception `json:"exceptions"`
	// Guardrails are what no policy in their reach may do, by name.
	Guardrails []GuardrailView `json:"guardrails"`
	// Policies are those in force, and those that are barred, by name.
	Policies []PolicyView `json:"policies"`
}

// Reload is how an attempt to load policies went.
type Reload struct {
	// OK says that what the source holds is in force.
	OK bool `json:"ok"`
	// At is when it was.
	At *time.Time `json:"at,omitempty"`
	// Error says why nothing could be read.
	Error string `json:"error,omitempty"`
	// Problems are errors, which kept the set before in force, and warnings.
	Problems policy.Problems `json:"problems"`
}

// SnapshotView is how the file of the last good snapshot stands.
type SnapshotView struct {
	// SavedAt is when it was written last. It is absent where it was not since the
	// program started.
	SavedAt *time.Time `json:"savedAt,omitempty"`
	// Error says why what is in force could not be saved.
	Error string `json:"error,omitempty"`
}

// PolicyView is one policy in force, as its document says it.
type PolicyView struct {
	// Name is the full name, the namespace included.
	Name        string          `json:"name"`
	Namespace   string          `json:"namespace,omitempty"`
	Position    policy.Position `json:"position"`
	Enforcement string          `json:"enforcement"`
	Targets     []TargetView    `json:"targets"`
	// Breaches is what the policy does that guardrails forbid. With any of them it
	// lets nobody in.
	Breaches policy.Problems `json:"breaches,omitempty"`

	Origins       []string `json:"origins"`
	OriginSets    []string `json:"originSets,omitempty"`
	OriginRegexes []string `json:"originRegexes,omitempty"`
	// TemporaryOrigins are as the document has them, those that are over too.
	TemporaryOrigins []TemporaryOriginView `json:"temporaryOrigins,omitempty"`
	ExcludeOrigins   []string              `json:"excludeOrigins,omitempty"`
	Methods          []string              `json:"methods"`
	RequestHeaders   []string              `json:"requestHeaders,omitempty"`
	Presets          []string              `json:"presets,omitempty"`
	ExposeHeaders    []string              `json:"exposeHeaders,omitempty"`
	Credentials      bool                  `json:"credentials"`
	MaxAge           string                `json:"maxAge,omitempty"`
	// PreflightStatus and TimingAllowOrigin are absent where the document does
	// not set them.
	PreflightStatus   *int32 `json:"preflightStatus,omitempty"`
	TimingAllowOrigin *bool  `json:"timingAllowOrigin,omitempty"`

	OnDisallowedOrigin string `json:"onDisallowedOrigin"`
	Navigations        string `json:"navigations"`
}

// GuardrailView is a guardrail, as its document says it, and whom it reaches.
type GuardrailView struct {
	Name     string          `json:"name"`
	Position policy.Position `json:"position"`
	// Policies are the full names of those in its reach.
	Policies []string `json:"policies"`

	// Namespaces and Hosts are absent where the guardrail holds for all.
	Namespaces []string `json:"namespaces,omitempty"`
	Hosts      []string `json:"hosts,omitempty"`

	OriginSuffixes   []string `json:"originSuffixes,omitempty"`
	ForbiddenOrigins []string `json:"forbiddenOrigins,omitempty"`
	// Credentials is ALLOW, EXACT_HTTPS or NEVER.
	Credentials             string   `json:"credentials"`
	NoOriginRegexes         bool     `json:"noOriginRegexes,omitempty"`
	NoPlainHTTP             bool     `json:"noPlainHttp,omitempty"`
	NoExceptions            bool     `json:"noExceptions,omitempty"`
	MaxAge                  string   `json:"maxAge,omitempty"`
	ForbiddenMethods        []string `json:"forbiddenMethods,omitempty"`
	ForbiddenRequestHeaders []string `json:"forbiddenRequestHeaders,omitempty"`
	ForbiddenExposeHeaders  []string `json:"forbiddenExposeHeaders,omitempty"`
	// AnyOrigin is who may let any origin in. It is absent where every policy may.
	AnyOrigin *AnyOriginView `json:"anyOrigin,omitempty"`
}

// AnyOriginView is which policies may let any origin in.
type AnyOriginView struct {
	Policies []string `json:"policies"`
}

// TemporaryOriginView is an origin that may call until a day comes.
type TemporaryOriginView struct {
	Origin string `json:"origin"`
	Until  string `json:"until"`
}

// TargetView is some of the requests that a policy governs.
type TargetView struct {
	Hosts []string `json:"hosts"`
	Paths []string `json:"paths,omitempty"`
}

// view returns what there is to show now.
func (s *Server) view() *View {
	status := s.policies.Status()
	view := &View{
		State:    stateWord(s.state.Load()),
		Version:  s.options.Build.Version,
		Source:   s.source.String(),
		Files:    status.Files,
		NoPolicy: dispositionWord(s.options.Policy.NoPolicy == policy.DispositionPass),
		LastReload: Reload{
			OK:       status.Set != nil && !status.Stale(),
			At:       moment(status.AttemptedAt),
			Problems: append(policy.Problems{}, status.Problems...),
		},
		Exceptions: []policy.Exception{},
		Guardrails: []GuardrailView{},
		Policies:   []PolicyView{},
	}
	if status.Failure != nil {
		view.LastReload.Error = status.Failure.Error()
	}
	if waiting := s.waiting.Load(); waiting != nil {
		view.LastReload.Error = (*waiting).Error()
	}
	s.viewFreshness(view, status)
	if status.Set == nil {
		return view
	}
	view.Revision = status.Set.Revision()
	view.LoadedAt = moment(status.LoadedAt)
	view.OriginSets = status.Set.OriginSets()
	view.Exceptions = append(view.Exceptions, status.Set.Exceptions()...)
	view.Barred = len(status.Set.Barred())
	for _, one := range status.Set.Guardrails() {
		view.Guardrails = append(view.Guardrails, viewGuardrail(one))
	}
	for _, one := range status.Set.Policies() {
		view.Policies = append(view.Policies, viewPolicy(one))
	}
	return view
}

// viewPolicy returns one policy, with what its document leaves out spelled out.
func viewPolicy(p *policy.Policy) PolicyView {
	spec := p.Spec()
	view := PolicyView{
		Name:               p.Name,
		Namespace:          p.Namespace,
		Position:           p.Position,
		Enforcement:        p.Enforcement.String(),
		Targets:            []TargetView{},
		Breaches:           p.Breaches(),
		Origins:            append([]string{}, spec.GetOrigins()...),
		OriginSets:         spec.GetOriginSets(),
		OriginRegexes:      spec.GetOriginRegexes(),
		ExcludeOrigins:     spec.GetExcludeOrigins(),
		Methods:            spec.GetMethods(),
		RequestHeaders:     spec.GetRequestHeaders(),
		Presets:            spec.GetPresets(),
		ExposeHeaders:      spec.GetExposeHeaders(),
		Credentials:        spec.GetCredentials(),
		MaxAge:             spec.GetMaxAge(),
		PreflightStatus:    spec.PreflightStatus,
		TimingAllowOrigin:  spec.TimingAllowOrigin,
		OnDisallowedOrigin: dispositionWord(spec.GetOnDisallowedOrigin() == corsgatev1.Disposition_DISPOSITION_PASS),
		Navigations:        dispositionWord(spec.GetNavigations() == corsgatev1.Disposition_DISPOSITION_PASS),
	}
	if len(view.Methods) == 0 {
		view.Methods = []string{"GET", "HEAD", "POST"}
	}
	for _, one := range spec.GetTemporaryOrigins() {
		view.TemporaryOrigins = append(view.TemporaryOrigins, TemporaryOriginView{Origin: one.GetOrigin(), Until: one.GetUntil()})
	}
	for _, target := range spec.GetTargets() {
		view.Targets = append(view.Targets, TargetView{Hosts: target.GetHosts(), Paths: target.GetPaths()})
	}
	return view
}

// viewGuardrail returns one guardrail.
func viewGuardrail(g *policy.Guardrail) GuardrailView {
	spec := g.Spec()
	view := GuardrailView{
		Name:                    g.Name,
		Position:                g.Position,
		Policies:                []string{},
		Namespaces:              spec.GetNamespaces(),
		Hosts:                   spec.GetHosts(),
		OriginSuffixes:          spec.GetOriginSuffixes(),
		ForbiddenOrigins:        spec.GetForbiddenOrigins(),
		Credentials:             "ALLOW",
		NoOriginRegexes:         spec.GetNoOriginRegexes(),
		NoPlainHTTP:             spec.GetNoPlainHttp(),
		NoExceptions:            spec.GetNoExceptions(),
		MaxAge:                  spec.GetMaxAge(),
		ForbiddenMethods:        spec.GetForbiddenMethods(),
		ForbiddenRequestHeaders: spec.GetForbiddenRequestHeaders(),
		ForbiddenExposeHeaders:  spec.GetForbiddenExposeHeaders(),
	}
	for _, one := range g.Reach() {
		view.Policies = append(view.Policies, one.Name)
	}
	if c := spec.GetCredentials(); c != corsgatev1.GuardrailCredentials_GUARDRAIL_CREDENTIALS_UNSPECIFIED {
		view.Credentials = strings.TrimPrefix(c.String(), "GUARDRAIL_CREDENTIALS_")
	}
	if spec.GetAnyOrigin() != nil {
		view.AnyOrigin = &AnyOriginView{Policies: append([]string{}, spec.GetAnyOrigin().GetPolicies()...)}
	}
	return view
}

func stateWord(state int32) string {
	switch state {
	case stateReady:
		return "ready"
	case stateDraining:
		return "draining"
	default:
		return "starting"
	}
}

func dispositionWord(pass bool) string {
	if pass {
		return "PASS"
	}
	return "DENY"
}

// moment returns a time to show, or nil for one that has not been.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Millisecond)
	return &t
}
