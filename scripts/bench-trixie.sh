#!/usr/bin/env bash
# bench-trixie.sh [FLAG]... measures XNNPACK in float and in int8 with Debian 13's library, in the clean root of test-trixie.sh, and
# shows the figures in bench/RESULTS.md. Flags are those of scripts/bench, as in -rounds 200.
set -euo pipefail
me=bench-trixie
. scripts/trixie-root.sh

inside /bench "
make build
go run ./scripts/bench -bin bin/yfv2d -int8-only results-trixie.json $*
"
cp "$root/bench/results-trixie.json" bench/results-trixie.json
go run ./scripts/bench -render >/dev/null
echo "bench-trixie: bench/RESULTS.md and bench/results-trixie.json are written"
