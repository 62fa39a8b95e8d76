#!/usr/bin/env bash
# Measures speed and cost, natively, in V8 and in a real Envoy, and prints which targets hold.
#
# usage: scripts/bench.sh [native|v8|envoy|versus|all] [--quick] [--budgets] [INPUT…]
#
# What is measured whole is kept in benches/results, which docs/performance.md shows (UPDATE_GOLDENS=1 cargo test --test design).
# versus is the head-to-head in Envoy: it writes benches/results/envoy.json, and tables and plot of docs/performance.md.
# --budgets measures in Envoy only what a budget adds.
set -euo pipefail
cd "$(dirname "$0")/.."

where=${1:-all}
[ $# -eq 0 ] || shift

# Prints what a part measures, and keeps it if nothing of it was left out.
kept() {
  local part=$1
  shift
  local said
  said=$(mktemp)
  { where_and_when; "$@"; } | tee "$said"
  if [ $# -eq 1 ] && [ "$(wc -l <"$said")" -gt 5 ]; then
    mkdir -p benches/results
    cp "$said" "benches/results/$part.txt"
  fi
  rm -f "$said"
}

where_and_when() {
  local model
  model=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
  echo "$(date +%F), $(nproc) virtual processors (${model:-of unknown make}), load average $(cut -d ' ' -f 1 /proc/loadavg)"
}

natively() {
  cargo build --quiet --release --locked -p fieldgate-cli -p fieldgate-benches --bin fieldgate --bin speed --bin cost --bin record --bin budget --bin growth
  echo "== natively"
  target/release/speed "$@"
  target/release/cost target/release/fieldgate
  target/release/growth
  target/release/record
  target/release/budget
  beside_simdjson
}

# Ours and simdjson's validating parse on one body, by turns: the median of five ratios. Both work on 128 bits.
beside_simdjson() {
  local parse=target/simdjson body=target/simdjson.json
  if ! printf '#include <simdjson.h>\nint main() {}\n' | g++ -std=c++17 -x c++ - -lsimdjson -o "$parse" 2>/dev/null; then
    echo "bench: no simdjson on this machine (apt-get install libsimdjson-dev g++): it is left out" >&2
    return
  fi
  g++ -std=c++17 -O3 benches/simdjson.cpp -lsimdjson -o "$parse"
  target/release/speed --body="$body" "customers 100 KB"
  local turns
  turns=$(for _ in 1 2 3 4 5; do
    echo "$(target/release/speed --engine=ours "customers 100 KB" | awk '/^customers 100 KB/ {print $4}') $("$parse" "$body" westmere)"
  done)
  printf '%s\n' "$turns" | awk '{print $1 / $2, $1, $2}' | sort -n | awk '
    NR == 3 {
      printf "\n%-52s%8s%8s%9s\n", "target", "is", "gate", "stretch"
      mark = $1 >= 0.8 ? "stretch holds" : $1 >= 0.68 ? "gate holds" : "MISSED"
      printf "%-53s%8.2f%8s%9s  %s\n", sprintf("ours ÷ simdjson\x27s parse (%d MB/s), customers 100 KB", $3), $1, 0.68, 0.8, mark
    }'
}

in_v8() {
  if ! command -v node >/dev/null; then
    echo "bench: no node on this machine, so nothing was measured in V8" >&2
    [ "$where" = all ]
    return
  fi
  scripts/wasm.sh bench
  echo "== in V8 $(node -p process.versions.v8)"
  # Only what V8's optimising compiler makes is measured, as a plugin that has run for a while is: on a busy machine that
  # compiler may take longer to come round than the whole bench.
  local bench=(node --no-warnings --no-liftoff scripts/bench.mjs)
  killed_when_done "${bench[@]}" target/wasm32-wasip1/bench-wasm/speed.wasm "$@"
  killed_when_done "${bench[@]}" target/wasm32-wasip1/bench-wasm/cost.wasm
  killed_when_done "${bench[@]}" target/wasm32-wasip1/bench-wasm/record.wasm
  killed_when_done "${bench[@]}" target/wasm32-wasip1/bench-wasm/budget.wasm
}

# bench.mjs kills itself once all is printed, or crashes on the way there: what counts is whether the last line is there,
# which says of a target whether it holds.
killed_when_done() {
  local said
  said=$(mktemp)
  # What the shell says of the end is no figure.
  { "$@" 2>&3 | tee "$said" || true; } 3>&2 2>/dev/null
  local last
  last=$(tail -n 1 "$said")
  rm -f "$said"
  [[ $last =~ (holds|MISSED)$ ]]
}

in_envoy() {
  local quick=()
  case " $* " in *" --quick "*) quick=(--quick) ;; esac
  case " $* " in *" --budgets "*) quick+=(--budgets) ;; esac
  scripts/envoy.sh
  scripts/wasm.sh build
  scripts/wasm.sh bench
  cargo build --quiet --release --locked -p fieldgate-benches --bin proxy
  echo "== in Envoy"
  target/release/proxy "${quick[@]}"
}

in_one_envoy() {
  scripts/envoy.sh
  scripts/wasm.sh build
  scripts/wasm.sh bench
  make module
  cargo build --quiet --release --locked -p fieldgate-benches --bin proxy
  target/release/proxy --versus "$@"
}

case $where in
  native) kept native natively "$@" ;;
  v8) kept v8 in_v8 "$@" ;;
  envoy) kept envoy in_envoy "$@" ;;
  versus) in_one_envoy "$@" ;;
  all)
    kept native natively "$@"
    kept v8 in_v8 "$@"
    kept envoy in_envoy "$@"
    ;;
  *)
    echo "usage: scripts/bench.sh [native|v8|envoy|versus|all] [--quick] [--budgets] [INPUT…]" >&2
    exit 2
    ;;
esac
