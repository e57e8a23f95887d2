# trixie-root.sh is read by test-trixie.sh and bench-trixie.sh, which set $me to their name. It makes a clean Debian 13 root in $root with
# Go and git (once), and mounts /proc and this machine's Go modules in it for as long as the script runs. The mirror is this
# machine's own, read from its apt sources.
root=${TRIXIE_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/yfv2d/trixie}
[ "$(id -u)" -eq 0 ] || { echo "yfv2d: $me needs root for chroot: sudo make $me" >&2; exit 1; }

mirror=$({ cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null || true; } |
	sed -nE 's/^URIs: *([^ ]*debian\/?)( .*)?$/\1/p; s/^deb (\[[^]]*\] )?([^ ]*debian\/?) .*/\2/p' | head -n 1)
[ -n "$mirror" ] || { echo "yfv2d: no Debian mirror found in this machine's apt sources" >&2; exit 1; }

if [ ! -e "$root/etc/debian_version" ]; then
	echo "$me: making a Debian 13 root in $root"
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

# inside DIR SCRIPT runs a shell script in the root, in a fresh clone of this repository at DIR.
inside() {
	rm -rf "$root$1"
	git clone --quiet . "$root$1"
	chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root GOPROXY=file:///gomod GOSUMDB=off GOTOOLCHAIN=local \
		bash -euc "cd $1; . /etc/os-release; echo \"$me: \$PRETTY_NAME, \$(go version)\"; $2"
}
