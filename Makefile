# corsgate: `make help` lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Tools are pinned in tools/go.mod, a module of their own.
TOOL := go tool -modfile=tools/go.mod
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
ENVOYS := 1.36.4 1.37.0 1.38.3 1.39.3 1.40.0
FUZZTIME ?= 30s

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  \033[1m%-14s\033[0m %s\n", $$1, $$2}'

.PHONY: demo
demo: ## See a real Envoy and a real Chromium obey one policy (DEMO_ONCE=1 ends after the table)
	@go -C envoy build -o ../bin/demo ./demo
	@exec bin/demo

.PHONY: compose-demo
compose-demo: ## The same with Docker: up, the demo's table against it, down
	@go -C envoy build -o ../bin/demo ./demo
	@exec bin/demo -compose

# The race detector needs a C compiler.
RACE := $(if $(shell command -v $$(go env CC)),-race)

.PHONY: test
test: ## All tests, on a real Envoy, real browsers, h2spec, a real etcd and a real Kubernetes API server
	@$(if $(RACE),,echo 'no C compiler: the tests run without the race detector (on Debian: apt-get install gcc libc6-dev)')
	go test $(RACE) -shuffle=on ./...
	go -C envoy test -shuffle=on ./...
	go -C conformance test -shuffle=on ./...
	go -C stores test -timeout 30m -shuffle=on ./...
	go -C envoy/peers test -run '^$$' -bench . -benchtime 10x ./...

.PHONY: test-envoys
test-envoys: ## The Envoy suite on every supported version of Envoy, as the table in docs/envoy.md
	@mkdir -p .cache
	go -C envoy run ./envoytable $(ENVOYS) | tee .cache/envoys.md
	@sed -i -e '/<!-- table -->/,/<!-- .table -->/{//!d}' -e '/<!-- table -->/r .cache/envoys.md' docs/envoy.md

.PHONY: fleet
fleet: ## 10,000 changes and 66 kills before three replicas and three etcds, as the figures in docs/fleet.md
	@mkdir -p .cache && rm -f .cache/fleet.md
	FLEET_CHANGES=$${FLEET_CHANGES:-10000} FLEET_TABLE=$(CURDIR)/.cache/fleet.md go -C stores test -count 1 -timeout 60m -v ./fleet
	@echo >> .cache/fleet.md
	@sed -i -e '/<!-- figures -->/,/<!-- .figures -->/{//!d}' -e '/<!-- figures -->/r .cache/fleet.md' docs/fleet.md

.PHONY: build
build: ## Build bin/corsgate
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/corsgate ./cmd/corsgate

.PHONY: generate
generate: ## Make the Go code and the references of the schema anew
	$(TOOL) buf generate
	$(TOOL) buf build -o - --as-file-descriptor-set | go run ./proto/docgen -go > policy/document/fielddocs_gen.go.new
	mv policy/document/fielddocs_gen.go.new policy/document/fielddocs_gen.go
	$(TOOL) buf build -o - --as-file-descriptor-set | go run ./proto/docgen > docs/policy.md.new
	mv docs/policy.md.new docs/policy.md
	$(TOOL) buf build -o - --as-file-descriptor-set | go run ./proto/docgen -tests > docs/testing.md.new
	mv docs/testing.md.new docs/testing.md
	$(TOOL) buf build -o - --as-file-descriptor-set | go run ./proto/docgen -access > docs/access.md.new
	mv docs/access.md.new docs/access.md
	$(TOOL) buf build -o - --as-file-descriptor-set | go run ./proto/docgen -crds > deploy/kubernetes/crds.yaml.new
	mv deploy/kubernetes/crds.yaml.new deploy/kubernetes/crds.yaml

.PHONY: format
format: ## Format all sources
	$(TOOL) buf format -w
	$(TOOL) golangci-lint fmt ./...
	cd envoy && go tool -modfile=../tools/go.mod golangci-lint fmt --config ../.golangci.yml ./...
	cd conformance && go tool -modfile=../tools/go.mod golangci-lint fmt --config ../.golangci.yml ./...
	cd stores && go tool -modfile=../tools/go.mod golangci-lint fmt --config ../.golangci.yml ./...

.PHONY: lint
lint: ## Lint all sources
	$(TOOL) buf lint
	$(TOOL) golangci-lint run ./...
	cd envoy && go tool -modfile=../tools/go.mod golangci-lint run --config ../.golangci.yml ./...
	cd conformance && go tool -modfile=../tools/go.mod golangci-lint run --config ../.golangci.yml ./...
	cd stores && go tool -modfile=../tools/go.mod golangci-lint run --config ../.golangci.yml ./...
	cd envoy/peers && go tool -modfile=../../tools/go.mod golangci-lint run --config ../../.golangci.yml ./...

.PHONY: bench
bench: ## Measure what docs/performance.md claims, in under ten minutes
	go -C envoy run ./bench

.PHONY: fuzz
fuzz: ## Fuzz each parser for FUZZTIME (30s)
	@set -e; for package in $$(go list ./...); do \
	  for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
	    go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package; \
	  done; done

.PHONY: check
check: generate format lint test ## Generate, format, lint and test; nothing may change by it
	git diff --exit-code
