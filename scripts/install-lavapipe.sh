#!/bin/sh
# Installs lavapipe, Mesa's Vulkan driver for the CPU, on Debian and Ubuntu. Needs root. See docs/adapters.md.
set -eu

if [ "$(id -u)" != 0 ]; then
  echo "install-lavapipe: only root can install packages: run it with sudo" >&2
  exit 1
fi
if ! command -v apt-get >/dev/null; then
  echo "install-lavapipe: this is not Debian or a derivative: install Mesa's Vulkan drivers (25.0 is known to work) by hand" >&2
  exit 1
fi

. /etc/os-release
if [ "${VERSION_CODENAME:-}" = bookworm ]; then
  # The release's own Mesa, 22.3, lacks a feature that WebGPU requires.
  list=/etc/apt/sources.list.d/backports.list
  if ! grep -rqs bookworm-backports /etc/apt/sources.list /etc/apt/sources.list.d; then
    echo 'deb http://deb.debian.org/debian bookworm-backports main' >"$list"
  fi
  apt-get update
  apt-get install --yes -t bookworm-backports mesa-vulkan-drivers libvulkan1
else
  apt-get update
  apt-get install --yes mesa-vulkan-drivers libvulkan1
fi
