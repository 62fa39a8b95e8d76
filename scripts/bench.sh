#!/usr/bin/env bash
# Measures speed and cost, natively and in V8, and prints which targets hold.
#
# usage: scripts/bench.sh [native|v8|all] [--quick] [INPUT…]
set -euo pipefail
cd "$(dirname "$0")/.."

where=${1:-all}
[ $# -eq 0 ] || shift
case $where in
  native | v8 | all) ;;
  *)
    echo "usage: scripts/bench.sh [native|v8|all] [--quick] [INPUT…]" >&2
    exit 2
    ;;
esac

if [ "$where" != v8 ]; then
  echo "== natively"
  cargo build --quiet --release --locked --example speed --example cost
  target/release/examples/speed "$@"
  target/release/examples/cost
fi

if [ "$where" != native ]; then
  if ! command -v node >/dev/null; then
    echo "bench: no node on this machine, so nothing was measured in V8" >&2
    [ "$where" = all ] || exit 1
    exit 0
  fi
  scripts/wasm.sh bench
  echo "== in V8 $(node -p process.versions.v8)"
  # Only what V8's optimising compiler makes is measured, as a plugin that has run for a while is: on a busy machine that
  # compiler may take longer to come round than the whole bench.
  host=(node --no-warnings --no-liftoff scripts/bench.mjs)
  "${host[@]}" target/wasm32-wasip1/release/examples/speed.wasm "$@"
  "${host[@]}" target/wasm32-wasip1/release/examples/cost.wasm
fi
