# shellcheck shell=sh
# Jobs and CronJobs while the clock is set, the host sleeps, and over a reboot in the middle. $1 is the part: one
# a boot.
. /payload/common.sh

lines() { cat "/var/lib/$1" 2>/dev/null | wc -l; }
has() { [ "$(lines "$1")" = "$2" ] || { lines "$1"; return 1; }; }
job() { vks get job "$1" -o json | jq -r "$2"; }
# The timer has been set up for the new time, and what it may have started is over.
calm() {
  until_so 20 sh -c '! systemctl is-active -q vks-default-hourly-cron.service' >/dev/null
  sleep 4
}

case $1 in
  1)
    set_up
    rm -f /var/lib/hours /var/lib/work /var/lib/middle
    cat >/t/jobs.yaml <<'YAML'
apiVersion: batch/v1
kind: CronJob
metadata: { name: hourly }
spec:
  schedule: "0 * * * *"
  timeZone: UTC
  successfulJobsHistoryLimit: 10
  jobTemplate:
    spec:
      template:
        spec:
          hostNetwork: true
          restartPolicy: Never
          containers: [{ name: c, image: "host:sh", args: ["-c", "date -u +%F.%H >>/var/lib/hours"] }]
---
apiVersion: batch/v1
kind: Job
metadata: { name: work }
spec:
  completions: 6
  parallelism: 2
  activeDeadlineSeconds: 1000
  template:
    spec:
      hostNetwork: true
      restartPolicy: Never
      containers: [{ name: c, image: "host:sh", args: ["-c", "sleep 5; echo end >>/var/lib/work"] }]
YAML
    date -u -s '2030-05-05 10:30:00' >/dev/null
    check "apply" vks apply -f /t/jobs.yaml
    check "the job has begun" until_so 60 sh -c '[ -s /var/lib/work ]'
    date -u -s '2030-05-05 10:59:57' >/dev/null
    check "an hour begins" until_so 60 has hours 1
    # Forward: of the hours that were left out the last one has its run. A day later no deadline has passed.
    date -u -s '2030-05-06 16:30:00' >/dev/null
    check "the clock is set forward by a day" until_so 60 has hours 2
    # Back: hours that had their run have no second one.
    date -u -s '2030-05-06 15:59:57' >/dev/null
    calm
    check "the clock is set back" has hours 2
    date -u -s '2030-05-06 16:59:57' >/dev/null
    check "the next hour" until_so 60 has hours 3
    check "the job is complete" until_so 120 vks wait --for=condition=Complete job/work --timeout=5s
    check "each completion once" has work 6
    check "and is counted once" equals 6/0 job work '"\(.status.succeeded)/\(.status.failed)"'
    # Suspend to RAM, from which the clock's alarm wakes a virtual machine; from s2idle it does not.
    check "this kernel can suspend to RAM" grep -q deep /sys/power/mem_sleep
    if grep -q deep /sys/power/mem_sleep 2>/dev/null; then
      echo deep >/sys/power/mem_sleep
      vks delete job work >/dev/null
      rm -f /var/lib/work
      check "apply again" vks apply -f /t/jobs.yaml
      date -u -s '2030-05-06 17:59:50' >/dev/null
      before=$(cut -d. -f1 /proc/uptime)
      check "the host sleeps" rtcwake -u -m mem -s 20
      check "for a while" [ $(($(cut -d. -f1 /proc/uptime) - before)) -ge 15 ]
      check "an hour began meanwhile" until_so 60 has hours 4
      check "the job goes on" until_so 120 vks wait --for=condition=Complete job/work --timeout=5s
      check "each completion once after sleep" has work 6
    fi
    sed 's/name: work/name: middle/; s,lib/work,lib/middle,' /t/jobs.yaml | sed -n '/^---/,$p' >/t/middle.yaml
    check "another job" vks apply -f /t/middle.yaml
    check "is in the middle" until_so 60 sh -c '[ "$(wc -l </var/lib/middle)" -ge 2 ]'
    cp /var/lib/hours /var/lib/hours-before
    exit 100
    ;;
  2)
    # The clock is that of the machine again: years before.
    check "the clock went back" sh -c '[ "$(date +%Y)" -lt 2030 ]'
    check "the agent runs" until_so 60 systemctl is-active vks.service
    check "the job is complete after the reboot" until_so 180 vks wait --for=condition=Complete job/middle --timeout=5s
    check "each of its completions once" has middle 6
    check "and counted once after the reboot" equals 6 job middle .status.succeeded
    check "the earlier one has not run again" has work 6
    check "no hour has run again" cmp /var/lib/hours /var/lib/hours-before
    date -u -s "$(date -u +'%F %H'):59:57" >/dev/null
    count=$(($(lines hours) + 1))
    check "hours go on" until_so 60 has hours $count
    check "delete" vks delete -f /t/jobs.yaml -f /t/middle.yaml
    none() { ! ls /var/lib/vks/controllers /var/lib/vks/manifests /etc/systemd/system.attached | grep -Eq 'job|vks-default'; }
    check "nothing is left" until_so 30 none
    finish
    ;;
esac
