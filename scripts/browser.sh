#!/usr/bin/env bash
# Finds or installs a Chromium for the test of the matrix page, and gets axe-core, which looks at what it draws for faults of
# accessibility, into .tools/axe/. Off CI a machine that can get none goes on without: the test then says that it looked at nothing.
# With CI=true that is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/versions.env
. scripts/versions.env

say() { printf '%s\n' "browser: $*" >&2; }

# No function is named as a program that is looked for: `command -v` would find the function.
a_browser() {
  if [ -n "${FIELDGATE_BROWSER:-}" ]; then return 0; fi
  for name in chromium chromium-browser google-chrome google-chrome-stable chrome; do
    if command -v "$name" >/dev/null; then return 0; fi
  done
  if [ -x "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" ]; then return 0; fi
  if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    say "installing chromium (about 100 MB)"
    apt-get update -qq >&2 || true
    if DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends chromium >&2; then return 0; fi
  fi
  say "no Chromium and no way to install one: put one on PATH, or name one in FIELDGATE_BROWSER"
  return 1
}

# The archive of npm holds the whole program in one file.
the_axe() {
  local script=.tools/axe/$AXE_VERSION.js scratch
  if [ -s "$script" ]; then return 0; fi
  if ! command -v npm >/dev/null; then
    say "no npm to get axe-core $AXE_VERSION with"
    return 1
  fi
  mkdir -p .tools/axe
  scratch=$(mktemp -d)
  # shellcheck disable=SC2064
  trap "rm -rf '$scratch'" RETURN
  (cd "$scratch" && tar -xzf "$(npm pack --silent "axe-core@$AXE_VERSION")" package/axe.min.js) || return 1
  mv "$scratch/package/axe.min.js" "$script"
}

if a_browser && the_axe; then exit 0; fi
[ "${CI:-}" != true ]
