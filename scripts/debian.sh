#!/usr/bin/env bash
# Links a server where it is wanted, from PATH or from its package of Debian's, and starts nothing. Fails where neither can be had.
# usage: scripts/debian.sh PROGRAM PACKAGE LINK
set -euo pipefail
program=$1 package=$2 link=$3

say() { printf '%s\n' "$program: $*" >&2; }

if ! command -v "$program" >/dev/null; then
  command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] || {
    say "not here: put it on PATH, and try again"
    exit 1
  }
  say "installing $package"
  apt-get update -qq >&2 || true
  # What runs is started by the tests, and by them alone.
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d
  fi
  DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "$package" >&2 || {
    say "$package cannot be installed here"
    exit 1
  }
fi
mkdir -p "$(dirname "$link")"
ln -sf "$(command -v "$program")" "$link"
