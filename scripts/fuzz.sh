#!/usr/bin/env bash
# Runs each fuzz target for a bounded time, from the corpus that is committed and what earlier runs have found.
#
# usage: scripts/fuzz.sh [TARGET…]   FUZZ_SECONDS (60) is how long each runs
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${FUZZ_SECONDS:-60}
targets=("$@")
[ $# -gt 0 ] || targets=(policy_text json_split rewrite_vs_oracle lane_vs_blocks simd_vs_scalar)

if ! rustup run nightly rustc --version >/dev/null 2>&1; then
  echo "fuzz: needs a nightly compiler: rustup toolchain install nightly" >&2
  exit 1
fi
command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz

# Sanitizers are for memory; but for one small file there is no unsafe code, and without them more inputs are tried.
for target in "${targets[@]}"; do
  echo "== $target, $seconds s"
  length=4096
  [ "$target" != policy_text ] || length=16384
  cargo +nightly fuzz run --sanitizer none "$target" "fuzz/corpus/$target" -- \
    -max_total_time="$seconds" -max_len=$length -timeout=20 -print_final_stats=1 -verbosity=0
done
