# shellcheck shell=bash
# What every part of the lab uses: messages, processes, safe removal.

die() {
  printf 'lab: %s\n' "$*" >&2
  exit 1
}

note() {
  printf 'lab: %s\n' "$*" >&2
}

need_root() {
  [ "$(id -u)" = 0 ] || die "needs root"
}

# The start time of a process, which with its pid names it for good: a pid alone
# may have passed to somebody else's process.
start_time() {
  local stat
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
  # The command's name may hold spaces; the fields are counted after it.
  # shellcheck disable=SC2086
  set -- ${stat##*) }
  [ "$1" != Z ] && printf '%s\n' "${20}"
}

# Writes down the process PID in FILE, so that `recorded_pid` finds it later.
record_pid() {
  printf '%s %s\n' "$1" "$(start_time "$1")" >"$2"
}

# Prints the pid recorded in FILE if that very process still runs.
recorded_pid() {
  local pid start
  { read -r pid start <"$1"; } 2>/dev/null || return 1
  [ "$(start_time "$pid")" = "$start" ] && printf '%s\n' "$pid"
}

# Waits until the process recorded in FILE is gone: FILE, SECONDS.
wait_gone() {
  local deadline=$((SECONDS + $2))
  while recorded_pid "$1" >/dev/null; do
    [ "$SECONDS" -le "$deadline" ] || return 1
    sleep 0.02
  done
}

# Lists what is mounted at or below DIR, deepest first. Blanks in a mount point
# are \040 in mountinfo; the lab makes no such names.
mounts_below() {
  awk -v dir="$1" '$5 == dir || index($5, dir "/") == 1 { print $5 }' /proc/self/mountinfo | tac
}

# Unmounts all at or below DIR and removes it. Never reaches through a mount.
remove_tree() {
  local at
  while read -r at; do
    umount "$at" || umount --lazy "$at"
  done < <(mounts_below "$1")
  [ -z "$(mounts_below "$1")" ] || die "still mounted below $1"
  rm -rf --one-file-system "$1"
}
