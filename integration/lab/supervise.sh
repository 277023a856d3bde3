#!/usr/bin/env bash
# Keeps a machine up over its reboots: systemd-nspawn --keep-unit ends with 133 when its guest reboots.
# supervise.sh DIR NSPAWN-ARGUMENTS...; the pid of the running nspawn is in DIR/nspawn.pid.
set -u
dir=$1
shift
while :; do
  systemd-nspawn "$@" &
  printf %s $! > "$dir/nspawn.pid"
  wait $!
  [ $? = 133 ] || break
done
