#!/usr/bin/env bash
# install.sh GROUP REASON PACKAGE... installs the Debian packages that are missing; silent when none is.
# The one place that decides by release. Names of all packages we use are the same on Debian 12 and 13 (and Raspberry Pi
# OS on them); the libraries' versions differ and the sources take both.
set -euo pipefail
group=$1 reason=$2
shift 2

fail() { echo "yfv2d: $*" >&2; exit 1; }

[ -r /etc/os-release ] || fail "cannot tell which system this is (no /etc/os-release); install by hand: $*"
. /etc/os-release
case "${ID:-} ${ID_LIKE:-}" in
*debian*) ;;
*) fail "${PRETTY_NAME:-this system} is not Debian: install what stands for these packages by hand, then call make with SKIP_APT=1: $*" ;;
esac
[ -z "${SKIP_APT:-}" ] || exit 0
if [ "${ID:-}" = debian ] || [ "${ID:-}" = raspbian ]; then
	[ "${VERSION_ID:-99}" -ge 12 ] || fail "${PRETTY_NAME:-this release} is too old: yfv2d needs Debian 12 or newer (OpenCV 4.6)"
fi
case "$(dpkg --print-architecture)" in
amd64 | arm64) ;;
*) fail "$(dpkg --print-architecture) is not supported: yfv2d needs a 64-bit system (amd64 or arm64)" ;;
esac

missing=()
for p in "$@"; do
	dpkg-query -W -f '${db:Status-Status}\n' "$p" 2>/dev/null | grep -qx installed || missing+=("$p")
done
[ ${#missing[@]} -gt 0 ] || exit 0

sudo=()
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || fail "not root and no sudo; as root run: apt-get install --no-install-recommends ${missing[*]}"
	sudo=(sudo)
fi
echo "yfv2d: installing with apt, $reason ($group): ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() { "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o Dpkg::Use-Pty=0 -qq "$@" </dev/null >"$log" 2>&1; }
if ! apt update; then
	tail -n 5 "$log" >&2
	echo "yfv2d: apt-get update failed (above); trying with the lists at hand" >&2
fi
if ! apt install -y --no-install-recommends "${missing[@]}"; then
	tail -n 15 "$log" >&2
	fail "apt-get could not install ${missing[*]} (its last lines are above)"
fi
echo "yfv2d: installed."
