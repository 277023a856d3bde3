#!/usr/bin/env bash
# What is in nix/, with the evaluator of Debian (nix-bin): every file parses, the flake's outputs are there, and the module
# evaluates for right and wrong configurations against a stand-in for nixpkgs. Nothing is built. Exit code 77: no evaluator.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
if ! command -v nix-instantiate >/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install nix-bin >/dev/null 2>&1 || true
  fi
  command -v nix-instantiate >/dev/null || { echo "nix-instantiate is not there: install nix-bin"; exit 77; }
fi

# Nothing of nixpkgs by guess: each name that is used has been looked up there.
used=$(grep -rhoE "\blib\.((types|fileset|licenses|platforms)\.)?[A-Za-z0-9']+|\btypes\.[A-Za-z]+|\bpkgs\.(formats|testers|stdenv)[A-Za-z.]+|\bpkgs\.(callPackage|mkShell|run[A-Za-z]+|write[A-Za-z]+)" flake.nix nix |
  sed 's/^lib\.types\./types./' | LC_ALL=C sort -u)
known=$(sed '/^#/d; s/ .*//' integration/nix/nixpkgs.txt | LC_ALL=C sort -u)
[ "$used" = "$known" ] || { echo "integration/nix/nixpkgs.txt and nix/ differ:"; diff <(echo "$known") <(echo "$used") || exit 1; }

# No store and no daemon: nothing is written but below a directory of our own.
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
export NIX_REMOTE=dummy:// HOME=$home NIX_CONFIG=$'build-users-group =\n'
export NIX_STATE_DIR=$home/state NIX_CONF_DIR=$home

find flake.nix nix integration/nix -name '*.nix' -print0 | xargs -0 -n 1 nix-instantiate --parse >/dev/null
said=$(nix-instantiate --eval --strict --json integration/nix/eval.nix)
[ "$said" = '""' ] || { printf '%b\n' "$said"; exit 1; }
