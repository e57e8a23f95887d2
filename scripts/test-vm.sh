#!/usr/bin/env bash
# test-vm.sh tests capture/v4l2 and the daemon on a real driver: it boots Debian's kernel in QEMU, whose virtual camera
# (vivid) is read, unplugged and plugged in again there (capture/v4l2/vivid_test.go). The machine is made of packages from
# this system's mirror and kept in ~/.cache/yfv2d/vm; nothing else is downloaded, and this system's kernel stays as it is.
# To take newer packages, remove that folder. RUN=REGEXP selects tests; RACE=1 looks for data races.
set -euo pipefail
dir=${VM_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/yfv2d/vm}
cd "$(dirname "$0")/.."
minutes=40 # for a machine without KVM whose processors do other work too

say() { echo "test-vm: $*"; }
fail() { echo "yfv2d: $*" >&2; exit 1; }

[ "$(id -u)" -eq 0 ] || fail "test-vm needs root to unpack Debian packages: sudo make test-vm"
[ "$(dpkg --print-architecture)" = amd64 ] || fail "test-vm boots an amd64 kernel: it runs on amd64 only"
. /etc/os-release
release=${VERSION_CODENAME:?this system does not say which Debian release it is}
mkdir -p "$dir"
work=$(mktemp -d "$dir/run.XXXXXX")
vm=
cleanup() {
	[ -z "$vm" ] || kill "$vm" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT

say "building the daemon and the tests"
mkdir "$work/payload"
go build -o "$work/payload/yfv2d" ./cmd/yfv2d
go vet -tags vivid ./capture/v4l2
go test -c ${RACE:+-race} -tags vivid -o "$work/payload/v4l2.test" ./capture/v4l2
cp scripts/vm/init "$work/payload/init"
printf '%s\n' "${RUN:-^TestVivid}" >"$work/payload/run"
tar -C "$work/payload" -cf "$work/payload.tar" .

# The packages that hold the libraries which the two need.
libraries=$(objdump -p "$work"/payload/{yfv2d,v4l2.test} | awk '$1 == "NEEDED" { print $2 }' | sort -u)
packages=$(for lib in $libraries; do
	file=$(ldconfig -p | awk -v l="$lib" '$1 == l && /x86-64/ { print $NF; exit }')
	dpkg-query -S "*/$(basename "$(readlink -f "$file")")" 2>/dev/null | head -n 1 | cut -d: -f1
done | sort -u | tr '\n' ' ')
[ -n "$libraries" ] && [ -n "$packages" ] || fail "cannot tell which packages yfv2d's libraries come from"

scripts/vm/image.sh "$dir" "$release" linux-image-amd64 kmod udev base-passwd busybox-static v4l-utils $packages

accel=$(scripts/vm/accel.sh "$dir/vmlinuz")
say "booting with ${accel%%[, ]*}"
timeout --foreground $((minutes * 60)) qemu-system-x86_64 -machine q35 -accel $accel -smp 2 -m 2048 -nodefaults -nographic -no-reboot \
	-net none -monitor none -serial stdio -kernel "$dir/vmlinuz" -initrd "$dir/initrd.gz" -append "console=ttyS0 quiet panic=-1" \
	-drive "file=$dir/root.ext4,if=virtio,format=raw,readonly=on" \
	-drive "file=$work/payload.tar,if=virtio,format=raw,readonly=on" </dev/null >"$work/console" 2>&1 &
vm=$!
tail -n +1 -f --pid="$vm" "$work/console" | sed -u 's/\r$//' | grep --line-buffered -a -E '^(init:|=== RUN|[ ]*--- |[ ]+[a-z_]+_test\.go:|panic|FAIL|WARNING: DATA RACE)' || true
wait "$vm" || true
vm=
tr -d '\r' <"$work/console" >"$dir/console.log"

# A test counts if it has no parts. One that was begun and never ended, because all ended before it, has not passed.
awk '
	$1 == "===" && $2 == "RUN" && !seen[$3]++ { names[++n] = $3; while (sub("/[^/]*$", "", $3)) parent[$3] = 1 }
	$1 == "---" && $2 == "PASS:" { passed[$3] = 1 }
	$1 == "---" && $2 == "SKIP:" { skipped[$3] = 1 }
	/^init: the tests ended with/ { code = $NF; ended = 1 }
	END {
		for (i = 1; i <= n; i++) {
			if (names[i] in parent || names[i] in skipped) continue
			all++
			if (names[i] in passed) ok++
			else print "test-vm: not passed: " names[i]
		}
		if (!ended) print "test-vm: the machine ended before its tests did"
		printf "test-vm: %d of %d passed\n", ok, all
		exit !(ended && code == 0 && all > 0 && ok == all)
	}' "$dir/console.log" || { echo "yfv2d: the whole console is in $dir/console.log" >&2; exit 1; }
