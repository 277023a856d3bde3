# shellcheck shell=bash disable=SC2154 # state, lab_dir and the lists are of other files
# A whole Debian 13 under QEMU, with its own kernel, for what a container on this
# machine's kernel cannot show: cgroup v2 controllers, kernel modules, real boots.
#   vm/image     link to the tree of the image: disk.img, vmlinuz, initrd.img
#   vm/run-*     the disks of a run, gone after it
#   vm/results-N what the script of a run left in /payload/results, and its console

vm_packages_inside=("${rootfs_packages[@]}" linux-image-cloud-amd64 initramfs-tools udev systemd-container)
vm_masks=(
  getty@.service console-getty.service serial-getty@.service getty.target
  systemd-firstboot.service systemd-networkd-wait-online.service
  systemd-journal-catalog-update.service ldconfig.service systemd-pstore.service
  systemd-binfmt.service
  # As in containers: they come with packages for the tests that start them, and would filter what others look at.
  firewalld.service ufw.service systemd-resolved.service nscd.service
)
vm_recipe_version=1
qemu_pid='' # of the run, and where its disks are
vm_dir=''
# From power-on to the first line of the script, in seconds. It takes about 30.
vm_boot_limit=240

# Builds the image if its recipe changed. What is in EXTRA_DIR is laid over it.
cmd_vm_image() {
  local extra=${1:-} tree
  need_root
  mkdir -p "$state/vm"
  (
    flock 9
    tree=$(vm_tree "$extra")
    [ -e "$state/vm/$tree/disk.img" ] || build_vm_image "$tree" "$extra"
    ln -sfn "$tree" "$state/vm/.link"
    mv -T "$state/vm/.link" "$state/vm/image"
    remove_old_images "$tree"
  ) 9>"$state/vm/.image.lock"
}

vm_tree() {
  {
    printf '%s\n' "$recipe_version" "$vm_recipe_version" \
      "${vm_packages_inside[@]}" "${vm_masks[@]}" "${timer_masks[@]}"
    cat "$lab_dir"/lab/guest/*
    [ -z "$1" ] || tar -C "$1" --sort=name -c .
  } | sha256sum | sed 's/^\(.\{16\}\).*/.image-\1/'
}

build_vm_image() {
  local tree=$1 extra=$2 new="$state/vm/.new"
  note "building the VM's image, about a minute"
  remove_tree "$new"
  mkdir "$new"
  # The little that the root disk needs, instead of all drivers there are.
  # shellcheck disable=SC2034 # debootstrap_tree reads it
  mmdebstrap_more=(
    "--setup-hook=copy-in $lab_dir/lab/guest/initramfs.conf /"
    "--setup-hook=cd \"\$1\" && mkdir -p etc/initramfs-tools/conf.d usr/share/initramfs-tools/modules.d &&
      mv initramfs.conf etc/initramfs-tools/conf.d/vks-lab &&
      printf '%s\\n' virtio_pci virtio_blk ext4 >usr/share/initramfs-tools/modules.d/vks-lab"
  )
  debootstrap_tree trixie "$new/root" "${vm_packages_inside[@]}"
  settle_vm_tree "$new/root"
  [ -z "$extra" ] || cp -a "$extra/." "$new/root"
  cp "$new"/root/boot/vmlinuz-* "$new/vmlinuz"
  cp "$new"/root/boot/initrd.img-* "$new/initrd.img"
  mke2fs -q -t ext4 -m 0 -E lazy_itable_init=0 -d "$new/root" "$new/disk.img" 2000M >/dev/null
  remove_tree "$new/root"
  mv "$new" "$state/vm/$tree"
}

settle_vm_tree() {
  local dir=$1
  settle_tree "$dir"
  mask_units "$dir" "${vm_masks[@]}" "${timer_masks[@]}"
  printf 'vks-vm\n' >"$dir/etc/hostname"
  printf '127.0.1.1 vks-vm\n' >>"$dir/etc/hosts"
  mkdir -p "$dir/payload" "$dir/etc/systemd/system/multi-user.target.wants"
  printf '/dev/vdb /payload ext4 defaults 0 0\n' >"$dir/etc/fstab"
  install -m 755 "$lab_dir/lab/guest/run" "$dir/usr/local/lib/vks-lab-run"
  install -m 644 "$lab_dir/lab/guest/vks-lab.service" "$dir/etc/systemd/system/"
  ln -s ../vks-lab.service "$dir/etc/systemd/system/multi-user.target.wants/"
}

# Removes older images, unless a run has one.
remove_old_images() {
  local tree
  for tree in "$state"/vm/.image-*; do
    [ "$tree" != "$state/vm/$1" ] || continue
    flock -n "$tree" rm -rf "$tree" || true
  done
}

cmd_vm_run() {
  local payload='' script='' limit=600 boots=1
  while [ $# -gt 0 ]; do
    case $1 in
      --payload) payload=${2:?--payload needs a directory} ;;
      --script) script=${2:?--script needs a file of the payload} ;;
      --timeout) limit=${2:?--timeout needs seconds} ;;
      --boots) boots=${2:?--boots needs a number} ;;
      *) die "vm-run: what is $1?" ;;
    esac
    shift 2
  done
  [ -d "$payload" ] || die "vm-run: --payload: no directory $payload"
  [[ $script =~ ^[A-Za-z0-9._/-]+$ ]] || die "vm-run: --script: not a plain path: $script"
  [ -e "$payload/$script" ] || die "vm-run: no $script in $payload"
  need_root
  [ -e "$state/vm/image/disk.img" ] || cmd_vm_image ''
  vm_alone "$payload" "$script" "$limit" "$boots"
}

