#!/usr/bin/env bash
# Installs what the tests need and this machine lacks: PostgreSQL's server binaries, Chromium
# and SQLite's shell from Debian's packages, cargo-deny from crates.io. What is there already is left alone.
set -euo pipefail

packages=()
command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || packages+=(postgresql)
command -v chromium >/dev/null || packages+=(chromium)
command -v sqlite3 >/dev/null || packages+=(sqlite3)

if [ ${#packages[@]} -gt 0 ]; then
  if ! command -v apt-get >/dev/null; then
    echo "Please install: ${packages[*]} (this machine has no apt-get)" >&2
    exit 1
  fi
  root=()
  [ "$(id -u)" = 0 ] || root=(sudo)
  "${root[@]}" apt-get update -q
  DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get install -y -q --no-install-recommends "${packages[@]}"
fi

# Unoptimised: it is built in a third of the time, and runs for seconds.
command -v cargo-deny >/dev/null || cargo install --locked --debug cargo-deny
rustup component list --installed 2>/dev/null | grep -q '^clippy' || rustup component add clippy rustfmt
