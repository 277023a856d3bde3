# shellcheck shell=sh
# What only a machine of its own shows of resources: protections, swap, OOM scores, the number of processes, devices, and
# limits that change under a container that runs.
. /payload/common.sh
set_up
mkdir -p /etc/vks/vks.toml.d
printf '[node]\npids_limit = 64\n' >/etc/vks/vks.toml.d/resize.toml
systemctl restart vks

cat >/t/pods.yaml <<'YAML'
apiVersion: v1
kind: Pod
metadata: { name: grows }
spec:
  hostNetwork: true
  containers:
  - name: a
    image: host:/bin/sh
    args: ["-c", "while :; do :; done"]
    resources: { limits: { cpu: 100m, memory: 64Mi } }
  - { name: b, image: "host:sleep", args: [infinity] }
---
apiVersion: v1
kind: Pod
metadata: { name: firm }
spec:
  hostNetwork: true
  containers:
  - { name: a, image: "host:sleep", args: [infinity], resources: { limits: { cpu: 100m, memory: 64Mi } } }
---
apiVersion: v1
kind: Pod
metadata: { name: forks }
spec:
  hostNetwork: true
  containers:
  - name: a
    image: host:python3
    args: ["-c", "import os, time\nn = 0\ntry:\n  while n < 500:\n    if os.fork() == 0: time.sleep(1000)\n    n += 1\nexcept OSError as e: open('/t/forks', 'w').write(f'{n} {e.errno}')\ntime.sleep(1000)"]
---
apiVersion: v1
kind: Pod
metadata: { name: serial, annotations: { "vks.io/device": /dev/ttyS0, "vks.io/profile": default } }
spec:
  hostNetwork: true
  containers:
  - name: a
    image: host:sh
    args: ["-c", "for d in ttyS0 ttyS1 kmsg; do if true 2>/dev/null </dev/$$d; then echo $$d yes; else echo $$d no; fi; done; true </dev/null && echo null yes; exec sleep infinity"]
---
apiVersion: v1
kind: Pod
metadata: { name: absent, annotations: { "vks.io/device": /dev/ttyUSB7 } }
spec:
  hostNetwork: true
  containers:
  - { name: a, image: "host:sh", args: ["-c", "touch /t/absent-ran; exec sleep infinity"] }
YAML
check "apply" vks apply -f /t/pods.yaml
check "runs" vks wait --for=condition=Ready pod/grows pod/firm pod/forks pod/serial --timeout=120s

a=vks.default.grows.sh.service
slice=vks-default-grows.slice
pid() { systemctl show -P MainPID "$1"; }
check "a guaranteed pod is protected" equals 67108864 group vks.default.firm.sleep.service memory.min
check "as is its slice" equals 67108864 group vks-default-firm.slice memory.min
check "and those above it" until_so 30 equals 67108864 group vks-default.slice memory.min
check "up to the one of all pods" until_so 30 equals 67108864 group vks.slice memory.min
check "a burstable one softly" equals 67108864 group $a memory.low
check "no swap" equals 0 group $a memory.swap.max
check "oom score of a guaranteed pod" equals -997 cat /proc/$(pid vks.default.firm.sleep.service)/oom_score_adj
check "of a container that asks for nothing" equals 999 cat /proc/$(pid vks.default.grows.sleep.service)/oom_score_adj
check "without a request it has the lowest weight" equals 1 group vks.default.grows.sleep.service cpu.weight

check "processes of a pod" equals 64 group vks-default-forks.slice pids.max
forked() { [ "$(cut -d' ' -f1 /t/forks)" -lt 64 ] && [ "$(cut -d' ' -f2 /t/forks)" = 11 ]; }
check "one more is refused" until_so 30 forked

check "the device that is named, and no other" until_so 30 equals "ttyS0 yes|ttyS1 no|kmsg no|null yes|" sh -c "vks logs serial | tr '\n' '|'"
check "a device that is not there is waited for" sh -c '! test -e /t/absent-ran'
check "and the container is not there yet" sh -c 'vks get pod absent -o json | jq -e ".status.phase == \"Pending\""'

