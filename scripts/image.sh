#!/usr/bin/env bash
# Makes the plugin's OCI image: an index of linux/amd64 and linux/arm64, each with one layer, in which the plugin is
# plugin.wasm. Envoy Gateway and Istio's agent take this form. Made of the same plugin, it is the same bytes.
#
# usage: scripts/image.sh WASM VERSION LAYOUT
#
# leaves  an OCI layout (a directory) in LAYOUT, with the tags VERSION, VERSION-amd64 and VERSION-arm64
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
PATH=$PATH:$here/../.tools/bin
wasm=$1 version=$2 layout=$3
epoch=1970-01-01T00:00:00Z

rm -rf "$layout"
mkdir -p "$layout"
layout=$(cd "$layout" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp "$wasm" "$scratch/plugin.wasm"
cd "$scratch"
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=0444 -cf layer.tar plugin.wasm
diff=$(sha256sum layer.tar | cut -d ' ' -f 1)
gzip -9n layer.tar
for arch in amd64 arm64; do
  printf '{"created":"%s","architecture":"%s","os":"linux","config":{"Labels":{"org.opencontainers.image.title":"fieldgate","org.opencontainers.image.version":"%s","org.opencontainers.image.licenses":"Apache-2.0"}},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
    $epoch $arch "$version" "$diff" >"config-$arch.json"
  oras push --no-tty --oci-layout "$layout:$version-$arch" \
    --config "config-$arch.json:application/vnd.oci.image.config.v1+json" \
    --annotation org.opencontainers.image.created=$epoch --annotation "org.opencontainers.image.version=$version" \
    layer.tar.gz:application/vnd.oci.image.layer.v1.tar+gzip >&2
done
oras manifest index create --oci-layout "$layout:$version" "$version-amd64" "$version-arm64" >&2
