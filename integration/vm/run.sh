# shellcheck shell=sh
# Runs the stories that the file `stories` names, one after the other, in one machine: boots are what takes time. $1 is the
# boot's number. A story is told in parts, one a boot: its script gets the number of the part and ends with
#   100: its next part comes after a reboot; 101: the plug is pulled for it;
#   0 or any other: it is over.
# Stories of one line of the file are told beside each other, those of the next line once they are over.
# A reboot finds the agent masked if a story has asked for it (`mask_agent`).
state=/var/lib/stories
mkdir -p $state
want=0

tell() {
  part=1
  [ ! -e "$state/$1" ] || part=$(cat "$state/$1")
  [ "$part" != over ] || return
  echo "== $1"
  begin=$(cut -d. -f1 /proc/uptime)
  story=$1 sh "/payload/$1.sh" "$part" </dev/null
  code=$?
  echo "# $1, part $part: from $begin s to $(cut -d. -f1 /proc/uptime) s after the kernel's start"
  case $code in
    100 | 101)
      echo $((part + 1)) >"$state/$1"
      [ $want = 101 ] || want=$code
      ;;
    *) echo over >"$state/$1" ;;
  esac
}

while read -r line; do
  for story in $line; do
    tell "$story"
  done
  [ $want = 0 ] || break
done </payload/stories
[ ! -e $state/.mask ] || {
  rm $state/.mask
  systemctl mask vks.service 2>/dev/null
}
[ $want != 101 ] || sync
exit $want
