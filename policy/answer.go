package policy

import (
	"maps"
	"strings"
)

// Headers of the CORS protocol (Fetch standard, section "HTTP responses"), and
// those that go with it.
const (
	headerAllowOrigin      = "access-control-allow-origin"
	headerAllowCredentials = "access-control-allow-credentials"
	headerAllowMethods     = "access-control-allow-methods"
	headerAllowHeaders     = "access-control-allow-headers"
	headerExposeHeaders    = "access-control-expose-headers"
	headerMaxAge           = "access-control-max-age"
	headerPrivateNetwork   = "access-control-allow-private-network"
	headerTimingAllow      = "timing-allow-origin"
	headerResourcePolicy   = "cross-origin-resource-policy"
	headerVary             = "vary"
	headerContentType      = "content-type"
)

// Values that grant nothing, for headers with which the service itself would
// grant what the policy does not.
const (
	nobody            = "https://corsgate.invalid"
	noCredentials     = "false"
	nothingMore       = "Content-Type" // every script may read it as it is
	varyOrigin        = "Origin"
	varyAsked         = "Access-Control-Request-Method, Access-Control-Request-Headers"
	contentTypeReason = "application/problem+json"
)

// An Answer is the headers, status and body of one kind of decision, prepared
// when its set is compiled. It is complete but for what comes from the request,
// so that a transport can prepare its own form of it once. The caller must not
// change it.
type Answer struct {
	// ID counts from zero within the set, without a gap.
	ID int
	// Status is that of our own answer, or zero where the request goes on to the
	// service.
	Status int
	Body   string
	Fields []Field
}

// A Field is one header of an answer.
type Field struct {
	// Name is in lower case.
	Name  string
	Write WriteMode

	value string
	from  valueSource
}

// Value is the header's value, where it is the same for every request.
func (f *Field) Value() (value string, constant bool) { return f.value, f.from == fromValue }

// valueSource is where a field's value comes from.
type valueSource uint8

const (
	// fromValue is the prepared value.
	fromValue valueSource = iota
	// fromOrigin is the request's origin, which was parsed and allowed.
	fromOrigin
	// fromMethod is the method asked for, a token that is allowed.
	fromMethod
	// fromNames is the prepared list and the safelisted headers asked for.
	fromNames
	// fromAsked is those of the headers asked for that are allowed.
	fromAsked
)

// answers is all that a policy can answer.
type answers struct {
	// Indexed by whether the route adds Vary itself.
	notCORS, actual, passed [2]*Answer
	refusedMethod           *Answer
	// Indexed by how it names methods and headers. Forms that the policy's lists
	// cannot take are nil.
	preflight [preflightOutcomes][listForms][listForms]*Answer
}

// preflightOutcome is how a preflight of an origin that may call comes out.
type preflightOutcome uint8

const (
	preflightFails preflightOutcome = iota
	preflightSucceeds
	// preflightPrivate succeeds and lets the caller into a private network.
	preflightPrivate

	preflightOutcomes
)

// A recipe is what a policy's answers are made of.
type recipe struct {
	name        string
	constant    bool // the same answer for every origin
	varies      bool // the answer depends on the origin
	credentials bool
	expose      string // empty for none
	maxAge      string // empty for none
	status      int    // of preflights
	timing      *bool
	resource    string // empty for none
	private     bool
	methods     *methodRules
	headers     *headerRules
}

// A press numbers answers as they are made. Policies that say the same of what
// answers hold share theirs: of thousands of policies, most are alike.
type press struct {
	// made is how many numbers were given out, and needed how many there were when
	// all answers were made that a set has: those of policies that are gone by now
	// are out of use.
	made, needed int
	shared       map[recipeKey]answers
	// borrowed says that shared belongs to an earlier set.
	borrowed bool
}

// again returns a press that goes on where another ended.
func (p *press) again() press {
	return press{made: p.made, needed: p.needed, shared: p.shared, borrowed: true}
}

// A recipeKey is equal for recipes whose answers are.
type recipeKey struct {
	constant, varies, credentials, private bool
	expose, maxAge, resource               string
	status                                 int
	hasTiming, timing                      bool
	methods, headers                       string
	methodRules, headerRules               listRules
}

// listRules is what answers depend on beside the list itself.
type listRules struct{ any, short bool }

