#!/usr/bin/env bash
# accel.sh KERNEL prints what QEMU's -accel and -cpu shall be: KVM where it works (it may be there and not work), else emulation.
set -euo pipefail
if [ -w /dev/kvm ] && timeout 15 qemu-system-x86_64 -machine q35 -accel kvm -cpu host -m 256 -nodefaults -nographic -serial stdio \
	-no-reboot -kernel "$1" -append "console=ttyS0 panic=-1" </dev/null 2>&1 | grep -q -a 'Linux version'; then
	echo "kvm -cpu host"
else
	echo "tcg,thread=multi -cpu max"
fi
