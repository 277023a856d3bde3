# shellcheck shell=sh
# Real boots: one asked for, with the agent masked, and one after the plug was pulled. $1 is the part: one a boot.
. /payload/common.sh

runs() {
  vks get pods -o json | jq -e '[.items[] | select(.metadata.name != "done" and .metadata.name != "crash") | .status.containerStatuses[] | select(.state.running == null)] == []'
}
invocations() {
  for unit in $(cd /etc/systemd/system.attached && ls vks.*); do
    echo "$unit $(systemctl show -P InvocationID -- "$unit")"
  done
}
# Time since boot at which a unit's process began, in microseconds.
began() {
  systemctl show -P ExecMainStartTimestampMonotonic -- "$1"
}
ordered() {
  [ "$(began vks.default.web.true.service)" -lt "$(began vks.default.web.sh.service)" ] &&
    [ "$(began vks.default.web.sh.service)" -lt "$(began vks.default.web.sleep.service)" ]
}
all_well() {
  check "boot $1: all pods run" until_so 120 runs
  check "boot $1: init containers first, sidecars before mains" ordered
  check "boot $1: the secret is there again" equals hidden nsenter -t "$(systemctl show -P MainPID vks.default.web.sleep.service)" -m cat /t/secret/key
  check "boot $1: the empty directory kept its content" equals kept nsenter -t "$(systemctl show -P MainPID vks.default.web.sleep.service)" -m cat /t/empty/file
  check "boot $1: the network is its own" equals 2 sh -c "nsenter -t $(systemctl show -P MainPID vks.default.web.sleep.service) -n ip -o link | wc -l"
  check "boot $1: what ended for good has not run again" equals 1 sh -c 'wc -l </t/done-runs'
  check "boot $1: and is known to have ended" equals Succeeded pod done .status.phase
}

case $1 in
  1)
    set_up
    cat >/t/pods.yaml <<'YAML'
apiVersion: v1
kind: Secret
metadata: { name: s }
stringData: { key: hidden }
---
apiVersion: v1
kind: Pod
metadata: { name: web }
spec:
  volumes:
  - { name: s, secret: { secretName: s } }
  - { name: e, emptyDir: {} }
  initContainers:
  - { name: first, image: "host:true" }
  - { name: side, image: "host:sh", args: ["-c", "exec sleep infinity"], restartPolicy: Always }
  containers:
  - name: main
    image: host:sleep
    args: [infinity]
    volumeMounts:
    - { name: s, mountPath: /t/secret }
    - { name: e, mountPath: /t/empty }
---
apiVersion: v1
kind: Pod
metadata: { name: plain }
spec: { hostNetwork: true, containers: [{ name: c, image: "host:sleep", args: [infinity] }] }
---
apiVersion: v1
kind: Pod
metadata: { name: crash }
spec: { hostNetwork: true, containers: [{ name: c, image: "host:sh", args: ["-c", "sleep 5; exit 1"] }] }
---
apiVersion: v1
kind: Pod
metadata: { name: done }
spec:
  hostNetwork: true
  restartPolicy: OnFailure
  containers: [{ name: c, image: "host:sh", args: ["-c", "echo run >>/t/done-runs"] }]
YAML
    check "apply" vks apply -f /t/pods.yaml
    check "ready" vks wait --for=condition=Ready pod/web pod/plain --timeout=120s
    check "done" vks wait --for=jsonpath='{.status.phase}'=Succeeded pod/done --timeout=60s
    crashed() { [ "$(pod crash '.status.containerStatuses[0].restartCount')" -ge 1 ]; }
    check "crash" until_so 120 crashed
    nsenter -t "$(systemctl show -P MainPID vks.default.web.sleep.service)" -m sh -c 'echo kept >/t/empty/file'
    pod web .metadata.uid >/var/lib/web-uid
    pod crash '.status.containerStatuses[0].restartCount' >/var/lib/crashes
    mask_agent
    exit 100
    ;;
  2)
    check "the agent is masked" equals inactive sh -c 'systemctl is-active vks.service || true'
    all_well 2
    check "boot 2: it is the same pod" equals "$(cat /var/lib/web-uid)" pod web .metadata.uid
    check "boot 2: restarts are not forgotten" test "$(pod crash '.status.containerStatuses[0].restartCount')" -ge "$(cat /var/lib/crashes)"
    check "boot 2: the run before the reboot is known" equals true pod web '.status.containerStatuses[0].lastState.terminated != null'
    invocations | grep -v crash >/t/before
    unmask_agent
    check "the agent starts" systemctl start vks.service
    invocations | grep -v crash >/t/after
    check "and changes nothing" cmp /t/before /t/after
    steps() { ! vks plan | grep -Eq '^ *(write|start|stop|remove|reload)'; }
    check "nor has it anything to do" steps
    # The plug is pulled.
    exit 101
    ;;
  3)
    all_well 3
    check "the agent runs" until_so 60 systemctl is-active vks.service
    check "delete" vks delete -f /t/pods.yaml
    check "nothing is left" until_so 60 nothing_left
    finish
    ;;
esac
