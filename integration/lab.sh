#!/usr/bin/env bash
# The test lab: throwaway machines with a systemd of their own, as containers
# and as a virtual machine. `lab.sh help` lists the verbs; README.md beside this
# file explains the tiers. Everything it makes is under target/integration.
set -euo pipefail

lab_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# Where everything is kept. A second copy of the lab may point elsewhere.
state=${VKS_LAB_STATE:-$(dirname "$lab_dir")/target/integration}
mkdir -p "$state"
state=$(cd "$state" && pwd)

# shellcheck source=integration/lab/common.sh
. "$lab_dir/lab/common.sh"
# shellcheck source=integration/lab/deps.sh
. "$lab_dir/lab/deps.sh"
# shellcheck source=integration/lab/rootfs.sh
. "$lab_dir/lab/rootfs.sh"
# shellcheck source=integration/lab/machine.sh
. "$lab_dir/lab/machine.sh"
# shellcheck source=integration/lab/segment.sh
. "$lab_dir/lab/segment.sh"
# shellcheck source=integration/lab/vm.sh
. "$lab_dir/lab/vm.sh"
# shellcheck source=integration/lab/check.sh
. "$lab_dir/lab/check.sh"

usage() {
  cat <<'TEXT'
usage: lab.sh VERB ...

  check [container|vm]      can each tier run here, and if not, why
  deps [all|machine|container|vm]
                            install what is missing (Debian 12 or 13): to boot a machine,
                            for tests with it, for the virtual machine
  rootfs SUITE              build target/integration/rootfs/SUITE (trixie, sid, bookworm)

  boot NAME SUITE [--bind HOST:GUEST]... [--bind-ro HOST:GUEST]...
                            boot a throwaway machine, print the pid of its PID 1
  exec NAME -- CMD...       run a command in it
  reboot NAME               reboot it, print the new pid
  save NAME DIR             copy out its journal and console
  down NAME | --all         switch it off and remove every trace of it

  join SEGMENT NAME LINK [ADDRESS/LENGTH]...
                            plug a machine into a wire that machines share
  part SEGMENT              take that wire away

  vm-image [EXTRA_DIR]      build the image of the virtual machine, EXTRA_DIR laid over it
  vm-run --payload DIR --script FILE [--timeout SECONDS] [--boots N]
                            boot it with DIR at /payload, run /payload/FILE there with
                            the number of the boot, exit with its code. By 100 the script
                            asks for a reboot, by 101 for one as after a power cut.
TEXT
}

main() {
  local verb=${1:-help}
  shift || true
  case $verb in
    check | deps | rootfs | boot | exec | reboot | save | down | join | part) "cmd_$verb" "$@" ;;
    vm-image) cmd_vm_image "$@" ;;
    vm-run) cmd_vm_run "$@" ;;
    supervise) supervise "$@" ;; # of boot's own; not for people
    help | -h | --help) usage ;;
    *)
      usage >&2
      exit 2
      ;;
  esac
}

main "$@"
