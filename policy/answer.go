package policy

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

// An answer is the headers, status and body of one kind of decision, prepared
// when the policy is compiled. It is complete but for what comes from the
// request.
type answer struct {
	status int
	body   string
	fields []field
}

// A field is one header of an answer.
type field struct {
	name  string
	value string
	from  valueSource
	write WriteMode
}

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
	notCORS, actual, passed [2]answer
	refusedMethod           answer
	// Indexed by how it names methods and headers.
	preflight [preflightOutcomes][listForms][listForms]answer
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
	methods     *methodRules
	headers     *headerRules
}

func (r *recipe) prepare() answers {
	a := answers{refusedMethod: r.refusedMethod()}
	for i, routeVaries := range [...]bool{false, true} {
		a.notCORS[i] = answer{fields: r.notCORS(routeVaries)}
		a.actual[i] = answer{fields: r.actual(routeVaries)}
		a.passed[i] = answer{fields: r.passed(routeVaries)}
	}
	for m := range listForms {
		for h := range listForms {
			for outcome := range preflightOutcomes {
				a.preflight[outcome][m][h] = r.preflight(outcome, m, h)
			}
		}
	}
	return a
}

// allowOrigin names the origin, and allows credentials with it where the policy
// does.
func (r *recipe) allowOrigin() []field {
	fields := make([]field, 0, 8)
	if r.constant {
		fields = append(fields, field{name: headerAllowOrigin, value: "*"})
	} else {
		fields = append(fields, field{name: headerAllowOrigin, from: fromOrigin})
	}
	if r.credentials {
		fields = append(fields, field{name: headerAllowCredentials, value: "true"})
	}
	return fields
}

// actual is what an allowed actual request's response gets, whoever makes it.
func (r *recipe) actual(routeVaries bool) []field {
	fields := r.allowOrigin()
	if !r.credentials {
		fields = append(fields, field{name: headerAllowCredentials, value: noCredentials, write: WriteReplace})
	}
	if r.expose != "" {
		fields = append(fields, field{name: headerExposeHeaders, value: r.expose})
	} else {
		fields = append(fields, field{name: headerExposeHeaders, value: nothingMore, write: WriteReplace})
	}
	fields = r.appendTiming(fields)
	fields = r.appendResource(fields)
	return r.appendVary(fields, routeVaries)
}

func (r *recipe) appendTiming(fields []field) []field {
	switch {
	case r.timing == nil:
		return fields
	case !*r.timing:
		return append(fields, field{name: headerTimingAllow, value: nobody, write: WriteReplace})
	case r.constant:
		return append(fields, field{name: headerTimingAllow, value: "*"})
	}
	return append(fields, field{name: headerTimingAllow, from: fromOrigin})
}

// appendResource says which pages may load the response without CORS. It is not
// a matter of the request's origin.
func (r *recipe) appendResource(fields []field) []field {
	if r.resource == "" {
		return fields
	}
	return append(fields, field{name: headerResourcePolicy, value: r.resource})
}

// appendVary adds Vary to a response of the service, beside its own.
func (r *recipe) appendVary(fields []field, routeVaries bool) []field {
	if !r.varies || routeVaries {
		return fields
	}
	return append(fields, field{name: headerVary, value: varyOrigin, write: WriteAppend})
}

// notCORS is what a request gets that is not cross-origin: where the answer is
// the same for all it stands on every response, so that caches may share it
// (Fetch standard, section "CORS protocol and HTTP caches").
func (r *recipe) notCORS(routeVaries bool) []field {
	if r.constant {
		return r.actual(routeVaries)
	}
	return r.appendVary(r.appendResource(nil), routeVaries)
}

// passed lets a response through and makes sure that the service grants nothing
// by itself.
func (r *recipe) passed(routeVaries bool) []field {
	fields := []field{
		{name: headerAllowOrigin, value: nobody, write: WriteReplace},
		{name: headerAllowCredentials, value: noCredentials, write: WriteReplace},
		{name: headerExposeHeaders, value: nothingMore, write: WriteReplace},
	}
	if r.timing != nil {
		fields = append(fields, field{name: headerTimingAllow, value: nobody, write: WriteReplace})
	}
	fields = r.appendResource(fields)
	return r.appendVary(fields, routeVaries)
}

