#!/usr/bin/env bash
# The same for hosts without packages:  packaging/tar.sh BINARY [DIRECTORY]
#
# An archive that is laid out as installed: packaging/README.md says how it is unpacked. Needs and heeds what deb.sh does,
# but dpkg-deb.
set -euo pipefail

# shellcheck source=packaging/stage.sh
. "$(dirname "${BASH_SOURCE[0]}")/stage.sh"

binary=${1:?tar.sh: which program? cargo build --release makes target/release/vks}
speaker=${VKS_SPEAKER:-$binary}
out=${2:-$root/target/packages}

main() {
  local tree name archive
  tree=$(mktemp -d)
  # shellcheck disable=SC2064 # the directory as it is now
  trap "rm -rf '$tree'" EXIT
  name=vks-$(version)-$(machine)-linux

  stage "$tree/$name" usr/share/doc/vks
  put 0644 "$root/LICENSE" "$tree/$name/usr/share/doc/vks/LICENSE"
  put 0644 "$root/packaging/vks.toml" "$tree/$name/usr/share/doc/vks/vks.toml"
  settle "$tree/$name"

  mkdir -p "$out"
  archive=$out/$name.tar.gz
  tar -C "$tree" --sort=name --format=gnu --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -c "$name" |
    gzip -9n >"$archive"
  printf '%s\n' "$archive"
}

main
