# Every target installs what a fresh Debian machine with root lacks, and says what to install elsewhere.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

export COLLODION_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/collodion

.PHONY: help demo test cluster cluster-down generate lint build-packages

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: build-packages ## Render the example photographs on this machine: no cluster, no S3
	@cargo run --release --package collodion -- run --file examples/imagejob.yaml --input examples/photos --output out/demo

test: build-packages ## Run all tests: units, pictures and command line, then a real cluster of three nodes
	@e2e/test

cluster: build-packages ## Start a Kubernetes of three nodes here, with S3, the operator and the example photographs
	@cargo run --bin collodion-e2e -- up

cluster-down: build-packages ## Stop that Kubernetes and remove all of it
	@cargo run --quiet --bin collodion-e2e -- down

generate: build-packages ## Rebuild generated files: CustomResourceDefinitions, golden objects and pictures
	@cargo run --quiet --package collodion-crds --bin crdgen crds/yaml
	@cp crds/yaml/*.yaml charts/collodion/files/crds/
	@UPDATE_GOLDEN=1 cargo test --quiet --package collodion-operator --test golden
	@UPDATE_GOLDEN=1 cargo test --quiet --package collodion --test engine golden

lint: build-packages ## Check formatting, clippy with warnings denied, licences and sources of dependencies
	@cargo fmt --all --check
	@cargo clippy --quiet --workspace --all-targets -- --deny warnings
	@deny=$$(.ci/cargo-deny) && "$$deny" --log-level error check bans licenses sources

build-packages:
	@.ci/packages cmake gcc g++ make nasm pkg-config
