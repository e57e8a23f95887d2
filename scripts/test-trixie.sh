#!/usr/bin/env bash
# test-trixie.sh proves the build on Debian 13: in a clean root (mmdebstrap, chroot) it follows the README up to
# `make build` and runs `bin/yfv2d detect` on the demo clip. The mirror is this machine's own, read from its apt sources.
set -euo pipefail
root=${TRIXIE_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/yfv2d/trixie}
[ "$(id -u)" -eq 0 ] || { echo "yfv2d: test-trixie needs root for chroot: sudo make test-trixie" >&2; exit 1; }

mirror=$({ cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null || true; } |
	sed -nE 's/^URIs: *([^ ]*debian\/?)( .*)?$/\1/p; s/^deb (\[[^]]*\] )?([^ ]*debian\/?) .*/\2/p' | head -n 1)
[ -n "$mirror" ] || { echo "yfv2d: no Debian mirror found in this machine's apt sources" >&2; exit 1; }

if [ ! -e "$root/etc/debian_version" ]; then
	echo "test-trixie: making a Debian 13 root in $root"
	mkdir -p "$(dirname "$root")"
	mmdebstrap --quiet --variant=minbase --include=ca-certificates,make,git,golang-go trixie "$root" "$mirror"
fi

go mod download
mounts=()
cleanup() {
	for m in "${mounts[@]}"; do umount -l "$m"; done
}
trap cleanup EXIT
bind() { # bind SOURCE TARGET
	mkdir -p "$2"
	mount --bind "$1" "$2"
	mounts=("$2" "${mounts[@]}")
}
mkdir -p "$root/proc"
mount -t proc proc "$root/proc" && mounts=("$root/proc" "${mounts[@]}")
bind "$(go env GOMODCACHE)/cache/download" "$root/gomod"
cp /etc/resolv.conf "$root/etc/resolv.conf"
rm -rf "$root/src"
git clone --quiet . "$root/src"

chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root GOPROXY=file:///gomod GOSUMDB=off GOTOOLCHAIN=local \
	bash -euc '
cd /src
. /etc/os-release
echo "test-trixie: $PRETTY_NAME, $(go version)"
make build
bin/yfv2d version
bin/yfv2d detect --json testdata/videos/demo-640x480.mp4 >/tmp/detect.jsonl
frames=$(wc -l </tmp/detect.jsonl)
persons=$(grep -c "\"class\":\"person\"" /tmp/detect.jsonl || true)
echo "test-trixie: $frames frames, $persons with a person"
[ "$frames" -ge 300 ] && [ "$persons" -ge $((frames * 8 / 10)) ]
# Our graph leans on the fast depthwise path of OpenCV 4.6; that 4.10 computes the same, and the newer XNNPACK too, is seen here.
make SKIP_APT=1 test-graph
'
echo "test-trixie: passed"
