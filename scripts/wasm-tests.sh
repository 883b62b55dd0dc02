#!/usr/bin/env bash
# Runs the tests of the cryptographic core as WASM, with the page's features: the published vectors are
# met there, too.
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER="node $PWD/scripts/wasm-run.mjs"
scripts/wasm-cargo.sh test --locked -p letterbox-protocol --no-default-features --lib --test crypto
