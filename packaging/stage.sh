# shellcheck shell=bash
# What every package of vks has, laid out as it is installed. For deb.sh and tar.sh, which are sourced after it and set:
#   binary   the program
#   speaker  the same program for this machine, which is asked for manual pages and completions

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# The same input makes the same package, byte for byte, whoever makes it and when: times are those of the last commit, or
# what SOURCE_DATE_EPOCH says (reproducible-builds.org), and names are sorted by their bytes.
export LC_ALL=C TZ=UTC
umask 022
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || stat -c %Y "$root/Cargo.toml")}
export SOURCE_DATE_EPOCH

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# The version of Cargo.toml, unless VKS_VERSION says another one.
version() {
  printf '%s\n' "${VKS_VERSION:-$(sed -n '0,/^version = /s/^version = "\(.*\)"/\1/p' "$root/Cargo.toml")}"
}

# The machine that the program is for, in the words of uname -m.
machine() {
  local machine
  machine=$(readelf -h "$binary" | sed -n 's/^ *Machine: *//p')
  case $machine in
    *X86-64*) echo x86_64 ;;
    AArch64*) echo aarch64 ;;
    *) die "$binary is for ${machine:-no machine at all}: x86_64 and aarch64 are built" ;;
  esac
}

# The oldest C library that has all that the program asks of it. Packed relocations have no number: 2.36 was the first with them.
glibc() {
  readelf --version-info --wide "$binary" | sed 's/GLIBC_ABI_DT_RELR/GLIBC_2.36/g' | grep -o 'GLIBC_[0-9][0-9.]*' |
    sed 's/GLIBC_//' | sort -Vu | tail -n 1
}

put() { # MODE FILE TO
  install -D -m "$1" "$2" "$3"
}

# Everything below /usr, and the licences, into the directory $1; documents to $2 below it.
stage() {
  local to=$1 doc=$1/$2 file name pages
  pages=$(mktemp -d)
  put 0755 "$binary" "$to/usr/bin/vks"
  # A release has no symbols already.
  "${STRIP:-strip}" --strip-unneeded --remove-section=.comment "$to/usr/bin/vks"

  while read -r file; do
    put 0644 "$root/units/$file" "$to/$file"
  done < <(cd "$root/units" && find usr -type f | sort)

  "$speaker" man --dir "$pages"
  for file in "$pages"/*.1 "$root"/docs/man/*.[0-9]; do
    name=$(basename "$file")
    put 0644 "$file" "$to/usr/share/man/man${name##*.}/$name"
    gzip -9n "$to/usr/share/man/man${name##*.}/$name"
  done
  rm -rf "$pages"
  complete bash usr/share/bash-completion/completions/vks "$to"
  complete zsh usr/share/zsh/vendor-completions/_vks "$to"
  complete fish usr/share/fish/vendor_completions.d/vks.fish "$to"

  put 0644 "$root/README.md" "$doc/README.md"
  put 0644 "$root/docs/licences.md" "$doc/licences.md"
  put 0644 "$root/packaging/LGPL-2.1" "$doc/LGPL-2.1"
  while read -r file; do
    put 0644 "$root/$file" "$doc/$file"
  done < <(cd "$root" && find examples -type f ! -path '*/made/*' ! -name demo.sh | sort)
  "$root/packaging/licences.sh" texts | gzip -9n >"$doc/third-party-licences.txt.gz"
}

complete() { # SHELL FILE ROOT
  mkdir -p "$(dirname "$3/$2")"
  "$speaker" completions "$1" >"$3/$2"
}

# No file is younger than the source, and the modes are those of a package.
settle() {
  chmod -R u+w,go-w,a+rX "$1"
  find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}
