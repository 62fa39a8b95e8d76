#!/usr/bin/env bash
# Measures `fieldgate ledger` over a log of so many megabytes, plain, gzip and zstd: how long it takes and how much memory it has
# at most. docs/ledger.md has the figures.
#
# usage: scripts/ledger.sh [MEGABYTES]     (2048)
#
# The log has a line for each response, of 1 to 40 people of 37 million, to 500 clients; one line in 100,000 is one that the plugin
# did not write. It is made anew each time, and goes away.
set -euo pipefail
cd "$(dirname "$0")/.."

megabytes=${1:-2048}
say() { printf '%s\n' "ledger: $*" >&2; }
for tool in gzip zstd awk; do
  command -v $tool >/dev/null || { say "$tool is missing"; exit 1; }
done
cargo build --quiet --release --locked --package fieldgate-cli --bin fieldgate
fieldgate=${CARGO_TARGET_DIR:-target}/release/fieldgate

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
say "making $megabytes MB"
awk -v bytes=$((megabytes * 1024 * 1024)) 'BEGIN {
  srand(1)
  # A tag for a number: spread over all bits, and the same each time.
  for (line = 0; written < bytes; line++) {
    clock = sprintf("2026-%02d-%02dT%02d:%02d:%02d", 1 + line / 86400 / 28 % 12, 1 + line / 86400 % 28, line / 3600 % 24, line / 60 % 60, line % 60)
    if (line % 100000 == 99999) {
      text = clock ".001Z r-" line " 200 wasm_fail_stream -"
    } else {
      people = 1 + int(rand() * 40)
      tags = ""
      for (one = 0; one < people; one++) {
        person = int(rand() * 37000000)
        tags = tags (one ? "," : "") sprintf("\"%08x%08x%08x%08x\"", person * 57 % 4294967291, person * 101 % 4294967291, person, 7)
      }
      text = clock ".001Z r-" line " 200 via_upstream {\"fieldgate\":1,\"time\":\"" clock ".007Z\",\"request\":\"r-" line "\",\"policy\":\"telco-accounts\",\"digest\":\"0cf4f9f9fb1b2f8f141788b7937afed0af1fcc646e66926f478137f8b6aefd09\",\"key\":\"7ed69953\",\"mode\":\"enforced\",\"outcome\":\"released\",\"status\":200,\"route\":\"list-accounts\",\"client\":{\"tag\":\"" sprintf("%032x", 1 + line % 500) "\"},\"issuer\":\"verified_jwt\",\"scopes\":[\"care.read\"],\"records\":" people ",\"fields\":{\"contact\":{\"show\":" people "},\"key\":{\"show\":" people "}},\"subjects\":{\"customer\":[" tags "]},\"budgets\":[{\"name\":\"customers-per-day\",\"used\":1,\"reserved\":0,\"max\":800}]}"
    }
    print text
    written += length(text) + 1
  }
}' >"$scratch/access.log"
gzip --fast --stdout "$scratch/access.log" >"$scratch/access.log.gz"
zstd --quiet --fast "$scratch/access.log" -o "$scratch/access.log.zst"
say "$(wc -l <"$scratch/access.log") lines; $(du -m "$scratch"/access.log* | awk '{printf "%s%s MB", sep, $1; sep = ", "}')"

# Runs one, and prints its time and the most memory that it had.
measure() {
  local begun ended peak=0 now
  begun=$(date +%s.%N)
  "$fieldgate" "$@" >"$scratch/answer" 2>"$scratch/said" &
  local pid=$!
  while kill -0 $pid 2>/dev/null; do
    now=$(awk '/VmHWM/ {print $2}' "/proc/$pid/status" 2>/dev/null || true)
    [ "${now:-0}" -gt "$peak" ] && peak=$now
    sleep 0.1
  done
  wait $pid || { cat "$scratch/said" >&2; exit 1; }
  ended=$(date +%s.%N)
  printf '%-52s %6.1f s  %6d KiB  %s\n' "${*/"$scratch"\//}" "$(awk "BEGIN {print $ended - $begun}")" "$peak" \
    "$(wc -l <"$scratch/answer") lines of answer"
}
client=$(printf '%032x' 7)
for log in access.log access.log.gz access.log.zst; do
  measure ledger "$scratch/$log" --client "$client"
done
measure ledger "$scratch/access.log" --top
