# shellcheck shell=bash disable=SC2154 # state is lab.sh's
# Root directories for machines: one per Debian suite, built once. rootfs/SUITE is
# a link to a tree that is named for its recipe, so a change of the recipe leaves
# the machines alone that run on the old tree.

# Raise it when what is done to the tree after the packages changes.
recipe_version=3

rootfs_packages=(
  systemd systemd-sysv dbus
  # for the tests' own looks and probes
  iproute2 iputils-ping tcpdump procps kmod jq curl openssl socat strace python3 python3-yaml
  # what an agent uses or may use
  nftables wireguard-tools libcap2-bin
  # another runtime of containers, to compare with
  crun
  # judges of names and traffic, and neighbours in the packet filter
  bind9-dnsutils netcat-openbsd iperf3 conntrack iptables firewalld ufw systemd-resolved nscd libnss-resolve
  # images
  nix-bin
)

# Slow or pointless where nobody logs in and no hardware is.
container_masks=(
  getty@.service console-getty.service container-getty@.service getty.target
  systemd-firstboot.service systemd-networkd-wait-online.service
  systemd-modules-load.service systemd-journal-catalog-update.service ldconfig.service
  sys-kernel-debug.mount sys-kernel-tracing.mount
  # for the tests that start them
  firewalld.service ufw.service systemd-resolved.service nscd.service
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

rootfs_tree() {
  printf '.%s-%s\n' "$1" "$(rootfs_recipe "$1")"
}

rootfs_is_current() {
  [ "$(readlink "$state/rootfs/$1")" = "$(rootfs_tree "$1")" ] && [ -d "$state/rootfs/$1/etc" ]
}

build_rootfs() {
  local suite=$1 new="$state/rootfs/.$1.new" tree
  note "building $suite, about half a minute"
  tree=$(rootfs_tree "$suite")
  remove_tree "$new" # of a build that was cut short
  debootstrap_tree "$suite" "$new" "${rootfs_packages[@]}"
  settle_tree "$new"
  mask_units "$new" "${container_masks[@]}" "${timer_masks[@]}"
  remove_tree "$state/rootfs/$tree"
  mv "$new" "$state/rootfs/$tree"
  [ -L "$state/rootfs/$suite" ] || remove_tree "$state/rootfs/$suite"
  ln -sfn "$tree" "$state/rootfs/.$suite.link"
  mv -T "$state/rootfs/.$suite.link" "$state/rootfs/$suite"
  remove_old_trees "$suite" "$tree"
}

# Removes the trees of older recipes, but not from under a machine.
remove_old_trees() {
  local suite=$1 keep=$2 tree
  for tree in "$state/rootfs/.$suite"-*; do
    [ "$tree" != "$state/rootfs/$keep" ] || continue
    grep -qF "lowerdir=$tree," /proc/self/mountinfo || remove_tree "$tree"
  done
}

# A minimal Debian in a directory: SUITE, DIR, PACKAGE...; with the options of
# mmdebstrap_more.
mmdebstrap_more=()
debootstrap_tree() {
  local suite=$1 dir=$2 mirror log options=()
  shift 2
  mirror=$(debian_mirror)
  mapfile -t options < <(apt_options)
  log="$dir.log"
  mmdebstrap --mode=root --format=directory --variant=minbase \
    --include="$(IFS=,; printf '%s' "$*")" \
    --keyring="$(debian_keyring)" \
    --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    "${options[@]}" "${mmdebstrap_more[@]}" \
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
  rm -f "$dir/etc/resolv.conf" # of systemd-resolved
  sed -i 's/^hosts:.*/hosts: files dns/' "$dir/etc/nsswitch.conf" # nor its module
  printf 'nameserver 127.0.0.1\n' >"$dir/etc/resolv.conf"
  printf 'LANG=C.UTF-8\n' >"$dir/etc/default/locale"
  mkdir -p "$dir/var/log/journal" "$dir/etc/systemd/journald.conf.d"
  # Kept over a reboot, and however full the disk below is.
  printf '[Journal]\nStorage=persistent\nSystemMaxUse=2G\nSystemKeepFree=1M\n' \
    >"$dir/etc/systemd/journald.conf.d/lab.conf"
  ln -sf /usr/lib/systemd/system/multi-user.target "$dir/etc/systemd/system/default.target"
}

mask_units() {
  local dir=$1 unit
  shift
  for unit in "$@"; do
    ln -sf /dev/null "$dir/etc/systemd/system/$unit"
  done
}
