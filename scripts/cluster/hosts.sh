#!/usr/bin/env bash
# Runs a command under Open MPI on made-up hosts: network namespaces of this machine, each with a name and an address of its own.
#
#   scripts/cluster/hosts.sh [--ranks N] [--link "rate 1gbit delay 1ms"] HOSTS -- COMMAND...
#
#   HOSTS      how many hosts
#   --ranks    processes on each host (default: 1)
#   --link     what tc-netem does to each host's link, such as a rate, a delay or a loss (default: nothing)
#
# Hosts are called node1, node2, ... and have the addresses 10.77.N.1, 10.77.N.2, ... While the command runs,
# `cut.sh NODE SECONDS` cuts a cable. Needs root, iproute2 and Open MPI. Everything is removed at the end, whatever it is.
set -euo pipefail

ranks=1 link=
while [[ ${1:-} == --* ]]; do
  case $1 in
    --ranks) ranks=$2 ;;
    --link) link=$2 ;;
    *) sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
  shift 2
done
[[ ${1:-} =~ ^[1-9][0-9]?$ && ${2:-} == -- && $# -gt 2 ]] || { sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2; }
hosts=$1
shift 2
[[ $EUID == 0 ]] || { echo 'hosts.sh: needs root, to make network namespaces' >&2; exit 1; }

# Several of these may run at once: each has a subnet of its own, which names its bridge and its namespaces.
for ((subnet = 1; subnet < 255; subnet++)); do
  ip link add "alex$subnet" type bridge 2>/dev/null && break
done
[[ $subnet -lt 255 ]] || { echo 'hosts.sh: no bridge could be made; is the kernel allowed to?' >&2; exit 1; }
bridge=alex$subnet
folder=$(mktemp -d)

clean_up() {
  for ((host = 1; host <= hosts; host++)); do
    local name=alex$subnet-$host
    ip netns pids "$name" 2>/dev/null | xargs -r kill -9 2>/dev/null || true
    ip netns delete "$name" 2>/dev/null || true
    ip link delete "a$subnet-$host" 2>/dev/null || true
  done
  ip link delete "$bridge" 2>/dev/null || true
  rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

ip address add "10.77.$subnet.254/24" dev "$bridge"
ip link set "$bridge" up
list=
for ((host = 1; host <= hosts; host++)); do
  name=alex$subnet-$host
  ip netns add "$name"
  ip link add "a$subnet-$host" type veth peer name eth0 netns "$name"
  ip link set "a$subnet-$host" master "$bridge" up
  ip -n "$name" address add "10.77.$subnet.$host/24" dev eth0
  ip -n "$name" link set eth0 up
  ip -n "$name" link set lo up
  if [[ -n $link ]]; then
    # shellcheck disable=SC2086 # several words
    tc -n "$name" qdisc add dev eth0 root netem $link || {
      echo 'hosts.sh: --link needs netem (the kernel module sch_netem) and its options' >&2
      exit 1
    }
  fi
  list+=,10.77.$subnet.$host:$ranks
done

# What Open MPI starts its daemons with instead of ssh.
cat >"$folder/enter" <<AGENT
#!/usr/bin/env bash
host=\${1##*.}
exec ip netns exec "alex$subnet-\$host" unshare --uts sh -c "hostname node\$host; \${*:2}"
AGENT
chmod +x "$folder/enter"

echo "hosts: alex$subnet-1 to alex$subnet-$hosts, $ranks on each" >&2
interfaces=10.77.$subnet.0/24
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
mpirun.openmpi --host "${list#,}" --bind-to none --oversubscribe \
  --mca plm_rsh_agent "$folder/enter" --mca plm_rsh_no_tree_spawn 1 \
  --mca btl tcp,self --mca btl_tcp_if_include "$interfaces" --mca oob_tcp_if_include "$interfaces" \
  "$@"
