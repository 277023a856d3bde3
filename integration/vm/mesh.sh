# shellcheck shell=sh
# WireGuard of the kernel: a mesh with two other hosts, which are namespaces that ip and wg set up, and a pod behind a
# tunnel. Then a reboot with the agent masked, and one after the plug was pulled. $1 is the part: one a boot.
. /payload/common.sh

# The other hosts, on a wire with this one; each with an address as of a pod.
others() {
  ip link add wire type bridge && ip link set wire up
  ip addr add 192.0.2.1/24 dev wire && ip addr add 2001:db8::1/64 dev wire nodad
  for i in 2 3; do
    ip netns add h$i && ip -n h$i link set lo up
    ip link add w$i type veth peer name eth1 netns h$i && ip link set w$i master wire up
    ip -n h$i addr add 192.0.2.$i/24 dev eth1 && ip -n h$i addr add 2001:db8::$i/64 dev eth1 nodad
    ip -n h$i link set eth1 up
    ip -n h$i link add wg0 type wireguard
    ip netns exec h$i wg set wg0 private-key /var/lib/h$i.key listen-port 51820 peer "$(own)" \
      allowed-ips 10.192.1.0/24,fd00:1::/64 endpoint 192.0.2.1:51820
    ip -n h$i addr add 10.192.$i.5/32 dev wg0 && ip -n h$i addr add fd00:$i::5/128 dev wg0 nodad
    ip -n h$i link set wg0 up mtu 1420
    ip -n h$i route add 10.192.1.0/24 dev wg0 && ip -n h$i route add fd00:1::/64 dev wg0
    systemd-run -q --unit serves-$i -p NetworkNamespacePath=/run/netns/h$i \
      socat TCP6-LISTEN:80,fork,reuseaddr,ipv6only=0 "SYSTEM:echo h$i"
  done
  # What is behind h2 for a pod with a tunnel to it.
  ip netns exec h2 wg set wg0 peer "$(wg pubkey </var/lib/tunnel.key)" allowed-ips 10.66.0.2/32,fd66::2/128
  ip -n h2 route add 10.66.0.2/32 dev wg0 && ip -n h2 route add fd66::2/128 dev wg0
  ip -n h2 addr add 203.0.113.7/32 dev lo && ip -n h2 addr add 2001:db8:7::7/128 dev lo nodad
}

