package yfv2d_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// places says which packages of this project a package may import (without its tests). A new package fails the test
// until it has its place here: what it may import stands above it.
var places = map[string][]string{
	".":   {},
	"yuv": {},

	"infer":       {},
	"eval":        {"infer"},
	"eval/mot":    {"infer"},
	"tracker":     {"infer"},
	"infer/model": {"infer"},
	"infer/dnn":   {"infer", "infer/model"},
	"infer/xnn":   {"infer", "infer/model"},
	"fetch":       {},
	"bench/fma":   {},
	"access":      {},
	"certificate": {},

	"pipeline":         {"infer", "tracker", "yuv"},
	"capture/avdec":    {"pipeline", "yuv"},
	"capture/live":     {"pipeline", "yuv", "capture/avdec"},
	"capture/userinfo": {},
	"capture/rtsp":     {"pipeline", "capture/live", "capture/userinfo"},
	"capture/mjpeg":    {},
	"capture/webcam":   {"pipeline", "capture/live", "capture/mjpeg", "capture/userinfo"},
	"capture/child":    {"pipeline", "yuv", "capture/live", "capture/mjpeg"},
	"capture/v4l2":     {"pipeline", "yuv", "capture/live"},
	"capture":          {"infer", "tracker", "pipeline", "yuv", "capture/live", "capture/rtsp", "capture/webcam", "capture/child", "capture/v4l2"},
	"stream":           {"infer", "tracker", "pipeline", "yuv", "access", "stream/web"},
	"stream/web":       {},
	"stream/openh264":  {"pipeline", "stream"},
	"stream/vpx":       {"pipeline", "stream"},
	"stream/x264":      {"pipeline", "stream"}, // pipeline with the tag x264 only
	"stream/v4l2m2m":   {"pipeline", "stream"},

	"cmd/yfv2d/config": {"infer", "tracker", "certificate", "capture/userinfo"},
	"cmd/yfv2d": {".", "infer", "infer/model", "infer/dnn", "infer/xnn", "eval", "eval/mot", "fetch", "certificate", "tracker", "yuv", "pipeline", "capture", "capture/live", "capture/v4l2",
		"access", "stream", "stream/openh264", "stream/vpx", "stream/x264", "stream/v4l2m2m", "cmd/yfv2d/config", "bench/fma"},

	"scripts/arm64":        {"infer", "infer/model", "infer/dnn", "infer/xnn", "pipeline"},
	"scripts/testsum":      {},
	"scripts/sbom":         {},
	"scripts/bench":        {"infer", "infer/model"},
	"scripts/daemon":       {},
	"scripts/viewer":       {},
	"scripts/benchdaemon":  {"scripts/daemon", "scripts/viewer"},
	"scripts/benchcameras": {"scripts/daemon"},
	"scripts/benchpreview": {"scripts/daemon", "scripts/viewer"},
	"scripts/democlips":    {"yuv"},
	"scripts/screenshot":   {"scripts/daemon"},
	"scripts/bundlepage":   {},

	// What only tests use: no line above may name these.
	"capture/capturetest":       {"pipeline"},
	"capture/child/childtest":   {},
	"capture/rtsp/rtsptest":     {"pipeline"},
	"capture/webcam/webcamtest": {},
	"capture/faulttest":         {"infer", "pipeline", "capture", "capture/rtsp/rtsptest", "capture/webcam/webcamtest"},
	"capture/faulttest/execcam": {},
	"scripts/soaksources":       {"capture/faulttest"},
	"infer/model/modeltest":     {"infer", "infer/model"},
	"infer/xnn/xnntest":         {},
	"stream/openh264/decoder":   {"pipeline", "stream"},
	"stream/encodertest":        {"pipeline", "stream", "yuv"},
}

// outside says which packages may import a module from elsewhere (or use cgo). Tests may import what they like.
var outside = map[string][]string{
	"C":                                   {"yuv", "infer/dnn", "infer/xnn", "infer/xnn/xnntest", "bench/fma", "capture", "capture/avdec", "capture/v4l2", "stream/openh264", "stream/openh264/decoder", "stream/vpx", "stream/x264", "stream/v4l2m2m", "stream/encodertest", "cmd/yfv2d"},
	"gocv.io/x/gocv":                      {"infer/dnn", "pipeline", "capture", "capture/v4l2", "stream", "stream/encodertest", "cmd/yfv2d", "scripts/democlips", "scripts/arm64"},
	"github.com/nlpodyssey/gopickle":      {"infer/model"},              // .pth files, without running what they hold
	"google.golang.org/protobuf":          {"infer/model"},              // ONNX files
	"github.com/HdrHistogram":             {"pipeline", "stream"},       // latency quantiles
	"github.com/golang/freetype":          {"pipeline"},                 // letters on frames
	"golang.org/x/image":                  {"pipeline"},                 // their font
	"github.com/pion":                     {"stream", "scripts/viewer"}, // WebRTC
	"github.com/pion/rtp":                 {"stream", "capture/rtsp", "capture/rtsp/rtsptest"},
	"github.com/pion/rtcp":                {"stream", "capture/rtsp", "capture/rtsp/rtsptest"},
	"github.com/bluenviron/gortsplib/v4":  {"capture/rtsp", "capture/rtsp/rtsptest"},                                                                                                                        // RTSP
	"github.com/bluenviron/mediacommon":   {"stream", "capture/rtsp", "capture/child/childtest", "capture/live"},                                                                                            // parameter sets, MPEG-TS
	"github.com/prometheus/client_golang": {"stream"},                                                                                                                                                       // /metrics
	"github.com/rs/zerolog":               {"pipeline", "capture", "capture/live", "capture/rtsp", "capture/webcam", "capture/child", "capture/v4l2", "capture/faulttest", "access", "stream", "cmd/yfv2d"}, // the log
	"github.com/BurntSushi/toml":          {"cmd/yfv2d/config"},
	"github.com/agnivade/levenshtein":     {"cmd/yfv2d/config", "cmd/yfv2d"}, // the nearest valid name
	"github.com/coreos/go-systemd/v22":    {"cmd/yfv2d"},                     // the service manager
	"github.com/spf13/cobra":              {"cmd/yfv2d"},
	"github.com/spf13/pflag":              {"cmd/yfv2d"},
	"github.com/schollz/progressbar/v3":   {"cmd/yfv2d"},
	"github.com/chromedp":                 {"scripts/screenshot", "scripts/benchpreview"},
	"github.com/evanw/esbuild":            {"scripts/bundlepage"},
	"github.com/coder/websocket":          {"stream", "scripts/benchpreview"},
	"golang.org/x/term":                   {"cmd/yfv2d"}, // is this a terminal?
	"go.uber.org/goleak":                  {"capture/capturetest", "capture/faulttest", "scripts/soaksources"},
	"golang.org/x/sync":                   {"pipeline", "capture", "stream", "cmd/yfv2d"},
	"golang.org/x/crypto":                 {"access"}, // argon2id
	"golang.org/x/sys":                    {"access", "capture", "capture/child", "capture/v4l2", "stream", "stream/v4l2m2m", "cmd/yfv2d"},
	"golang.org/x/time":                   {"stream"},
}

