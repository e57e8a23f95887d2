#!/usr/bin/env bash
# dist.sh VERSION DIR PACKAGE... makes what a release is, in the folder DIR: the source, for each release and architecture the package, its files as
# a tarball and its bill of materials (CycloneDX), and SHA256SUMS. Two runs on one commit make the same, byte for byte.
# DISTS and ARCHS narrow it down.
set -euo pipefail
version=$1 dir=$2
shift 2
cd "$(dirname "$0")/.."
[ -z "$(git status --porcelain)" ] || { echo "yfv2d: there are changes that are not committed: a release is made of a commit" >&2; exit 1; }
rm -rf "$dir"
mkdir -p "$dir"
git archive --format=tar --prefix="yfv2d-$version/" HEAD | gzip -9n >"$dir/yfv2d-$version-source.tar.gz"
for dist in ${DISTS:-bookworm trixie}; do
	for arch in ${ARCHS:-amd64 arm64}; do
		deb=$(scripts/deb.sh "$dist" "$arch" "$version" "$dir" "$@")
		dpkg-deb --fsys-tarfile "$deb" | gzip -9n >"${deb%.deb}.tar.gz"
	done
done
(cd "$dir" && sha256sum -- * >"$OLDPWD/SHA256SUMS.new" && mv "$OLDPWD/SHA256SUMS.new" SHA256SUMS)
cat "$dir/SHA256SUMS"
