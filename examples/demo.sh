#!/usr/bin/env bash
# Shows vks at work: builds it, boots a throwaway Debian 13, runs three of the examples in it, lets one crash, reboots it
# without the agent, and cleans up. As root on a Debian 12 or 13 with a Rust toolchain; installs what else it needs.
#
#   examples/demo.sh                  in a throwaway machine
#   examples/demo.sh --here           on this host, with its own systemd; no reboot
#   examples/demo.sh --here --reboot  the same, and then reboot this host
#   examples/demo.sh --here --after   after that reboot: the rest, and clean up
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PATH:$HOME/.cargo/bin
machine=vks-demo
lab=integration/lab.sh

here='' reboot='' after=''
for argument in "$@"; do
  case $argument in
    --here) here=1 ;;
    --reboot) reboot=1 ;;
    --after) after=1 ;;
    *) sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
done

if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; else bold='' dim='' plain=''; fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
die() { printf 'demo: %s\n' "$*" >&2; exit 1; }

# Runs a command where the pods are.
on() {
  if [ -n "$here" ]; then "$@"; else "$lab" exec "$machine" -- "$@"; fi
}

# The same, and shows it, as one would type it.
show() {
  local word line=''
  for word in "$@"; do
    case $word in
      *[!A-Za-z0-9_./:=,-]*) line+=" ${word@Q}" ;;
      *) line+=" $word" ;;
    esac
  done
  printf '%s$%s%s\n' "$dim" "$line" "$plain"
  on "$@"
}

check() {
  [ "$(id -u)" = 0 ] || die "run me as root"
  command -v cargo >/dev/null || die "there is no cargo: install a Rust toolchain, see https://rustup.rs"
  [ -z "$reboot$after" ] || [ -n "$here" ] || die "--reboot and --after go with --here: a throwaway machine reboots anyway"
  [ -n "$here" ] || return 0
  [ -d /run/systemd/system ] || die "this host does not run systemd: leave --here out"
  [ -z "$after" ] || return 0
  if [ -e /usr/bin/vks ] || [ -e /etc/vks ]; then
    die "vks is installed on this host, and the demo would remove it: leave --here out"
  fi
}

prepare() {
  say "Installing what is missing"
  if ! command -v cc >/dev/null; then
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install gcc libc6-dev >/dev/null
  fi
  [ -n "$here" ] || "$lab" deps machine
  say "Building vks"
  cargo build --locked
}

start_machine() {
  say "Booting a throwaway Debian 13"
  "$lab" rootfs trixie
  local file binds=(--bind-ro "$PWD/target/debug/vks:/usr/bin/vks" --bind-ro "$PWD/examples:/examples")
  while read -r file; do
    binds+=(--bind-ro "$PWD/units/$file:/$file")
  done < <(cd units && find usr -type f)
  trap clean_machine EXIT
  "$lab" boot "$machine" trixie "${binds[@]}" >/dev/null
  examples=/examples
}

clean_machine() {
  "$lab" down "$machine"
}

