#!/usr/bin/env bash
# Fetches descriptions that others wrote, for tests/descriptions.rs: into target/descriptions. Needs Go and npm.
# They come with packages, whose versions scripts/versions.env pins, and are not kept here.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/versions.env
. scripts/versions.env
out=target/descriptions
rm -rf "$out"
mkdir -p "$out"
for module in $DESCRIPTION_MODULES; do
    folder=$(scripts/go-folder.sh "$module")
    cp -r --no-preserve=mode "$folder" "$out/$(basename "${module%@*}")"
done
for package in $DESCRIPTION_PACKAGES; do
    tarball=$(cd "$out" && npm pack --silent "$package")
    mkdir -p "$out/${tarball%.tgz}"
    tar -xzf "$out/$tarball" -C "$out/${tarball%.tgz}"
    rm "$out/$tarball"
done
find "$out" -type f ! -name '*.json' ! -name '*.y*ml' -delete
find "$out" -type f \( -name '*.yaml' -o -name '*.yml' -o -name '*.json' \) | wc -l
