# `make` lists the targets.
PREFIX ?= /usr/local
DESTDIR ?=

.DEFAULT_GOAL := help
.PHONY: help build demo test bench lint fmt install prepare
.SUFFIXES:

help: ## this list
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile
	@tests/run --list | awk '{ level = $$1; $$1 = ""; printf "make %-14s%s\n", "test-" level, $$0 }'

build: ## the program, target/release/ullage
	cargo build --release

demo: ## a volume's life on this machine, as a story: made, filled until it cries, grown, deleted
	@tests/prepare demo
	@cargo build --release
	@tests/demo

test: prepare ## every level of tests, and a summary
	@tests/run

test-%: prepare
	@tests/run $*

bench: prepare ## what the driver costs beside bare system calls, and the quota API beside a bare server (as root)
	cargo bench --bench volumes
	cargo bench --bench quota

lint: test-lint ## format, clippy, rustdoc

fmt: ## formats the code
	cargo fmt

prepare: ## installs what the tests need and this machine lacks (Debian, root)
	@tests/prepare

install: build ## the program to $(DESTDIR)$(PREFIX)/bin
	install -D -m 755 target/release/ullage $(DESTDIR)$(PREFIX)/bin/ullage
