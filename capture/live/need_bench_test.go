package live_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"yfv2d/capture/live"
	"yfv2d/pipeline"
)

const benchSeconds = 20

// hdClip makes 20 s of 1280x720x25 H.264 at 3 Mbit/s of the demo clip, with some noise as a camera has.
func hdClip(b *testing.B, gop, bframes int) [][]byte {
	b.Helper()
	out := filepath.Join(b.TempDir(), "clip.h264")
	cmd := exec.Command("ffmpeg", "-hide_banner", "-loglevel", "error", "-stream_loop", "10", "-i", "../../testdata/videos/demo-640x480.mp4",
		"-vf", "scale=1280:720,fps=25,noise=alls=5:allf=t", "-frames:v", fmt.Sprint(benchSeconds*25), "-an", "-pix_fmt", "yuv420p",
		"-c:v", "libx264", "-preset", "veryfast", "-b:v", "3M", "-maxrate", "4M", "-bufsize", "4M",
		"-x264-params", fmt.Sprintf("aud=1:bframes=%d:b-pyramid=none:b-adapt=0:keyint=%d:min-keyint=%d:scenecut=0", bframes, gop, gop), out)
	if text, err := cmd.CombinedOutput(); err != nil {
		b.Skipf("no ffmpeg to make the clip with: %v %s", err, text)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		b.Fatal(err)
	}
	start := []byte{0, 0, 0, 1, 9}
	var list [][]byte
	for _, part := range bytes.Split(data, start)[1:] {
		list = append(list, append(bytes.Clone(start), part...))
	}
	return list
}

// cpu is the processor time of this process.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkNeed tells the share of a processor that a 1280x720x25 stream takes, with all pictures needed and with two a
// second.
func BenchmarkNeed(b *testing.B) {
	for _, c := range []struct {
		name         string
		gop, bframes int
	}{
		{"GOP 1 s", 25, 0}, {"GOP 10 s", 250, 0}, {"GOP 1 s, 3 B-frames", 25, 3}, {"GOP 10 s, 3 B-frames", 250, 3}, {"GOP 0.5 s", 12, 0},
	} {
		list := hdClip(b, c.gop, c.bframes)
		for _, need := range []struct {
			name string
			need func() float64
		}{{"all", nil}, {"2 a second", func() float64 { return 2 }}} {
			b.Run(c.name+"/"+need.name, func(b *testing.B) {
				var spent time.Duration
				frames := 0
				for range b.N {
					s, err := live.NewStream(live.StreamConfig{Codec: pipeline.H264, Options: live.Options{Need: need.need}})
					if err != nil {
						b.Fatal(err)
					}
					before := cpu(b)
					frames += playThrough(b, s, list)
					spent += cpu(b) - before
					_ = s.Close()
				}
				b.ReportMetric(100*spent.Seconds()/float64(b.N*benchSeconds), "%CPU")
				b.ReportMetric(float64(frames)/float64(b.N*benchSeconds), "frames/s")
			})
		}
	}
}

// playThrough pushes a clip as fast as it is decoded, with capture times of 25 a second.
func playThrough(b *testing.B, s *live.Stream, list [][]byte) (frames int) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f := pipeline.NewFrame()
		defer f.Close()
		for s.Read(context.Background(), f) == nil {
			frames++
		}
	}()
	base := time.Now()
	for i, u := range list {
		for s.Queued() > 4 {
			time.Sleep(time.Millisecond)
		}
		s.Push(&pipeline.AccessUnit{At: base.Add(time.Duration(i) * 40 * time.Millisecond), Data: u})
	}
	s.Fail(io.EOF)
	<-done
	return frames
}
