# shellcheck shell=bash
# Root directories for machines: one per Debian suite, built once.

# Raise it when what is done to the tree after the packages changes.
recipe_version=1

rootfs_packages=(
  systemd systemd-sysv dbus
  # for the tests' own looks and probes
  iproute2 iputils-ping procps jq curl openssl socat strace python3
  # what an agent uses or may use
  nftables wireguard-tools libcap2-bin
)

# Slow or pointless where nobody logs in and no hardware is.
container_masks=(
  getty@.service console-getty.service container-getty@.service getty.target
  systemd-firstboot.service systemd-networkd-wait-online.service
  systemd-modules-load.service systemd-journal-catalog-update.service ldconfig.service
  sys-kernel-debug.mount sys-kernel-tracing.mount
)
# Anything that starts by itself in the middle of a test.
timer_masks=(
  apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer
  e2scrub_all.timer e2scrub_reap.service fstrim.timer systemd-tmpfiles-clean.timer
)

cmd_rootfs() {
  local suite=${1:?rootfs: which suite?}
  case $suite in
    trixie | sid | bookworm) ;;
    *) die "rootfs: trixie, sid or bookworm, not $suite" ;;
  esac
  rootfs_is_current "$suite" && return
  need_root
  mkdir -p "$state/rootfs"
  (
    flock 9 # tests in parallel may ask for the same one
    rootfs_is_current "$suite" || build_rootfs "$suite"
  ) 9>"$state/rootfs/.$suite.lock"
}

rootfs_recipe() {
  printf '%s\n' "$recipe_version" "$1" "${rootfs_packages[@]}" "${container_masks[@]}" "${timer_masks[@]}" |
    sha256sum | cut -c1-16
}

rootfs_is_current() {
  local stamp
  { read -r stamp <"$state/rootfs/$1/etc/vks-lab-recipe"; } 2>/dev/null || return 1
  [ "$stamp" = "$(rootfs_recipe "$1")" ]
}

build_rootfs() {
  local suite=$1 new="$state/rootfs/.$1.new"
  note "building $suite, about half a minute"
  rootfs_unused "$suite"
  remove_tree "$new" # of a build that was cut short
  debootstrap_tree "$suite" "$new" "${rootfs_packages[@]}"
  settle_tree "$new"
  mask_units "$new" "${container_masks[@]}" "${timer_masks[@]}"
  rootfs_recipe "$suite" >"$new/etc/vks-lab-recipe"
  remove_tree "$state/rootfs/$suite"
  mv "$new" "$state/rootfs/$suite"
}

# A machine's overlay must not lose the tree below it.
rootfs_unused() {
  local machine
  for machine in "$state"/machines/*/suite; do
    if [ -e "$machine" ] && [ "$(<"$machine")" = "$1" ]; then
      die "$1 is out of date but in use: lab.sh down --all first"
    fi
  done
}

# A minimal Debian in a directory: SUITE, DIR, PACKAGE...
debootstrap_tree() {
  local suite=$1 dir=$2 mirror log options=()
  shift 2
  mirror=$(debian_mirror)
  mapfile -t options < <(apt_options)
  log="$state/rootfs/$suite.log"
  mkdir -p "$state/rootfs"
  mmdebstrap --mode=root --format=directory --variant=minbase \
    --include="$(IFS=,; printf '%s' "$*")" \
    --keyring="$(debian_keyring)" \
    --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    "${options[@]}" \
    "$suite" "$dir" "$mirror" >"$log" 2>&1 || {
    tail -n 30 "$log" >&2
    die "mmdebstrap of $suite failed, see $log"
  }
}

# What of this machine's apt settings is about reaching the mirror. The mirror of
# sid may be a snapshot, whose index has long expired.
apt_options() {
  local key value
  printf -- '--aptopt=%s\n' 'Acquire::Check-Valid-Until "false"'
  for key in Acquire::http::Proxy Acquire::https::Proxy Acquire::Check-Date; do
    value=$(apt-config shell value "$key" | sed -n "s/^value='\(.*\)'\$/\1/p")
    [ -z "$value" ] || printf -- '--aptopt=%s "%s"\n' "$key" "$value"
  done
}

# What a fresh tree lacks, and what it has from this machine and should not.
settle_tree() {
  local dir=$1
  : >"$dir/etc/machine-id" # boot writes one
  printf 'localhost\n' >"$dir/etc/hostname"
  printf '127.0.0.1 localhost\n::1 localhost\n' >"$dir/etc/hosts"
  printf 'nameserver 127.0.0.1\n' >"$dir/etc/resolv.conf"
  printf 'LANG=C.UTF-8\n' >"$dir/etc/default/locale"
  mkdir -p "$dir/var/log/journal" # which makes the journal persistent
  ln -sf /usr/lib/systemd/system/multi-user.target "$dir/etc/systemd/system/default.target"
}

mask_units() {
  local dir=$1 unit
  shift
  for unit in "$@"; do
    ln -sf /dev/null "$dir/etc/systemd/system/$unit"
  done
}
