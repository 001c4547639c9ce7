#!/bin/sh
# Checks Alex on the GPU at hand within some minutes, without a network: docs/performance.md, "On a GPU".
cd "$(dirname "$0")/.." && exec node --conditions=@alex/source --import tsx benchmarks/src/gpu-check/main.ts "$@"
