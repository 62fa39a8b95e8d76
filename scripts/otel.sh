#!/usr/bin/env bash
# Builds a real OpenTelemetry collector into .tools/otel/, and does nothing when it is there. Needs Go; without it, off CI,
# the test says that it looked at nothing.
#
# leaves  .tools/otel/collector-VERSION, and a link to it: .tools/otel/collector
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/versions.env
. scripts/versions.env

tools=$PWD/.tools/otel
built=$tools/collector-$OTEL_VERSION
if [ ! -x "$built" ]; then
  if ! command -v go >/dev/null; then
    printf '%s\n' "otel: no Go to build a collector with: install Go 1.26 or later" >&2
    [ "${CI:-}" != true ]
    exit
  fi
  printf '%s\n' "otel: building a collector $OTEL_VERSION with Go (some minutes)" >&2
  source=$tools/source
  rm -rf "$source"
  mkdir -p "$source"
  cp scripts/otel/main.go "$source/"
  (
    cd "$source"
    export GOFLAGS=-mod=mod
    go mod init collector
    for module in exporter/debugexporter otelcol receiver/otlpreceiver service; do
      go get "go.opentelemetry.io/collector/$module@$OTEL_VERSION"
    done
    go mod tidy
    go build -trimpath -ldflags='-s -w' -o "$built" .
  ) >&2
  rm -rf "$source"
fi
ln -sfn "$(basename "$built")" "$tools/collector"
