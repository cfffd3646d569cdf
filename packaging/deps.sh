#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what building, running and testing Probity needs on Debian 12. Idempotent: prints what
# it installs, and does nothing (in well under a second) when all is there.
# usage: deps.sh [clients|bench]; clients: also the browsers that `make clients` runs; bench: also the
# server, the load and the other observer that `make bench` measures with.
set -eu
packages="
 build-essential pkg-config git
 clang llvm libclang-rt-dev bpftool libbpf-dev libelf-dev linux-libc-dev
 libssl-dev openssl libprotobuf-c-dev protobuf-c-compiler protobuf-compiler
 libevent-dev libcurl4-openssl-dev zlib1g-dev libbrotli-dev libzstd-dev libarchive-dev
 libvectorscan-dev libzydis-dev libyaml-dev libjansson-dev libsqlite3-dev sqlite3
 libseccomp-dev libcap-ng-dev libnghttp2-dev libtss2-dev swtpm swtpm-tools tpm2-tools
 libcmocka-dev clang-format curl python3 python3-cryptography python3-httpx ca-certificates procps util-linux strace
 qemu-system-x86 cpio busybox-static xz-utils zstd brotli
 golang-go golang-golang-x-mod-dev zsh wget iproute2 python3-yaml chromium fonts-dejavu-core
 qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross
"
[ "${1:-}" = clients ] && packages="$packages chromium firefox-esr libnss3-tools"
[ "${1:-}" = bench ] && packages="$packages nginx-light wrk bpfcc-tools"
# Node.js carries its own OpenSSL in some builds and Debian's in others; take what is there.
command -v node >/dev/null || packages="$packages nodejs"
command -v npm >/dev/null || packages="$packages npm"

missing=
for p in $packages; do
	dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null | grep -qx installed || missing="$missing $p"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" -ne 0 ]; then
	echo "deps.sh: these packages are missing and need root to install:$missing" >&2
	exit 1
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends $missing
