#!/usr/bin/env bash
# Gets what `make platform` runs against into .tools/platform/, each by its version, and does nothing when it is there. What
# cannot be had it names: the rows that need it are skipped.
#
# leaves  .tools/platform/NAME-VERSION, a link to each by its name in .tools/platform/current/, and in .tools/bin what makes and
#         serves images
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/versions.env
. scripts/versions.env

home=$PWD/.tools/platform
mkdir -p "$home/current"
scratch=$(mktemp -d "$home/new.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

say() { printf '%s\n' "platform: $*" >&2; }

for program in ip unshare; do
  command -v "$program" >/dev/null || {
    say "no $program: install iproute2 and util-linux, and try again"
    exit 1
  }
done

missing=

# Builds a command of a Go module. usage: build NAME VERSION PACKAGE
build() {
  local built=$home/$1-$2
  if [ ! -x "$built" ] && command -v go >/dev/null; then
    say "building $1 $2 with Go (some minutes)"
    GOBIN=$scratch go install -trimpath -ldflags='-s -w' "$3@$2" >&2 && mv "$scratch/${3##*/}" "$built"
  fi
  if [ -x "$built" ]; then
    ln -sfn "../$1-$2" "$home/current/$1"
  else
    rm -f "$home/current/$1"
    missing="$missing $1"
  fi
}

build envoy-gateway "$ENVOY_GATEWAY_VERSION" github.com/envoyproxy/gateway/cmd/envoy-gateway
build istioctl "$ISTIO_VERSION" istio.io/istio/istioctl/cmd/istioctl

scripts/image-tools.sh
if [ -n "$missing" ]; then
  say "not to be had here:$missing: the rows that need one of them are skipped"
fi
