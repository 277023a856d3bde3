# shellcheck shell=bash disable=SC2154 # state and lab_dir are lab.sh's
# Throwaway machines: a systemd booted by systemd-nspawn on an overlay of a root
# directory. What is known of one is in target/integration/machines/NAME:
#   root/ upper/ work/  the overlay      console.log  what it said
#   suite               its Debian       supervisor   pid of the loop around nspawn

boot_limit=60 # seconds
reboot_limit=120

# One line per cgroup hierarchy that systemd lives in: one on cgroup v2, two on
# cgroup v1 or a mix.
cgroup_roots() {
  if [ -e /sys/fs/cgroup/cgroup.procs ]; then
    printf '/sys/fs/cgroup\n'
  else
    printf '/sys/fs/cgroup/systemd\n'
    [ ! -d /sys/fs/cgroup/unified ] || printf '/sys/fs/cgroup/unified\n'
  fi
}

# A name that no other copy of the lab on this machine uses.
global_name() {
  printf 'vkslab-%s-%s\n' "$(printf '%s' "$state" | cksum | cut -d' ' -f1)" "$1"
}

machine_dir() {
  [[ $1 =~ ^[a-z][a-z0-9-]{0,39}$ ]] || die "not a machine's name: $1"
  printf '%s/machines/%s\n' "$state" "$1"
}

cmd_boot() {
  local name=${1:?boot: which name?} suite=${2:?boot: which suite?} dir binds=()
  shift 2
  while [ $# -gt 0 ]; do
    case $1 in
      --bind | --bind-ro) binds+=("$1=${2:?$1 needs HOST:GUEST}") ;;
      *) die "boot: what is $1?" ;;
    esac
    shift 2
  done
  need_root
  dir=$(machine_dir "$name")
  claim "$name" "$dir"
  cmd_rootfs "$suite"
  printf '%s\n' "$suite" >"$dir/suite"
  mount_root "$dir" "$(realpath "$state/rootfs/$suite")"
  identify "$dir/root" "$name"
  start_machine "$name" "$suite" "${binds[@]}"
  wait_up "$name" '' "$boot_limit" || boot_failed "$name"
}

# Leaves no machine behind that nobody knows of, only what it said.
boot_failed() {
  cmd_save "$1" "$state/failed/$1"
  cmd_down "$1"
  die "$1 did not come up, see $state/failed/$1"
}

# Takes the name, or fails if a machine that runs has it. What a dead one left is
# removed.
claim() {
  mkdir -p "$state/machines"
  mkdir "$2" 2>/dev/null && return
  ! recorded_pid "$2/supervisor" >/dev/null || die "$1 is running already"
  cmd_down "$1"
  mkdir "$2"
}

# An overlay on the root directory, so that a machine costs no copy. Its upper
# layer is on disk; where that cannot be (target on an overlay), in memory.
mount_root() {
  local dir=$1 lower=$2
  mkdir "$dir/root" "$dir/upper" "$dir/work"
  mount_overlay "$dir" "$lower" 2>/dev/null && return
  rmdir "$dir/upper" "$dir/work"
  mkdir "$dir/memory"
  mount -t tmpfs -o mode=0755 vkslab "$dir/memory"
  mkdir "$dir/memory/upper" "$dir/memory/work"
  ln -s memory/upper "$dir/upper"
  ln -s memory/work "$dir/work"
  mount_overlay "$dir" "$lower" || cp -a --reflink=auto "$lower/." "$dir/root"
}

mount_overlay() {
  mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" "$1/root"
}

identify() {
  tr -d - </proc/sys/kernel/random/uuid >"$1/etc/machine-id"
  printf '%s\n' "$2" >"$1/etc/hostname"
  printf '127.0.1.1 %s\n' "$2" >>"$1/etc/hosts"
}

start_machine() {
  local name=$1 suite=$2 dir
  shift 2
  dir=$(machine_dir "$name")
  # setsid: the machine outlives this script and its terminal. No file that is
  # open here may stay open there, or a caller that reads our output to its end
  # would wait for the machine's.
  VKS_LAB_STATE=$state setsid "$lab_dir/lab.sh" supervise "$name" "$suite" "$@" \
    </dev/null >"$dir/console.log" 2>&1 &
  record_pid $! "$dir/supervisor"
}

# Runs nspawn until the machine powers off. With --keep-unit nspawn does not boot
# it again by itself but exits with 133, as it would to have its unit restarted.
supervise() {
  local code=133
  while [ "$code" = 133 ]; do
    code=0
    run_nspawn "$@" || code=$?
  done
  exit "$code"
}

run_nspawn() {
  local name=$1 suite=$2 global root
  shift 2
  global=$(global_name "$name")
  # 258 and newer boot on cgroup v2 only.
  [ "$suite" != sid ] || export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
  remove_cgroups "$global"
  (
    # Its own cgroup, since the machine's systemd takes the one that nspawn is in
    # for the root: two machines would share their slices.
    for root in $(cgroup_roots); do
      mkdir -p "$root/$global"
      echo "$BASHPID" >"$root/$global/cgroup.procs"
    done
    exec systemd-nspawn --directory="$(machine_dir "$name")/root" \
      --machine="$global" --hostname="$name" --boot --private-network --register=no \
      --keep-unit --console=pipe --capability=all \
      --settings=no --link-journal=no --resolv-conf=off --timezone=off "$@"
  )
}

# Removes the machine's cgroups once they are empty.
remove_cgroups() {
  local root
  for root in $(cgroup_roots); do
    [ ! -d "$root/$1" ] || find "$root/$1" -depth -type d -exec rmdir {} +
  done
}

