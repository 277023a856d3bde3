# shellcheck shell=bash disable=SC2154 # qemu_floor is of deps.sh
# Which tiers can run on this machine.

# Says it for each tier, or for one; fails if one that was asked for cannot run.
cmd_check() {
  local tier why code=0 tiers=(container vm)
  [ $# = 0 ] || tiers=("$1")
  for tier in "${tiers[@]}"; do
    why=$("why_not_$tier")
    if [ -n "$why" ]; then
      code=1
      printf '%s: no, %s\n' "$tier" "$why"
    else
      printf '%s: yes\n' "$tier"
    fi
  done
  [ $# = 0 ] || return "$code"
}

lacks_command() {
  local name
  for name in "$@"; do
    command -v "$name" >/dev/null || printf '%s is missing (lab.sh deps) ' "$name"
  done
}

why_not_container() {
  local root
  if [ "$(id -u)" != 0 ]; then
    printf 'it needs root'
    return
  fi
  lacks_command mmdebstrap systemd-nspawn nsenter
  grep -qw overlay /proc/filesystems || printf 'the kernel has no overlay file system '
  for root in $(cgroup_roots); do
    [ -w "$root/cgroup.procs" ] || printf 'no cgroups can be made in %s ' "$root"
  done
}

why_not_vm() {
  if [ "$(id -u)" != 0 ]; then
    printf 'its image needs root to be built'
    return
  fi
  if [ "$(uname -m)" != x86_64 ]; then
    printf 'the machine is not x86_64'
    return
  fi
  lacks_command mmdebstrap mke2fs qemu-system-x86_64 qemu-img
  if command -v qemu-system-x86_64 >/dev/null && ! qemu_is_new; then
    printf 'QEMU is older than %s (lab.sh deps vm)' "$qemu_floor"
  fi
}
