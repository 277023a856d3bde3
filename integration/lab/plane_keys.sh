# shellcheck shell=bash disable=SC2154 # plane_address is plane.sh's
# Keys, certificates and kubeconfigs of a control plane.

make_keys() {
  local name=$1 pki=$2/pki
  mkdir -m 700 "$pki"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=vks-lab \
    -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature \
    -keyout "$pki/ca.key" -out "$pki/ca.crt" 2>/dev/null
  openssl genrsa -out "$pki/sa.key" 2048 2>/dev/null
  openssl rsa -in "$pki/sa.key" -pubout -out "$pki/sa.pub" 2>/dev/null
  cmd_cert "$name" "$pki/apiserver" kube-apiserver '' \
    "IP:127.0.0.1,IP:$plane_address,IP:10.96.0.1,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
  cmd_cert "$name" "$pki/kubelet-client" kube-apiserver-kubelet-client system:masters
  cmd_cert "$name" "$pki/admin" admin system:masters
  cat >"$pki/tokens.csv" <<TOKENS
admin-token,admin,admin,system:masters
reader-token,reader,reader
TOKENS
  cmd_kubeconfig "$name" admin system:masters >"$2/admin.conf"
  cmd_kubeconfig "$name" system:kube-controller-manager >"$2/manager.conf"
  cmd_kubeconfig "$name" system:kube-scheduler >"$2/scheduler.conf"
}

# A certificate for client and server, signed by the plane's CA: NAME FILE CN O SANS.
cmd_cert() {
  local pki file=${2:?cert: which file?} subject="/CN=${3:?cert: which name?}"
  pki=$(plane_home "$1")/pki
  [ -z "${4:-}" ] || subject="/O=$4$subject"
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$subject" \
    -keyout "$file.key" -out "$file.csr" 2>/dev/null
  openssl x509 -req -in "$file.csr" -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -days 30 \
    -set_serial "0x$(openssl rand -hex 8)" -out "$file.crt" -extfile <(
      printf 'keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth,serverAuth\n'
      [ -z "${5:-}" ] || printf 'subjectAltName=%s\n' "$5"
    ) 2>/dev/null
  rm "$file.csr"
}

cmd_kubeconfig() {
  local name=$1 user=${2:?kubeconfig: for whom?} pki file
  pki=$(plane_home "$name")/pki
  file=$pki/user-${user//[^a-z0-9]/-}
  cmd_cert "$name" "$file" "$user" "${3:-}"
  cat <<CONFIG
apiVersion: v1
kind: Config
clusters:
- name: lab
  cluster:
    server: https://$plane_address:6443
    certificate-authority-data: $(base64 -w0 "$pki/ca.crt")
users:
- name: user
  user:
    client-certificate-data: $(base64 -w0 "$file.crt")
    client-key-data: $(base64 -w0 "$file.key")
contexts:
- name: lab
  context: {cluster: lab, user: user}
current-context: lab
CONFIG
}

cmd_ca_hash() {
  printf 'sha256:%s\n' "$(openssl x509 -in "$(plane_home "${1:?ca-hash: which plane?}")/pki/ca.crt" -pubkey -noout |
    openssl pkey -pubin -outform der | sha256sum | cut -d' ' -f1)"
}
