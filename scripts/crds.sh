#!/usr/bin/env bash
# Gets the resource definitions of Envoy Gateway and Istio, for tests/resources.rs, and does nothing when they are there.
# They come with the projects' Go modules, whose versions scripts/versions.env pins. Needs Go; nothing is built.
#
# leaves  .tools/crds/VERSIONS/*.yaml, named in .tools/crds/current
#
# Off CI a machine without Go goes on without: the test then says that it looked at nothing. With CI=true that is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/versions.env
. scripts/versions.env

home=$PWD/.tools/crds/$ENVOY_GATEWAY_VERSION-$ISTIO_API_VERSION
if [ ! -d "$home" ]; then
  if ! command -v go >/dev/null; then
    printf '%s\n' "crds: no Go to fetch them with: install Go 1.26 or later" >&2
    [ "${CI:-}" != true ]
    exit
  fi
  mkdir -p "$PWD/.tools/crds"
  new=$(mktemp -d "$PWD/.tools/crds/new.XXXXXX")
  # Templates of a chart: the lines that are no YAML go.
  for file in "$(scripts/go-folder.sh "github.com/envoyproxy/gateway@$ENVOY_GATEWAY_VERSION")"/charts/gateway-crds-helm/templates/generated/*.yaml; do
    sed '/^{{/d' "$file" >"$new/$(basename "$file")"
  done
  cp --no-preserve=mode "$(scripts/go-folder.sh "istio.io/api@$ISTIO_API_VERSION")/kubernetes/customresourcedefinitions.gen.yaml" "$new/istio.yaml"
  mv "$new" "$home"
fi
ln -sfn "$(basename "$home")" "$PWD/.tools/crds/current"