# Prints the pid, on this machine, of the PID 1 of a machine. It is a grandchild
# of the supervisor, and changes with every reboot.
leader() {
  local dir supervisor child pid
  dir=$(machine_dir "$1")
  supervisor=$(recorded_pid "$dir/supervisor") || return 1
  for child in $(children "$supervisor"); do
    for pid in $(children "$child"); do
      # Before it runs systemd it is nspawn still, and its mounts are not ready.
      if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = systemd ]; then
        printf '%s\n' "$pid"
        return
      fi
    done
  done
  return 1
}

children() {
  cat "/proc/$1/task/$1/children" 2>/dev/null || true
}

# Puts into `entering` the command line before one that is to run in the namespaces
# of a leader, with a clean environment.
set_entering() {
  entering=(nsenter -t "$1" -m -u -i -n -p -C --
    /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    HOME=/root LANG=C.UTF-8)
}

enter() {
  set_entering "$1"
  shift
  "${entering[@]}" "$@"
}

# Waits until a machine whose leader is not OLD is up, and prints its leader:
# NAME, OLD, SECONDS.
wait_up() {
  local pid dir deadline=$((SECONDS + $3))
  dir=$(machine_dir "$1")
  while [ "$SECONDS" -le "$deadline" ] && recorded_pid "$dir/supervisor" >/dev/null; do
    if pid=$(leader "$1") && [ "$pid" != "$2" ] && is_up "$pid" $((deadline - SECONDS + 1)); then
      printf '%s\n' "$pid"
      return
    fi
    sleep 0.02
  done
  tail -n 40 "$dir/console.log" >&2
  return 1
}

# Is the machine's boot over, and does systemd answer on its D-Bus? Waits for the
# first, up to SECONDS.
is_up() {
  # shellcheck disable=SC2016 # for the shell inside
  enter "$1" timeout "$2" sh -c '
    case $(systemctl is-system-running --wait 2>/dev/null) in
      running | degraded) ;;
      *) exit 1 ;;
    esac
    busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.DBus.Peer Ping
  ' </dev/null >/dev/null 2>&1
}

cmd_exec() {
  local name=${1:?exec: which machine?} pid
  shift
  [ "${1:-}" != -- ] || shift
  [ $# -gt 0 ] || die "exec: which command?"
  pid=$(leader "$name") || die "$name is not running"
  set_entering "$pid"
  exec "${entering[@]}" "$@"
}

cmd_reboot() {
  local name=${1:?reboot: which machine?} old
  old=$(leader "$name") || die "$name is not running"
  # The connection may break before the answer.
  enter "$old" systemctl --no-block reboot </dev/null >/dev/null 2>&1 || true
  wait_up "$name" "$old" "$reboot_limit" || die "$name did not come up again"
}

# What a failed test leaves for people to read: NAME, DIR.
cmd_save() {
  local name=${1:?save: which machine?} to=${2:?save: where to?} dir pid
  dir=$(machine_dir "$name")
  mkdir -p "$to"
  cp "$dir/console.log" "$to/" 2>/dev/null || true
  if pid=$(leader "$name"); then
    enter "$pid" journalctl -b -o short-precise --no-pager >"$to/journal.txt" </dev/null 2>&1 || true
    enter "$pid" systemctl list-units --all --no-pager >"$to/units.txt" </dev/null 2>&1 || true
    enter "$pid" ip addr >"$to/addresses.txt" </dev/null 2>&1 || true
  else
    journalctl -D "$dir/root/var/log/journal" -o short-precise --no-pager >"$to/journal.txt" 2>&1 || true
  fi
}

cmd_down() {
  local name=${1:?down: which machine, or --all?} dir
  need_root
  if [ "$name" = --all ]; then
    for dir in "$state"/machines/*/; do
      [ ! -d "$dir" ] || cmd_down "$(basename "$dir")"
    done
    return
  fi
  dir=$(machine_dir "$name")
  [ -d "$dir" ] || return 0
  end_machine "$name" "$dir"
  remove_traces "$name" "$dir"
}

# Pulls the plug. Nothing of the machine is kept, so its units need not stop in
# order, which could take as long as their time-outs; with its PID 1 the kernel
# ends every process in it, and its namespaces go.
end_machine() {
  local name=$1 dir=$2 pid
  if pid=$(leader "$name"); then kill -KILL "$pid" 2>/dev/null || true; fi
  wait_gone "$dir/supervisor" 10 && return
  # Between two boots, or stuck before there was a leader.
  if pid=$(recorded_pid "$dir/supervisor"); then kill -KILL "$pid" 2>/dev/null || true; fi
}

remove_traces() {
  local global
  global=$(global_name "$1")
  empty_cgroups "$global"
  remove_cgroups "$global"
  # What nspawn removes itself, unless it was killed.
  rmdir "/run/systemd/nspawn/propagate/$global" 2>/dev/null || true
  [ ! -d "$2/root" ] || rm -f "/run/systemd/nspawn/locks/$(stat -c inode-%d:%i "$2/root")"
  remove_tree "$2"
}

# Ends what is left in the machine's cgroups, as after nspawn itself was killed.
# Nothing but the machine was ever put there.
empty_cgroups() {
  local root pid pids deadline=$((SECONDS + 10))
  for root in $(cgroup_roots); do
    while pids=$(find "$root/$1" -name cgroup.procs -exec cat {} + 2>/dev/null) && [ -n "$pids" ]; do
      [ "$SECONDS" -le "$deadline" ] || die "processes of $1 do not end: $pids"
      for pid in $pids; do kill -KILL "$pid" 2>/dev/null || true; done
      sleep 0.02
    done
  done
}
