package infer

import (
	"encoding/binary"
	"encoding/json"
	"image"
	"math"
	"os"
	"path/filepath"
	"testing"
)

const goldenDir = "../../shared/golden"

type golden struct {
	Width, Height int
	Detections    []struct {
		ClassID int `json:"class_id"`
		Score   float32
		Box     [4]float32
	}
}

func readGolden(t *testing.T, name string) (heads []float32, g golden) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(goldenDir, name+".heads.f32"))
	if err != nil {
		t.Fatal(err)
	}
	heads = make([]float32, len(raw)/4)
	for i := range heads {
		heads[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	raw, err = os.ReadFile(filepath.Join(goldenDir, name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &g); err != nil {
		t.Fatal(err)
	}
	return heads, g
}

func TestDecodeOfGoldenHeads(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(goldenDir, "*.heads.f32"))
	if len(files) == 0 {
		t.Skipf("no shared data: golden")
	}
	d, err := NewDecoder(officialHead, Thresholds{Score: 0.3, NMS: 0.4})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name := filepath.Base(f[:len(f)-len(".heads.f32")])
		t.Run(name, func(t *testing.T) {
			heads, g := readGolden(t, name)
			in, size := image.Pt(g.Width, g.Height), image.Pt(352, 352)
			got, err := d.Decode(heads, size, NewStretch(in, size))
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(g.Detections) {
				t.Fatalf("%d detections, want %d", len(got), len(g.Detections))
			}
			for i, w := range g.Detections {
				box := clip(Box{w.Box[0], w.Box[1], w.Box[2], w.Box[3]}, in)
				off := max(abs(got[i].Box.X0-box.X0), abs(got[i].Box.Y0-box.Y0), abs(got[i].Box.X1-box.X1), abs(got[i].Box.Y1-box.Y1))
				if got[i].Class != w.ClassID || abs(got[i].Score-w.Score) > 1e-3 || off > 0.5 {
					t.Errorf("detection %d is %+v, want %+v", i, got[i], w)
				}
			}
		})
	}
}
