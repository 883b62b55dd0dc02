# `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
ARGS ?=
# Many tests wait for what another process does in its own time: on few cores, more at once are sooner done.
export RUST_TEST_THREADS ?= $(shell cores=$$(nproc 2>/dev/null || echo 1); echo $$((cores > 4 ? cores : 4)))

## build: the page and the server, in the development profile
.PHONY: build
build: page
	cargo build --locked

## run: build everything and serve the page on http://localhost:8080 (ARGS="--help" for the settings)
.PHONY: run
run: build
	cargo run --locked --quiet -- serve $(ARGS)

## demo: three people talk; see what each saw and what the server kept
.PHONY: demo
demo:
	cargo run --locked --quiet -- demo

## release: the server with the page in it, optimised, as target/dist/letterbox
.PHONY: release
release: page
	cargo build --locked --profile dist

## page: the browser client, into web/dist
.PHONY: page
page:
	scripts/page.sh

## test: install what testing needs, then run every check and every test
.PHONY: test
test: tools check test-rust test-wasm test-web test-browser

.PHONY: tools
tools:
	scripts/tools.sh

## test-rust: the tests in Rust, on SQLite and PostgreSQL
.PHONY: test-rust
test-rust: build
	cargo test --locked --workspace

## test-wasm: the published vectors again, as the page runs them
.PHONY: test-wasm
test-wasm:
	scripts/wasm-tests.sh

## test-web: the page's unit tests
.PHONY: test-web
test-web: page
	cd web && npm test

## test-browser: two people in real browsers, on SQLite and PostgreSQL
.PHONY: test-browser
test-browser: build tests/browser/node_modules
	cd tests/browser && npm test

tests/browser/node_modules: tests/browser/package-lock.json
	cd tests/browser && npm ci --no-audit --no-fund
	touch $@

## check: formatting, lints, licences, generated files
.PHONY: check
check: page
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --quiet
	cargo deny --log-level error check bans licenses sources
	cd web && npm run lint && npm run typecheck

## advisories: known vulnerabilities in dependencies (fetches the advisory database)
.PHONY: advisories
advisories:
	cargo deny check advisories

## bench: sends a second beside the same rows written straight to the database, and what tokens cost
.PHONY: bench
bench:
	cargo bench --locked

## privacy: how well an adversary guesses who writes to whom, into docs/privacy-harness.md (minutes)
.PHONY: privacy
privacy:
	cargo test --locked --test tests -- --ignored --exact privacy::harness::the_table

## screenshots: every screen at 390 and 1280 px, into screenshots/
.PHONY: screenshots
screenshots: build tests/browser/node_modules
	scripts/tools.sh
	cd tests/browser && npm run screenshots

## docs: the server's and the protocol's reference, into target/doc
.PHONY: docs
docs:
	cargo doc --locked --workspace --no-deps

## help: this list
.PHONY: help
help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)
