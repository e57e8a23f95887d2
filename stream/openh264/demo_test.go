package openh264_test

import (
	"image"
	"os"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"yfv2d/pipeline"
	"yfv2d/stream"
	"yfv2d/stream/openh264/decoder"
	"yfv2d/yuv"
)

// TestDemoClip: what a viewer of the demo gets at 1 Mbit/s stays close to what the camera gave.
func TestDemoClip(t *testing.T) {
	const clip = "../../testdata/videos/demo-640x480.mp4"
	if _, err := os.Stat(clip); err != nil {
		t.Fatal(err)
	}
	video, err := gocv.VideoCaptureFile(clip)
	if err != nil {
		t.Fatal(err)
	}
	defer video.Close()
	bgr := gocv.NewMat()
	defer bgr.Close()
	enc := newEncoder(t, stream.EncoderConfig{Size: vga, FPS: 30, Bitrate: 1_000_000})
	dec, err := decoder.New()
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	f := newFrame(t, vga)
	var sum, worst float64 = 0, 100
	frames, coded, bytesOut := 0, 0, 0
	for video.Read(&bgr) && !bgr.Empty() {
		if size := image.Pt(bgr.Cols(), bgr.Rows()); size != vga {
			t.Fatalf("frame of %v", size)
		}
		f.Seq, f.At = uint64(frames+1), time.Unix(1000, 0).Add(time.Duration(frames)*time.Second/30)
		frames++
		psnrOf(t, f, &bgr, enc, dec, func(p float64, n int) {
			sum, worst, coded, bytesOut = sum+p, min(worst, p), coded+1, bytesOut+n
		})
	}
	t.Logf("%d frames, %d coded, PSNR mean %.1f dB, worst %.1f dB, %d kbit/s",
		frames, coded, sum/float64(coded), worst, bytesOut*8*30/frames/1000)
	if sum/float64(coded) < 32 || coded*10 < frames*9 {
		t.Errorf("mean PSNR %.1f dB over %d of %d frames, want 32 dB over nine tenths", sum/float64(coded), coded, frames)
	}
}

// psnrOf sends one picture there and back; done gets its PSNR in dB and coded bytes unless it was skipped.
func psnrOf(t *testing.T, f *pipeline.Frame, bgr *gocv.Mat, enc stream.Encoder, dec *decoder.Decoder, done func(float64, int)) {
	t.Helper()
	pix, err := bgr.DataPtrUint8()
	if err != nil {
		t.Fatal(err)
	}
	if err := yuv.FromBGR(f.Pix(), pix, vga.X*3, vga); err != nil {
		t.Fatal(err)
	}
	au, err := enc.Encode(f, false)
	if err != nil {
		t.Fatal(err)
	}
	if len(au.Data) == 0 {
		return
	}
	got, size, err := dec.Decode(au.Data)
	if err != nil || size != vga {
		t.Fatalf("frame %d of %v: %v", f.Seq, size, err)
	}
	done(psnr(f.Pix(), got), len(au.Data))
}
