#!/usr/bin/env bash
# Writes what the plugin, and the command, are built of (CycloneDX 1.5): the crates of their own platform, without those of the build.
#
# usage: scripts/sbom.sh DIRECTORY
#
# leaves  DIRECTORY/fieldgate.cdx.json  and  DIRECTORY/fieldgate-command.cdx.json
#
# cargo-cyclonedx: the one on PATH, else built with Cargo into .tools/bin (some minutes, once).
set -euo pipefail
directory=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
# shellcheck source=scripts/versions.env
. scripts/versions.env

tools=$PWD/.tools
export PATH=$PATH:$tools/bin
# Else it writes the time, and a number drawn at random.
export SOURCE_DATE_EPOCH=0

say() { printf '%s\n' "sbom: $*" >&2; }

built() {
  say "cargo-cyclonedx $CARGO_CYCLONEDX_VERSION: building it (some minutes)"
  # It runs for a second: what an optimised build would save there, it costs many times over.
  CARGO_PROFILE_DEV_DEBUG=false cargo install --quiet --debug --locked "cargo-cyclonedx@$CARGO_CYCLONEDX_VERSION" --root "$tools" >&2
}

if ! command -v cargo-cyclonedx >/dev/null && ! built; then
  say "no cargo-cyclonedx: put it on PATH (cargo install --locked cargo-cyclonedx) and try again"
  exit 1
fi

# It writes one file beside the manifest of each package: that of the package is taken, the others go.
of() {
  local package=$1 name=$2
  shift 2
  cargo-cyclonedx cyclonedx --quiet --format json --spec-version 1.5 --no-build-deps \
    --manifest-path "$package/Cargo.toml" --override-filename "$name.cdx" "$@"
  # Where this tree is on this machine is nobody's business, and would make the list another one elsewhere.
  sed "s|$PWD|/fieldgate|g" "$package/$name.cdx.json" >"$directory/$name.cdx.json"
  find . -path ./target -prune -o -path ./.tools -prune -o -name "$name.cdx.json" -exec rm {} +
}

of crates/plugin fieldgate --target wasm32-wasip1
of crates/cli fieldgate-command --target "$(rustc -vV | sed -n 's/^host: //p')" --features studio
