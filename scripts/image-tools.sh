#!/usr/bin/env bash
# Gets oras and crane, which make and read images, into .tools/bin/, and does nothing when they are there.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/versions.env
. scripts/versions.env

tools=$PWD/.tools/bin
export PATH=$PATH:$tools
mkdir -p "$tools"

get() {
  local name=$1 module=$2
  command -v "$name" >/dev/null && return
  command -v go >/dev/null || {
    printf '%s\n' "image: no $name: put it on PATH, or install Go 1.26 or later, and try again" >&2
    exit 1
  }
  printf '%s\n' "image: building $name with Go (under a minute)" >&2
  GOBIN=$tools go install -trimpath -ldflags='-s -w' "$module" >&2
}

get oras "oras.land/oras/cmd/oras@$ORAS_VERSION"
get crane "github.com/google/go-containerregistry/cmd/crane@$CRANE_VERSION"
