package main

import (
	"bufio"
	"context"
	"encoding/json"
	"image"
	"net/http"
	"strings"
	"testing"
	"time"

	"yfv2d/capture"
	"yfv2d/infer"
)

// detectMessage is what the daemon tells of a detection step.
type detectMessage struct {
	Camera   string  `json:"camera"`
	At       float64 `json:"at"`
	Size     [2]int  `json:"size"`
	Interval float64 `json:"interval_ms"`
	Latency  float64 `json:"latency_ms"`
	Tracks   []struct {
		Class int        `json:"class"`
		Box   [4]float32 `json:"box"`
	} `json:"tracks"`
}

// detections reads a daemon's events until use says that it has seen enough.
func (s *served) detections(query string, use func(detectMessage) bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"api/events"+query, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if lines.Text() != "event: detect" || !lines.Scan() {
			continue
		}
		var m detectMessage
		if err := json.Unmarshal([]byte(strings.TrimPrefix(lines.Text(), "data: ")), &m); err != nil {
			s.t.Fatal(err)
		}
		if use(m) {
			return
		}
	}
	s.t.Fatalf("the events ended too early: %v", lines.Err())
}

// TestTruth: the daemon tells what its test patterns show, in pixels of the picture that is shown.
func TestTruth(t *testing.T) {
	s := serve(t, "127.0.0.1:0", `[[camera]]
name = "one"
source = "test:?size=320x240&fps=20&objects=3&truth=1"
rotate = 90

[[camera]]
name = "two"
source = "test:?size=640x480&fps=10"
detect_source = "test:?size=320x240&fps=20&objects=2&truth=1"
`)
	defer s.stop()
	for _, row := range []struct {
		name  string
		size  image.Point
		truth func(time.Time) []infer.Detection
	}{
		{"one", image.Pt(240, 320), capture.Truth("test:?size=320x240&objects=3&truth=1", capture.View{Rotate: 90})},
		{"two", image.Pt(640, 480), capture.Truth("test:?size=640x480&objects=2&truth=1", capture.View{})},
	} {
		t.Run(row.name, func(t *testing.T) {
			good, all := 0, 0
			s.detections("?cameras="+row.name, func(m detectMessage) bool {
				want := row.truth(time.UnixMicro(int64(m.At * 1000)))
				if m.Camera != row.name || m.Interval <= 0 || m.Size != [2]int{row.size.X, row.size.Y} || len(m.Tracks) != len(want) {
					return false // it has just begun
				}
				for _, tr := range m.Tracks {
					all++
					b := infer.Box{X0: tr.Box[0], Y0: tr.Box[1], X1: tr.Box[2], Y1: tr.Box[3]}
					if tr.Class < len(want) && b.IoU(want[tr.Class].Box) > 0.6 {
						good++
					}
				}
				return all >= 60
			})
			if good < all*9/10 { // a box overshoots where its object turns round
				t.Errorf("%d of %d boxes are where the pattern shows an object", good, all)
			}
		})
	}
}

func TestTruthIsRefusedWhereItIsOfNoUse(t *testing.T) {
	path := writeConfig(t, "[[camera]]\nname = \"a\"\nsource = \"test:?truth=1\"\ndetect_source = \"test:\"\n")
	for _, command := range []string{"check", "run"} {
		t.Run(command, func(t *testing.T) {
			code, _, stderr := runCLI(t, command, "-c", path)
			if code != exitConfig || !strings.Contains(stderr, path+":3: camera.source: truth=1 is of no use here: the network looks at detect_source") {
				t.Errorf("code %d, stderr %q", code, stderr)
			}
		})
	}
	t.Run("detect", func(t *testing.T) {
		code, stdout, stderr := runCLI(t, "detect", "test:?size=320x240&frames=1&truth=1")
		if code != exitOK || stdout == "" || stderr != "yfv2d: test:?size=320x240&frames=1&truth=1: truth=1 changes nothing here: detect tells what the network finds\n" {
			t.Errorf("code %d, stdout %q, stderr %q", code, stdout, stderr)
		}
	})
}
