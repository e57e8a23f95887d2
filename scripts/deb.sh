#!/usr/bin/env bash
# deb.sh DIST ARCH VERSION OUT PACKAGE... builds yfv2d and its Debian package for the release DIST and the architecture ARCH, in a clean root of
# that release with these development packages (scripts/deb-root.sh), puts it into the folder OUT and prints its name. The source is
# what git tracks, as it lies here; Go and the modules are this machine's. Two builds of one commit are the same, byte for
# byte. MAINTAINER="NAME <MAIL>" is who stands for it (default: the commit's author).
set -euo pipefail
dist=$1 arch=$2 version=$3 out=$4
program=$version
shift 4
cd "$(dirname "$0")/.."
fail() { echo "yfv2d: $*" >&2; exit 1; }
case $dist in
bookworm) release=12 ;;
trixie) release=13 ;;
*) fail "DIST=$dist: packages are made for bookworm (Debian 12) and trixie (Debian 13)" ;;
esac
case $arch in
amd64 | arm64) ;;
*) fail "ARCH=$arch: packages are made for amd64 and arm64" ;;
esac
# 0.1.0-5-gabc becomes 0.1.0+5.gabc: a hyphen would begin a revision. The release comes last, so that an upgrade of Debian upgrades yfv2d.
version=${version/-/+} version=${version//-/.}
version=$version+deb$release
root=${DEB_ROOTS:-${XDG_CACHE_HOME:-$HOME/.cache}/yfv2d/deb}/$dist-$arch
scripts/deb-root.sh "$dist" "$arch" "$root" "$@"

go mod download
rm -rf --one-file-system "$root/build"
mkdir -p "$root"/{build/source,usr/local/go,gomod,var/cache/go}
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
	git ls-files -z | xargs -0 ls -d 2>/dev/null | tar -T - -c -f - | tar -C "$root/build/source" -x -f -
else
	tar -c -f - --exclude=./bin --exclude=./dist . | tar -C "$root/build/source" -x -f -
fi
maintainer=${MAINTAINER:-$(git log -1 --format='%an <%ae>' 2>/dev/null || true)}
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y VERSION)}
# The mounts are of this namespace only, and go with it.
unshare --mount --propagation private bash -euc '
	root=$1; shift
	mount --bind "$(go env GOROOT)" "$root/usr/local/go"
	mount --bind "$(go env GOMODCACHE)" "$root/gomod"
	mount -t proc proc "$root/proc"
	mount -t tmpfs tmp "$root/tmp"
	exec chroot "$root" env -i PATH=/usr/local/go/bin:/usr/sbin:/usr/bin HOME=/build TZ=UTC LC_ALL=C.UTF-8 "$@" bash /build/source/scripts/deb/build
' unshared "$root" ARCH="$arch" VERSION="$version" PROGRAM_VERSION="$program" COMMIT="$(git rev-parse --short=12 HEAD 2>/dev/null || true)" \
	MAINTAINER="${maintainer:-yfv2d <root@localhost>}" SOURCE_DATE_EPOCH="$epoch" DEB_RELEASE="$dist" \
	GOPROXY=off GOSUMDB=off GOTOOLCHAIN=local GOMODCACHE=/gomod GOCACHE=/var/cache/go/build >&2
mkdir -p "$out"
cp "$root"/build/out/* "$out/" # beside the package, its bill of materials
echo "$out/$(basename "$root"/build/out/*.deb)"