# One at a time on a machine, since emulation takes all of it: with two, boots
# would run into their time limit.
vm_alone() {
  local image
  image=$(realpath "$state/vm/image")
  # A machine that systemd has not started has no such directory.
  mkdir -p /run/lock
  exec 8>/run/lock/vks-lab-vm 7<"$image"
  flock 8
  flock --shared 7
  rm -rf "$state"/vm/run-* # of runs that were killed; nobody else is here now
  vm_dir=$(mktemp -d "$state/vm/run-XXXXXX")
  trap vm_end EXIT
  vm_boots "$image" "$@"
}

# Whatever happens, nothing of a run stays but its results.
vm_end() {
  vm_off
  rm -rf "$vm_dir"
}

vm_off() {
  [ -n "$qemu_pid" ] || return 0
  kill -KILL "$qemu_pid" 2>/dev/null || true
  wait "$qemu_pid" 2>/dev/null || true
  qemu_pid=''
}

# Boots until the script ends with something else than a wish to boot again.
vm_boots() {
  local image=$1 payload=$2 script=$3 limit=$4 boots=$5 boot=1 code
  vm_disks "$image" "$payload"
  while :; do
    vm_boot "$image" "$script" "$boot" "$limit"
    code=$(vm_code)
    case $code in
      100 | 101) [ "$boot" -lt "$boots" ] || break ;;
      *) break ;;
    esac
    boot=$((boot + 1))
  done
  vm_results "$code"
  exit "$code"
}

vm_disks() {
  local size
  qemu-img create -q -f qcow2 -F raw -b "$1/disk.img" "$vm_dir/root.qcow2"
  size=$(du -sm "$2" | cut -f1)
  mke2fs -q -t ext4 -m 0 -d "$2" "$vm_dir/payload.img" "$((size + 256))M" >/dev/null
  : >"$vm_dir/console.log"
}

# One boot to its end. A boot that does not even reach the script says nothing of
# what is tested, and is tried once more from the same disks; a script never is.
vm_boot() {
  local image=$1 script=$2 boot=$3 limit=$4 try
  cp --sparse=always "$vm_dir/root.qcow2" "$vm_dir/root.before"
  cp --sparse=always "$vm_dir/payload.img" "$vm_dir/payload.before"
  for try in 1 2; do
    rm -f "$vm_dir/started" "$vm_dir/code"
    vm_start "$image" "$script" "$boot"
    vm_watch "$limit" "$boot" || true
    vm_off
    wait "$filter_pid" || true
    [ ! -e "$vm_dir/started" ] || return 0
    note "boot $boot did not reach the script, try $try of 2"
    tail -n 20 "$vm_dir/console.log" >&2
    mv "$vm_dir/root.before" "$vm_dir/root.qcow2"
    mv "$vm_dir/payload.before" "$vm_dir/payload.img"
    cp --sparse=always "$vm_dir/root.qcow2" "$vm_dir/root.before"
    cp --sparse=always "$vm_dir/payload.img" "$vm_dir/payload.before"
  done
}