func (r *recipe) key() recipeKey {
	return recipeKey{
		constant: r.constant, varies: r.varies, credentials: r.credentials, private: r.private,
		expose: r.expose, maxAge: r.maxAge, resource: r.resource, status: r.status,
		hasTiming: r.timing != nil, timing: r.timing != nil && *r.timing,
		methods: strings.Join(r.methods.list, listSeparator), methodRules: listRules{r.methods.any, r.methods.short},
		headers: strings.Join(r.headers.list, listSeparator), headerRules: listRules{r.headers.any, r.headers.short},
	}
}

func (p *press) make(status int, body string, fields []Field) *Answer {
	a := &Answer{ID: p.made, Status: status, Body: body, Fields: fields}
	p.made++
	return a
}

// prepare makes all answers of a policy. Only one of them names it.
func (r *recipe) prepare(p *press) answers {
	key := r.key()
	a, ok := p.shared[key]
	if !ok {
		a = r.prepareShared(p)
		switch {
		case p.shared == nil:
			p.shared = map[recipeKey]answers{}
		case p.borrowed:
			p.shared = maps.Clone(p.shared)
		}
		p.borrowed = false
		p.shared[key] = a
	}
	a.refusedMethod = r.refusedMethod(p)
	return a
}

// barred is the recipe of a policy that lets nobody in: what is not cross-origin
// learns that the answer depends on the origin, and nothing else.
func (r *recipe) barred() *recipe {
	return &recipe{name: r.name, varies: true, status: r.status, methods: &methodRules{}, headers: &headerRules{}}
}

func (r *recipe) prepareShared(p *press) answers {
	var a answers
	for i, routeVaries := range [...]bool{false, true} {
		a.notCORS[i] = p.make(0, "", r.notCORS(routeVaries))
		a.actual[i] = p.make(0, "", r.actual(routeVaries))
		a.passed[i] = p.make(0, "", r.passed(routeVaries))
	}
	outcomes := preflightOutcomes
	if !r.private {
		outcomes = preflightPrivate
	}
	for outcome := range outcomes {
		for _, m := range r.methods.forms(r.credentials) {
			for _, h := range r.headers.forms() {
				a.preflight[outcome][m][h] = p.make(r.status, "", r.preflight(outcome, m, h))
			}
		}
	}
	return a
}

// allowOrigin names the origin, and allows credentials with it where the policy
// does.
func (r *recipe) allowOrigin() []Field {
	fields := make([]Field, 0, 8)
	if r.constant {
		fields = append(fields, Field{Name: headerAllowOrigin, value: "*"})
	} else {
		fields = append(fields, Field{Name: headerAllowOrigin, from: fromOrigin})
	}
	if r.credentials {
		fields = append(fields, Field{Name: headerAllowCredentials, value: "true"})
	}
	return fields
}

// actual is what an allowed actual request's response gets, whoever makes it.
func (r *recipe) actual(routeVaries bool) []Field {
	fields := r.allowOrigin()
	if !r.credentials {
		fields = append(fields, Field{Name: headerAllowCredentials, value: noCredentials, Write: WriteReplace})
	}
	if r.expose != "" {
		fields = append(fields, Field{Name: headerExposeHeaders, value: r.expose})
	} else {
		fields = append(fields, Field{Name: headerExposeHeaders, value: nothingMore, Write: WriteReplace})
	}
	fields = r.appendTiming(fields)
	fields = r.appendResource(fields)
	return r.appendVary(fields, routeVaries)
}

func (r *recipe) appendTiming(fields []Field) []Field {
	switch {
	case r.timing == nil:
		return fields
	case !*r.timing:
		return append(fields, Field{Name: headerTimingAllow, value: nobody, Write: WriteReplace})
	case r.constant:
		return append(fields, Field{Name: headerTimingAllow, value: "*"})
	}
	return append(fields, Field{Name: headerTimingAllow, from: fromOrigin})
}

// appendResource says which pages may load the response without CORS. It is not
// a matter of the request's origin.
func (r *recipe) appendResource(fields []Field) []Field {
	if r.resource == "" {
		return fields
	}
	return append(fields, Field{Name: headerResourcePolicy, value: r.resource})
}

// appendVary adds Vary to a response of the service, beside its own.
func (r *recipe) appendVary(fields []Field, routeVaries bool) []Field {
	if !r.varies || routeVaries {
		return fields
	}
	return append(fields, Field{Name: headerVary, value: varyOrigin, Write: WriteAppend})
}

// notCORS is what a request gets that is not cross-origin: where the answer is
// the same for all it stands on every response, so that caches may share it
// (Fetch standard, section "CORS protocol and HTTP caches").
func (r *recipe) notCORS(routeVaries bool) []Field {
	if r.constant {
		return r.actual(routeVaries)
	}
	return r.appendVary(r.appendResource(nil), routeVaries)
}

