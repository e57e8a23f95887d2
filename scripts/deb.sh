#!/usr/bin/env bash
# deb.sh VERSION OUT builds the Debian package of bin/yfv2d for this very release and architecture into the folder OUT and
# prints its name. MAINTAINER="NAME <MAIL>" is who stands for it (default: the commit's author). The package needs the shared libraries that the program is linked to, and no others. Two builds of one
# commit are the same, byte for byte: all times are the commit's.
set -euo pipefail
version=$1 out=$2
cd "$(dirname "$0")/.."
. /etc/os-release
arch=$(dpkg --print-architecture)
release=${VERSION_CODENAME:?this system does not say which Debian release it is}
maintainer=${MAINTAINER:-$(git log -1 --format='%an <%ae>')}
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)} LC_ALL=C TZ=UTC
umask 022

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
install -D -m 755 bin/yfv2d "$root/usr/bin/yfv2d"
install -D -m 644 systemd/yfv2d.service "$root/usr/lib/systemd/system/yfv2d.service"
install -D -m 644 systemd/yfv2d.sysusers "$root/usr/lib/sysusers.d/yfv2d.conf"
install -D -m 644 README.md "$root/usr/share/doc/yfv2d/README.md"
install -D -m 644 docs/api-http.md "$root/usr/share/doc/yfv2d/api-http.md"
install -D -m 644 docs/api.md "$root/usr/share/doc/yfv2d/api.md"

# The configuration: as in the source, but with no camera, and the keys of one as an example to uncomment.
awk '/^\[\[camera\]\]/ { camera = 1 }
	camera && /^name = / { $0 = "name = \"door\"" }
	camera && /^source = / { $0 = "source = \"rtsp://USER:PASSWORD@192.168.1.20/stream1\"" }
	{ print (camera && !/^#/ ? "#" : "") $0 }' config.toml >"$work/config.toml"
install -D -m 640 "$work/config.toml" "$root/etc/yfv2d/config.toml"
bin/yfv2d check -c "$root/etc/yfv2d/config.toml" >"$work/check" || { cat "$work/check" >&2; exit 1; }

bin/yfv2d gen man "$root/usr/share/man/man1"
bin/yfv2d gen completion "$work/completion"
install -D -m 644 "$work/completion/yfv2d.bash" "$root/usr/share/bash-completion/completions/yfv2d"
install -D -m 644 "$work/completion/_yfv2d" "$root/usr/share/zsh/vendor-completions/_yfv2d"
install -D -m 644 "$work/completion/yfv2d.fish" "$root/usr/share/fish/vendor_completions.d/yfv2d.fish"

{
	cat <<-END
	Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
	Upstream-Name: yfv2d

	Files: *
	Copyright: The yfv2d authors
	License: Apache-2.0
	 On Debian systems the text of the Apache License, version 2.0, is in
	 /usr/share/common-licenses/Apache-2.0. The program is linked to Debian's
	 OpenCV and FFmpeg, whose builds are under the GPL, version 2 or later, so
	 that the program as built is distributed under the terms of the GPL, in
	 /usr/share/common-licenses/GPL-2. What it holds besides its own source:
	 .
	END
	sed 's/^$/./; s/^/ /' THIRD_PARTY_NOTICES
} >"$work/copyright"
install -D -m 644 "$work/copyright" "$root/usr/share/doc/yfv2d/copyright"
printf 'yfv2d (%s) %s; urgency=medium\n\n  * See CHANGELOG.md of the source.\n\n -- %s  %s\n' \
	"$version" "$release" "$maintainer" "$(date -R -d "@$SOURCE_DATE_EPOCH")" >"$work/changelog"
install -D -m 644 "$work/changelog" "$root/usr/share/doc/yfv2d/changelog"
install -D -m 644 CHANGELOG.md "$root/usr/share/doc/yfv2d/CHANGELOG.md"
gzip -9n "$root"/usr/share/doc/yfv2d/{changelog,CHANGELOG.md} "$root"/usr/share/man/man1/*.1

# What the program is linked to decides what it needs; dpkg-shlibdeps wants a source package to stand in.
mkdir -p "$work/source/debian"
printf 'Source: yfv2d\n\nPackage: yfv2d\nArchitecture: any\n' >"$work/source/debian/control"
needs=$(cd "$work/source" && dpkg-shlibdeps -O "$root/usr/bin/yfv2d" 2>"$work/shlibs.log" | sed -n 's/^shlibs:Depends=//p')
[ -n "$needs" ] || { cat "$work/shlibs.log" >&2; echo "yfv2d: cannot tell which packages the program needs" >&2; exit 1; }

mkdir -p "$root/DEBIAN"
cat >"$root/DEBIAN/control" <<END
Package: yfv2d
Version: $version
Architecture: $arch
Maintainer: $maintainer
Installed-Size: $(du -k -s --apparent-size "$root" | cut -f1)
Depends: $needs, systemd | systemd-standalone-sysusers
Recommends: ca-certificates
Suggests: rpicam-apps | libcamera-apps, v4l-utils
Section: video
Priority: optional
Description: objects on live video, on one CPU core
 yfv2d reads cameras (USB, Raspberry Pi, RTSP, HTTP) and files, finds people,
 cars and other things with YOLO-FastestV2 on one thread, follows them, and
 shows the live picture with boxes in the browser by WebRTC. It runs as a
 service, made for small boards that have other work to do.
END
echo /etc/yfv2d/config.toml >"$root/DEBIAN/conffiles"
(cd "$root" && find . -type f ! -path './DEBIAN/*' ! -path './etc/*' -printf '%P\0' | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
for script in postinst prerm postrm; do install -m 755 "scripts/deb/$script" "$root/DEBIAN/$script"; done

find "$root" -newermt "@$SOURCE_DATE_EPOCH" -print0 | xargs -0 -r touch -h -d "@$SOURCE_DATE_EPOCH"
mkdir -p "$out"
deb=$out/yfv2d_${version}_${release}_$arch.deb
dpkg-deb --root-owner-group -Zxz --build "$root" "$deb" >/dev/null
echo "$deb"
