#!/usr/bin/env bash
# Holds what the lock files bring in, the project's and the fuzz targets', against deny.toml: licences, bans, sources; and
# advisories, where their database is to be had.
#
# usage: scripts/deny.sh
#
# cargo-deny: the one on PATH, else built with Cargo into .tools/bin (some minutes, once).
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/versions.env
. scripts/versions.env

tools=$PWD/.tools
export PATH=$PATH:$tools/bin

say() { printf '%s\n' "deny: $*" >&2; }

built() {
  say "cargo-deny $CARGO_DENY_VERSION: building it (some minutes)"
  # It runs for seconds: what an optimised build would save there, it costs many times over.
  CARGO_PROFILE_DEV_DEBUG=false cargo install --quiet --debug --locked "cargo-deny@$CARGO_DENY_VERSION" --root "$tools" >&2
}

if ! command -v cargo-deny >/dev/null && ! built; then
  say "no cargo-deny: put it on PATH (cargo install --locked cargo-deny) and try again"
  exit 1
fi

# What one of the two has and the other has not is no fault.
check=(check --hide-inclusion-graph --allow license-exception-not-encountered licenses bans sources)
cargo-deny --locked "${check[@]}"
cargo-deny --locked --manifest-path fuzz/Cargo.toml --config deny.toml "${check[@]}" --allow license-not-encountered

# That nobody could be asked is no fault of the change.
limit=()
if command -v timeout >/dev/null; then limit=(timeout 60); fi
if fetched=$("${limit[@]}" cargo-deny --locked fetch db 2>&1); then
  cargo-deny --locked check --hide-inclusion-graph --disable-fetch advisories
else
  say "ADVISORIES NOT CHECKED: their database cannot be reached from here"
  printf '%s\n' "$fetched" | sed 's/^/  /' >&2
fi
