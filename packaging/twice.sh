#!/usr/bin/env bash
# Whether two builds of a commit are the same byte for byte:  packaging/twice.sh [COMMIT [PROGRAM]]
#
# Two copies of its tree, in directories of different names, are built one after the other, without anything of an earlier
# build; it ends with 1 and the first place that differs when the programs do. The program is copied to PROGRAM if that is named.
# It takes two release builds: no part of CI.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
commit=${1:-HEAD}
keep=${2:-}
tree=$(mktemp -d)
# shellcheck disable=SC2064 # the directory as it is now
trap "rm -rf '$tree'" EXIT

build() {
  mkdir -p "$tree/$1"
  git -C "$root" archive "$commit" | tar -x -C "$tree/$1"
  (
    cd "$tree/$1"
    # As packaging/README.md says.
    export CARGO_TARGET_DIR=$PWD/target RUSTFLAGS="--remap-path-prefix=$PWD=/vks --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
    cargo build --release --locked
  )
  # What is compared stays; the rest is large.
  mv "$tree/$1/target/release/vks" "$tree/$2"
  rm -rf "${tree:?}/$1"
}

build a vks-1
build another-directory vks-2
sha256sum "$tree/vks-1" "$tree/vks-2"
cmp "$tree/vks-1" "$tree/vks-2"
[ -z "$keep" ] || cp "$tree/vks-1" "$keep"
