#!/usr/bin/env bash
# Gets what `make platform` runs against into .tools/platform/, each by its version, and does nothing when it is there.
#
# leaves  .tools/platform/envoy-gateway-VERSION, and in .tools/bin what makes and serves images
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/versions.env
. scripts/versions.env

home=$PWD/.tools/platform
mkdir -p "$home"

say() { printf '%s\n' "platform: $*" >&2; }
fail() {
  say "$*"
  exit 1
}

for program in ip unshare; do
  command -v "$program" >/dev/null || fail "no $program: install iproute2 and util-linux, and try again"
done

gateway=$home/envoy-gateway-$ENVOY_GATEWAY_VERSION
if [ ! -x "$gateway" ]; then
  command -v go >/dev/null || fail "no Envoy Gateway: install Go 1.26 or later, and try again"
  say "building Envoy Gateway $ENVOY_GATEWAY_VERSION with Go (about five minutes)"
  GOBIN=$home/new go install -trimpath -ldflags='-s -w' "github.com/envoyproxy/gateway/cmd/envoy-gateway@$ENVOY_GATEWAY_VERSION" >&2
  mv "$home/new/envoy-gateway" "$gateway"
fi

scripts/image-tools.sh
