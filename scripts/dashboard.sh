#!/usr/bin/env bash
# Reads envoy/dashboard.json as Grafana's own types do, strictly, and sees to it that a misspelt copy is refused. Needs Go.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p .tools/bin
(cd scripts/dashboard && go build -trimpath -o ../../.tools/bin/dashboard .)
.tools/bin/dashboard envoy/dashboard.json
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for word in gridPos graphMode legendFormat refId includeAll; do
  sed "0,/\"$word\"/s//\"${word}s\"/" envoy/dashboard.json >"$scratch/$word.json"
  if .tools/bin/dashboard "$scratch/$word.json" 2>/dev/null; then
    printf '%s\n' "dashboard: a misspelt \`$word\` is taken" >&2
    exit 1
  fi
done
printf '%s\n' "dashboard: read strictly, and each misspelt copy is refused" >&2