// preflight answers a preflight of an origin that may call. One that fails
// withholds the method or header, so that the browser names it, and is not to
// be remembered.
func (r *recipe) preflight(outcome preflightOutcome, methods, headers listForm) answer {
	fields := r.allowOrigin()
	switch methods {
	case listWhole:
		fields = append(fields, field{name: headerAllowMethods, value: r.methods.whole()})
	case listAsked:
		fields = append(fields, field{name: headerAllowMethods, from: fromMethod})
	}
	switch headers {
	case listWhole:
		fields = append(fields, field{name: headerAllowHeaders, value: r.headers.whole(), from: fromNames})
	case listAsked:
		fields = append(fields, field{name: headerAllowHeaders, from: fromAsked})
	}
	ok := outcome != preflightFails
	if ok && r.expose != "" {
		fields = append(fields, field{name: headerExposeHeaders, value: r.expose})
	}
	if ok && r.maxAge != "" {
		fields = append(fields, field{name: headerMaxAge, value: r.maxAge})
	}
	if outcome == preflightPrivate {
		fields = append(fields, field{name: headerPrivateNetwork, value: "true"})
	}
	vary := varyAsked
	if r.varies {
		vary = varyOrigin + ", " + varyAsked
	}
	return answer{status: r.status, fields: append(fields, field{name: headerVary, value: vary})}
}

// refusedMethod answers an actual request whose method is not allowed, so that
// the script can read why.
func (r *recipe) refusedMethod() answer {
	fields := r.allowOrigin()
	if r.varies {
		fields = append(fields, field{name: headerVary, value: varyOrigin})
	}
	fields = append(fields, field{name: headerContentType, value: contentTypeReason})
	detail := "The CORS policy " + r.name + " does not let other origins use this method here. It allows: " + r.methods.whole() + "."
	return answer{status: statusForbidden, body: problemBody(ReasonMethodNotAllowed, detail), fields: fields}
}

const statusForbidden = 403

// refusals is what callers get who may not call at all: the same from every
// policy, so that they learn nothing about it.
type refusals struct {
	preflight, other [reasonCount]answer
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
}

func prepareRefusals() refusals {
	var r refusals
	for reason, detail := range details {
		body := problemBody(Reason(reason), detail)
		r.preflight[reason] = refusal(body, varyOrigin+", "+varyAsked)
		r.other[reason] = refusal(body, varyOrigin)
	}
	return r
}

func refusal(body, vary string) answer {
	return answer{status: statusForbidden, body: body, fields: []field{
		{name: headerVary, value: vary},
		{name: headerContentType, value: contentTypeReason},
	}}
}

// problemBody is a problem document (RFC 9457). Neither text holds a character
// that JSON must escape: the reason is one of ours, and the detail is ours but
// for names and tokens.
func problemBody(reason Reason, detail string) string {
	return `{"title":"Forbidden","status":403,"detail":"` + detail + `","reason":"` + reason.String() + `"}` + "\n"
}

// appendValue writes the value of a field.
func (f *field) appendValue(dst []byte, d *Decision) []byte {
	switch f.from {
	case fromOrigin:
		return append(dst, d.origin...)
	case fromMethod:
		return append(dst, d.requestMethod...)
	case fromNames:
		return d.Policy.headers.appendWhole(dst, f.value, d.safe)
	case fromAsked:
		return d.Policy.headers.appendAllowed(dst, d.requestHeaders)
	default:
		return append(dst, f.value...)
	}
}

// text is the value of a field as a text, which costs nothing where it is ready.
func (f *field) text(d *Decision) string {
	switch f.from {
	case fromValue:
		return f.value
	case fromOrigin:
		return d.origin
	case fromMethod:
		return d.requestMethod
	case fromNames:
		if d.safe == 0 {
			return f.value
		}
	}
	return string(f.appendValue(nil, d))
}
