#!/usr/bin/env bash
# The Debian package:  packaging/deb.sh BINARY [DIRECTORY]
#
# Needs dpkg-deb, binutils, jq and cargo, and the sources of the dependencies for their licences; no root. Prints the name of the
# package, which is put into DIRECTORY (target/packages). From the environment: VKS_VERSION, SOURCE_DATE_EPOCH; VKS_SPEAKER, a
# vks that runs here, when BINARY is for another machine; STRIP, for the same reason; VKS_COMPRESS, of `dpkg-deb -Z` (xz);
# VKS_MAINTAINER, who gives the package away.
set -euo pipefail

# shellcheck source=packaging/stage.sh
. "$(dirname "${BASH_SOURCE[0]}")/stage.sh"
debian=$root/packaging/debian

binary=${1:?deb.sh: which program? cargo build --release makes target/release/vks}
speaker=${VKS_SPEAKER:-$binary}
out=${2:-$root/target/packages}
maintainer=${VKS_MAINTAINER:-The makers of vks <vks@example.org>}

architecture() {
  case $(machine) in
    x86_64) echo amd64 ;;
    aarch64) echo arm64 ;;
  esac
}

# Installed-Size, in KiB, as dpkg-gencontrol(1) counts it: what a file system takes for a directory must not be in it.
installed() { # TREE
  find "$1" -printf '%y %s\n' | awk '{ sum += $1 == "f" ? int(($2 + 1023) / 1024) : 1 } END { print sum + 0 }'
}

control() { # TREE
  sed -e "s/@VERSION@/$(version)/" -e "s/@ARCHITECTURE@/$(architecture)/" -e "s/@GLIBC@/$(glibc)/" -e "s/@MAINTAINER@/$maintainer/" \
    -e "s/@SIZE@/$(installed "$1")/" "$debian/control"
}

# A maintainer script, with the names of the units that are switched on, and of those that removal stops after the agent.
script() { # NAME
  local units=$root/units/usr/lib/systemd enabled others
  enabled=$(sed -n 's/^enable //p' "$units/system-preset/90-vks.preset" | sort -r | tr '\n' ' ')
  others=$(cd "$units/system" && find . -maxdepth 1 -type f -name 'vks-*' ! -name '*@*' -printf '%f\n' | sort | tr '\n' ' ')
  sed -e "s/@ENABLED@/${enabled% }/" -e "s/@OTHERS@/${others% }/" "$debian/$1"
}

changelog() {
  printf 'vks (%s) unstable; urgency=medium\n\n  * What is new is in CHANGELOG.md.\n\n -- %s  %s\n' \
    "$(version)" "$maintainer" "$(date -u -R -d "@$SOURCE_DATE_EPOCH")"
}

main() {
  local tree package script
  tree=$(mktemp -d)
  # shellcheck disable=SC2064 # the directory as it is now
  trap "rm -rf '$tree'" EXIT
  chmod 0755 "$tree"

  stage "$tree" usr/share/doc/vks
  put 0644 "$root/packaging/vks.toml" "$tree/etc/vks/vks.toml"
  mkdir -p "$tree/etc/vks/pods.d"
  put 0644 "$debian/copyright" "$tree/usr/share/doc/vks/copyright"
  changelog | gzip -9n >"$tree/usr/share/doc/vks/changelog.gz"
  gzip -9nc "$root/CHANGELOG.md" >"$tree/usr/share/doc/vks/CHANGELOG.md.gz"
  put 0644 "$debian/lintian-overrides" "$tree/usr/share/lintian/overrides/vks"
  settle "$tree"
  # A manifest may hold a Secret.
  chmod 0750 "$tree/etc/vks/pods.d"

  mkdir "$tree/DEBIAN"
  control "$tree" >"$tree/DEBIAN/control"
  printf '/etc/vks/vks.toml\n' >"$tree/DEBIAN/conffiles"
  (cd "$tree" && find usr etc -type f -print0 | sort -z | xargs -0 md5sum) >"$tree/DEBIAN/md5sums"
  for script in postinst prerm postrm; do
    script "$script" >"$tree/DEBIAN/$script"
    chmod 0755 "$tree/DEBIAN/$script"
  done
  find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +

  mkdir -p "$out"
  package=$out/vks_$(version)_$(architecture).deb
  dpkg-deb --root-owner-group -Z"${VKS_COMPRESS:-xz}" --build "$tree" "$package" >/dev/null
  printf '%s\n' "$package"
}

main
