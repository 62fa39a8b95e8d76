#!/usr/bin/env bash
# Gets the rate limit service that Envoy's project makes, and a Redis for it, into .tools/, and does nothing when they are there.
#
# leaves  .tools/ratelimit/VERSION/service_cmd  and  .tools/ratelimit/redis-server
#
# Off CI a machine that can get neither goes on without: the rows that need them then say that they looked at nothing. With
# CI=true that is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/versions.env
. scripts/versions.env

home=$PWD/.tools/ratelimit
service=$home/$RATELIMIT_VERSION/service_cmd

say() { printf '%s\n' "ratelimit: $*" >&2; }
without() {
  say "$*"
  [ "${CI:-}" != true ]
  exit
}

if [ ! -x "$service" ]; then
  command -v go >/dev/null || without "no rate limit service: install Go 1.26 or later, and try again"
  say "building envoyproxy/ratelimit $RATELIMIT_VERSION with Go (about a minute)"
  mkdir -p "$home/$RATELIMIT_VERSION"
  GOBIN=$home/$RATELIMIT_VERSION go install "github.com/envoyproxy/ratelimit/src/service_cmd@$RATELIMIT_VERSION" >&2 ||
    without "no rate limit service: it cannot be built here"
fi

if [ ! -x "$home/redis-server" ]; then
  scripts/debian.sh redis-server redis-server "$home/redis-server" || without "no Redis"
fi
