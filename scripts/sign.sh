#!/usr/bin/env bash
# Signs a file with a key of OpenSSH, and looks at the signature again: with the key's public half it holds, and of a file with one
# byte more it does not.
#
# usage: scripts/sign.sh FILE
#
# SIGNING_KEY  the private key's file, or the public half of a key that ssh-agent holds
#
# leaves  FILE.sig  (verified as RELEASING.md says)
set -euo pipefail
file=$1
key=${SIGNING_KEY:?names no key}
# What the signature is for, and by whom: whoever verifies says the same.
namespace=fieldgate-release identity=releases@fieldgate

say() { printf '%s\n' "sign: $*" >&2; }
command -v ssh-keygen >/dev/null || {
  say "no ssh-keygen: install OpenSSH's client, and try again"
  exit 1
}

rm -f "$file.sig"
ssh-keygen -q -Y sign -f "$key" -n "$namespace" "$file"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
printf '%s namespaces="%s" %s\n' "$identity" "$namespace" "$(ssh-keygen -y -f "$key" </dev/null)" >"$scratch/signers"
holds() { ssh-keygen -q -Y verify -f "$scratch/signers" -I "$identity" -n "$namespace" -s "$file.sig" >/dev/null; }
holds <"$file" || {
  say "the signature of $file does not hold"
  exit 1
}
if { cat "$file" && printf x; } | holds 2>/dev/null; then
  say "the signature of $file holds of another file too"
  exit 1
fi
