#!/usr/bin/env bash
# Finds or installs a compiler for wasm32-wasip1, then builds or lints the plugin; or one for wasm32-unknown-unknown, which has no
# host, and builds the studio's core.
#
# usage: scripts/wasm.sh [build|trap|lint|bench|studio]
#
# build leaves  target/wasm32-wasip1/release/fieldgate.wasm
# trap leaves   target/wasm32-wasip1/trap/fieldgate.wasm, which tests alone use: it traps where a request tells it to
# bench leaves  target/wasm32-wasip1/bench-wasm/{speed,cost,record,budget,examples/yardstick,fieldgate_naive}.wasm
# studio leaves target/wasm32-unknown-unknown/studio/fieldgate_studio.wasm
#
# The compiler, first that works: the installed target; the target that rustup adds; Debian's own Rust, which builds the
# target's library from source. FIELDGATE_WASM_RUST=debian takes the last at once.
set -euo pipefail
cd "$(dirname "$0")/.."

target=wasm32-wasip1
if [ "${1:-}" = studio ]; then target=wasm32-unknown-unknown; fi
built=${CARGO_TARGET_DIR:-target}/$target/release/fieldgate.wasm
packages=(rustc-web cargo-web rust-web-src lld wasi-libc)
# Envoy's V8 has both; the scanner's masks need the first, copies get faster with the second.
flags="-Ctarget-feature=+simd128,+bulk-memory"

say() { printf '%s\n' "wasm: $*" >&2; }
die() {
  say "$*"
  exit 1
}

target_is_installed() {
  local libraries
  libraries=$(rustc --print target-libdir --target $target 2>/dev/null) && ls "$libraries"/libstd-*.rlib >/dev/null 2>&1
}

rustup_adds_target() {
  local limit=()
  command -v rustup >/dev/null || return 1
  say "adding the target $target with rustup"
  if command -v timeout >/dev/null; then limit=(timeout 300); fi
  "${limit[@]}" rustup target add $target >/dev/null 2>&1 && target_is_installed
}

debian_is_installed() {
  local statuses
  command -v dpkg-query >/dev/null || return 1
  # It fails if one is unknown.
  statuses=$(dpkg-query -W -f '${db:Status-Abbrev}\n' "${packages[@]}" 2>/dev/null) || return 1
  ! grep -qv '^ii ' <<<"$statuses"
}

debian_installs() {
  command -v apt-get >/dev/null || return 1
  if [ "$(id -u)" != 0 ]; then
    say "as root, this would install a compiler for $target:  apt-get install --no-install-recommends ${packages[*]}"
    return 1
  fi
  say "installing ${packages[*]} (about 600 MB)"
  apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "${packages[@]}" >&2
}

# Maps the paths of this machine to the same everywhere: panics name the file that they come from, and the plugin's bytes
# should depend on its source and its compiler alone (`make reproducible`).
remap() {
  local commit
  commit=$(rustc -vV | sed -n 's/^commit-hash: //p')
  printf ' --remap-path-prefix=%s' "$PWD=/fieldgate" "${CARGO_HOME:-$HOME/.cargo}=/cargo" \
    "$(rustc --print sysroot)/lib/rustlib/src/rust=/rustc/$commit"
}

cargo=(cargo)
build_std=()
if [ "${FIELDGATE_WASM_RUST:-}" != debian ] && { target_is_installed || rustup_adds_target; }; then
  export CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS="$flags$(remap)" CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="$flags$(remap)"
  clippy=yes
elif debian_is_installed || debian_installs; then
  say "compiling with Debian's Rust"
  # Its packages hold no library for the target, but the library's source: RUSTC_BOOTSTRAP lets this compiler build it.
  export PATH=/usr/bin:$PATH RUSTC_BOOTSTRAP=1
  export CARGO_TARGET_WASM32_WASIP1_LINKER=wasm-ld CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld
  export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="$flags$(remap)"
  export CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS="-Clink-self-contained=no -L/usr/lib/wasm32-wasi $flags$(remap)"
  build_std=("-Zbuild-std=std,panic_abort")
  clippy=no
else
  die "no Rust compiler for $target: run 'rustup target add $target' (https://rustup.rs) and try again"
fi

case ${1:-build} in
  build)
    "${cargo[@]}" build --release -p fieldgate-plugin --locked --target $target "${build_std[@]}"
    say "$built: $(wc -c <"$built") bytes"
    ;;
  trap)
    "${cargo[@]}" build --profile trap -p fieldgate-plugin --features trap --locked --target $target "${build_std[@]}"
    ;;
  bench)
    "${cargo[@]}" build --profile bench-wasm -p fieldgate-benches --bin speed --bin cost --bin record --bin budget --example yardstick --locked \
      --target $target "${build_std[@]}"
    # By itself, so that it gets no feature of the others' libraries.
    "${cargo[@]}" build --profile bench-wasm -p fieldgate-naive --locked --target $target "${build_std[@]}"
    ;;
  studio)
    "${cargo[@]}" build --profile studio -p fieldgate-studio --lib --locked --target $target "${build_std[@]}"
    ;;
  lint)
    if [ $clippy = yes ]; then
      "${cargo[@]}" clippy -p fieldgate -p fieldgate-plugin --lib --locked --target $target -- -D warnings
      "${cargo[@]}" clippy -p fieldgate -p fieldgate-plugin --lib --locked --target $target --features trap -- -D warnings
    else
      # Debian's Rust is without clippy: the compiler's own warnings, and the native clippy for all but the plugin.
      "${cargo[@]}" check --release -p fieldgate-plugin --locked --target $target "${build_std[@]}" -Zwarnings --config 'build.warnings="deny"'
    fi
    ;;
  *) die "usage: scripts/wasm.sh [build|trap|lint|bench|studio]" ;;
esac