# On this host vks goes where a package would put it, but for units and settings of ours under /etc.
install_here() {
  say "Installing vks on this host until the end of the demo"
  trap clean_here EXIT
  install -m 0755 target/debug/vks /usr/bin/vks
  install -D -m 0644 -t /etc/systemd/system units/usr/lib/systemd/system/*.{service,slice,target}
  install -D -m 0644 -t /etc/systemd/system/vks-.slice.d units/usr/lib/systemd/system/vks-.slice.d/*
  install -D -m 0644 -t /etc/tmpfiles.d units/usr/lib/tmpfiles.d/vks.conf
  systemd-tmpfiles --create vks.conf
  systemctl daemon-reload
}

clean_here() {
  say "Removing pods, units and vks from this host"
  rm -f /etc/vks/pods.d/{hello.toml,web.yaml,crash.toml}
  unmask_agent
  # The agent removes pods that have no manifest; should it fail, their slice ends them all the same.
  systemctl start vks.service || true
  vks wait --for=delete pod/hello pod/web pod/crash --timeout=30s >/dev/null || true
  systemctl --quiet disable --now vks.service vks-pods.target || true
  systemctl stop vks.slice || true
  rm -f /usr/bin/vks /etc/tmpfiles.d/vks.conf /etc/systemd/system/{vks.service,vks-pods.target,vks.slice}
  rm -rf /etc/vks /var/lib/vks /run/vks /etc/systemd/system.attached/vks* /etc/systemd/system/vks-.slice.d
  rmdir /etc/systemd/system.attached 2>/dev/null || true
  systemctl daemon-reload
}

# Where its unit file lies under /etc, that makes room for the mask, and comes back after it.
mask_agent() {
  on systemctl --quiet disable --now vks.service
  if [ -n "$here" ]; then rm -f /etc/systemd/system/vks.service; fi
  on systemctl --quiet mask vks.service
}

unmask_agent() {
  on systemctl --quiet unmask vks.service
  if [ -n "$here" ]; then
    install -m 0644 units/usr/lib/systemd/system/vks.service /etc/systemd/system/
    systemctl daemon-reload
  fi
}

start_pods() {
  say "Starting the agent, with three manifests"
  on systemctl --quiet enable --now vks-pods.target vks.service
  show cp "$examples/hello/hello.toml" "$examples/web/web.yaml" "$examples/crash/crash.toml" /etc/vks/pods.d/
  show vks wait --for=create pod/hello pod/web pod/crash
  show vks wait --for=condition=Ready pod/hello pod/web --timeout=1m
  show vks get pods -o wide
}

look_around() {
  say "A pod is a target, containers are services of systemd"
  show systemctl list-units --no-pager --no-legend --plain 'vks*web*'
  say "What they said"
  show vks logs hello --tail=3
  show vks logs web -c server --tail=3
  show vks exec web -- cat /srv/www/time.txt
}

watch_crash() {
  say "One pod crashes: systemd starts it again, and waits about twice as long each time"
  show timeout 12 vks get pods crash -w || [ $? = 124 ]
  show vks wait --for=jsonpath='{.status.containerStatuses[0].state.waiting.reason}'=CrashLoopBackOff pod/crash --timeout=1m
  show vks logs crash --previous
  on vks get pod crash -o yaml | sed -n '/lastState:/,/state:/p'
}

show_after_reboot() {
  say "Up again: no agent, all pods"
  show systemctl is-enabled vks.service || true
  show vks wait --for=condition=Ready pod/hello pod/web --timeout=1m
  show vks get pods
  show systemctl list-units --no-pager --no-legend --plain 'vks-*.target'
  say "The agent comes back and finds nothing to change"
  unmask_agent
  on systemctl start vks.service
  show vks plan
}

remove_pods() {
  say "Without their manifests the pods go"
  show rm /etc/vks/pods.d/hello.toml /etc/vks/pods.d/web.yaml /etc/vks/pods.d/crash.toml
  show vks wait --for=delete pod/hello pod/web pod/crash --timeout=1m
  show vks get pods
}

check
examples=$PWD/examples
if [ -n "$after" ]; then
  trap clean_here EXIT
  show_after_reboot
  remove_pods
  say "That was it."
  exit 0
fi
prepare
if [ -n "$here" ]; then install_here; else start_machine; fi
start_pods
look_around
watch_crash
if [ -z "$here" ]; then
  say "A reboot, with the agent masked"
  mask_agent
  "$lab" reboot "$machine" >/dev/null
  show_after_reboot
elif [ -n "$reboot" ]; then
  mask_agent
  trap - EXIT
  say "Rebooting this host, with the agent masked. Then run: examples/demo.sh --here --after"
  systemctl reboot
  exit 0
fi
remove_pods
say "That was it. Try examples/*/README.md next."
