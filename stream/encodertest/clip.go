package encodertest

import (
	"image"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"yfv2d/pipeline"
	"yfv2d/yuv"
)

// demoClip stands in the repository, seen from the folder of a backend.
const demoClip = "../../testdata/videos/demo-640x480.mp4"

// demo: what a viewer of the demo gets at 1 Mbit/s stays close to what the camera gave.
func (c Contract) demo(t *testing.T) {
	video, err := gocv.VideoCaptureFile(demoClip)
	if err != nil {
		t.Fatal(err)
	}
	defer video.Close()
	bgr := gocv.NewMat()
	defer bgr.Close()
	e, d, f := c.open(t, vga, 1_000_000), c.decoder(t), NewFrame(t, vga)
	var sum, worst float64 = 0, 100
	frames, coded, bytesOut := 0, 0, 0
	for video.Read(&bgr) && !bgr.Empty() {
		fromBGR(t, f, &bgr)
		f.Seq, f.At = uint64(frames+1), time.Unix(1000, 0).Add(time.Duration(frames)*time.Second/30)
		frames++
		au := encode(t, e, f, false)
		if len(au.Data) == 0 {
			continue
		}
		p, err := d.Decode(au.Data)
		if err != nil || p.Size != vga {
			t.Fatalf("frame %d of %v: %v", f.Seq, p.Size, err)
		}
		db := PSNR(f.Pix(), p.Pix)
		sum, worst, coded, bytesOut = sum+db, min(worst, db), coded+1, bytesOut+len(au.Data)
	}
	t.Logf("%d frames, %d coded, PSNR mean %.1f dB, worst %.1f dB, %d kbit/s",
		frames, coded, sum/float64(coded), worst, bytesOut*8*30/frames/1000)
	if sum/float64(coded) < 32 || coded*10 < frames*9 {
		t.Errorf("mean PSNR %.1f dB over %d of %d frames, want 32 dB over nine tenths", sum/float64(coded), coded, frames)
	}
}

func fromBGR(t *testing.T, f *pipeline.Frame, bgr *gocv.Mat) {
	t.Helper()
	if size := image.Pt(bgr.Cols(), bgr.Rows()); size != f.Size() {
		t.Fatalf("picture of %v", size)
	}
	pix, err := bgr.DataPtrUint8()
	if err != nil {
		t.Fatal(err)
	}
	if err := yuv.FromBGR(f.Pix(), pix, bgr.Cols()*3, f.Size()); err != nil {
		t.Fatal(err)
	}
}
