#!/usr/bin/env bash
# test-service.sh DEB boots a virtual machine with this system's Debian release and systemd, installs the package there, and
# asserts what must hold of the service (scripts/service/assert): start, reload, watchdog, crashes, cameras that go and come, the
# clock set back, upgrade, purge. The machine is made of packages from this system's mirror and kept in ~/.cache/yfv2d/service.
set -euo pipefail
deb=$1
dir=${SERVICE_VM_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/yfv2d/service}
cd "$(dirname "$0")/.."
minutes=45 # for a machine without KVM whose processors do other work too

fail() { echo "yfv2d: $*" >&2; exit 1; }
[ "$(id -u)" -eq 0 ] || fail "test-service needs root to unpack Debian packages: sudo make test-service"
[ "$(dpkg --print-architecture)" = amd64 ] || fail "test-service boots an amd64 kernel: it runs on amd64 only"
. /etc/os-release
mkdir -p "$dir"
work=$(mktemp -d "$dir/run.XXXXXX")
vm=
cleanup() {
	[ -z "$vm" ] || kill "$vm" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT

needs=$(dpkg-deb -f "$deb" Depends | tr ',' '\n' | sed -E 's/^ *([^ |]+).*/\1/' | sort -u | tr '\n' ' ')
VARIANT=minbase scripts/vm/image.sh "$dir" "${VERSION_CODENAME:?this system does not say which Debian release it is}" \
	linux-image-amd64 initramfs-tools systemd-sysv kmod udev procps curl util-linux python3-minimal busybox-static $needs
mkdir "$work/payload"
cp "$deb" "$work/payload/yfv2d.deb"
cp scripts/service/{init,assert} "$work/payload/"
chmod 755 "$work/payload/init"
tar -C "$work/payload" -cf "$work/payload.tar" .

accel=$(scripts/vm/accel.sh "$dir/vmlinuz")
echo "test-service: booting with ${accel%%[, ]*}"
# The disk is written to, and forgets it.
timeout --foreground $((minutes * 60)) qemu-system-x86_64 -machine q35 -accel $accel -smp 2 -m 2048 -nodefaults -nographic \
	-no-reboot -net none -monitor none -serial stdio -kernel "$dir/vmlinuz" -initrd "$dir/initrd.gz" \
	-append "console=ttyS0 quiet panic=-1 systemd.show_status=false" \
	-drive "file=$dir/root.ext4,if=virtio,format=raw,snapshot=on" \
	-drive "file=$work/payload.tar,if=virtio,format=raw,readonly=on" </dev/null >"$work/console" 2>&1 &
vm=$!
tail -n +1 -f --pid="$vm" "$work/console" | sed -u 's/\r$//' | grep --line-buffered -a -o 'assert: .*' || true
wait "$vm" || true
vm=
tr -d '\r' <"$work/console" >"$dir/console.log"
grep -a -q 'assert: [0-9]* passed, 0 failed' "$dir/console.log" || { echo "yfv2d: the whole console is in $dir/console.log" >&2; exit 1; }
