#!/bin/sh
# Checks Alex on this machine's GPU within some minutes, without network access: docs/performance.md, "On a GPU".
cd "$(dirname "$0")/.." && exec node --conditions=@alex/source --import tsx benchmarks/src/gpu-check/main.ts "$@"
