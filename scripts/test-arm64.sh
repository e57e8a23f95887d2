#!/usr/bin/env bash
# test-arm64.sh PACKAGE... builds yfv2d for arm64 with the cross compiler, against the unpacked Debian arm64 packages that it
# names (scripts/arm64-root.sh), and runs tests and `detect` in qemu-user, the latter beside bin/yfv2d of this machine.
#
# What is emulated: the arm64 processor, by translation, so nothing here tells of speed. The kernel is this machine's: /sys is
# the host's, /proc/cpuinfo too in qemu 7.2, and XNNPACK's processor detection copes (it goes by the auxiliary vector, where
# qemu names its own processor's features). Programs that start programs cannot start arm64 ones, unless the machine has
# binfmt_misc set up for them: engine = auto would take OpenCV, so detect is told its engine, and the trial that auto makes
# is run here by hand. Everything that the arm64 programs load is the root's, by QEMU_LD_PREFIX.
#
# ARM64_CACHE is where the root lies (900 MB); remove it to take newer packages. ARM64_ONLY=REGEX runs only the packages and
# comparisons whose names match, "count" among them.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${ARM64_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/yfv2d/arm64}
only=${ARM64_ONLY:-.}
fail() { echo "yfv2d: $*" >&2; exit 1; }
say() { echo "test-arm64: $*"; }

[ "$(uname -m)" != aarch64 ] || fail "this machine is arm64: make test tests it without emulation"
for tool in qemu-aarch64 aarch64-linux-gnu-gcc aarch64-linux-gnu-g++; do
	command -v "$tool" >/dev/null || fail "no $tool: apt-get install qemu-user g++-aarch64-linux-gnu"
done
scripts/arm64-root.sh "$cache" "$@"
root=$cache/root
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
started=$SECONDS

go build -o "$work/testsum" ./scripts/testsum
go build -o "$work/compare" ./scripts/arm64
arm64() { # COMMAND... with what makes go build for arm64 and qemu load from the root
	env GOOS=linux GOARCH=arm64 CGO_ENABLED=1 \
		CC="aarch64-linux-gnu-gcc --sysroot=$root" CXX="aarch64-linux-gnu-g++ --sysroot=$root" \
		PKG_CONFIG_SYSROOT_DIR="$root" \
		PKG_CONFIG_LIBDIR="$root/usr/lib/aarch64-linux-gnu/pkgconfig:$root/usr/share/pkgconfig" \
		QEMU_LD_PREFIX="$root" "$@"
}
say "building for arm64 (minutes the first time: OpenCV's bindings are C++)"
mkdir -p bin/arm64
arm64 go build -ldflags "${LDFLAGS:--s -w}" -o bin/arm64/yfv2d ./cmd/yfv2d
arm64 go build -o bin/arm64/compare ./scripts/arm64
file=$(head -c 20 bin/arm64/yfv2d | od -An -tx1 | tr -d ' \n')
[ "${file:36:4}" = b700 ] || fail "bin/arm64/yfv2d is no arm64 program" # e_machine of ELF: EM_AARCH64