# Limits change under the container that runs.
before="$(systemctl show -P InvocationID $a) $(pid $a)"
reloads() { journalctl -q -o cat _PID=1 | grep -ci 'reload' || true; }
count=$(reloads)
sed -i 's/resources: { limits: { cpu: 100m, memory: 64Mi } }$/resources: { limits: { cpu: 300m, memory: 96Mi } }/' /t/pods.yaml
check "apply a change" vks apply -f /t/pods.yaml
changed() { equals 100663296 group $a memory.max && equals "30000 100000" group $a cpu.max && equals 100663296 group $a memory.low; }
check "the new limits are in force" until_so 30 changed
check "the weight too" equals 12 group $a cpu.weight
check "nothing has restarted" equals "$before" sh -c "echo \$(systemctl show -P InvocationID $a) \$(systemctl show -P MainPID $a)"
check "systemd was not reloaded" equals "$count" reloads
check "no drop-in is left" sh -c '! ls -d /run/systemd/system.control/vks.* 2>/dev/null | grep -v "^/run/systemd/system.control/vks.slice.d"'
systemctl daemon-reload
check "a reload changes nothing" changed

# Less than is in use: the kernel takes back what it can, and the container goes on or is killed; here it fits.
sed -i 's/memory: 96Mi/memory: 32Mi/' /t/pods.yaml
check "apply less" vks apply -f /t/pods.yaml
check "less is in force" until_so 30 equals 33554432 group $a memory.max
check "it still runs" equals "$before" sh -c "echo \$(systemctl show -P InvocationID $a) \$(systemctl show -P MainPID $a)"

# A disk of the host: mounted as what is named, and not as what it is not. (A file system of ext2 can be mounted as ext4.)
modprobe -q loop
cp /payload/disk.img /t/disk.img
loop=$(losetup -f --show /t/disk.img)
disk() { # NAME TYPE
  cat <<YAML
apiVersion: v1
kind: PersistentVolume
metadata: { name: $1 }
spec:
  { accessModes: [ReadWriteOnce], capacity: { storage: 16Mi }, persistentVolumeReclaimPolicy: Retain,
    claimRef: { namespace: default, name: $1 }, local: { path: $loop, fsType: $2 } }
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: $1 }
spec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Mi } } }
---
apiVersion: v1
kind: Pod
metadata: { name: $1 }
spec:
  hostNetwork: true
  volumes: [{ name: v, persistentVolumeClaim: { claimName: $1 } }]
  containers:
  - name: a
    image: host:sh
    args: ["-c", "findmnt -no FSTYPE /t/on-disk | tail -n 1; echo kept >/t/on-disk/file; exec sleep infinity"]
    volumeMounts: [{ name: v, mountPath: /t/on-disk }]
YAML
}
disk asext4 ext4 >/t/disk.yaml
check "a volume on a disk" vks apply -f /t/disk.yaml
check "has the file system that is named" until_so 60 equals ext4 vks logs asext4
check "seen from outside" equals "ext4 $loop" sh -c "findmnt -rno FSTYPE,SOURCE,TARGET | grep /run/vks/vksmounts/ | cut -d' ' -f1,2 | sort -u"
check "it goes" vks delete -f /t/disk.yaml
check "and what was written is on the disk" until_so 30 sh -c "mkdir -p /t/look && mount -o ro $loop /t/look && cat /t/look/file && umount /t/look"
disk asvfat vfat >/t/disk.yaml
check "the same disk as another one" vks apply -f /t/disk.yaml
waits() { vks get pod asvfat -o json | jq -e '.status.phase == "Pending"' && vks get pod asvfat -o json | grep -q 'not mounted\|is mounted\|mount'; }
check "is waited for" until_so 60 waits
check "it goes too" vks delete -f /t/disk.yaml
losetup -d "$loop"

check "delete" vks delete -f /t/pods.yaml
none() { [ -z "$(systemctl list-units --all --no-legend 'vks.*.*' 'vks-default-*' | grep -v not-found)" ]; }
check "nothing is left" until_so 30 none
rm /etc/vks/vks.toml.d/resize.toml
systemctl restart vks
finish
