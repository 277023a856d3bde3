# shellcheck shell=sh
# Requests and limits of containers and pods, read in the files of cgroup v2.
. /payload/common.sh
set_up

cat >/t/pods.yaml <<'YAML'
apiVersion: v1
kind: Pod
metadata: { name: limits }
spec:
  hostNetwork: true
  containers:
  - name: a
    image: host:/bin/sleep
    args: [infinity]
    resources:
      requests: { cpu: 250m, memory: 32Mi }
      limits: { cpu: 500m, memory: 64Mi }
  - name: b
    image: host:/bin/sh
    args: ["-c", "while :; do :; done"]
    resources:
      limits: { cpu: 200m, memory: 48Mi }
---
apiVersion: v1
kind: Pod
metadata: { name: half }
spec:
  hostNetwork: true
  containers:
  - { name: c, image: "host:sleep", args: [infinity], resources: { limits: { memory: 32Mi } } }
  - { name: d, image: "host:sh", args: ["-c", "exec sleep infinity"] }
---
apiVersion: v1
kind: Pod
metadata: { name: free }
spec:
  hostNetwork: true
  containers:
  - { name: e, image: "host:sleep", args: [infinity] }
---
apiVersion: v1
kind: Pod
metadata: { name: eats }
spec:
  hostNetwork: true
  terminationGracePeriodSeconds: 2
  containers:
  - name: f
    image: host:python3
    args: ["-c", "a = bytearray(200 << 20); import time; time.sleep(1000)"]
    resources: { limits: { memory: 40Mi } }
  - { name: g, image: "host:sleep", args: [infinity] }
---
apiVersion: v1
kind: Pod
metadata: { name: child }
spec:
  hostNetwork: true
  restartPolicy: Never
  containers:
  - name: h
    image: host:sh
    args: ["-c", "python3 -c 'a = bytearray(200 << 20)'; sleep 1000"]
    resources: { limits: { memory: 40Mi } }
---
apiVersion: v1
kind: Pod
metadata: { name: same }
spec:
  hostNetwork: true
  containers:
  - name: i
    image: host:sleep
    args: [infinity]
    resources: { limits: { cpu: "1", memory: 64Mi }, requests: { cpu: "1", memory: 64Mi } }
YAML
check "apply" vks apply -f /t/pods.yaml
check "runs" vks wait --for=condition=Ready pod/limits pod/half pod/free pod/same --timeout=120s

a=vks.default.limits.sleep.service
b=vks.default.limits.sh.service
slice=vks-default-limits.slice
check "memory limit of a container" equals 67108864 group $a memory.max
check "memory request of a container" equals 33554432 group $a memory.low
check "cpu limit of a container" equals "50000 100000" group $a cpu.max
check "cpu request of a container" equals 10 group $a cpu.weight
check "cpu limit without a request is the request too" equals 8 group $b cpu.weight
check "memory limit without a request is the request too" equals 50331648 group $b memory.low
check "memory limit of the pod" equals 117440512 group $slice memory.max
check "cpu limit of the pod" equals "70000 100000" group $slice cpu.max
check "cpu request of the pod" equals 18 group $slice cpu.weight
check "memory request of the pod" equals 83886080 group $slice memory.low
check "a pod where one has no limit has none" equals max group vks-default-half.slice memory.max
check "but its container has" equals 33554432 group vks.default.half.sleep.service memory.max
check "without limits there are none" equals max group vks.default.free.sleep.service memory.max
check "burstable" equals Burstable pod limits .status.qosClass
check "best effort" equals BestEffort pod free .status.qosClass
check "guaranteed" equals Guaranteed pod same .status.qosClass

# The one that spins is held back by its limit.
throttled() { [ "$(group $b cpu.stat | sed -n 's/^nr_throttled //p')" -gt 3 ]; }
check "a container at its cpu limit is throttled" until_so 60 throttled

# One that eats more than it may is killed, all of it, and starts again; its neighbour is left alone.
g=$(systemctl show -P InvocationID vks.default.eats.sleep.service)
killed() { [ "$(pod eats '.status.containerStatuses[] | select(.name == "f") | .lastState.terminated.reason')" = OOMKilled ]; }
check "OOMKilled" until_so 120 killed
check "OOMKilled has exit code 137" equals 137 pod eats '.status.containerStatuses[] | select(.name == "f") | .lastState.terminated.exitCode'
check "it is started again" test "$(pod eats '.status.containerStatuses[] | select(.name == "f") | .restartCount')" -ge 1
check "its neighbour is left alone" equals "$g" systemctl show -P InvocationID vks.default.eats.sleep.service
child() { [ "$(pod child '.status.containerStatuses[0].state.terminated.reason')" = OOMKilled ]; }
check "a child that eats takes the container with it" until_so 120 child
check "and ends the pod" equals Failed pod child .status.phase
check "get shows it" sh -c 'vks get pod child --no-headers | grep -q OOMKilled'
# All that is said of it, but for what is another one in each run and for addresses.
# shellcheck disable=SC2016 # jq's
plain='.status | del(.hostIP, .hostIPs, .podIP, .podIPs) | .conditions |= sort_by(.type) | walk(if type != "string" then .
  elif test("^[0-9-]{10}T[0-9:]{8}Z$") then "TIME" elif startswith("systemd://") then "ID" else . end)'
whole() { vks get pod child -o json | jq -S "$plain" | diff /payload/oom.json -; }
check "its whole status is as recorded" until_so 20 whole

# What they use.
top() { vks top pods --no-headers | awk '$1 == "limits" && $2 ~ /m$/ && $3 ~ /Mi$/ { sub("m", "", $2); exit !($2 > 50 && $2 < 700) } END { exit $1 == "" }'; }
check "top pods" until_so 60 top
check "top pods --containers" sh -c 'vks top pods --containers | grep -Eq "limits +b +[0-9]+m +[0-9]+Mi"'

# Limits are in force again after a change, and only then is the container touched.
a_before=$(systemctl show -P InvocationID $a)
sed -i 's/limits: { cpu: 200m, memory: 48Mi }/limits: { cpu: 300m, memory: 56Mi }/' /t/pods.yaml
check "apply a change" vks apply -f /t/pods.yaml
changed() { equals 58720256 group $b memory.max && equals "30000 100000" group $b cpu.max; }
check "the new limit is in force" until_so 60 changed
slice_changed() { equals 125829120 group $slice memory.max; }
check "that of the pod too" until_so 60 slice_changed
check "the other container was not touched" equals "$a_before" systemctl show -P InvocationID $a

check "delete" vks delete -f /t/pods.yaml
check "nothing is left" until_so 60 nothing_left
finish
