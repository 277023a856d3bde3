# What the lab needs on this machine, and root file systems from the machine's own Debian mirror.
# shellcheck shell=bash disable=SC2154  # target is set by lab.sh

# Raise it when the recipe below changes in a way the package list does not show.
recipe=4
guest_packages=systemd,systemd-sysv,systemd-resolved,dbus,udev,iproute2,procps,jq,curl,openssl,python3-minimal,python3,socat,util-linux,libcap2-bin,kmod,man-db

missing_commands() {
  local list="mmdebstrap systemd-nspawn nsenter setsid jq ip mke2fs"
  [ "$1" = container ] || list="qemu-system-x86_64 mke2fs"
  local command
  for command in $list; do
    command -v "$command" >/dev/null 2>&1 || printf '%s ' "$command"
  done
}

install_deps() {
  case $1 in
    all) install_deps container; install_deps vm; return ;;
    container) [ -n "$(missing_commands container)" ] || return 0 ;;
    vm) ! vm_ready || return 0 ;;
    *) die "deps: unknown tier $1" ;;
  esac
  say "installing what the $1 tier needs"
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update
  if [ "$1" = container ]; then
    apt-get -qq -y --no-install-recommends install mmdebstrap systemd-container e2fsprogs util-linux \
      iproute2 jq procps gcc libc6-dev >/dev/null
  else
    install_qemu
  fi
}

# QEMU 7.2 of Debian 12 panics the guest at random: 10 comes from backports there.
vm_ready() {
  local version
  version=$(qemu-system-x86_64 --version 2>/dev/null | sed -n 's/.*version \([0-9]*\).*/\1/p')
  [ "${version:-0}" -ge 9 ]
}

install_qemu() {
  local codename
  codename=$(. /etc/os-release && printf %s "$VERSION_CODENAME")
  if [ "$codename" = bookworm ]; then
    printf 'Types: deb\nURIs: %s\nSuites: bookworm-backports\nComponents: main\nSigned-By: %s\n' \
      "$(mirror)" "$keyring" > /etc/apt/sources.list.d/vks-backports.sources
    apt-get -qq update
    apt-get -qq -y --no-install-recommends -t bookworm-backports install qemu-system-x86 >/dev/null
  else
    apt-get -qq -y --no-install-recommends install qemu-system-x86 >/dev/null
  fi
}

keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The mirror this machine gets its own Debian packages from.
mirror() {
  # shellcheck disable=SC2016  # apt's own format, not the shell's
  apt-get indextargets --format '$(REPO_URI) $(ORIGIN)' | awk '/ Debian$/ && $1 ~ /debian\/?$/ { print $1; exit }'
}

build_rootfs() {
  local suite=$1 root stamp
  root=$target/rootfs/$suite
  stamp=$(printf '%s %s %s' "$suite" "$recipe" "$guest_packages" | sha256sum | cut -c1-16)
  [ "$(cat "$root.stamp" 2>/dev/null)" != "$stamp" ] || return 0
  say "building the $suite root file system"
  local new=$target/rootfs/new-$suite from
  from=$(mirror)
  [ -n "$from" ] || die "no Debian mirror in apt's configuration (run apt-get update)"
  rm -rf "$new" "$root" "$root.stamp"
  # An old snapshot of sid may be all a mirror has: its date does not matter here.
  mmdebstrap --quiet --variant=minbase --include="$guest_packages" --keyring="$keyring" \
    --aptopt='Acquire::Check-Valid-Until "false"' --skip=cleanup/tmp "$suite" "$new" "$from" >&2
  prepare_rootfs "$new"
  mv "$new" "$root"
  printf %s "$stamp" > "$root.stamp"
}

# Quiet, quick to boot, with a journal that survives a reboot.
prepare_rootfs() {
  local root=$1 unit
  mkdir -p "$root/var/log/journal" "$root/etc/systemd/system" "$root/etc/systemd/journald.conf.d"
  printf '[Journal]\nStorage=persistent\nSystemMaxUse=2G\nSystemKeepFree=1M\n' > "$root/etc/systemd/journald.conf.d/lab.conf"
  for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
    man-db.timer systemd-firstboot.service systemd-networkd-wait-online.service console-getty.service \
    getty@tty1.service systemd-resolved.service systemd-journal-catalog-update.service ldconfig.service \
    systemd-pstore.service systemd-timesyncd.service systemd-udev-trigger.service systemd-udevd.service; do
    ln -sfn /dev/null "$root/etc/systemd/system/$unit"
  done
  : > "$root/etc/machine-id"
  printf 'lab\n' > "$root/etc/hostname"
  rm -f "$root/etc/resolv.conf"
  rm -rf "$root/var/cache/apt/archives" "$root/var/lib/apt/lists"
}
