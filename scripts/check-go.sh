#!/usr/bin/env bash
# check-go.sh says in one line what to do when Go is absent or too old. From 1.21 on, go fetches the toolchain that go.mod
# names by itself.
set -euo pipefail
where="get it at https://go.dev/dl/ (on Debian 13: apt install golang-go)"
if ! command -v go >/dev/null; then
	echo "yfv2d: Go 1.24 or newer is needed and no go is in the PATH: $where" >&2
	exit 1
fi
v=$(GOTOOLCHAIN=local go env GOVERSION 2>/dev/null || true)
minor=$(sed -nE 's/^go1\.([0-9]+).*/\1/p' <<<"$v")
if [ -n "$minor" ] && [ "$minor" -lt 21 ]; then
	echo "yfv2d: Go 1.24 or newer is needed and this is $v: $where" >&2
	exit 1
fi
