#!/usr/bin/env bash
# What vks is linked from, and under which licences, from the sources that cargo has fetched:
#
#   packaging/licences.sh list    the table in docs/licences.md (checked by the quick tier; written anew with `bless`)
#   packaging/licences.sh texts   the texts of all of them, for the packages
#   packaging/licences.sh check | bless
set -euo pipefail
export LC_ALL=C

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
page=$root/docs/licences.md
begin='<!-- made by packaging/licences.sh: do not edit -->'

# The crates that are in the program, a line each: name, version, licence, directory, where it comes from. Tests and what
# only builds (build dependencies, procedural macros) are not shipped.
crates() {
  cargo metadata --manifest-path "$root/Cargo.toml" --locked --offline --format-version 1 \
    --filter-platform x86_64-unknown-linux-gnu | jq -r '
      (.packages | map({ (.id): . }) | add) as $packages
      | (.resolve.nodes | map({ (.id): . }) | add) as $nodes
      | def shipped: $packages[.].targets | all(.kind | index("proc-macro") | not);
        def below($id): $nodes[$id].deps[] | select(any(.dep_kinds[]; .kind == null)) | .pkg | select(shipped);
        def walk($seen; $todo):
          if $todo == [] then $seen
          else ($todo - $seen) as $new | walk($seen + $new; [$new[] as $id | below($id)] | unique) end;
        walk([]; [.resolve.root])[] | $packages[.] | select(.source != null)
      | [.name, .version, (.license // "see \(.license_file)"), (.manifest_path | rtrimstr("/Cargo.toml")), .repository // ""]
      | @tsv' | sort -t $'\t' -k1,1 -k2,2V
}

list() {
  printf '%s\n\n| crate | version | licence |\n|---|---|---|\n' "$begin"
  crates | awk -F '\t' '{ printf "| %s | %s | %s |\n", $1, $2, $3 }'
}

# Each text once, after the crates that have it word by word.
texts() {
  local found
  found=$(crates)
  printf 'vks is linked from these crates:\n\n'
  awk -F '\t' '{ printf "%s %s (%s) %s\n", $1, $2, $3, $5 }' <<<"$found"
  cut -f4 <<<"$found" | tr '\n' '\0' | xargs -0 -I{} find {} -maxdepth 1 -type f \
    \( -iname 'licen[sc]e*' -o -iname 'copying*' -o -iname 'notice*' \) -print0 | xargs -0 sha256sum | awk '
      # Registry directories are called NAME-VERSION: in the order of the names, not of where the registry is.
      { file = substr($0, 67); n = split(file, at, "/"); crate = at[n - 1]; print crate "\t" $1 "\t" file }' |
    sort | awk -F '\t' '
      !($2 in of) { order[++count] = $2; text[$2] = $3; of[$2] = $1; last[$2] = $1 }
      last[$2] != $1 { of[$2] = of[$2] ", " $1; last[$2] = $1 }
      END {
        for (i = 1; i <= count; i++) {
          print "\n" line() "\n" of[order[i]] "\n"
          while ((getline said < text[order[i]]) > 0) { sub(/\r$/, "", said); print said }
          close(text[order[i]])
        }
      }
      function line(  i, s) { for (i = 0; i < 78; i++) s = s "="; return s }'
}

case ${1:-} in
  list) list ;;
  texts) texts ;;
  check)
    diff -u <(sed -n "/^${begin//\//\\/}/,\$p" "$page") <(list) >&2 || {
      echo "docs/licences.md does not say what vks is made of: packaging/licences.sh bless" >&2
      exit 1
    } ;;
  bless)
    new=$(sed "/^${begin//\//\\/}/,\$d" "$page" && list)
    printf '%s\n' "$new" >"$page" ;;
  *)
    sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
    exit 2 ;;
esac
