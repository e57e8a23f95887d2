#!/usr/bin/env bash
# test-trixie.sh proves the build on Debian 13: in a clean root (mmdebstrap, chroot) it follows the README up to
# `make build` and runs `bin/yfv2d detect` on the demo clip.
set -euo pipefail
me=test-trixie
. scripts/trixie-root.sh

inside /src '
make build
bin/yfv2d version
bin/yfv2d detect --json testdata/videos/demo-640x480.mp4 >/tmp/detect.jsonl
frames=$(wc -l </tmp/detect.jsonl)
persons=$(grep -c "\"class\":\"person\"" /tmp/detect.jsonl || true)
echo "test-trixie: $frames frames, $persons with a person"
[ "$frames" -ge 300 ] && [ "$persons" -ge $((frames * 8 / 10)) ]
# Our graph leans on the fast depthwise path of OpenCV 4.6; that 4.10 computes the same, and the newer XNNPACK too, is seen here.
make SKIP_APT=1 test-graph
'
echo "test-trixie: passed"
