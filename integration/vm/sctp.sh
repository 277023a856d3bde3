# shellcheck shell=sh
# SCTP, which this machine's kernel has as a module: a port of the host and a service lead to a pod, from outside, from the
# host and from a pod. Both ends are socat.
. /payload/common.sh

# Asks, with what is given before socat; who answers, and as whom it sees who asks. Nothing is sent: SCTP knows no half of an
# end.
ask() {
  to=$1
  shift
  "$@" timeout 9 socat -u -T 5 "SCTP4-CONNECT:$to" - | xargs
}

in_pod() {
  pid=$(systemctl show -P MainPID vks.default.asks.sleep.service)
  nsenter -t "$pid" -n -m "$@"
}

set_up
check "the kernel has SCTP" modprobe sctp
ip netns add far && ip link add far0 type veth peer name far1 netns far
ip addr add 198.51.100.1/24 dev far0 && ip link set far0 up
ip -n far addr add 198.51.100.2/24 dev far1 && ip -n far link set far1 up && ip -n far link set lo up
cat >/etc/vks/pods.d/sctp.yaml <<'YAML'
apiVersion: v1
kind: Pod
metadata: { name: talks, labels: { app: talks } }
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: host:/usr/bin/socat
    args: ['SCTP4-LISTEN:7000,fork,reuseaddr', 'SYSTEM:echo talks $SOCAT_PEERADDR']
    ports: [{ containerPort: 7000, protocol: SCTP, hostPort: 7001 }]
---
apiVersion: v1
kind: Pod
metadata: { name: asks }
spec: { terminationGracePeriodSeconds: 1, containers: [{ name: c, image: "host:/bin/sleep", args: [infinity] }] }
---
apiVersion: v1
kind: Service
metadata: { name: sctp }
spec:
  type: NodePort
  clusterIP: 10.96.132.132
  selector: { app: talks }
  ports: [{ port: 70, targetPort: 7000, protocol: SCTP, nodePort: 30132 }]
YAML
check "pods come up" until_so 60 vks wait --for=condition=Ready pod/talks pod/asks --timeout=60s
pod=$(vks get pod talks -o json | jq -r .status.podIP)
asks=$(vks get pod asks -o json | jq -r .status.podIP)
published() { [ -n "$(nft -j list map inet vks hostport4 | jq '.nftables[].map.elem // empty')" ] && nft list map inet vks svc4 | grep -q 10.96.132.132; }
check "it is published" until_so 30 published
check "a pod asks the pod" equals "talks $asks" ask "$pod:7000" in_pod
check "a port of the host, from outside" equals "talks 198.51.100.2" ask 198.51.100.1:7001 ip netns exec far
check "a port of the service, from outside" equals "talks 198.51.100.2" ask 198.51.100.1:30132 ip netns exec far
check "the service, from a pod" equals "talks $asks" ask 10.96.132.132:70 in_pod
from_host() { ask 10.96.132.132:70 env | grep -q '^talks '; }
check "the service, from the host" from_host
rm /etc/vks/pods.d/sctp.yaml
ip link del far0
ip netns del far
finish
