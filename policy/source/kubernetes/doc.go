// Package kubernetes is policies that are kept in a Kubernetes cluster, as custom
// resources: CorsPolicy and CorsOriginSet in namespaces, CorsGuardrail for the
// whole cluster. The resources are defined in deploy/kubernetes/crds.yaml.
//
// A [Source] reads and watches them, and a [StatusWriter] says on each object
// whether it is in force. Objects become the documents that files hold: only their
// name, namespace, labels, annotations and spec count, and they are read as
// strictly.
//
// A cluster has many authors who do not know of each other, and no transaction
// spans two objects. So one object that cannot be read does not keep the changes
// of others from coming: what it said last stays, or, where that is not known,
// something that lets nobody call. See [Source.Load].
package kubernetes
