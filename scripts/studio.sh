#!/usr/bin/env bash
# Makes the page of `fieldgate studio`: the core for the browser, and the editor from the packages that
# crates/studio/page/package-lock.json names, in one file.
#
# leaves target/page/studio.html, wherever CARGO_TARGET_DIR is: the command is built with it there (the feature `studio`), or
# finds it from target/debug and target/release.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '%s\n' "studio: $*" >&2; }

if ! command -v npm >/dev/null; then
  say "no npm: install Node.js 20 or newer, which has it, and try again"
  exit 1
fi
scripts/wasm.sh studio
page=crates/studio/page
installed=$page/node_modules/.package-lock.json
if ! [ "$installed" -nt $page/package-lock.json ]; then npm ci --prefix $page --silent >&2; touch "$installed"; fi
mkdir -p target/page
node $page/build.mjs "${CARGO_TARGET_DIR:-target}/wasm32-unknown-unknown/studio/fieldgate_studio.wasm" target/page/new.html
mv target/page/new.html target/page/studio.html
say "target/page/studio.html: $(wc -c <target/page/studio.html) bytes"
