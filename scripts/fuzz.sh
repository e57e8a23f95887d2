#!/usr/bin/env bash
# fuzz.sh TIME runs every fuzz target of the project for TIME, one after another.
set -euo pipefail
time=$1
n=0
for pkg in $(go list ./...); do
	for target in $(go test -list '^Fuzz' "$pkg" | grep '^Fuzz' || true); do
		echo "fuzz: $pkg $target for $time"
		go test "$pkg" -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 1x -parallel 2
		n=$((n + 1))
	done
done
echo "fuzz: $n targets clean"
