#!/usr/bin/env bash
# Builds the plugin once more, from a copy of the tree in another place and with Cargo's home in another place, and compares
# the bytes with those of this checkout.
#
# usage: scripts/reproducible.sh
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '%s\n' "reproducible: $*" >&2; }

scripts/wasm.sh build
here=${CARGO_TARGET_DIR:-target}/wasm32-wasip1/release/fieldgate.wasm

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
copy=$scratch/some/other/place home=$scratch/cargo-home
mkdir -p "$copy" "$home"
git ls-files -z --cached --others --exclude-standard | tar --null -T - -cf - | tar -xf - -C "$copy"
# The same downloads, by another path.
cargo_home=${CARGO_HOME:-$HOME/.cargo}
find "$cargo_home" -mindepth 1 -maxdepth 1 -exec ln -s {} "$home/" \;
CARGO_HOME=$home CARGO_TARGET_DIR=$copy/target "$copy/scripts/wasm.sh" build
there=$copy/target/wasm32-wasip1/release/fieldgate.wasm

sum() { if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d ' ' -f 1; }
say "$(sum "$here")  here"
say "$(sum "$there")  in another place"
for path in "$PWD" "$scratch" "$cargo_home/" "$HOME/" "$(rustc --print sysroot)/"; do
  if grep -aqF -- "$path" "$here"; then
    say "a path of this machine is in the plugin: $path"
    exit 1
  fi
done
if ! cmp -s "$here" "$there"; then
  say "the bytes differ: what was built depends on where"
  exit 1
fi
say "the same bytes, and no path of this machine in them"
