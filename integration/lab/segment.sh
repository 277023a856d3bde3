# shellcheck shell=bash disable=SC2154 # state is lab.sh's
# Wires between machines: a segment is a namespace with a bridge in it, and each machine that joins gets an interface on it.

segment_name() {
  [[ $1 =~ ^[a-z][a-z0-9-]{0,19}$ ]] || die "not a segment's name: $1"
  printf 'vkslab-%s-%s\n' "$(printf '%s' "$state" | cksum | cut -d' ' -f1)" "$1"
}

# SEGMENT MACHINE INTERFACE ADDRESS...: plugs the machine in. After a reboot of it once more: its interfaces are new.
cmd_join() {
  local segment=${1:?join: which segment?} name=${2:?join: which machine?} link=${3:?join: which interface?} ns pid address
  shift 3
  need_root
  ns=$(segment_name "$segment")
  pid=$(leader "$name") || die "$name is not running"
  make_segment "$ns"
  # The other end has the machine's pid in its name, so that no two meet; it goes with the machine's.
  ip -n "$ns" link add "p$pid" mtu 1500 type veth peer name "$link" netns "$pid"
  ip -n "$ns" link set "p$pid" master bridge up
  enter "$pid" ip link set "$link" up
  for address in "$@"; do
    case $address in
      *:*) enter "$pid" ip addr add "$address" dev "$link" nodad ;;
      *) enter "$pid" ip addr add "$address" dev "$link" ;;
    esac
  done
}

make_segment() {
  ! ip netns list | grep -q "^$1\b" || return 0
  ip netns add "$1"
  # No delay before it forwards, no guessing who wants multicast.
  ip -n "$1" link add bridge type bridge stp_state 0 forward_delay 0 mcast_snooping 0
  ip -n "$1" link set bridge up
}

# SEGMENT: takes it away with all its wires.
cmd_part() {
  local ns
  need_root
  ns=$(segment_name "${1:?part: which segment?}")
  ip netns delete "$ns" 2>/dev/null || true
}
