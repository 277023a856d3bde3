#!/usr/bin/env bash
# A real Kubernetes control plane for tests: etcd, kube-apiserver, controller
# manager and scheduler in a network namespace of their own, with a bridge to
# which machines of the lab are joined. `plane.sh help` lists the verbs.
# What is known of one is in target/integration/planes/NAME.
set -euo pipefail

lab_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
state=${VKS_LAB_STATE:-$(dirname "$lab_dir")/target/integration}
mkdir -p "$state"
state=$(cd "$state" && pwd)
plane_dir=$state/plane
plane_bin=$plane_dir/bin
mkdir -p "$plane_bin"

# shellcheck source=integration/lab/common.sh
. "$lab_dir/lab/common.sh"
# shellcheck source=integration/lab/deps.sh
. "$lab_dir/lab/deps.sh"
# shellcheck source=integration/lab/machine.sh
. "$lab_dir/lab/machine.sh"
# shellcheck source=integration/lab/plane_build.sh
. "$lab_dir/lab/plane_build.sh"
# shellcheck source=integration/lab/plane_keys.sh
. "$lab_dir/lab/plane_keys.sh"
# shellcheck source=integration/lab/plane_parts.sh
. "$lab_dir/lab/plane_parts.sh"

# The plane's own address on its bridge, and what the cluster uses.
plane_address=10.200.0.1
service_range=10.96.0.0/16
pod_range=10.244.0.0/16

usage() {
  cat <<'TEXT'
usage: plane.sh VERB ...

  build                     make what is missing of the programs (4 minutes, once)
  up NAME                   start a control plane; prints its directory, in which are
                            pki/ (ca.crt, admin.crt, ...), admin.conf (kubeconfig), *.log
  down NAME | --all         end it and remove every trace of it
  kubectl NAME ARGS...      kubectl of 1.20 as its administrator
  exec NAME CMD...          run a command in its network namespace
  join NAME MACHINE ADDRESS wire a machine of the lab to its bridge (10.200.0.2 and on)
  kubeconfig NAME USER [GROUP]   print one for a user by a client certificate
  cert NAME FILE CN O SANS  a certificate of its CA: FILE.crt, FILE.key
  ca-hash NAME              what `vks join --ca-hash` wants
  start|stop NAME PART      one of etcd, apiserver, manager, scheduler
  pid NAME PART             its process, for signals

The API is https://10.200.0.1:6443. Bearer tokens: `admin-token` (system:masters),
`reader-token` (user reader, no rights); bootstrap token abcdef.0123456789abcdef.
TEXT
}

plane_home() {
  [[ $1 =~ ^[a-z][a-z0-9-]{0,39}$ ]] || die "not a plane's name: $1"
  printf '%s/planes/%s\n' "$state" "$1"
}

plane_namespace() {
  global_name "plane-$1"
}

# Runs a command in the plane's network namespace.
within() {
  local name=$1
  shift
  nsenter --net="/run/netns/$(plane_namespace "$name")" -- "$@"
}

cmd_up() {
  local name=${1:?up: which name?} home
  need_root
  home=$(plane_home "$name")
  cmd_build
  mkdir -p "$state/planes"
  if ! mkdir "$home" 2>/dev/null; then
    ! recorded_pid "$home/apiserver.pid" >/dev/null || die "$name is running already"
    cmd_down "$name"
    mkdir "$home"
  fi
  make_network "$name"
  make_keys "$name" "$home"
  start_parts "$name" "$home" || {
    note "$name did not come up: $(tail -n 3 "$home"/*.log)"
    mkdir -p "$state/failed"
    rm -rf "$state/failed/plane-$name"
    cp -r "$home" "$state/failed/plane-$name"
    cmd_down "$name"
    die "see $state/failed/plane-$name"
  }
  printf '%s\n' "$home"
}

make_network() {
  local netns
  netns=$(plane_namespace "$1")
  ip netns add "$netns"
  ip -n "$netns" link set lo up
  ip -n "$netns" link add br0 type bridge
  ip -n "$netns" addr add "$plane_address/24" dev br0
  ip -n "$netns" link set br0 up
}

# A veth pair from the bridge to a machine, in which the end is called `lab0`.
cmd_join() {
  local name=${1:?join: which plane?} machine=${2:?join: which machine?} address=${3:?join: which address?}
  local netns pid port
  netns=$(plane_namespace "$name")
  pid=$(leader "$machine") || die "$machine is not running"
  port=p${address##*.}
  ip -n "$netns" link del "$port" 2>/dev/null || true
  ip -n "$netns" link add "$port" type veth peer name lab0 netns "$pid"
  ip -n "$netns" link set "$port" master br0 up
  nsenter -t "$pid" -n ip addr add "$address/24" dev lab0
  nsenter -t "$pid" -n ip link set lab0 up
  nsenter -t "$pid" -n ip route replace default via "$plane_address"
}

cmd_down() {
  local name=${1:?down: which plane, or --all?} home dir part
  need_root
  if [ "$name" = --all ]; then
    for dir in "$state"/planes/*/; do
      [ ! -d "$dir" ] || cmd_down "$(basename "$dir")"
    done
    return
  fi
  home=$(plane_home "$name")
  for part in scheduler manager apiserver etcd; do end_part "$home" "$part" KILL; done
  ! [ -e "/run/netns/$(plane_namespace "$name")" ] || ip netns del "$(plane_namespace "$name")"
  rm -rf "$home"
}

cmd_kubectl() {
  local name=${1:?kubectl: which plane?}
  shift
  # kubectl 1.20 keeps what it discovers in the home directory.
  HOME=$(plane_home "$name") KUBECONFIG=$(plane_home "$name")/admin.conf \
    within "$name" "$plane_bin/kubectl" "$@"
}

cmd_exec() {
  local name=${1:?exec: which plane?}
  shift
  [ "${1:-}" != -- ] || shift
  within "$name" "$@"
}

main() {
  local verb=${1:-help}
  shift || true
  case $verb in
    build | up | down | kubectl | exec | join | kubeconfig | cert | start | stop | pid) "cmd_$verb" "$@" ;;
    ca-hash) cmd_ca_hash "$@" ;;
    help | -h | --help) usage ;;
    *)
      usage >&2
      exit 2
      ;;
  esac
}

main "$@"