# tests JOBS PACKAGE...: their tests, that many packages at a time, without those that need thousands of forwards (memory that
# stays flat, threads that stay one: the same source, proven by make test), and those that start this program as another process
# and break cameras by the clock.
starts_programs=TestFaults
left_out='TestMemoryIsFlat|TestFlatMemory|TestOneThread|TestForwardAllocatesNothing|TestInt8AllocatesNothing|TestNoMemoryIsLeft'
tests() {
	local jobs=$1 pkg some=()
	shift
	for pkg in "$@"; do
		[[ ! "./$pkg" =~ $only ]] || some+=("./$pkg")
	done
	[ ${#some[@]} -eq 0 ] ||
		arm64 go test -json -vet off -count 1 -timeout 60m -p "$jobs" -exec qemu-aarch64 -skip "^($left_out|$starts_programs)\$" "${some[@]}" || true
}
# check NAME COMMAND... is a test of its own, in the form that go test -v prints.
check() {
	local name=$1 out
	shift
	[[ "$name" =~ $only ]] || return 0
	echo "=== RUN   $name"
	if out=$("$@" 2>&1); then
		[ -z "$out" ] || say "$name: $out" >&2
		echo "--- PASS: $name (0.00s)"
	else
		echo "$out" | tail -n 20 | sed 's/^/    /'
		echo "--- FAIL: $name (0.00s)"
		failed=1
	fi
}

there() { arm64 qemu-aarch64 bin/arm64/yfv2d "$@"; }
here() { bin/yfv2d "$@"; }
clip=testdata/videos/demo-640x480.mp4
builtin=infer/model/builtin/yolo-fastestv2-builtin.onnx
frames=20 # of the clip; one takes about a second here

says_arm64() {
	local out
	out=$(there version --json)
	[[ "$out" = *'"arch":"arm64"'* && "$out" = *'"engine":"xnnpack"'* ]] || { echo "it says $out"; return 1; }
	echo "$out"
}
# What engine = auto does at start: XNNPACK and OpenCV agree on the built-in model within 2e-3.
trial() {
	local out
	out=$(there engine-probe --input 352x288 <"$builtin") || return
	[[ "$out" != *refused* && "$out" = *xnnpack_ms* ]] || { echo "it says $out"; return 1; }
}
same_heads() {
	arm64 qemu-aarch64 bin/arm64/compare heads "$work/pictures" "$work/heads.there" >/dev/null &&
		"$work/compare" heads "$work/pictures" "$work/heads.here" >/dev/null &&
		"$work/compare" same-heads "$work/heads.there" "$work/heads.here"
}
same_pictures() { # ENGINE
	there detect --engine "$1" --json "$work/pictures" >"$work/there" &&
		here detect --engine "$1" --json "$work/pictures" >"$work/here" &&
		"$work/compare" same-boxes "$work/there" "$work/here"
}
alike_clip() { # The reader goes after some frames, which ends detect; the comparison sees whether they came.
	{ there detect --engine xnnpack --json "$clip" || true; } | head -n "$frames" >"$work/there"
	{ here detect --engine xnnpack --json "$clip" || true; } | head -n "$frames" >"$work/here"
	[ "$(wc -l <"$work/there")" -eq "$frames" ] || { echo "no $frames frames came"; return 1; }
	"$work/compare" alike-boxes "$work/there" "$work/here"
}
checks() {
	failed=0
	mkdir "$work/pictures"
	check pictures "$work/compare" pictures "$clip" "$work/pictures"
	check version says_arm64
	check trial_of_the_engines trial
	check heads_of_both_engines same_heads
	check detect_pictures_xnnpack same_pictures xnnpack
	check detect_pictures_opencv same_pictures opencv
	check detect_clip alike_clip
	[ "$failed" -eq 0 ] && echo PASS || echo FAIL
}

# instructions STEPS ARG...: those of a worker's start and so many detect steps, after three to warm up.
instructions() {
	local steps=$1
	shift
	echo "$steps steps" | QEMU_PLUGIN=$work/insn.so GOMAXPROCS=1 GOGC=off there bench-worker --input 352x352 "$@" 2>&1 |
		sed -n 's/^instructions //p'
}
count_of() { # NAME ARG...
	local name=$1 few many
	shift
	few=$(instructions 1 "$@") many=$(instructions 3 "$@")
	[ -n "$few" ] && [ -n "$many" ] || { say "no count of the instructions of $name: qemu does not take the plugin"; return; }
	say "a detect step with $name takes $(awk "BEGIN { printf \"%.1f\", ($many - $few) / 2e6 }") million instructions"
}
# A figure and no test: what a detect step costs on arm64, the difference of two runs. bench/RESULTS.md has amd64's.
count() {
	gcc -O2 -shared -fPIC -o "$work/insn.so" scripts/arm64/plugin/insn.c || return
	here model quantize "$builtin" --calibrate "$clip" -o "$work/int8.onnx" >"$work/log" 2>&1 || { tail -n 3 "$work/log" >&2; return; }
	count_of "XNNPACK, float" --engine xnnpack
	count_of "XNNPACK, int8" --engine xnnpack --model "$work/int8.onnx"
	count_of "OpenCV, our graph" --engine opencv
}

say "running in $(qemu-aarch64 --version | head -n 1)"
set +e
{
	checks | go tool test2json -t -p "yfv2d on arm64"
	# Both engines' goldens, with the official weights: each logit within 1e-3 of the authors' PyTorch code (fp32), so within
	# 2e-3 of amd64, which passes the same test; TestAgreesWithOpenCV holds the engines to 2e-3 of each other.
	tests "$(nproc)" infer/xnn infer/dnn infer/model infer bench/fma yuv fetch eval eval/mot tracker cmd/yfv2d/config capture/mjpeg capture/avdec
	# These wait for clocks and each other: one at a time.
	tests 1 stream/openh264 stream/vpx stream/v4l2m2m pipeline capture
} | "$work/testsum"
code=$?
[[ ! count =~ $only ]] || count
say "took $((SECONDS - started)) s; tests left out for their thousands of forwards: ${left_out//|/, }; for the programs they start: capture $starts_programs"
say "left out whole: cmd/yfv2d (but for the above), stream and its browser tests, and cameras over the network, which start programs or count on real time"
exit $code
