#!/usr/bin/env bash
# Builds the browser client into web/dist: the WASM module, then the page around it.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/wasm.sh
cd web
if [ ! -d node_modules ] || [ package-lock.json -nt node_modules ]; then
  npm ci --no-audit --no-fund
  touch node_modules
fi
npm run build
