#!/usr/bin/env bash
# Runs Cargo for WASM: scripts/wasm-cargo.sh build|test ARGUMENTS…
#
# The target comes from wherever it can be had: the installed toolchain, rustup, or Debian's
# packages, whose standard library is built from source. Failing all three, the script says which
# command would help.
set -euo pipefail
cd "$(dirname "$0")/.."

target=wasm32-unknown-unknown
# SHA-2 and AES in loops, not unrolled: less to fetch, and compiled sooner.
flags="${RUSTFLAGS:-} --cfg sha2_backend_soft=\"compact\" --cfg aes_backend_soft=\"compact\""

has_target() {
  local folder
  folder=$("${RUSTC:-rustc}" --print target-libdir --target "$target" 2>/dev/null) && compgen -G "$folder/libcore-*.rlib" >/dev/null
}

# rustc-web and cargo-web install themselves as /usr/bin/rustc and /usr/bin/cargo.
debian_rustc=/usr/bin/rustc
debian_cargo=/usr/bin/cargo
has_debian() {
  [ -x "$debian_rustc" ] && [ -x "$debian_cargo" ] && command -v wasm-ld-19 >/dev/null &&
    [ -d "$("$debian_rustc" --print sysroot)/lib/rustlib/src/rust/library" ]
}

install_debian() {
  command -v apt-get >/dev/null || return 1
  local root=()
  [ "$(id -u)" = 0 ] || root=(sudo -n)
  "${root[@]}" apt-get update -q
  DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get install -y -q --no-install-recommends \
    rustc-web cargo-web rust-web-src lld-19
}

with_debian() {
  local crates=std,panic_abort
  [ "$1" != test ] || crates+=,test
  RUSTC=$debian_rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-19 \
    RUSTFLAGS=$flags "$debian_cargo" "$@" --target "$target" -Zbuild-std=$crates
}

if has_target || { command -v rustup >/dev/null && rustup target add "$target" && has_target; }; then
  RUSTFLAGS=$flags cargo "$@" --target "$target"
elif has_debian || { install_debian && has_debian; }; then
  with_debian "$@"
else
  cat >&2 <<'HELP'
The page needs Rust's wasm32-unknown-unknown target, and none was found. One of these brings it:
  rustup target add wasm32-unknown-unknown
  sudo apt-get install rustc-web cargo-web rust-web-src lld-19
HELP
  exit 1
fi
