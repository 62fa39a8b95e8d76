#!/usr/bin/env bash
# Finds or installs a Chromium for the test of the matrix page. Off CI a machine that can get none goes on without: the test
# then says that it looked at nothing. With CI=true that is a failure.
set -euo pipefail

say() { printf '%s\n' "browser: $*" >&2; }

if [ -n "${FIELDGATE_BROWSER:-}" ]; then exit 0; fi
for name in chromium chromium-browser google-chrome google-chrome-stable chrome; do
  if command -v "$name" >/dev/null; then exit 0; fi
done
if [ -x "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" ]; then exit 0; fi

if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  say "installing chromium (about 100 MB)"
  apt-get update -qq >&2 || true
  if DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends chromium >&2; then exit 0; fi
fi
say "no Chromium and no way to install one: put one on PATH, or name one in FIELDGATE_BROWSER"
[ "${CI:-}" != true ]
