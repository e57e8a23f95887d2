#!/usr/bin/env bash
# deb-root.sh DIST ARCH DIR PACKAGE... makes DIR: a clean Debian root of the release DIST, made by mmdebstrap from this system's mirror, with
# these development packages for ARCH and what compiles against them. Where ARCH is not this machine's, the root is this machine's
# with a cross compiler, the packages are ARCH's, and an emulator runs what was built, to write its man page. Does nothing when
# DIR was made from the same list; to take newer packages, remove DIR.
set -euo pipefail
dist=$1 arch=$2 dir=$3
shift 3
fail() { echo "yfv2d: $*" >&2; exit 1; }
[ "$(id -u)" -eq 0 ] || fail "a clean root is made by root: sudo make deb"
here=$(dpkg --print-architecture)
archs=$here tools=ca-certificates,g++,lld,pkgconf,dpkg-dev,xz-utils packages=$*
if [ "$arch" != "$here" ]; then
	[ "$here $arch" = "amd64 arm64" ] || fail "no way to build for $arch on $here: ARCH=$here, or build on the other"
	archs=$here,$arch tools=$tools,g++-aarch64-linux-gnu,qemu-user packages="libc6-dev $*"
	packages=${packages// /:$arch }:$arch
fi
want="$dist $archs $tools $packages"
[ "$(cat "$dir/etc/made-of" 2>/dev/null || true)" != "$want" ] || exit 0

mirror=$({ cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null || true; } |
	sed -nE 's/^URIs: *([^ ]*debian\/?)( .*)?$/\1/p; s/^deb (\[[^]]*\] )?([^ ]*debian\/?) .*/\2/p' | head -n 1)
[ -n "$mirror" ] || fail "no Debian mirror found in this machine's apt sources"
mkdir -p "$dir"
if mountpoint -q "$dir" || grep -q " $(realpath "$dir")/" /proc/mounts; then
	fail "something is mounted below $dir: unmount it first"
fi
echo "deb: making a clean root of Debian $dist with the development packages for $arch (some minutes, 2 GB)" >&2
rm -rf --one-file-system "$dir"
mmdebstrap --quiet --variant=minbase --architectures="$archs" --include="$tools,${packages// /,}" "$dist" "$dir" "$mirror" >"$dir.log" 2>&1 ||
	{ tail -n 10 "$dir.log" >&2; fail "mmdebstrap failed (its last lines are above)"; }
printf '%s\n' "$want" >"$dir/etc/made-of"
