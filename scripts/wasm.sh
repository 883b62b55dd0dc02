#!/usr/bin/env bash
# Builds the protocol as WASM and its JavaScript side into web/pkg.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/wasm-cargo.sh build --locked --quiet -p letterbox-wasm --lib --profile wasm
module=${CARGO_TARGET_DIR:-target}/wasm32-unknown-unknown/wasm/letterbox_wasm.wasm
cargo run --locked --quiet -p letterbox-bindgen -- "$module" web/pkg
