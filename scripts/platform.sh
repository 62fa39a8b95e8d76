#!/usr/bin/env bash
# Gets what `make platform` runs against into .tools/platform/, each by its version, and does nothing when it is there. What
# cannot be had it names: the rows that need it are skipped.
#
# usage: scripts/platform.sh [envoy-gateway]
#
# With an argument it gets Envoy Gateway alone, for the rows with resources from files. Off CI a machine where these cannot run
# goes on without then: the rows say that they looked at nothing.
# leaves  .tools/platform/NAME-VERSION, a link to each by its name in .tools/platform/current/, and in .tools/bin what makes and
#         serves images
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/versions.env
. scripts/versions.env

home=$PWD/.tools/platform
only=${1:-}

say() { printf '%s\n' "platform: $*" >&2; }
without() {
  say "$*"
  [ -n "$only" ] && [ "${CI:-}" != true ]
  exit
}

case $only in
  '' | envoy-gateway) ;;
  *)
    say "$only is not to be had alone: usage: scripts/platform.sh [envoy-gateway]"
    exit 2
    ;;
esac
for program in ip unshare mount openssl curl; do
  command -v "$program" >/dev/null || without "no $program: install iproute2, util-linux, openssl and curl, and try again"
done
if [ "$(id -u)" = 0 ]; then own=-nmpf; else own=-Urnmpf; fi
unshare "$own" --kill-child --mount-proc ip link set lo up 2>/dev/null ||
  without "no namespaces for network, processes and mounts: allow them, or be root, and try again"

mkdir -p "$home/current"
scratch=$(mktemp -d "$home/new.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
missing=

# Links what is there under its name, or notes that it is missing. usage: link NAME VERSION
link() {
  if [ -e "$home/$1-$2" ]; then
    ln -sfn "../$1-$2" "$home/current/$1"
  else
    rm -f "$home/current/$1"
    missing="$missing $1"
  fi
}

# Whether something has to be made, and can be. usage: wanted NAME VERSION
wanted() { [ ! -e "$home/$1-$2" ] && command -v go >/dev/null; }

# Builds a command of a Go module. usage: build NAME VERSION PACKAGE
build() {
  if wanted "$1" "$2"; then
    say "building $1 $2 with Go (some minutes)"
    GOBIN=$scratch go install -trimpath -ldflags='-s -w' "$3@$2" >&2 && mv "$scratch/${3##*/}" "$home/$1-$2"
  fi
  link "$1" "$2"
}

# Copies a file that comes with a Go module, edited by sed if need be. usage: copy NAME VERSION MODULE@VERSION FILE [EDIT]
copy() {
  if wanted "$1" "$2"; then
    sed "${5:-}" "$(scripts/go-folder.sh "$3")/$4" >"$scratch/$1" && mv "$scratch/$1" "$home/$1-$2"
  fi
  link "$1" "$2"
}

# Builds a command of Kubernetes. Its module stands on folders of its own tree, which no other module has: ours names the
# released ones in their place.
kubernetes() {
  if wanted "$1" "$KUBERNETES_VERSION"; then
    say "building $1 $KUBERNETES_VERSION with Go (some minutes)"
    local module=$scratch/kubernetes released=v0.${KUBERNETES_VERSION#v1.}
    mkdir -p "$module"
    {
      printf 'module platform\n\ngo 1.26.0\n\nrequire k8s.io/kubernetes %s\n\nreplace (\n' "$KUBERNETES_VERSION"
      sed -nE "s#^[[:space:]]*([^ ]+) => \./staging.*#\t\1 => \1 $released#p" \
        "$(scripts/go-folder.sh "k8s.io/kubernetes@$KUBERNETES_VERSION")/go.mod"
      printf ')\n'
    } >"$module/go.mod"
    (cd "$module" && GOFLAGS=-mod=mod go build -trimpath -ldflags='-s -w' -o "$scratch/$1" "k8s.io/kubernetes/cmd/$1") >&2 &&
      mv "$scratch/$1" "$home/$1-$KUBERNETES_VERSION"
  fi
  link "$1" "$KUBERNETES_VERSION"
}

build envoy-gateway "$ENVOY_GATEWAY_VERSION" github.com/envoyproxy/gateway/cmd/envoy-gateway
if [ -n "$only" ]; then
  [ -z "$missing" ] || without "no $only: install Go 1.26 or later, and try again"
  scripts/image-tools.sh
  exit
fi
build egctl "$ENVOY_GATEWAY_VERSION" github.com/envoyproxy/gateway/cmd/egctl
for command in istioctl/cmd/istioctl pilot/cmd/pilot-discovery pilot/cmd/pilot-agent; do
  build "${command##*/}" "$ISTIO_VERSION" "istio.io/istio/$command"
done
copy envoy_bootstrap.json "$ISTIO_VERSION" "istio.io/istio@$ISTIO_VERSION" tools/packaging/common/envoy_bootstrap.json
kubernetes kube-apiserver
kubernetes kubectl
# A template of a chart: the lines that are no YAML go.
copy gateway-api.yaml "$ENVOY_GATEWAY_VERSION" "github.com/envoyproxy/gateway@$ENVOY_GATEWAY_VERSION" charts/gateway-crds-helm/templates/standard-gatewayapi-crds.yaml '/^{{-/d'
scripts/debian.sh etcd etcd-server "$home/current/etcd" || missing="$missing etcd"

scripts/crds.sh
scripts/image-tools.sh
if [ -n "$missing" ]; then
  say "not to be had here:$missing: the rows that need one of them are skipped"
fi
