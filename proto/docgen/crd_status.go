package main

// A column is what `kubectl get` shows of each object.
type column struct {
	Name        string `yaml:"name"`
	Type        string `yaml:"type"`
	Path        string `yaml:"jsonPath"`
	Priority    int    `yaml:"priority,omitempty"`
	Description string `yaml:"description,omitempty"`
}

// columns returns the columns of a kind. Kubernetes cannot count what a list
// holds, so the counts come from the status.
func columns(kind string) []column {
	var own []column
	switch kind {
	case "CorsPolicy":
		own = []column{
			{Name: "Host", Type: "string", Path: ".spec.targets[0].hosts[0]", Description: "The first host that the policy governs."},
			{Name: "Hosts", Type: "integer", Path: ".status.hosts", Description: "How many hosts the policy's targets name."},
			{Name: "Origins", Type: "integer", Path: ".status.origins", Description: "How many origins the policy lists, its sets not counted."},
			{Name: "Credentials", Type: "boolean", Path: ".spec.credentials", Description: "Whether calls may carry cookies."},
			{Name: "Enforcement", Type: "string", Path: ".spec.enforcement", Priority: 1, Description: "Whether the policy is in force; empty is ENFORCE."},
		}
	case "CorsOriginSet":
		own = []column{{Name: "Origins", Type: "integer", Path: ".status.origins", Description: "How many origins the set holds."}}
	case "CorsGuardrail":
		own = []column{{Name: "Credentials", Type: "string", Path: ".spec.credentials", Description: "Which origins calls with credentials may come from."}}
	}
	return append(own,
		column{
			Name: "Accepted", Type: "string", Path: `.status.conditions[?(@.type=="Accepted")].status`,
			Description: "Whether what the object says is in force.",
		},
		column{
			Name: "Reason", Type: "string", Path: `.status.conditions[?(@.type=="Accepted")].reason`,
			Description: "The code of the first thing that is wrong with it.",
		},
		column{Name: "Age", Type: "date", Path: ".metadata.creationTimestamp"},
	)
}

// status returns the schema of what corsgate says about an object.
func status(kind string) *openAPI {
	properties := map[string]*openAPI{
		"observedGeneration": {Type: "integer", Format: "int64", Description: "The generation of the object that the status speaks of."},
		"revision": {
			Type: "string", MaxLength: shortText,
			Description: "The revision of the set of policies with which this generation came into force, as /policies and the metrics show it.",
		},
		"conditions": {
			Type: "array", MaxItems: 8, ListType: "map", ListMapKeys: []string{"type"},
			Description: "Accepted says whether what the object says is in force; where it is not, the reason is the code of the first error and the message has all of them.",
			Items:       condition(),
		},
	}
	switch kind {
	case "CorsPolicy":
		properties["hosts"] = &openAPI{Type: "integer", Format: "int32", Description: "How many hosts the policy's targets name."}
		properties["origins"] = &openAPI{Type: "integer", Format: "int32", Description: "How many origins the policy lists, its sets not counted."}
	case "CorsOriginSet":
		properties["origins"] = &openAPI{Type: "integer", Format: "int32", Description: "How many origins the set holds."}
	}
	return &openAPI{
		Type: "object", Properties: properties,
		Description: "What corsgate says about the object. Nobody else writes it.",
	}
}

// condition is a metav1.Condition.
func condition() *openAPI {
	return &openAPI{
		Type: "object", Required: []string{"type", "status", "lastTransitionTime", "reason", "message"},
		Properties: map[string]*openAPI{
			"type":               {Type: "string", MaxLength: 316},
			"status":             {Type: "string", Enum: []string{"True", "False", "Unknown"}},
			"observedGeneration": {Type: "integer", Format: "int64"},
			"lastTransitionTime": {Type: "string", Format: "date-time"},
			"reason":             {Type: "string", MinLength: 1, MaxLength: 1024},
			"message":            {Type: "string", MaxLength: 32768},
		},
	}
}
