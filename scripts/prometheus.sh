#!/usr/bin/env bash
# Gets a real Prometheus and its promtool into .tools/prometheus/, and does nothing when they are there.
#
# usage: scripts/prometheus.sh
#
# leaves  .tools/prometheus/prometheus  and  .tools/prometheus/promtool
#
# Those on PATH, else the released binaries, else Debian's package, unpacked and not installed. Off CI a machine that can get
# none goes on without: the tests then say that they looked at nothing. With CI=true that is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/versions.env
. scripts/versions.env

tools=$PWD/.tools/prometheus

say() { printf '%s\n' "prometheus: $*" >&2; }

there() { [ -x "$tools/prometheus" ] && [ -x "$tools/promtool" ]; }

on_path() {
  command -v prometheus >/dev/null && command -v promtool >/dev/null &&
    ln -sf "$(command -v prometheus)" "$(command -v promtool)" "$tools/"
}

released() {
  local os arch name base scratch=$1
  os=$(uname -s | tr '[:upper:]' '[:lower:]')
  case $(uname -m) in
    x86_64 | amd64) arch=amd64 ;;
    aarch64 | arm64) arch=arm64 ;;
    *) return 1 ;;
  esac
  command -v curl >/dev/null && command -v sha256sum >/dev/null || return 1
  name=prometheus-$PROMETHEUS_VERSION.$os-$arch
  base=https://github.com/prometheus/prometheus/releases/download/v$PROMETHEUS_VERSION
  # The archive counts only with the checksum that the release names for it.
  curl -fsSL --connect-timeout 5 -o "$scratch/$name.tar.gz" "$base/$name.tar.gz" &&
    curl -fsSL --connect-timeout 5 -o "$scratch/sums" "$base/sha256sums.txt" &&
    (cd "$scratch" && grep " $name.tar.gz\$" sums | sha256sum -c >/dev/null && tar -xzf "$name.tar.gz") &&
    mv "$scratch/$name/prometheus" "$scratch/$name/promtool" "$tools/"
}

debian() {
  local scratch=$1
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
  (cd "$scratch" && apt-get download -qq prometheus >&2 && dpkg-deb -x prometheus_*.deb unpacked) &&
    mv "$scratch/unpacked/usr/bin/prometheus" "$scratch/unpacked/usr/bin/promtool" "$tools/"
}

if there; then exit 0; fi
mkdir -p "$tools"
scratch=$(mktemp -d "$tools/new.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
if on_path || released "$scratch" 2>/dev/null || debian "$scratch"; then
  there && say "$("$tools/promtool" --version 2>&1 | head -1)" && exit 0
fi
say "no Prometheus and no way to get one: put prometheus and promtool on PATH"
[ "${CI:-}" != true ]