# Services whose endpoints are on the others.
services() {
  for service in all bare; do
    none=$([ $service = all ] || echo "clusterIP: None,")
    cat <<YAML
---
apiVersion: v1
kind: Service
metadata: { name: $service }
spec: { $none ipFamilyPolicy: PreferDualStack, ports: [{ port: 80 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: $service-4, labels: { kubernetes.io/service-name: $service } }
addressType: IPv4
ports: [{ port: 80 }]
endpoints: [{ addresses: [10.192.2.5], hostname: h2 }, { addresses: [10.192.3.5], hostname: h3 }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: $service-6, labels: { kubernetes.io/service-name: $service } }
addressType: IPv6
ports: [{ port: 80 }]
endpoints: [{ addresses: ["fd00:2::5"], hostname: h2 }, { addresses: ["fd00:3::5"], hostname: h3 }]
YAML
  done
}

own() {
  wg pubkey </var/lib/vks/wireguard/key
}

in_pod() {
  pid=$(systemctl show -P MainPID "vks.default.$1.sleep.service")
  shift
  nsenter -t "$pid" -n -m "$@"
}

# Asks a service by its name, in family $1, until both of the others have answered.
both() {
  in_pod p timeout 5 socat -t 2 "TCP$1:all:80" - </dev/null >>/t/answers
  equals "h2 h3" sh -c 'sort -u /t/answers | xargs'
}

# What a name stands for, in the words of dig.
dig_in_pod() {
  in_pod p dig +short +time=5 +tries=3 "$@" | sort | xargs
}

# From this host to h2, and what of it is not WireGuard's, but for who looks for whom on the wire.
capture() {
  systemd-run -q --unit capture tcpdump -Z root --immediate-mode -i w2 -U -w /t/wire.pcap
  until_so 30 sh -c 'journalctl -u capture | grep -q "listening on" || { journalctl -u capture; false; }'
}

captured() {
  systemctl stop capture
  tcpdump -n -r /t/wire.pcap "$1" 2>/dev/null | head -5
}

all_well() {
  check "boot $1: the kernel is the device" equals wireguard sh -c 'ip -d -j link show vks-wg0 | jq -r ".[0].linkinfo.info_kind"'
  check "boot $1: no program is" equals "" sh -c 'systemctl list-units --no-legend --state=running "vks-wireguard-device@*"'
  for i in 2 3; do
    for to in 10.192.$i.5 fd00:$i::5; do
      check "boot $1: the pod reaches $to" until_so 30 in_pod p ping -c1 -W2 $to
      check "boot $1: this host reaches $to" until_so 30 ping -c1 -W2 $to
    done
    for to in $(vks get pod p -o json | jq -r '.status.podIPs[].ip'); do
      check "boot $1: h$i reaches the pod at $to" until_so 30 ip netns exec h$i ping -c1 -W2 "$to"
    done
  done
  for family in 4 6; do
    rm -f /t/answers
    check "boot $1: a service leads to both of the others, by its name and IPv$family" until_so 60 both $family
  done
  check "boot $1: names of pods" equals "10.192.2.5 10.192.3.5" dig_in_pod A bare.default.svc.cluster.local
  check "boot $1: and by IPv6" equals fd00:3::5 dig_in_pod AAAA h3.bare.default.svc.cluster.local
  check "boot $1: packets of pods fit" in_pod p ping -c1 -W5 -M do -s 1392 10.192.2.5
  check "boot $1: what comes by the mesh gets no further than pods" sh -c '! ip netns exec h2 ping -c1 -W1 198.18.0.9'
  for to in 203.0.113.7 2001:db8:7::7; do
    check "boot $1: the tunnel leads to $to" until_so 60 in_pod behind ping -c1 -W2 $to
  done
  check "boot $1: the tunnel is the only way" equals net1 sh -c "nsenter -t $(systemctl show -P MainPID vks.default.behind.sleep.service) -n ip -j route show default | jq -r '.[].dev'"
  check "boot $1: it is the kernel's too" equals wireguard sh -c "nsenter -t $(systemctl show -P MainPID vks.default.behind.sleep.service) -n ip -d -j link show net1 | jq -r '.[0].linkinfo.info_kind'"
}

case $1 in
  1)
    set_up
    umask 077
    for key in h2 h3 tunnel; do wg genkey >/var/lib/$key.key; done
    umask 022
    mkdir -p /etc/vks/vks.toml.d
    cat >/etc/vks/vks.toml.d/mesh.toml <<TOML
[network]
ipv4 = '10.192.1.0/24'
ipv6 = 'fd00:1::/64'
[wireguard.peers.h2]
public_key = '$(wg pubkey </var/lib/h2.key)'
endpoint = '192.0.2.2:51820'
prefixes = ['10.192.2.0/24', 'fd00:2::/64']
[wireguard.peers.h3]
public_key = '$(wg pubkey </var/lib/h3.key)'
endpoint = '[2001:db8::3]:51820'
prefixes = ['10.192.3.0/24', 'fd00:3::/64']
TOML
    cat >/etc/vks/pods.d/pods.yaml <<YAML
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: { name: vpn }
spec:
  config:
    type: wireguard
    privateKey: { file: /var/lib/tunnel.key }
    address: [10.66.0.2/32, "fd66::2/128"]
    peers:
    - { publicKey: "$(wg pubkey </var/lib/h2.key)", endpoint: "192.0.2.2:51820", allowedIPs: [0.0.0.0/0, "::/0"], persistentKeepalive: 5 }
---
apiVersion: v1
kind: Pod
metadata: { name: p }
spec: { containers: [{ name: c, image: "host:/bin/sleep", args: [infinity] }] }
---
apiVersion: v1
kind: Pod
metadata: { name: behind, annotations: { k8s.v1.cni.cncf.io/networks: vpn } }
spec: { containers: [{ name: c, image: "host:/bin/sleep", args: [infinity] }] }
YAML
    services >/etc/vks/pods.d/services.yaml
    systemctl reload vks.service
    until_so 60 vks wait --for=condition=Ready pod/p pod/behind --timeout=60s
    others
    check "a capture begins" capture
    all_well 1
    check "the wire sees nothing but WireGuard" equals "" captured \
      "not (udp port 51820 or arp or (ip6[6] = 58 and ip6[40] >= 133 and ip6[40] <= 137) or ip6 proto 0)"
    seen() { [ -n "$(captured "udp port 51820")" ] || { ls -l /t/wire.pcap; journalctl -u capture; return 1; }; }
    check "and that" seen
    # A peer more, while a session goes on.
    before=$(wg show vks-wg0 latest-handshakes | sort; ip -j link show vks-wg0 | jq '.[0].ifindex')
    check "a peer is added" vks wireguard peer add new --public-key "$(wg genkey | wg pubkey)" --prefix 10.192.9.0/24
    check "and is there" sh -c 'wg show vks-wg0 | grep -q 10.192.9.0/24 && ip route get 10.192.9.1 | grep -q vks-wg0'
    check "a peer is removed" vks wireguard peer rm new
    check "nobody else felt it" equals "$before" sh -c "wg show vks-wg0 latest-handshakes | sort; ip -j link show vks-wg0 | jq '.[0].ifindex'"
    check "vks says what wg says" equals "up up" sh -c 'vks get peers -o json | jq -r "[.items[].state]|join(\" \")"'
    mask_agent
    exit 100
    ;;
  2)
    others
    check "boot 2: no agent" equals inactive sh -c 'systemctl is-active vks.service || true'
    all_well 2
    unmask_agent
    exit 101
    ;;
  *)
    others
    check "the agent runs" until_so 60 systemctl is-active vks.service
    all_well 3
    rm /etc/vks/pods.d/*
    gone() { [ -z "$(systemctl list-units --all --no-legend 'vks.default.p.*' 'vks.default.behind.*' | grep -v not-found)" ]; }
    check "all pods go" until_so 60 gone
    finish
    ;;
esac
