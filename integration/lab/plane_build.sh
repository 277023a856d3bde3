# shellcheck shell=bash disable=SC2154 # state and lab_dir are plane.sh's
# The programs of the control plane: a Kubernetes 1.20 built from Debian's source,
# etcd and kubectl out of Debian's packages. None of them is installed; all are
# kept in target/integration/plane/bin, and what is missing there is made again.

plane_built=(kube-apiserver kube-controller-manager kube-scheduler)
plane_packed=(etcd etcdctl kubectl)
plane_tools=(golang-1.19-go rsync jq make xz-utils)
plane_runs=(iproute2 util-linux bsdutils openssl curl python3 bash)
go_root=/usr/lib/go-1.19

cmd_build() {
  need_root
  install_missing "${plane_runs[@]}"
  mkdir -p "$plane_bin"
  (
    # One at a time: several tests may ask at once.
    flock 9
    plane_packages
    plane_sources
  ) 9>"$plane_dir/lock"
}

have_all() {
  local name
  for name in "$@"; do
    [ -x "$plane_bin/$name" ] || return 1
  done
}

# etcd and kubectl, unpacked beside what the machine may have of them.
plane_packages() {
  local work deb
  ! have_all "${plane_packed[@]}" || return 0
  install_missing dpkg curl
  apt_update
  work=$(mktemp -d)
  chmod 755 "$work"
  (cd "$work" && apt-get -q download etcd-server etcd-client kubernetes-client >&2)
  for deb in "$work"/*.deb; do dpkg-deb -x "$deb" "$work/root"; done
  cp "$work/root/usr/bin/"{etcd,etcdctl,kubectl} "$plane_bin/"
  rm -r "$work"
}

plane_sources() {
  local work=$plane_dir/build tar
  ! have_all "${plane_built[@]}" || return 0
  install_missing "${plane_tools[@]}"
  add_sources
  rm -rf "$work"
  mkdir -p "$work/go/src/k8s.io/kubernetes"
  note "fetching the source of kubernetes"
  (cd "$work" && apt-get -q -o APT::Sandbox::User=root source --download-only kubernetes >&2)
  tar=$(find "$work" -name 'kubernetes_*.orig.tar.*' ! -name '*.asc' | head -n 1)
  tar -C "$work/go/src/k8s.io/kubernetes" --strip-components=1 -xf "$tar"
  note "building ${plane_built[*]}; this takes some minutes"
  build_kubernetes "$work/go/src/k8s.io/kubernetes" >"$work/log" 2>&1 ||
    die "kubernetes does not build, see $work/log"
  # The source and what Go cached of it are large and not needed again.
  rm -rf "$work"
}

build_kubernetes() {
  local name
  cd "$1" || return 1
  env -i HOME="$plane_dir/build" PATH="$go_root/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
    GO111MODULE=off GOPROXY=off GOTOOLCHAIN=local GOFLAGS='' \
    KUBE_GIT_TREE_STATE=archive KUBE_GIT_COMMIT=x KUBE_GIT_VERSION=v1.20.2 \
    KUBE_GIT_MAJOR=1 KUBE_GIT_MINOR=20 \
    make WHAT="cmd/kube-apiserver cmd/kube-controller-manager cmd/kube-scheduler" || return 1
  for name in "${plane_built[@]}"; do
    cp "_output/bin/$name" "$plane_bin/.$name" && mv "$plane_bin/.$name" "$plane_bin/$name" || return 1
  done
}

# Debian's sources from the mirror in use, in a file of its own.
add_sources() {
  local codename
  codename=$(os_release VERSION_CODENAME)
  if [ "$codename" != bookworm ]; then
    note "Debian $codename: the source of kubernetes is taken from bookworm"
  fi
  cat >/etc/apt/sources.list.d/vks-lab-source.sources <<SOURCE
Types: deb-src
URIs: $(debian_mirror)
Suites: bookworm
Components: main
Signed-By: $(debian_keyring)
SOURCE
  apt_update
}
