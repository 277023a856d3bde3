# shellcheck shell=sh
# For the scripts that run in the virtual machine: setting up, looking, saying.

# shellcheck disable=SC2154 # run.sh tells the story's name
good=/var/lib/good-$story # outlives a reboot

# Puts vks in place, as its package does. Whoever comes later finds it there.
set_up() {
  [ ! -e /usr/bin/vks ] || return 0
  install -m 755 /payload/vks /usr/bin/vks
  cp -r /payload/units/. /
  mkdir -p /t /etc/vks
  # The pods are programs of the host that look around on it.
  printf "[pods]\nprofile = 'trusted'\n" >/etc/vks/vks.toml
  systemd-tmpfiles --create >/dev/null 2>&1
  systemctl daemon-reload
  systemctl enable --now vks-pods.target vks.service 2>/dev/null
}

# The next boot has no agent.
mask_agent() {
  touch /var/lib/stories/.mask
}

unmask_agent() {
  systemctl unmask vks.service 2>/dev/null
}

# check NAME COMMAND...: says whether the command succeeds, and what it said if it does not.
check() {
  name=$1
  begin=$(cut -d. -f1 /proc/uptime)
  shift
  if said=$("$@" 2>&1); then
    echo "ok $name"
    echo x >>$good
  else
    echo "not ok $name: $* -> $(printf '%s' "$said" | tr '\n' '|' | cut -c1-1500)"
  fi
  took=$(($(cut -d. -f1 /proc/uptime) - begin))
  [ $took -lt 10 ] || echo "# after $took s"
}

# equals WANTED COMMAND...: what the command prints is this.
equals() {
  wanted=$1
  shift
  got=$("$@")
  [ "$got" = "$wanted" ] || { echo "wanted $wanted, got $got"; return 1; }
}

# until_so SECONDS COMMAND...: waits for it to succeed.
until_so() {
  tries=$(($1 * 5))
  shift
  until said=$("$@" 2>&1); do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || { echo "never: $*: $said"; return 1; }
    sleep 0.2
  done
}

# The files of a unit's control group.
group() {
  cat "/sys/fs/cgroup$(systemctl show -P ControlGroup -- "$1")/$2"
}

# A part of a pod as JSON: of PATH in jq's words.
pod() {
  vks get pod "$1" -o json | jq -r "$2"
}

# Nothing of any pod is there any more; else says what.
nothing_left() {
  left=$(
    systemctl list-units --all --no-legend 'vks.*.*' 'vks-default-*' | grep -v not-found
    ls -d /sys/fs/cgroup/vks.slice/vks-default.slice/vks-* /var/lib/vks/pods/* /run/netns/vks-*-* 2>/dev/null
  )
  [ -z "$left" ] || { echo "$left"; return 1; }
}

finish() {
  echo "done $(wc -l <$good)"
}