// passed lets a response through and makes sure that the service grants nothing
// by itself.
func (r *recipe) passed(routeVaries bool) []Field {
	fields := []Field{
		{Name: headerAllowOrigin, value: nobody, Write: WriteReplace},
		{Name: headerAllowCredentials, value: noCredentials, Write: WriteReplace},
		{Name: headerExposeHeaders, value: nothingMore, Write: WriteReplace},
	}
	if r.timing != nil {
		fields = append(fields, Field{Name: headerTimingAllow, value: nobody, Write: WriteReplace})
	}
	fields = r.appendResource(fields)
	return r.appendVary(fields, routeVaries)
}

// preflight answers a preflight of an origin that may call. One that fails
// withholds the method or header, so that the browser names it, and is not to
// be remembered.
func (r *recipe) preflight(outcome preflightOutcome, methods, headers listForm) []Field {
	fields := r.allowOrigin()
	switch methods {
	case listWhole:
		fields = append(fields, Field{Name: headerAllowMethods, value: r.methods.whole()})
	case listAsked:
		fields = append(fields, Field{Name: headerAllowMethods, from: fromMethod})
	}
	switch headers {
	case listWhole:
		fields = append(fields, Field{Name: headerAllowHeaders, value: r.headers.whole(), from: fromNames})
	case listAsked:
		fields = append(fields, Field{Name: headerAllowHeaders, from: fromAsked})
	}
	ok := outcome != preflightFails
	if ok && r.expose != "" {
		fields = append(fields, Field{Name: headerExposeHeaders, value: r.expose})
	}
	if ok && r.maxAge != "" {
		fields = append(fields, Field{Name: headerMaxAge, value: r.maxAge})
	}
	if outcome == preflightPrivate {
		fields = append(fields, Field{Name: headerPrivateNetwork, value: "true"})
	}
	vary := varyAsked
	if r.varies {
		vary = varyOrigin + ", " + varyAsked
	}
	return append(fields, Field{Name: headerVary, value: vary})
}

// refusedMethod answers an actual request whose method is not allowed, so that
// the script can read why.
func (r *recipe) refusedMethod(p *press) *Answer {
	fields := r.allowOrigin()
	if r.varies {
		fields = append(fields, Field{Name: headerVary, value: varyOrigin})
	}
	fields = append(fields, Field{Name: headerContentType, value: contentTypeReason})
	detail := "The CORS policy " + r.name + " does not let other origins use this method here. It allows: " + r.methods.whole() + "."
	return p.make(statusForbidden, problemBody(ReasonMethodNotAllowed, detail), fields)
}

const statusForbidden = 403

// refusals is what callers get who may not call at all: the same from every
// policy, so that they learn nothing about it.
type refusals struct {
	preflight, other [reasonCount]*Answer
}

// details says each refusal in words.
var details = [reasonCount]string{
	ReasonOriginMalformed:     "The Origin header does not hold one origin.",
	ReasonOriginNull:          "The origin null may not call this API.",
	ReasonOriginNotAllowed:    "This origin may not call this API.",
	ReasonOriginExcluded:      "This origin may not call this API.",
	ReasonCrossSiteNavigation: "This API takes no form posts from this origin.",
	ReasonNoPolicy:            "No CORS policy governs this request.",
	ReasonUnknownPolicy:       "The CORS policy that this route names is not loaded.",
	ReasonGuardrail:           "The CORS policy of this API is not in force.",
}

func prepareRefusals(p *press) refusals {
	var r refusals
	for reason, detail := range details {
		if detail == "" {
			continue // no refusal
		}
		body := problemBody(Reason(reason), detail)
		r.preflight[reason] = p.refusal(body, varyOrigin+", "+varyAsked)
		r.other[reason] = p.refusal(body, varyOrigin)
	}
	return r
}

func (p *press) refusal(body, vary string) *Answer {
	return p.make(statusForbidden, body, []Field{
		{Name: headerVary, value: vary},
		{Name: headerContentType, value: contentTypeReason},
	})
}

// problemBody is a problem document (RFC 9457). Neither text holds a character
// that JSON must escape: the reason is one of ours, and the detail is ours but
// for names and tokens.
func problemBody(reason Reason, detail string) string {
	return `{"title":"Forbidden","status":403,"detail":"` + detail + `","reason":"` + reason.String() + `"}` + "\n"
}
