# `make` lists the targets.
PREFIX ?= /usr/local
DESTDIR ?=

.DEFAULT_GOAL := help
.PHONY: help build image manifests demo test e2e guest-shell bench bench-guest lint fmt install prepare
.SUFFIXES:

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9%-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile
	@tests/run --list | awk '{ level = $$1; $$1 = ""; printf "make %-14s%s\n", "test-" level, $$0 }'

build: ## the program, target/release/ullage
	cargo build --release

image: ## the container image, target/image/ullage.tar, of local bases and without a registry (as root); ARCH=arm64: for that
	@tests/prepare image$(ARCH:%=-%)
	@image/build

demo: ## a volume's life on this machine, as a story: made, filled until it cries, grown, deleted
	@tests/prepare demo
	@cargo build --release
	@tests/demo

test: prepare ## every level of tests, and a summary
	@tests/run

test-%: prepare
	@tests/run $*

e2e: test-e2e ## a real Kubernetes, started here, and what a user does there

guest-shell: prepare ## a shell in the virtual machine of the tests: every capability, project quotas, and ullage
	@tests/guest/run --shell --bin ullage

manifests: prepare ## manifests/, of the chart
	@tests/chart/render

bench: prepare ## what the driver costs beside bare system calls, and the quota API beside a bare server (as root)
	@missed=0; for one in volumes limits quota; do cargo bench --bench $$one || missed=1; done; exit $$missed

bench-guest: prepare ## volumes that a limit holds beside bare system calls, in the virtual machine: only the ratios mean something
	@built=$$(cargo bench --bench limits --no-run --message-format=json | \
	  sed -n 's/.*"executable":"\([^"]*\/limits-[^"]*\)".*/\1/p') && \
	tests/guest/run --with "$$built:/usr/bin/limits" tests/guest/bench-limits

lint: test-lint ## format, clippy, rustdoc

fmt: ## formats the code
	cargo fmt

prepare: ## installs what the tests need and this machine lacks (Debian, root)
	@tests/prepare

install: build ## the program to $(DESTDIR)$(PREFIX)/bin
	install -D -m 755 target/release/ullage $(DESTDIR)$(PREFIX)/bin/ullage
