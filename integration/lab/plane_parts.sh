# shellcheck shell=bash disable=SC2154,SC2054 # of plane.sh; commas are of the programs' own
# The four programs of a control plane, each a process of its own.

part_limit=90 # seconds

start_parts() {
  local name=$1 home=$2
  cmd_start "$name" etcd
  cmd_start "$name" apiserver
  wait_ready "$name" "$home" || return 1
  cmd_start "$name" manager
  cmd_start "$name" scheduler
  bootstrap_token | cmd_kubectl "$name" apply -f - >/dev/null
  wait_account "$name"
}

cmd_start() {
  local name=${1:?start: which plane?} part=${2:?start: which part?} home command
  home=$(plane_home "$name")
  ! recorded_pid "$home/$part.pid" >/dev/null || return 0
  case $part in
    etcd) etcd_command "$home" ;;
    apiserver) apiserver_command "$home" ;;
    manager) manager_command "$home" ;;
    scheduler) command=("$plane_bin/kube-scheduler" --kubeconfig "$home/scheduler.conf" --leader-elect=false --port=0) ;;
    *) die "start: etcd, apiserver, manager or scheduler, not $part" ;;
  esac
  # No file that is open here stays open there, see start_machine.
  setsid nsenter --net="/run/netns/$(plane_namespace "$name")" -- "${command[@]}" \
    </dev/null >>"$home/$part.log" 2>&1 9>&- &
  record_pid $! "$home/$part.pid"
  disown
}

etcd_command() {
  # No fsync: the data is thrown away.
  command=("$plane_bin/etcd" --data-dir "$1/etcd" --unsafe-no-fsync
    --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379
    --listen-peer-urls http://127.0.0.1:2380)
}

apiserver_command() {
  local pki=$1/pki
  command=("$plane_bin/kube-apiserver" --etcd-servers http://127.0.0.1:2379 --advertise-address "$plane_address"
    --service-cluster-ip-range "$service_range" --secure-port 6443 --allow-privileged
    --tls-cert-file "$pki/apiserver.crt" --tls-private-key-file "$pki/apiserver.key"
    --client-ca-file "$pki/ca.crt" --token-auth-file "$pki/tokens.csv" --enable-bootstrap-token-auth
    --service-account-key-file "$pki/sa.pub" --service-account-signing-key-file "$pki/sa.key"
    --service-account-issuer https://kubernetes.default.svc
    --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction
    --kubelet-client-certificate "$pki/kubelet-client.crt" --kubelet-client-key "$pki/kubelet-client.key"
    --kubelet-certificate-authority "$pki/ca.crt"
    --kubelet-preferred-address-types InternalIP,Hostname
    --feature-gates EphemeralContainers=true)
}

manager_command() {
  local pki=$1/pki
  command=("$plane_bin/kube-controller-manager" --kubeconfig "$1/manager.conf" --leader-elect=false --port=0
    --use-service-account-credentials --service-account-private-key-file "$pki/sa.key" --root-ca-file "$pki/ca.crt"
    --cluster-signing-cert-file "$pki/ca.crt" --cluster-signing-key-file "$pki/ca.key"
    --controllers '*,bootstrapsigner,tokencleaner' --service-cluster-ip-range "$service_range"
    --allocate-node-cidrs --cluster-cidr "$pod_range" --node-cidr-mask-size 24)
}

# Ends a part in order, or at once: HOME PART SIGNAL.
end_part() {
  local pid
  pid=$(recorded_pid "$1/$2.pid") || return 0
  kill "-$3" "$pid" 2>/dev/null || true
  # One that was stopped by SIGSTOP hears nothing else.
  kill -CONT "$pid" 2>/dev/null || true
  if ! wait_gone "$1/$2.pid" 5; then
    kill -KILL "$pid" 2>/dev/null || true
    wait_gone "$1/$2.pid" 10 || die "$2 ($pid) does not end"
  fi
}

cmd_stop() {
  end_part "$(plane_home "${1:?stop: which plane?}")" "${2:?stop: which part?}" TERM
}

cmd_pid() {
  recorded_pid "$(plane_home "${1:?pid: which plane?}")/${2:?pid: of which part?}.pid" || die "$2 of $1 does not run"
}

wait_ready() {
  local deadline=$((SECONDS + part_limit))
  until within "$1" curl -sf -o /dev/null --cacert "$2/pki/ca.crt" --cert "$2/pki/admin.crt" --key "$2/pki/admin.key" \
    "https://$plane_address:6443/readyz"; do
    if [ "$SECONDS" -gt "$deadline" ] || ! recorded_pid "$2/apiserver.pid" >/dev/null; then return 1; fi
    sleep 0.1
  done
}

# Pods can be made as soon as their account is there.
wait_account() {
  local deadline=$((SECONDS + part_limit))
  until cmd_kubectl "$1" get serviceaccount default >/dev/null 2>&1; do
    [ "$SECONDS" -le "$deadline" ] || return 1
    sleep 0.2
  done
}

bootstrap_token() {
  cat <<'SECRET'
apiVersion: v1
kind: Secret
metadata: {name: bootstrap-token-abcdef, namespace: kube-system}
type: bootstrap.kubernetes.io/token
stringData:
  token-id: abcdef
  token-secret: 0123456789abcdef
  usage-bootstrap-authentication: "true"
  usage-bootstrap-signing: "true"
SECRET
}
