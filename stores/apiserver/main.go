// Command apiserver is the real kube-apiserver, built from Kubernetes' own modules, so that the tests of corsgate's
// Kubernetes source need neither a cluster nor a download. It is a module of its own: what Kubernetes requires weighs on
// nobody who does not run these tests.
package main

import (
	"os"

	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() {
	os.Exit(cli.Run(app.NewAPIServerCommand()))
}
