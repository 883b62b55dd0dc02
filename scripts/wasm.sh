#!/usr/bin/env bash
# Builds the protocol as WASM and its JavaScript side into web/pkg.
#
# The target comes from wherever it can be had: the installed toolchain, rustup, or Debian's
# packages, whose standard library is built from source. Failing all three, the script says which
# command would help.
set -euo pipefail
cd "$(dirname "$0")/.."

target=wasm32-unknown-unknown
root=${CARGO_TARGET_DIR:-target}
build=(build --locked --quiet -p letterbox-wasm --lib --profile wasm --target "$target")

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
  DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get install -y -q --no-install-recommends \
    rustc-web cargo-web rust-web-src lld-19
}

build_with_debian() {
  RUSTC=$debian_rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-19 \
    "$debian_cargo" "${build[@]}" -Zbuild-std=std,panic_abort
}

if has_target || { command -v rustup >/dev/null && rustup target add "$target" && has_target; }; then
  cargo "${build[@]}"
elif has_debian || { install_debian && has_debian; }; then
  build_with_debian
else
  cat >&2 <<'HELP'
The page needs Rust's wasm32-unknown-unknown target, and none was found. One of these brings it:
  rustup target add wasm32-unknown-unknown
  sudo apt-get install rustc-web cargo-web rust-web-src lld-19
HELP
  exit 1
fi

cargo run --locked --quiet -p letterbox-bindgen -- "$root/$target/wasm/letterbox_wasm.wasm" web/pkg
