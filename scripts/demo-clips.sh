#!/usr/bin/env bash
# demo-clips.sh makes testdata/videos/demo-*.mp4 and their true boxes again. It needs what `make build` needs, ffmpeg and
# the pictures of Debian's python3-skimage: it installs the one and unpacks the other in a temporary folder.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install.sh demo "to encode the demo clips" ffmpeg

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
(
	cd "$tmp"
	apt-get -qq -o APT::Sandbox::User=root download python3-skimage
	dpkg -x python3-skimage_*.deb root
)
data=$(dirname "$(find "$tmp/root" -name astronaut.png -path '*data*' | head -n 1)")

# The shapes in scripts/democlips were traced on these very pictures.
sha256sum --quiet -c <<EOF || { echo "demo-clips: the package holds other pictures than the ones that were traced" >&2; exit 1; }
88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5  $data/astronaut.png
b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a  $data/camera.png
EOF

CGO_LDFLAGS="${CGO_LDFLAGS:--O2 -Wl,--as-needed}" go run ./scripts/democlips -data "$data" -o testdata/videos
ls -l testdata/videos/demo-*.mp4
