# shellcheck shell=sh
# After all pods have gone: the host's part of the network goes when it is told to.
. /payload/common.sh
set_up
check "no pods are left" until_so 60 nothing_left
check "the network goes" vks network down
check "with all links of ours" equals "" sh -c 'ip -j link | jq -r ".[].ifname | select(startswith(\"vks\"))"'
check "and the table" sh -c '! nft list tables | grep -q vks'
finish
