#!/usr/bin/env bash
# test.sh runs the unit, race, leak and browser tests and sums them up. Leak tests of OpenCV pictures need gocv built with
# the tag matprofile, so they are a second run of the packages that hold Mats. The x264 encoder is there with its tag only.
set -uo pipefail
go build -o bin/testsum ./scripts/testsum || exit 1
{
	go test -json -race -timeout 20m ./...
	go test -json -race -tags x264 -timeout 5m ./stream/x264
	go test -json -tags matprofile -timeout 10m -run 'Leak|Mat|Contract' ./capture/... ./pipeline ./infer/dnn ./stream/... ./cmd/yfv2d
} | bin/testsum
