#!/usr/bin/env bash
# test-service.sh DEB... boots, for each package, a virtual machine with its Debian release and architecture and with systemd, installs the package
# there as docs/raspberry-pi.md says, and asserts what must hold of the service (scripts/service/assert): start, login, reload,
# watchdog, crashes, cameras that go and come, a full disk, the clock set back, a power cut, upgrade, purge. The machines are made of
# packages from this system's mirror and kept in ~/.cache/yfv2d/service. The last line is "N passed, M failed".
# An arm64 machine is slower still and asserts the main things only.
set -euo pipefail
dir=${SERVICE_VM_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/yfv2d/service}
minutes=60 # for a machine without KVM whose processors do other work too

fail() { echo "yfv2d: $*" >&2; exit 1; }
say() { echo "test-service: $*"; }
[ "$(id -u)" -eq 0 ] || fail "test-service needs root to unpack Debian packages: sudo make test-service"
[ "$(dpkg --print-architecture)" = amd64 ] || fail "test-service makes its machines on amd64 only"
debs=()
for deb in "$@"; do debs+=("$(realpath "$deb")"); done
cd "$(dirname "$0")/.."
mkdir -p "$dir"
work=$(mktemp -d "$dir/run.XXXXXX")
vm=
cleanup() {
	[ -z "$vm" ] || kill "$vm" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT

# boot PHASE starts the machine in the background: the disk stays as it is left, which a power cut needs.
boot() {
	rm -rf "$work/payload"
	mkdir "$work/payload"
	cp "$deb" scripts/service/{init,assert} docs/raspberry-pi.md "$work/payload/"
	chmod 755 "$work/payload/init"
	echo "$1" >"$work/payload/phase"
	[ "$arch" = amd64 ] || touch "$work/payload/brief"
	cp "$work/announced" "$work/payload/"
	tar -C "$work/payload" -cf "$work/payload.tar" .
	local -a machine
	if [ "$arch" = arm64 ]; then # the processor of a Raspberry Pi 4
		machine=(qemu-system-aarch64 -machine virt -accel tcg,thread=multi -cpu cortex-a72 -append "console=ttyAMA0 quiet panic=-1 systemd.show_status=false")
	else
		local accel
		accel=$(scripts/vm/accel.sh "$image/vmlinuz")
		# shellcheck disable=SC2206
		machine=(qemu-system-x86_64 -machine q35 -accel $accel -append "console=ttyS0 quiet panic=-1 systemd.show_status=false")
	fi
	say "booting Debian $release $arch: ${machine[*]:0:5}"
	"${machine[@]}" -smp 2 -m 2048 -nodefaults -nographic -no-reboot -net none -monitor none -serial stdio \
		-kernel "$image/vmlinuz" -initrd "$image/initrd.gz" \
		-drive "file=$work/root.ext4,if=virtio,format=raw" \
		-drive "file=$work/payload.tar,if=virtio,format=raw,readonly=on" </dev/null >"$work/console" 2>&1 &
	vm=$!
}
# follow shows what the machine asserts until it ends, or until it asks to have its power cut.
follow() {
	local shown=0 lines end=$((SECONDS + minutes * 60))
	while kill -0 "$vm" 2>/dev/null; do
		sleep 1
		lines=$(wc -l <"$work/console")
		[ "$lines" -le "$shown" ] || show $((shown + 1)) "$lines"
		shown=$lines
		if [ "$(grep -a -c '^assert: announced' "$work/console")" -ge 6 ]; then
			sleep "0.$((RANDOM % 10))"
			kill -KILL "$vm"
			say "power cut"
			break
		fi
		[ $SECONDS -lt $end ] || { say "the machine took more than $minutes minutes"; kill "$vm"; }
	done
	wait "$vm" 2>/dev/null || true
	vm=
	show $((shown + 1)) '$'
	tr -d '\r' <"$work/console" >>"$image/console.log"
}
show() { sed -n "$1,$2p" "$work/console" | tr -d '\r' | grep -a -o 'assert: .*' || true; }

passed=0 failed=0
for deb in "${debs[@]}"; do
	version=$(dpkg-deb -f "$deb" Version) arch=$(dpkg-deb -f "$deb" Architecture)
	case $version in
	*+deb12) release=bookworm ;;
	*+deb13) release=trixie ;;
	*) fail "$deb: its version $version does not say which release it is for" ;;
	esac
	image=$dir/$release-$arch
	mkdir -p "$image"
	needs=$(dpkg-deb -f "$deb" Depends | tr ',' '\n' | sed -E 's/^ *([^ |]+).*/\1/' | sort -u | tr '\n' ' ')
	ARCH=$arch VARIANT=minbase scripts/vm/image.sh "$image" "$release" "linux-image-$arch" initramfs-tools systemd-sysv dbus kmod udev procps curl sudo \
		ca-certificates util-linux python3-minimal busybox-static $needs
	cp --sparse=always "$image/root.ext4" "$work/root.ext4"
	rm -f "$image/console.log"
	: >"$work/announced"
	boot 1
	follow
	# A line that the cut came into was not said.
	sed -n 's/^assert: announced \([a-z0-9]*\)\r$/\1/p' "$work/console" >"$work/announced"
	if [ -s "$work/announced" ]; then
		boot 2
		follow
	fi
	counts=$(sed -n 's/^assert: \([0-9]*\) passed, \([0-9]*\) failed.*/\1 \2/p' "$image/console.log")
	[ -n "$counts" ] || { failed=$((failed + 1)); say "the machine ended before its assertions did"; }
	say "Debian $release $arch: $(awk '{ p += $1; f += $2 } END { print p + 0 " passed, " f + 0 " failed" }' <<<"$counts"); the whole console is in $image/console.log"
	while read -r p f; do passed=$((passed + ${p:-0})) failed=$((failed + ${f:-0})); done <<<"$counts"
	rm -f "$work/root.ext4"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
