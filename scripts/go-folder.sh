#!/usr/bin/env bash
# Downloads a Go module, and prints the folder that it is in. usage: scripts/go-folder.sh MODULE@VERSION
set -euo pipefail
GOFLAGS=-mod=mod go mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p'
