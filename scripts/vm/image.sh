#!/usr/bin/env bash
# image.sh DIR RELEASE PACKAGE... makes DIR/root.ext4, DIR/initrd.gz and DIR/vmlinuz: a machine with the files of these Debian
# packages and all they depend on. They are unpacked, not configured, which takes a third of the time; VARIANT=minbase
# configures them, for a machine that boots systemd. ARCH=arm64 makes it of arm64 packages, which run in an emulator while they are
# configured. Does nothing if they were made from the same list.
set -euo pipefail
dir=$1 release=$2
shift 2
variant=${VARIANT:-extract}
here=$(dpkg --print-architecture)
arch=${ARCH:-$here}
want="$release $variant $arch $*"

say() { echo "image: $*"; }
fail() { echo "yfv2d: $*" >&2; exit 1; }

[ "$(cat "$dir/made-of" 2>/dev/null || true)" != "$want" ] || exit 0
mirror=$({ cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null || true; } |
	sed -nE 's/^URIs: *([^ ]*debian\/?)( .*)?$/\1/p; s/^deb (\[[^]]*\] )?([^ ]*debian\/?) .*/\2/p' | head -n 1)
[ -n "$mirror" ] || fail "no Debian mirror found in this machine's apt sources"

work=$(mktemp -d "$dir/new.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root
rm -f "$dir/made-of"

if [ "$arch" != "$here" ]; then # binfmt_misc has the kernel start qemu for arm64's programs, in any root (F)
	[ "$arch" = arm64 ] || fail "no emulator is known for $arch"
	[ -e /proc/sys/fs/binfmt_misc/register ] || mount -t binfmt_misc none /proc/sys/fs/binfmt_misc ||
		fail "the kernel takes no emulator for arm64 (binfmt_misc)"
	qemu=$(command -v qemu-aarch64-static || true)
	[ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] || [ -n "$qemu" ] || fail "no qemu-aarch64-static: apt-get install qemu-user-static"
	[ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] || printf '%s' ":qemu-aarch64:M::\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00:\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff:$qemu:F" \
		>/proc/sys/fs/binfmt_misc/register
fi
say "unpacking Debian $release and $# packages with what they need (some minutes)"
list=$*
# No initial RAM disk of the system: the one below is smaller. It would take minutes.
INITRD=No mmdebstrap --quiet --variant="$variant" --architectures="$arch" --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr --include="${list// /,}" \
	"$release" "$root" "$mirror" >"$work/log" 2>&1 || { tail -n 10 "$work/log" >&2; fail "mmdebstrap failed (last lines above)"; }

if [ "$variant" = extract ]; then
	# What the packages' own scripts would do, as far as it is needed.
	libs=$root/usr/lib/x86_64-linux-gnu
	for name in blas lapack; do
		[ ! -e "$libs/$name/lib$name.so.3" ] || ln -sf "$name/lib$name.so.3" "$libs/lib$name.so.3"
	done
	cp "$root"/usr/share/base-passwd/group.master "$root/etc/group"
	cp "$root"/usr/share/base-passwd/passwd.master "$root/etc/passwd"
	ldconfig -r "$root"
fi
mkdir -p "$root"/opt/busybox "$root"/{dev,proc,sys,run,tmp}
chroot "$root" /usr/bin/busybox --install -s /opt/busybox
kernel=$(ls "$root/usr/lib/modules")
[ -e "$root/boot/vmlinuz-$kernel" ] || fail "the kernel package has no kernel, or two: $kernel"
chroot "$root" depmod "$kernel"
[ -n "$(chroot "$root" modprobe -S "$kernel" --show-depends vivid)" ] || fail "Debian's kernel $kernel has no vivid"
rm -rf "$root"/var/{cache,lib}/apt "$root"/usr/share/{doc,man,locale}

say "making the disk"
start=$work/start
mkdir -p "$start"/{bin,modules,dev,root}
cp "$root/usr/bin/busybox" "$start/bin/"
n=100
for module in $(for m in virtio_pci virtio_blk ext4; do chroot "$root" modprobe -S "$kernel" --show-depends "$m"; done |
	awk '$1 == "insmod" && !seen[$2]++ { print $2 }'); do
	case $module in
	*.xz) xz -dc "$root$module" ;;
	*) cat "$root$module" ;;
	esac >"$start/modules/$((n++)).ko"
done
cp "$(dirname "$0")/start" "$start/init"
(cd "$start" && find . | cpio --quiet -o -H newc) | gzip -1 >"$work/initrd.gz"
cp "$root/boot/vmlinuz-$kernel" "$work/vmlinuz"
truncate -s $(($(du -sm "$root" | cut -f1) + 300))M "$work/root.ext4"
# Only a machine that is set up to live keeps a file system's journal: it may lose its power.
[ "$variant" = extract ] && journal=^has_journal || journal=has_journal
mke2fs -q -t ext4 -O "$journal" -m 0 -d "$root" "$work/root.ext4"
mv "$work"/{root.ext4,initrd.gz,vmlinuz} "$dir/"
printf '%s\n' "$want" >"$dir/made-of"