// pure are the packages that must build and run without C, OpenCV, a log or WebRTC, however far down.
var pure = []string{"infer", "infer/model", "tracker", "eval", "eval/mot"}

const module = "yfv2d"

type listed struct {
	ImportPath string
	Standard   bool
	CgoFiles   []string
	Imports    []string
}

func goList(t *testing.T, args ...string) []listed {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Standard,CgoFiles,Imports"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var all []listed
	for dec := json.NewDecoder(out); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("go list %v: %v", args, err)
	}
	return all
}

// within is an import path as the tables spell it, and whether it is this project's.
func within(importPath string) (string, bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

// owner is the longest entry of outside that importPath belongs to, empty for the standard library or a stranger.
func owner(importPath string) string {
	best := ""
	for m := range outside {
		if (importPath == m || strings.HasPrefix(importPath, m+"/")) && len(m) > len(best) {
			best = m
		}
	}
	return best
}

func TestImportArrows(t *testing.T) {
	for _, p := range goList(t, "./...") {
		name, _ := within(p.ImportPath)
		t.Run(name, func(t *testing.T) { checkImports(t, name, p.Imports) })
	}
}

func checkImports(t *testing.T, name string, imports []string) {
	allowed, known := places[name]
	if !known {
		t.Fatalf("package %s has no place yet: give it a line in places", name)
	}
	for _, imp := range imports {
		if local, ok := within(imp); ok {
			if !slices.Contains(allowed, local) {
				t.Errorf("%s imports %s, which it may not", name, local)
			}
			continue
		}
		m := owner(imp)
		foreign := imp == "C" || strings.Contains(strings.SplitN(imp, "/", 2)[0], ".")
		switch {
		case !foreign:
		case m == "":
			t.Errorf("%s imports %s, which has no place yet: give its module a line in outside", name, imp)
		case !slices.Contains(outside[m], name):
			t.Errorf("%s imports %s, which only %s may", name, imp, strings.Join(outside[m], ", "))
		}
	}
}

// TestArrowsPointLeft proves that the table itself has no cycle: whoever adds a line cannot turn an arrow round unseen.
func TestArrowsPointLeft(t *testing.T) {
	state := map[string]int{} // 1: being visited, 2: done
	var visit func(name string, trail []string)
	visit = func(name string, trail []string) {
		switch state[name] {
		case 1:
			t.Fatalf("places go round in a circle: %s", strings.Join(append(trail, name), " -> "))
		case 2:
			return
		}
		state[name] = 1
		for _, next := range places[name] {
			if _, ok := places[next]; !ok {
				t.Errorf("%s may import %s, which has no place itself", name, next)
			}
			visit(next, append(trail, name))
		}
		state[name] = 2
	}
	for name := range places {
		visit(name, nil)
	}
}

func TestPurePackages(t *testing.T) {
	for _, name := range pure {
		t.Run(name, func(t *testing.T) {
			for _, p := range goList(t, "-deps", "./"+name) {
				if p.Standard {
					continue
				}
				if len(p.CgoFiles) > 0 {
					t.Errorf("%s comes to need C through %s", name, p.ImportPath)
				}
				for _, bad := range []string{"gocv.io/x/gocv", "github.com/rs/zerolog", "github.com/pion"} {
					if p.ImportPath == bad || strings.HasPrefix(p.ImportPath, bad+"/") {
						t.Errorf("%s comes to need %s", name, p.ImportPath)
					}
				}
			}
		})
	}
}

func TestPurePackagesVetWithoutCgo(t *testing.T) {
	args := []string{"vet"}
	for _, name := range pure {
		args = append(args, "./"+path.Clean(name))
	}
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("CGO_ENABLED=0 go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestVersionFileIsAVersion(t *testing.T) {
	if v := strings.TrimSpace(readFile(t, "VERSION")); !isVersion(v) {
		t.Errorf("VERSION says %q: three numbers with dots are wanted", v)
	}
}

func isVersion(v string) bool {
	parts := strings.Split(v, ".")
	for _, p := range parts {
		if p == "" || strings.Trim(p, "0123456789") != "" {
			return false
		}
	}
	return len(parts) == 3
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
