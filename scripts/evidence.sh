#!/bin/sh
# The paper's evidence, made again: trains what docs/results shows, the most valuable first, on whatever adapter is there.
# It goes on where it was stopped, by whatever means; what is done is not done again.
#
#   scripts/evidence.sh [ADAPTER]
#
# RUNS (default: runs) is the folder of runs and data. On two cores this takes days: `setsid nohup nice -n 19 scripts/evidence.sh &`.
set -eu
adapter=${1:-}
here=$(cd "$(dirname "$0")/.." && pwd)
runs=${RUNS:-$here/runs}

node_in() {
  (cd "$here" && exec node --conditions=@alex/source --import tsx "$@")
}

figure_1() {
  node_in examples/figure-1/src/main.ts --data "$runs/data/cifar10-prepared" --runs "$runs/figure-1" \
    --activations "$1" ${adapter:+--adapter "$adapter"}
}

figure_1 relu,tanh
