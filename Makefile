# yfv2d: `make run` and `make test` do everything on a fresh Debian 12 or 13 (or Raspberry Pi OS on them, 64-bit).
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# What apt provides, by who needs it. scripts/install.sh skips what is there and knows what differs between releases.
APT_BUILD := g++ pkgconf ca-certificates libopencv-dev libopenh264-dev libvpx-dev libyuv-dev libavcodec-dev libavutil-dev \
	libxnnpack-dev libpthreadpool-dev
APT_X264  := libx264-dev
APT_TEST  := chromium firefox-esr gir1.2-gst-rtsp-server-1.0 python3-gi python3-aiortc gstreamer1.0-plugins-good \
             gstreamer1.0-plugins-bad gstreamer1.0-nice gir1.2-gst-plugins-bad-1.0 $(APT_X264) ffmpeg nginx
APT_PREVIEW := iproute2
APT_DEMO  := ffmpeg
APT_ROOT  := mmdebstrap
APT_ARM64 := g++-aarch64-linux-gnu qemu-user
APT_VM    := qemu-system-x86 mmdebstrap e2fsprogs cpio
APT_VM_ARM64 := qemu-system-arm qemu-user-static
APT_DEB   := dpkg-dev mmdebstrap

# One set of flags for every build and test, so that they share one build cache. --as-needed: gocv names every OpenCV
# library there is; only what is used becomes a need of the binary.
export GOFLAGS     := -trimpath -buildvcs=false
export CGO_ENABLED := 1
export CGO_CFLAGS  := -O2
export CGO_CXXFLAGS := -O2
export CGO_LDFLAGS := -O2 -Wl,--as-needed

# make build TAGS=x264,noxnnpack: x264 adds an encoder, under the GPL-2+ as then the program is; noxnnpack leaves XNNPACK out.
TAGS ?=
TAG_FLAGS := $(if $(TAGS),-tags $(TAGS))

VERSION := $(shell git describe --tags --dirty --match 'v*' 2>/dev/null | sed 's/^v//' | grep . || cat VERSION)
COMMIT  := $(shell git rev-parse --short=12 HEAD 2>/dev/null)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)

# make run LISTEN=0.0.0.0:8080 shows the page to the whole network, with a login.
LISTEN ?=
RUN_FLAGS := $(if $(LISTEN),--listen $(LISTEN))
# make deb DIST=trixie ARCH=arm64; without, this machine's release and architecture.
DIST ?= $(shell . /etc/os-release && echo $$VERSION_CODENAME)
ARCH ?= $(shell dpkg --print-architecture)
FUZZTIME ?= 10s
# make soak-sources FAULTS=10000 SEED=7 runs for hours.
FAULTS ?= 200
SEED ?= 1
BENCH_SECONDS ?= 30
# make bench BENCH_FLAGS=-count also counts instructions, with valgrind, which takes minutes.
BENCH_FLAGS ?=

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

run: build ## install what is missing, build, and show the demo at http://127.0.0.1:8080 (LISTEN=0.0.0.0:8080: to the network)
	@exec bin/yfv2d run -c config.toml $(RUN_FLAGS)

build: deps ## build bin/yfv2d
	@mkdir -p bin
	go build $(TAG_FLAGS) -ldflags '$(LDFLAGS)' -o bin/yfv2d ./cmd/yfv2d

deps:
	@scripts/install.sh build "to compile and run yfv2d" $(APT_BUILD) $(if $(findstring x264,$(TAGS)),$(APT_X264))
	@scripts/check-go.sh

deps-test: deps
	@scripts/install.sh test "for the tests with a browser and with cameras" $(APT_TEST)

test: deps-test build ## everything that must hold: vet, staticcheck, import arrows, unit, race, leak and browser tests
	go vet ./...
	go tool staticcheck ./...
	@scripts/test.sh

test-graph: deps ## the rewritten network computes what the stock form does, in this system's OpenCV and XNNPACK
	go test ./infer/dnn ./infer/xnn -run 'TestOurGraphIsTheStockOne|TestAgreesWithOpenCV' -count 1

bench: build ## compare the engines and ONNX Runtime in one run, and measure the daemon: bench/RESULTS.md (needs Node; BENCH_SECONDS=30)
	go run ./scripts/bench -bin bin/yfv2d -daemon-seconds $(BENCH_SECONDS) $(BENCH_FLAGS)

bench-cameras: build ## the daemon with 1 to 8 test cameras: rates, age of detections, CPU and memory of each further one (BENCH_FLAGS="-cameras 16 -fps 25")
	go run ./scripts/benchcameras -bin bin/yfv2d $(BENCH_FLAGS)

