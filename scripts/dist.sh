#!/usr/bin/env bash
# Makes what a release consists of, and looks at it again with other programs than those that made it. RELEASING.md has the rest.
#
# usage: scripts/dist.sh
#
# FIELDGATE_DIST_COMMANDS  a directory with commands for other platforms, which go with it
# RELEASE=true             nothing may be left out
#
# leaves in target/dist/
#   fieldgate.wasm                           the plugin
#   image/                                   its OCI image, as a layout
#   fieldgate-VERSION-TRIPLE.tar.gz          the command, for this machine's platform, with the studio in it
#   studio.html                              the page of `fieldgate studio`
#   fieldgate-VERSION-files.tar.gz           policies, Envoy's files, alerts, dashboard, schemas
#   fieldgate.cdx.json                       what the plugin is built of (CycloneDX); fieldgate-command.cdx.json: the command
#   image.digest                             of the image's index
#   SHA256SUMS                               of all files here
#   SHA256SUMS.sig                           signed with SIGNING_KEY, if that names a key of OpenSSH
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/versions.env
. scripts/versions.env

export PATH=$PATH:$PWD/.tools/bin
dist=$PWD/target/dist
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
triple=$(rustc -vV | sed -n 's/^host: //p')

say() { printf '%s\n' "dist: $*" >&2; }
fail() {
  say "$*"
  exit 1
}

packed() {
  tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u+rw,go=rX,a-s -cf - "${@:2}" | gzip -9n >"$1"
}

rm -rf "$dist"
mkdir -p "$dist"
scratch=$(mktemp -d)
registry=
end() {
  if [ -n "$registry" ]; then kill "$registry" 2>/dev/null || true; fi
  rm -rf "$scratch"
}
trap end EXIT

scripts/image-tools.sh
scripts/wasm.sh build
cp "${CARGO_TARGET_DIR:-target}/wasm32-wasip1/release/fieldgate.wasm" "$dist/"

scripts/image.sh "$dist/fieldgate.wasm" "$version" "$dist/image"
scripts/image.sh "$dist/fieldgate.wasm" "$version" "$scratch/again"
index() { oras manifest fetch --descriptor --oci-layout "$1:$version" | sed -n 's/.*"digest": *"sha256:\([0-9a-f]*\)".*/\1/p'; }
digest=$(index "$dist/image")
[ -n "$digest" ] && [ "$digest" = "$(index "$scratch/again")" ] || fail "the image is another one when it is made again"

# Another project's code reads it, from a registry.
crane registry serve --address 127.0.0.1:0 >"$scratch/registry" 2>&1 &
registry=$!
for _ in $(seq 100); do
  port=$(sed -n 's/.*port \([0-9]*\).*/\1/p' "$scratch/registry" | head -n 1)
  [ -n "$port" ] && break
  sleep 0.1
done
[ -n "$port" ] || fail "crane serves no registry: $(cat "$scratch/registry")"
there=127.0.0.1:$port/fieldgate
oras copy --no-tty --recursive --from-oci-layout "$dist/image:$version" --to-plain-http "$there:$version" >&2
[ "$(crane digest --insecure "$there:$version")" = "sha256:$digest" ] || fail "crane finds another digest"
for arch in amd64 arm64; do
  crane validate --insecure --remote "$there:$version" --platform "linux/$arch" >&2
  crane export --insecure --platform "linux/$arch" "$there:$version" - | tar -xOf - plugin.wasm |
    cmp - "$dist/fieldgate.wasm" || fail "the image holds another plugin for linux/$arch"
done
say "image sha256:$digest, the same twice, and crane reads the plugin out of it"

if [ -z "${FIELDGATE_DIST_IMAGE_ONLY:-}" ]; then
  scripts/studio.sh
  cp target/page/studio.html "$dist/"
  cargo build --quiet --release --locked --package fieldgate-cli --features studio
  command=${CARGO_TARGET_DIR:-target}/release/fieldgate
  mkdir "$scratch/command"
  cp "$command" LICENSE README.md CHANGELOG.md "$scratch/command/"
  packed "$dist/fieldgate-$version-$triple.tar.gz" -C "$scratch/command" .
  "$command" --version >&2
  "$command" studio -o - | cmp - "$dist/studio.html" || fail "the command has another studio"
  if [ -n "${FIELDGATE_DIST_COMMANDS:-}" ]; then cp -n "$FIELDGATE_DIST_COMMANDS"/*.tar.gz "$dist/"; fi
  # shellcheck disable=SC2046 # names of this repository have no spaces
  packed "$dist/fieldgate-$version-files.tar.gz" LICENSE $(git ls-files policies envoy)

  if scripts/sbom.sh "$dist"; then
    oras attach --no-tty --oci-layout "$dist/image:$version" --artifact-type application/vnd.cyclonedx+json \
      --annotation org.opencontainers.image.created=1970-01-01T00:00:00Z \
      --disable-path-validation "$dist/fieldgate.cdx.json:application/vnd.cyclonedx+json" >&2
  else
    say "NO SBOM"
    [ "${RELEASE:-}" != true ] || exit 1
  fi
fi

printf 'sha256:%s\n' "$digest" >"$dist/image.digest"
(
  cd "$dist"
  find . -maxdepth 1 -type f ! -name SHA256SUMS -printf '%P\n' | sort | xargs sha256sum >"$scratch/sums"
  mv "$scratch/sums" SHA256SUMS
)
if [ -z "${SIGNING_KEY:-}" ]; then
  say "NOT SIGNED: SIGNING_KEY names no key"
  [ "${RELEASE:-}" != true ] || exit 1
else
  scripts/sign.sh "$dist/SHA256SUMS"
fi
cat "$dist/SHA256SUMS"
