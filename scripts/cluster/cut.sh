#!/usr/bin/env bash
# Cuts the cable of a host that hosts.sh made, and plugs it in again.
#
#   scripts/cluster/cut.sh alex1-2 30    the host's name as hosts.sh prints it, and for how many seconds
set -euo pipefail
[[ $# == 2 ]] || { sed -n '2,4s/^# \{0,1\}//p' "$0" >&2; exit 2; }
ip -n "$1" link set eth0 down
trap 'ip -n "$1" link set eth0 up' EXIT
sleep "$2"