bench-preview: deps-test build ## the live preview from camera to browser: latency, boxes, bad links, many viewers: bench/PREVIEW.md (as root; BENCH_FLAGS="-only latency,cut -runs 1")
	@scripts/install.sh preview "for the slow link of bench-preview" $(APT_PREVIEW)
	go run ./scripts/benchpreview -bin bin/yfv2d $(BENCH_FLAGS)

bench-trixie: deps ## compare int8 and float with Debian 13's XNNPACK, in the clean root of test-trixie; adds to bench/RESULTS.md (BENCH_FLAGS=-rounds=200)
	@scripts/install.sh root "to make a Debian 13 root" $(APT_ROOT)
	@scripts/bench-trixie.sh $(BENCH_FLAGS)

bench-go: deps ## the Go benchmarks: letterbox, decoding, NMS, tracker, encoders, engines
	go test $(TAG_FLAGS) ./infer/dnn ./infer/xnn ./pipeline ./tracker ./stream/openh264 ./stream/vpx ./stream/x264 -run '^$$' -bench . -benchtime 1s

fuzz: deps ## a short run of every fuzz target (FUZZTIME=10s each)
	@scripts/fuzz.sh $(FUZZTIME)

test-trixie: deps ## build and detect in a clean Debian 13 root (needs root)
	@scripts/install.sh root "to make a Debian 13 root" $(APT_ROOT)
	@scripts/test-trixie.sh

test-vm: deps ## read a camera in a virtual machine, unplug it and plug it in again (needs root)
	@scripts/install.sh vm "to boot a virtual machine with a virtual camera" $(APT_VM)
	@scripts/test-vm.sh

deb: ## make the Debian package in a clean root of its release, in bin/deb (DIST=bookworm|trixie ARCH=amd64|arm64; needs root)
	@scripts/check-go.sh
	@scripts/install.sh deb "to make a Debian package" $(APT_DEB)
	@scripts/deb.sh $(DIST) $(ARCH) $(VERSION) bin/deb $(filter lib%-dev,$(APT_BUILD))

dist: ## all packages, their bills of materials, the source and SHA256SUMS, in dist (needs root)
	@scripts/check-go.sh
	@scripts/install.sh deb "to make a Debian package" $(APT_DEB)
	@scripts/dist.sh $(VERSION) dist $(filter lib%-dev,$(APT_BUILD))

# Debian 12 and 13, unless one is asked for.
test-service: ## install the packages of Debian 12 and 13 in virtual machines and see what the service bears (DIST=, ARCH=arm64; needs root)
	@scripts/check-go.sh
	@scripts/install.sh vm "to boot a virtual machine" $(APT_VM) $(APT_DEB) $(if $(filter arm64,$(ARCH)),$(APT_VM_ARM64))
	@set -e; debs=(); for dist in $(if $(filter file,$(origin DIST)),bookworm trixie,$(DIST)); do \
		debs+=("$$(scripts/deb.sh $$dist $(ARCH) $(VERSION) bin/deb $(filter lib%-dev,$(APT_BUILD)))"); done; \
		scripts/test-service.sh "$${debs[@]}"

soak-sources: deps ## break cameras in FAULTS (200) ways by SEED (1), and measure how soon they are back
	go run ./scripts/soaksources -faults $(FAULTS) -seed $(SEED)

test-arm64: build ## build for arm64 (Raspberry Pi), run tests and detect in an emulator and compare with this machine's (about 20 minutes)
	@scripts/install.sh arm64 "to build for arm64 and to emulate it" $(APT_ARM64)
	@LDFLAGS='$(LDFLAGS)' scripts/test-arm64.sh libc6-dev $(filter lib%-dev,$(APT_BUILD))

demo-clips: deps ## make the clips in testdata/videos again
	@scripts/install.sh demo "to encode the demo clips" $(APT_DEMO)
	@scripts/demo-clips.sh

docs: build ## man pages and shell completions into share/
	@bin/yfv2d gen man share/man/man1
	@bin/yfv2d gen completion share

fmt: ## gofmt all Go files
	gofmt -w $$(git ls-files '*.go')

clean: ## remove what the build made
	rm -rf bin share dist

.PHONY: deb dist test-service test-arm64 help run build deps deps-test test test-graph bench bench-cameras bench-preview bench-trixie bench-go fuzz test-trixie test-vm soak-sources demo-clips docs fmt clean
