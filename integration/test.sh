#!/usr/bin/env bash
# Runs the tests: every tier, or those that are named.
#
#   integration/test.sh [--quick] [--container] [--cluster] [--vm]
#
#   --quick       no root needed: format, lints, docs, licences, unit and golden tests, layers
#   --container   a real systemd in booted Debian containers: needs root
#   --cluster     a real control plane of Kubernetes and a node in a container: needs root
#   --vm          a whole Debian in a virtual machine: needs root
#
# Installs from Debian what a tier needs (as root), keeps what it builds in target/, and ends with the line
# "N passed, N failed, N skipped". With VKS_REQUIRE_ALL=1 a skipped test is a failure.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PATH:$HOME/.cargo/bin
deny_version=0.20.2

quick='' container='' cluster='' vm=''
for argument in "$@"; do
  case $argument in
    --quick) quick=1 ;;
    --container) container=1 ;;
    --cluster) cluster=1 ;;
    --vm) vm=1 ;;
    *) sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
done
[ $# -gt 0 ] || { quick=1 container=1 cluster=1 vm=1; }

logs=target/integration/logs
mkdir -p "$logs"
passed=0 failed=0 skipped=0 failures=()

header() {
  printf '\n== %s\n' "$*"
}

# A step that counts as one test: step NAME COMMAND...
step() {
  local name=$1 begin=$SECONDS
  shift
  header "$name"
  if "$@"; then
    passed=$((passed + 1))
    printf 'ok (%d s)\n' $((SECONDS - begin))
  else
    fail "$name"
  fi
}

fail() {
  failed=$((failed + 1))
  failures+=("$1")
  printf 'FAILED: %s\n' "$1"
}

skip() {
  skipped=$((skipped + 1))
  printf 'SKIP %s\n' "$1"
}

# Tests of cargo, each counted: tests NAME ARGUMENTS... as of `cargo test`.
tests() {
  local name=$1 log=$logs/${1// /-}.log code=0 begin=$SECONDS
  shift
  header "$name"
  cargo test --locked --no-fail-fast "$@" 2>&1 | tee "$log" || code=$?
  local counted
  counted=$(awk '/^test result:/ { p += $4; f += $6; s += $8 } /^SKIP / { s++; p-- } END { print p + 0, f + 0, s + 0 }' "$log")
  read -r p f s <<<"$counted"
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  if [ "$code" -ne 0 ]; then
    failures+=("$name, see $log")
    # It did not come to tests: the build failed.
    [ "$f" -gt 0 ] || failed=$((failed + 1))
  fi
  printf '%d s\n' $((SECONDS - begin))
}

# Tests in machines: lab_tests NAME TEST. Those that fail are tried once more, two at a time: many of them wait for
# real processes with real time limits, which a loaded machine exceeds. What passes only then is named.
lab_tests() {
  local name=$1 test=$2 before=$failed names
  local log=$logs/${name// /-}.log again=$logs/${name// /-}-again.log
  VKS_LAB=1 tests "$name" --test "$test" -- ${3:+"$3"}
  [ "$failed" -gt "$before" ] || return 0
  mapfile -t names < <(awk '/^failures:$/ { on = 1 } on && /^    [a-z0-9_:]+$/ { print $1 }' "$log" | sort -u)
  { [ ${#names[@]} -gt 0 ] && [ ${#names[@]} -le 8 ]; } || return 0
  header "$name that failed, once more"
  VKS_LAB=1 cargo test --locked --test "$test" -- "${3:---test-threads=2}" --exact "${names[@]}" 2>&1 | tee "$again" || return 0
  printf 'passed at the second try: %s\n' "${names[@]}"
  failures=("${failures[@]/#$name, see $log/}")
  passed=$((passed + failed - before)) failed=$before
}

finish() {
  header "result"
  local failure
  for failure in "${failures[@]}"; do
    [ -z "$failure" ] || printf 'failed: %s\n' "$failure"
  done
  if [ "$skipped" -gt 0 ] && [ "${VKS_REQUIRE_ALL:-}" = 1 ]; then
    printf 'failed: tests were skipped, and VKS_REQUIRE_ALL=1 wants them all\n'
    failed=$((failed + 1))
  fi
  printf '%d s\n%d passed, %d failed, %d skipped\n' "$SECONDS" "$passed" "$failed" "$skipped"
  [ "$failed" -eq 0 ]
}

licences() {
  local deny=target/tools/bin/cargo-deny
  if [ "$("$deny" --version 2>/dev/null)" != "cargo-deny $deny_version" ]; then
    cargo install --quiet --locked --version "$deny_version" --root target/tools \
      --target-dir target/tools/build cargo-deny || return
    rm -rf target/tools/build
  fi
  # It looks at the crates of all systems, of which a build has fetched only ours.
  cargo fetch --locked --quiet || return
  "$deny" --locked --offline check licenses bans sources
}

# Manual pages without a warning of groff.
manual_pages() {
  local page said
  for page in docs/man/*.[0-9]; do
    said=$(groff -ww -man -Tutf8 -z "$page" 2>&1) || return
    [ -z "$said" ] || { printf '%s\n' "$said"; return 1; }
  done
}

scripts() {
  local script
  for script in .ci/run examples/demo.sh packaging/*.sh packaging/debian/p* integration/*.sh integration/lab/*.sh integration/nix/*.sh; do
    bash -n "$script" || return
  done
}

# Flake and module, where there is an evaluator for them.
nix_files() {
  local code=0
  header "nix"
  integration/nix/run.sh || code=$?
  case $code in
    0) passed=$((passed + 1)) ;;
    77) skip "nix: no evaluator" ;;
    *) fail "nix" ;;
  esac
}

quick_tier() {
  step "format" cargo fmt --check
  step "scripts" scripts
  step "lints" cargo clippy --locked --all-targets --quiet -- -D warnings
  step "docs" env RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" cargo doc --locked --no-deps --document-private-items --quiet
  step "licences" licences
  if command -v jq >/dev/null; then
    step "page of licences" packaging/licences.sh check
  else
    header "page of licences"
    skip "page of licences: jq is not installed"
  fi
  if command -v groff >/dev/null; then
    step "manual pages" manual_pages
  else
    header "manual pages"
    skip "manual pages: groff is not installed"
  fi
  nix_files
  tests "unit tests" --lib --bins
  tests "doc tests" --doc
  tests "golden, layers, fields" --test golden --test layers --test fields
  # Many more: VKS_PODS=10000 cargo test --test pods
  tests "random pods" --test pods -- --skip systemd_says
  # Ten minutes of it: VKS_FUZZ_SECONDS=600 cargo test --test fuzz
  VKS_FUZZ_SECONDS=${VKS_FUZZ_SECONDS:-20} tests "fuzz" --test fuzz
}

# Whether a tier can run here; installs what it needs as root.
ready() {
  local tier=$1
  if [ "$(id -u)" != 0 ]; then
    header "$tier tier"
    skip "$tier tier: needs root"
    return 1
  fi
  step "$tier tier: packages" integration/lab.sh deps "$tier"
}

# All units that vks writes or brings with it, judged by the systemd of a suite.
verify_units() {
  local name=verify-$1 code=0 file binds=()
  while read -r file; do
    binds+=(--bind-ro "$PWD/units/$file:/$file")
  done < <(cd units && find usr -type f)
  integration/lab.sh boot "$name" "$1" --bind-ro "$PWD/target/debug/vks:/usr/bin/vks" \
    --bind-ro "$PWD/examples:/examples" "${binds[@]}" >/dev/null || return
  # shellcheck disable=SC2016 # for the shell in the machine
  integration/lab.sh exec "$name" -- /bin/sh -e -c '
    cd /etc/systemd/system.attached
    # A package that is not installed in the machine has no program there.
    for unit in /examples/*/made/vks*; do
      case $unit in /examples/uptimed/*) ;; *) cp "$unit" . ;; esac
    done
    set -- vks.service vks-pods.target vks.slice
    for unit in vks*; do
      # A colon means FILE:NAME here, so names with one are given in that form.
      case $unit in
        *:*) cp "$unit" "/tmp/$#.service"; set -- "$@" "/tmp/$#.service:$unit" ;;
        *) set -- "$@" "$unit" ;;
      esac
    done
    said=$(systemd-analyze verify --man=no "$@" 2>&1) || { echo "$said"; exit 1; }
    [ -z "$said" ] || { echo "$said"; exit 1; }
  ' || code=$?
  integration/lab.sh down "$name"
  return "$code"
}

container_tier() {
  ready container || return 0
  local suite
  for suite in trixie sid bookworm; do
    step "container tier: root file system of $suite" integration/lab.sh rootfs "$suite"
  done
  step "build" cargo build --locked
  for suite in trixie sid; do
    step "container tier: systemd-analyze verify in $suite" verify_units "$suite"
  done
  step "container tier: control plane" integration/lab/plane.sh build
  VKS_LAB=1 tests "random pods in trixie" --test pods -- systemd_says
  lab_tests "container tests" container
}

cluster_tier() {
  ready container || return 0
  step "cluster tier: root file system" integration/lab.sh rootfs trixie
  step "cluster tier: control plane" integration/lab/plane.sh build
  step "build" cargo build --locked
  lab_tests "cluster tests" cluster --test-threads=4
}

vm_tier() {
  ready vm || return 0
  step "VM tier: image" integration/lab.sh vm-image
  step "build" cargo build --locked
  lab_tests "VM tests" vm --test-threads=1
}

if [ -n "$container$cluster$vm" ] && [ "$(id -u)" = 0 ]; then
  # Machines end with their tests; this is for when we are interrupted.
  trap 'integration/lab.sh down --all; integration/lab/plane.sh down --all' EXIT
fi
[ -z "$quick" ] || quick_tier
[ -z "$container" ] || container_tier
[ -z "$cluster" ] || cluster_tier
[ -z "$vm" ] || vm_tier
finish
