# shellcheck shell=bash
# The packages that the lab needs on this machine, and where apt gets them.

machine_packages=(mmdebstrap systemd-container debian-archive-keyring util-linux iproute2 procps jq)
# What tests use on this side of a machine.
container_packages=("${machine_packages[@]}" binutils lintian)
vm_packages=(mmdebstrap debian-archive-keyring e2fsprogs util-linux jq)
# QEMU 7.2 of Debian 12 lets the guest's kernel panic at random under software
# emulation; QEMU 10 does not.
qemu_floor=10

cmd_deps() {
  case ${1:-all} in
    machine) install_missing "${machine_packages[@]}" ;;
    container) install_missing "${container_packages[@]}" ;;
    vm) vm_deps ;;
    all)
      install_missing "${container_packages[@]}"
      vm_deps
      ;;
    *) die "deps: all, machine, container or vm, not $1" ;;
  esac
}

vm_deps() {
  install_missing "${vm_packages[@]}"
  if ! qemu_is_new || ! package_installed qemu-utils; then install_qemu; fi
}

qemu_is_new() {
  local version
  version=$(qemu-system-x86_64 --version 2>/dev/null | sed -n 's/.*version \([0-9]*\)\..*/\1/p')
  [ "${version:-0}" -ge "$qemu_floor" ]
}

install_qemu() {
  if [ "$(os_release VERSION_CODENAME)" = bookworm ]; then
    add_backports
    apt_update
    apt_install --target-release bookworm-backports qemu-system-x86 qemu-utils
  else
    apt_update
    apt_install qemu-system-x86 qemu-utils
  fi
  qemu_is_new || die "QEMU $qemu_floor or newer is needed and apt offers an older one"
}

# Configures backports from the mirror in use, in a file of its own, unless the
# machine has them already.
add_backports() {
  apt_targets | grep -q ' bookworm-backports main$' && return
  cat >/etc/apt/sources.list.d/vks-lab-backports.sources <<SOURCE
Types: deb
URIs: $(debian_mirror)
Suites: bookworm-backports
Components: main
Signed-By: $(debian_keyring)
SOURCE
}

# Installs those of the named packages that are absent. Does not call apt at all
# when there are none.
install_missing() {
  local name missing=()
  for name in "$@"; do
    package_installed "$name" || missing+=("$name")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  apt_update
  apt_install "${missing[@]}"
}

package_installed() {
  [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

apt_update() {
  need_root
  apt-get -qq -o DPkg::Lock::Timeout=300 update >&2
}

apt_install() {
  need_root
  printf 'lab: installing %s\n' "$*" >&2
  # Of what goes well it says nothing; errors come by the other stream.
  DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
    install --no-install-recommends "$@" >/dev/null
}

os_release() {
  sed -n "s/^$1=\"\{0,1\}\([^\"]*\)\"\{0,1\}\$/\1/p" /etc/os-release
}

# What apt is configured to fetch: URI, suite and component of each source.
apt_targets() {
  # shellcheck disable=SC2016 # these are apt's variables
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages'
}

# The mirror of Debian's main archive that this machine uses. It is asked for at
# run time, since every site has its own.
debian_mirror() {
  local codename mirror=${VKS_LAB_MIRROR:-}
  codename=$(os_release VERSION_CODENAME)
  [ -n "$mirror" ] || mirror=$(apt_targets |
    awk -v suite="$codename" '$2 == suite && $3 == "main" && !seen++ { print $1 }')
  [ -n "$mirror" ] || die "apt has no source for $codename main; set VKS_LAB_MIRROR to a Debian mirror"
  printf '%s\n' "$mirror"
}

debian_keyring() {
  printf '/usr/share/keyrings/debian-archive-keyring.gpg\n'
}
