#!/usr/bin/env bash
# arm64-root.sh DIR PACKAGE... makes DIR/root: the files of these Debian packages and all they depend on, for arm64, of this
# machine's release and mirrors. To compile against and for qemu-user to load libraries from; it is no system to boot.
# apt gets a state of its own below DIR, so that this machine's dpkg learns of no other architecture. Needs no root, and does
# nothing when DIR/root was made from the same list. To take newer versions, remove DIR.
set -euo pipefail
dir=$1
shift
. /etc/os-release
want="${ID:-} ${VERSION_ID:-} $*"

fail() { echo "yfv2d: $*" >&2; exit 1; }
say() { echo "test-arm64: $*"; }

[ "$(cat "$dir/root/.made-of" 2>/dev/null || true)" != "$want" ] || exit 0
mkdir -p "$dir"
work=$(mktemp -d "$dir/new.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/apt/{lists/partial,cache/archives/partial} "$work/root"
touch "$work/apt/status"
log=$work/log

# The user stays: apt's own sandbox user could not write below a home directory. The lists of programs and icons that some
# desktops add are not asked for.
cat >"$work/apt.conf" <<END
APT::Architecture "arm64";
#clear APT::Architectures;
APT::Architectures { "arm64"; };
APT::Install-Recommends "false";
APT::Sandbox::User "";
APT::Update::Post-Invoke { };
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear Acquire::IndexTargets::deb::DEP-11;
Acquire::Languages "none";
Dir::State::lists "$work/apt/lists";
Dir::State::status "$work/apt/status";
Dir::State::extended_states "$work/apt/extended_states";
Dir::Cache "$work/apt/cache";
END
apt() { apt-get -c "$work/apt.conf" -q "$@" </dev/null 2>&1; }
bad() {
	tail -n 10 "$log" >&2
	fail "$* (last lines above)"
}

say "reading the lists of arm64 packages"
apt update >"$log" || bad "apt-get update for arm64 failed; it uses the mirrors in /etc/apt: are they reachable, and do they have arm64?"
apt --print-uris install -y "$@" >"$log" || bad "apt-get found no set of arm64 packages for: $*"
total=$(grep -c '\.deb ' "$log" || true)
say "downloading $total arm64 packages, $(awk '/\.deb / { n += $3 } END { printf "%d", n / 1e6 }' "$log") MB"
apt --download-only install -y "$@" | tee "$log" |
	awk -v of="$total" '/^Get:/ && ++n % 50 == 0 { print "test-arm64: downloaded " n " of " of; fflush() }' ||
	bad "the download of arm64 packages failed"

say "unpacking to $dir/root"
n=0
for deb in "$work"/apt/cache/archives/*.deb; do
	dpkg-deb -x "$deb" "$work/root" 2>"$log" || bad "dpkg-deb could not unpack $(basename "$deb")"
	rm "$deb"
	((++n % 100)) || say "unpacked $n of $total"
done
[ "$n" -gt 0 ] || fail "apt-get downloaded no arm64 package for: $*"
[ -e "$work/root/lib" ] || ln -s usr/lib "$work/root/lib" # Debian 13 has the one place only
# What neither the compiler nor the loader reads.
find "$work/root" -mindepth 1 -maxdepth 1 ! -name usr ! -name lib -exec rm -rf {} +
find "$work/root/usr" -mindepth 1 -maxdepth 1 ! -name lib ! -name include ! -name share -exec rm -rf {} +
find "$work/root/usr/share" -mindepth 1 -maxdepth 1 ! -name pkgconfig -exec rm -rf {} +

# What packages leave to update-alternatives, which runs at installation.
libs=$work/root/usr/lib/aarch64-linux-gnu
for name in blas lapack; do
	[ -e "$libs/$name/lib$name.so.3" ] || fail "no lib$name.so.3 among the arm64 packages"
	ln -sf "$name/lib$name.so.3" "$libs/lib$name.so.3"
done
# An absolute link would lead out of the root, into this machine's own files.
find "$work/root" -type l -lname '/*' -printf '%p %l\n' | while read -r link to; do
	ln -sfrT "$work/root$to" "$link"
done

printf '%s\n' "$want" >"$work/root/.made-of"
rm -rf "$dir/root"
mv "$work/root" "$dir/root"