# Starts QEMU. The console goes to a file and the script has a serial line of its
# own, so that no message of the kernel is among its words.
vm_start() {
  local image=$1 script=$2 boot=$3 token
  token=$(tr -d - </proc/sys/kernel/random/uuid)
  rm -f "$vm_dir/line"
  mkfifo "$vm_dir/line"
  vm_filter "$token" <"$vm_dir/line" 7<&- 8>&- &
  filter_pid=$!
  # setpriv: it must not outlive us, even if we are killed.
  setpriv --pdeathsig KILL qemu-system-x86_64 \
    -machine q35 -accel tcg -cpu max -m 1024 -smp 2 -no-reboot \
    -display none -monitor none -nic none \
    -chardev "file,id=console,path=$vm_dir/console.log,append=on" -serial chardev:console \
    -chardev stdio,id=script,signal=off -serial chardev:script \
    -kernel "$image/vmlinuz" -initrd "$image/initrd.img" \
    -append "root=/dev/vda rw console=ttyS0 quiet panic=-1 systemd.show_status=false vks-lab.token=$token vks-lab.boot=$boot vks-lab.script=$script" \
    -drive "file=$vm_dir/root.qcow2,if=virtio,format=qcow2,cache=unsafe" \
    -drive "file=$vm_dir/payload.img,if=virtio,format=raw,cache=unsafe" \
    </dev/null >"$vm_dir/line" 2>>"$vm_dir/console.log" 7<&- 8>&- &
  qemu_pid=$!
}

# Passes on what the script says, without the lines that are for the lab: these
# have the run's token, which no script prints by chance. Any line is a sign that
# the script has begun. Not awk: mawk reads on until its buffer is full.
vm_filter() {
  local token=$1 line ended=''
  while IFS= read -r line || [ -n "$line" ]; do
    [ -z "$ended" ] || continue
    : >"$vm_dir/started"
    case $line in
      *"$token start"*) ;;
      *"$token exit "*)
        # What is before it is a last line of the script without its end.
        [ -z "${line%%"$token"*}" ] || printf '%s\n' "${line%%"$token"*}"
        line=${line##*"$token exit "}
        printf '%s\n' "${line%%[!0-9]*}" >"$vm_dir/code"
        ended=yes
        ;;
      *) printf '%s\n' "$line" ;;
    esac
  done
}

# Waits for the end of a boot, within limits: for the script to begin, for the
# whole, and for the machine to go off once the script has ended.
vm_watch() {
  local limit=$1 boot=$2 begin=$SECONDS
  while kill -0 "$qemu_pid" 2>/dev/null; do
    if [ ! -e "$vm_dir/started" ] && [ $((SECONDS - begin)) -gt "$vm_boot_limit" ]; then
      note "boot $boot: the script did not begin in $vm_boot_limit s"
      return 1
    fi
    if [ $((SECONDS - begin)) -gt "$limit" ]; then
      note "boot $boot: not over in $limit s"
      # A reboot that hangs is no success of what was asked for before it.
      rm -f "$vm_dir/code"
      return 1
    fi
    sleep 0.1
  done
}

# The script's exit code, or 125 if there is none: the machine died or hung.
vm_code() {
  if [ -s "$vm_dir/code" ]; then
    cat "$vm_dir/code"
  else
    note "the script has not ended as it should; the end of the VM's console:"
    tail -n 40 "$vm_dir/console.log" >&2
    printf '125\n'
  fi
}

# Copies out /payload/results, and the console with it if the script failed.
vm_results() {
  local code=$1 n=1
  mkdir "$vm_dir/out"
  debugfs -R "rdump /results $vm_dir/out" "$vm_dir/payload.img" >/dev/null 2>&1 || true
  rmdir "$vm_dir/out/results" 2>/dev/null || true
  [ "$code" != 0 ] || [ -d "$vm_dir/out/results" ] || return 0
  until mkdir "$state/vm/results-$n" 2>/dev/null; do n=$((n + 1)); done
  [ ! -d "$vm_dir/out/results" ] || cp -a "$vm_dir/out/results/." "$state/vm/results-$n"
  cp "$vm_dir/console.log" "$state/vm/results-$n/console.log"
  note "results: $state/vm/results-$n"
}
