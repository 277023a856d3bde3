# shellcheck shell=sh
# Three hosts with vks on each: machines of systemd-nspawn on this machine's kernel and on a wire of their own, joined by the
# kernel's WireGuard. Each pod reaches all pods, services and names; then one of them is switched off and on again.
. /payload/common.sh
all='1 2 3'
dir=/three

# What machine $1 has of its own, over the root directory of this one.
lay_out() {
  at=$dir/h$1
  mkdir -p "$at/upper" "$at/work" "$at/root"
  mount -t overlay -o "lowerdir=/,upperdir=$at/upper,workdir=$at/work" overlay "$at/root"
  root=$at/root
  rm -rf "$root"/etc/vks "$root"/var/lib/vks "$root"/etc/systemd/system.attached "$root"/var/log/journal/* "$root/t"
  tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
  echo "h$1" >"$root/etc/hostname"
  echo "127.0.0.1 localhost h$1" >"$root/etc/hosts"
  : >"$root/etc/fstab"
  for unit in vks-lab systemd-logind systemd-sysusers systemd-update-done systemd-random-seed systemd-tmpfiles-setup-dev \
    systemd-tmpfiles-setup-dev-early systemd-journal-flush systemd-udevd systemd-udev-trigger; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit.service"
  done
  cat >"$root/etc/systemd/system/wire.service" <<UNIT
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=ip addr add 192.0.2.$1/24 dev host0
ExecStart=ip addr add 2001:db8::$1/64 dev host0 nodad
ExecStart=ip link set host0 up
UNIT
  ln -s ../wire.service "$root/etc/systemd/system/multi-user.target.wants/wire.service"
  mkdir -p "$root/etc/vks/pods.d" "$root/etc/vks/keys"
  install -m 600 "$dir/h$1.key" "$root/etc/vks/keys/mesh"
  settings "$1" >"$root/etc/vks/vks.toml"
  cat >"$root/etc/vks/pods.d/p.yaml" <<'YAML'
apiVersion: v1
kind: Pod
metadata: { name: p, labels: { app: p } }
spec:
  containers:
  - name: c
    image: host:/usr/bin/socat
    args: ['TCP6-LISTEN:80,fork,reuseaddr,ipv6only=0', 'SYSTEM:echo $HOST']
    env: [{ name: HOST, valueFrom: { fieldRef: { fieldPath: spec.nodeName } } }]
YAML
}

settings() {
  cat <<TOML
[pods]
profile = 'trusted'
[network]
ipv4 = '10.192.$1.0/24'
ipv6 = 'fd00:$1::/64'
[wireguard]
key_file = '/etc/vks/keys/mesh'
TOML
  for j in $all; do
    [ "$j" != "$1" ] || continue
    # By IPv6 to one of them.
    endpoint=$([ "$j" = 3 ] && echo '[2001:db8::3]' || echo "192.0.2.$j")
    cat <<TOML
[wireguard.peers.h$j]
public_key = '$(wg pubkey <"$dir/h$j.key")'
endpoint = '$endpoint:51820'
prefixes = ['10.192.$j.0/24', 'fd00:$j::/64']
keepalive = 5
TOML
  done
}

switch_on() {
  systemd-run -q --collect --unit "h$1" -p Delegate=yes -p KillMode=mixed -p TimeoutStopSec=60 systemd-nspawn --quiet \
    --keep-unit --register=no --machine="h$1" --directory="$dir/h$1/root" --boot --network-bridge=three --capability=all \
    --settings=no --link-journal=no --resolv-conf=off --timezone=off --console=pipe
}

# Notes the first process of machine $1, once it is systemd.
leader() {
  main=$(systemctl show -P MainPID "h$1.service")
  for pid in $(cat "/proc/$main/task/$main/children"); do
    [ "$(cat "/proc/$pid/comm")" != systemd ] || { echo "$pid" >"$dir/h$1.leader"; return; }
  done
  return 1
}

# On machine $1.
on() {
  machine=$(cat "$dir/h$1.leader")
  shift
  nsenter -t "$machine" -m -u -i -n -p -C -- env -i PATH=/usr/sbin:/usr/bin "$@"
}

# In the pod of machine $1, with the programs of the machine.
in_pod() {
  machine=$(cat "$dir/h$1.leader")
  pid=$(cat "$dir/h$1.pod")
  shift
  nsenter -t "$machine" -m -u -i -n -p -C -- nsenter -t "$pid" -n -m -u -- env -i PATH=/usr/sbin:/usr/bin "$@"
}

is_up() {
  leader "$1" && on "$1" vks wait --for=condition=Ready pod/p --timeout=60s &&
    on "$1" systemctl show -P MainPID vks.default.p.socat.service >"$dir/h$1.pod"
}

# The addresses of the pod of machine $1, IPv4 first.
addresses() {
  on "$1" vks get pod p -o json | jq -r '.status.podIPs[].ip'
}

# The same services everywhere: the own pod is selected, those of the others are named.
services() {
  for service in all bare; do
    none=$([ $service = all ] || echo 'clusterIP: None,')
    cat <<YAML
---
apiVersion: v1
kind: Service
metadata: { name: $service }
spec: { $none ipFamilyPolicy: PreferDualStack, selector: { app: p }, ports: [{ port: 80 }] }
YAML
    for family in 4 6; do
      cat <<YAML
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: $service-$family, labels: { kubernetes.io/service-name: $service } }
addressType: IPv$family
ports: [{ port: 80 }]
endpoints:
YAML
      for j in $all; do
        [ "$j" = "$1" ] || echo "- { addresses: [\"$(sed -n "$((family / 2 - 1))p" "$dir/h$j.ips")\"], hostname: h$j }"
      done
    done
  done
}

bracketed() {
  case $1 in *:*) echo "[$1]" ;; *) echo "$1" ;; esac
}

# Each pod asks each other one, and is seen as itself.
pods_reach_pods() {
  for i in $all; do
    for j in $all; do
      [ "$i" != "$j" ] || continue
      while read -r ip; do
        said=$(in_pod "$i" timeout 9 socat -t 5 "TCP:$(bracketed "$ip"):80,connect-timeout=8" - </dev/null | head -1)
        [ "$said" = "h$j" ] || { echo "h$i to h$j at $ip: $said"; return 1; }
      done <"$dir/h$j.ips"
    done
  done
}

# Asks the service `all` by its name, in family $2, from machine $1: whoever has answered is noted.
ask() {
  in_pod "$1" timeout 9 socat -t 5 "TCP$2:all:80,connect-timeout=8" - </dev/null | head -1 >>"$dir/answers"
  [ "$(sort -u $dir/answers | xargs)" = "h1 h2 h3" ] || { cat $dir/answers; return 1; }
}

pods_reach_services() {
  for i in $all; do
    for family in 4 6; do
      rm -f $dir/answers
      until_so 30 ask "$i" $family || return 1
    done
  done
}

# What the pods are called below the headless service, in the words of dig.
pods_find_names() {
  for i in $all; do
    for kind in A:1 AAAA:2; do
      wanted=$(for j in $all; do sed -n "${kind#*:}p" "$dir/h$j.ips"; done | sort | xargs)
      got=$(in_pod "$i" dig +short +time=5 +tries=3 "${kind%:*}" bare.default.svc.cluster.local | sort | xargs)
      [ "$got" = "$wanted" ] || { echo "h$i: wanted $wanted, got $got"; return 1; }
    done
  done
}

kinds() {
  for i in $all; do on "$i" ip -d -j link show vks-wg0 | jq -r '.[0].linkinfo.info_kind'; done | sort -u
}

# From and to all of the three, and what of it is not WireGuard's, but for who looks for whom on the wire.
capture() {
  systemd-run -q --unit capture3 tcpdump -Z root --immediate-mode -i three -U -w $dir/wire.pcap
  until_so 30 sh -c 'journalctl -u capture3 | grep -q "listening on"'
}

captured() {
  tcpdump -n -r $dir/wire.pcap "$1" 2>/dev/null | head -5
}

set_up
mkdir -p $dir && mount -t tmpfs -o size=300m three $dir
umask 077
for i in $all; do wg genkey >"$dir/h$i.key"; done
umask 022
ip link add three type bridge mcast_snooping 0 && ip link set three up
check "a capture begins" capture
for i in $all; do lay_out "$i" && switch_on "$i"; done
for i in $all; do
  check "h$i comes up" until_so 240 is_up "$i"
  addresses "$i" >"$dir/h$i.ips"
done
for i in $all; do services "$i" >"$dir/h$i/root/etc/vks/pods.d/services.yaml.new"; done
for i in $all; do on "$i" mv /etc/vks/pods.d/services.yaml.new /etc/vks/pods.d/services.yaml; done
check "the kernel is the device" equals wireguard kinds
check "each pod reaches each pod" until_so 60 pods_reach_pods
check "each pod reaches the service on all hosts" pods_reach_services
check "each pod finds the names of all" until_so 60 pods_find_names
# One of them goes, and comes again: nobody does anything about it.
on 3 systemctl --no-block --job-mode=replace-irreversibly start poweroff.target
check "h3 is off" until_so 90 sh -c '! systemctl -q is-active h3.service'
check "the others go on" in_pod 1 timeout 9 socat -t 5 "TCP:$(head -1 $dir/h2.ips):80" -
switch_on 3
check "h3 is there again" until_so 240 is_up 3
check "its pod has the address that it had" equals "$(cat $dir/h3.ips)" addresses 3
check "each pod reaches each pod again" until_so 90 pods_reach_pods
check "each pod reaches the service on all hosts again" pods_reach_services
check "each pod finds the names of all again" until_so 60 pods_find_names
systemctl stop capture3
# But for who looks for whom on the wire: ARP, neighbours and routers of IPv6, groups that are listened to.
looks='arp or (ip6[6] = 58 and ip6[40] >= 133 and ip6[40] <= 137) or ip6 proto 0'
# Who is not up yet says of a packet of WireGuard that nobody is there for it; the port that was asked for is in it.
not_yet='(icmp[0] = 3 and icmp[1] = 3 and icmp[30:2] = 51820) or (ip6[6] = 58 and ip6[40] = 1 and ip6[41] = 4 and ip6[90:2] = 51820)'
check "the wire saw nothing but WireGuard" equals "" captured "not (udp port 51820 or $looks or $not_yet)"
seen() { [ -n "$(captured 'udp port 51820')" ]; }
check "and that" seen
for i in $all; do systemctl kill -s KILL "h$i.service"; done
ip link del three
finish
