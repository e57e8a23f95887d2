package child_test

import (
	"context"
	"errors"
	"image"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"yfv2d/capture/child"
	"yfv2d/capture/child/childtest"
	"yfv2d/capture/live"
	"yfv2d/capture/rtsp/rtsptest"
	"yfv2d/pipeline"
)

// eventually waits for something that comes about by itself.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for limit := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("not so: %s", what)
		}
	}
}

// silent reads until nothing comes any more.
func silent(t testing.TB, src pipeline.Source) {
	t.Helper()
	f := pipeline.NewFrame()
	defer f.Close()
	for limit := time.Now().Add(patience); time.Now().Before(limit); {
		ctx, cancel := context.WithTimeout(context.Background(), 700*time.Millisecond)
		err := src.Read(ctx, f)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			return
		}
		if err != nil {
			t.Fatalf("read: %v", err)
		}
	}
	t.Fatal("it does not fall silent")
}

func TestFaults(t *testing.T) {
	h264 := coded(rtsptest.PatternH264().First(2*time.Second), "h264")
	for options, clip := range map[string]childtest.Clip{"?format=i420&size=192x144": pixels(t, "192x144", "i420"), "?format=mjpeg": coded(rtsptest.PatternMJPEG(), "mjpeg"),
		"?format=h264": h264, "?format=mpegts": coded(rtsptest.PatternH264().First(2*time.Second), "mpegts")} {
		t.Run(clip.Format, func(t *testing.T) {
			t.Parallel()
			p := childtest.New(t, clip)
			spec := "exec:" + options + " " + p.Command()
			// Each fault in turn, with a new child before it, as Reopening would start it.
			faults := []struct {
				name string
				do   func()
				says string // empty: it falls silent
			}{
				{"exit", func() { p.Exit(255, "\x1b[31mERROR\x1b[0m: *** no cameras available ***") }, "exited with 255: ERROR: *** no cameras available ***"},
				{"kill", p.Kill, "was killed by SIGKILL"},
				{"down", p.Stop, ""},
				{"close output", p.CloseOutput, "it closed its output and goes on"},
				{"half frame", p.HalfFrame, ""},
				{"freeze", p.Freeze, ""},
				{"slow loris", p.SlowLoris, ""},
			}
			for _, fault := range faults {
				src, err := tryOpen(spec, live.Options{})
				if err != nil {
					t.Fatal(err)
				}
				mustRead(t, src)
				fault.do()
				switch {
				case fault.name == "down":
					_ = readUntilError(t, src)
					again, err := tryOpen(spec, live.Options{})
					if err != nil {
						t.Fatal(err)
					}
					if err := readUntilError(t, again); !strings.Contains(err.Error(), "exited with 255: ERROR: *** no cameras available ***") {
						t.Errorf("while down: %v", err)
					}
					closeSource(t, again)
					p.Restart()
				case fault.says == "":
					silent(t, src)
				default:
					if err := readUntilError(t, src); !strings.HasPrefix(err.Error(), "exec: "+filepath.Base(os.Args[0])+": ") || !strings.Contains(err.Error(), fault.says) {
						t.Errorf("%s: %v, want %q", fault.name, err, fault.says)
					}
				}
				pid := p.Pid()
				closeSource(t, src)
				if alive(pid) {
					t.Errorf("%s: process %d lives on", fault.name, pid)
				}
				if u, ok := src.(pipeline.UnitCounter); ok {
					_ = u.UnitCounts()
				}
			}
			mustRead(t, open(t, spec))
		})
	}
}

func TestGarbageAndChanges(t *testing.T) {
	mjpeg := coded(rtsptest.PatternMJPEG(), "mjpeg")
	h264 := rtsptest.PatternH264().First(300 * time.Millisecond)
	t.Run("MJPEG", func(t *testing.T) {
		t.Parallel()
		p := childtest.New(t, mjpeg)
		src := open(t, "exec:?format=mjpeg "+p.Command())
		for range 10 {
			p.Garbage(20_000)
			if s := mustRead(t, src); s.counter > 15 {
				t.Error("a frame without stamp")
			}
		}
	})
	for _, format := range []string{"h264", "mpegts"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			p := childtest.New(t, coded(h264, format))
			src := open(t, "exec:?format="+format+" "+p.Command())
			for range 5 {
				p.Garbage(20_000)
				for range 10 {
					if s := mustRead(t, src); s.counter > 30 {
						t.Error("a frame without stamp")
					}
				}
			}
			p.SetClip(coded(rtsptest.LargeH264(), format))
			for mustRead(t, src).size != image.Pt(320, 240) {
			}
			if format == "mpegts" {
				p.SetClip(coded(rtsptest.PatternH265(), format))
				for mustRead(t, src).size != image.Pt(192, 144) {
				}
			}
		})
	}
}

// TestGroups: what a program leaves behind does not hold up Close, and what belongs to its group ends with it.
func TestGroups(t *testing.T) {
	clip := pixels(t, "64x48", "i420")
	for _, escape := range []bool{false, true} {
		for _, how := range []string{"close", "exit"} {
			name := how + map[bool]string{false: ", child in the group", true: ", child in another group"}[escape]
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				p := childtest.New(t, clip)
				src, err := tryOpen("exec:?format=i420&size=64x48 "+p.Command(), live.Options{})
				if err != nil {
					t.Fatal(err)
				}
				mustRead(t, src)
				p.Leave(escape)
				eventually(t, "a process is left", func() bool { return p.Left() > 0 && alive(p.Left()) })
				if escape {
					defer func() { _ = syscall.Kill(p.Left(), syscall.SIGKILL) }()
				}
				if how == "exit" {
					p.Exit(3, "goodbye")
					if err := readUntilError(t, src); !strings.Contains(err.Error(), "exited with 3: goodbye") {
						t.Errorf("%v", err)
					}
				}
				closeSource(t, src)
				eventually(t, "the group has ended, and nothing else", func() bool { return alive(p.Left()) == escape })
			})
		}
	}
	t.Run("a program that ignores SIGTERM", func(t *testing.T) {
		t.Parallel()
		p := childtest.New(t, clip)
		src, err := tryOpen("exec:?format=i420&size=64x48 "+p.Command(), live.Options{})
		if err != nil {
			t.Fatal(err)
		}
		p.Stubborn()
		for range 5 {
			mustRead(t, src)
		}
		closeSource(t, src)
		if alive(p.Pid()) {
			t.Error("it lives on")
		}
	})
	t.Run("readers that hang", func(t *testing.T) {
		var stuck live.Stuck
		for range live.MaxStuck {
			stuck.Leave()
		}
		if _, err := tryOpen("exec:sleep 1", live.Options{Stuck: &stuck}); err == nil || !strings.Contains(err.Error(), "3 readers") {
			t.Errorf("%v", err)
		}
	})
}

// TestNewestWins: nobody reads for a while, and then comes what is new.
func TestNewestWins(t *testing.T) {
	p := childtest.New(t, pixels(t, "64x48", "i420"))
	src := open(t, "exec:?format=i420&size=64x48 "+p.Command())
	first := mustRead(t, src)
	time.Sleep(500 * time.Millisecond)
	slept := time.Now()
	var last shot
	for range 2 {
		last = mustRead(t, src)
	}
	if last.at.Before(slept.Add(-300*time.Millisecond)) || !last.at.After(first.at) {
		t.Errorf("after a pause comes a frame that is %v old", time.Since(last.at))
	}
}

func TestCamera(t *testing.T) {
	clip := pixels(t, "192x144", "i420")
	frames := drawn(t, "192x144", 15)
	rows := []struct {
		name, program, options string
		stride                 int
		starts                 int // of the program, for two openings
		arguments              string
	}{
		{"stride found", "rpicam-vid", "size=192x144&rotation=180&hflip=1&vflip=1&arg=--exposure&arg=sport&camera=1&fps=50", 256, 3,
			"--codec yuv420 -o - -t 0 -n --flush --width 192 --height 144 --framerate 50 --camera 1 --rotation 180 --hflip --vflip --exposure sport"},
		{"no padding found", "rpicam-vid", "size=192x144", 192, 3, ""},
		{"stride given", "libcamera-vid", "size=192x144&stride=256&fps=50", 256, 2,
			"--codec yuv420 -o - -t 0 -n --flush --width 192 --height 144 --framerate 50 --camera 0"},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			dir := childtest.Camera{Clip: clip, Width: 192, Height: 144, Stride: r.stride}.Install(t, r.program)
			cfg, err := child.Parse("libcamera:?" + r.options)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				src, err := child.Open(context.Background(), cfg, live.Options{OpenTimeout: patience})
				if err != nil {
					t.Fatal(err)
				}
				for range 5 {
					s := mustRead(t, src)
					if int(s.counter) >= len(frames) {
						t.Fatal("a frame without stamp")
					}
					// The camera writes full range, which becomes limited range: what was 64..192 is 71..181.
					want := limited(frames[s.counter], 192*144)
					if db := psnr(s.pix, want); db < 40 {
						t.Errorf("stamp %d: %.1f dB", s.counter, db)
					}
				}
				closeSource(t, src)
			}
			log, err := os.ReadFile(filepath.Join(dir, "arguments"))
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSpace(string(log)), "\n")
			if len(lines) != r.starts || r.arguments != "" && lines[len(lines)-1] != r.arguments {
				t.Errorf("it was started %d times, at last with %s", len(lines), lines[len(lines)-1])
			}
		})
	}
	t.Run("no camera", func(t *testing.T) {
		childtest.Camera{Clip: clip, Width: 192, Height: 144, Stride: 192, Fails: "no cameras available"}.Install(t, "rpicam-vid")
		_, err := tryOpen("libcamera:?size=192x144", live.Options{OpenTimeout: patience})
		if err == nil || err.Error() != "libcamera: rpicam-vid: exited with 255: ERROR: *** no cameras available ***" {
			t.Errorf("%v", err)
		}
	})
	t.Run("rows that fit nothing", func(t *testing.T) {
		childtest.Camera{Clip: clip, Width: 192, Height: 144, Stride: 192 + 302}.Install(t, "rpicam-vid")
		_, err := tryOpen("libcamera:?size=192x144", live.Options{OpenTimeout: patience})
		if err == nil || !strings.Contains(err.Error(), "fits no length of rows: add stride=") {
			t.Errorf("%v", err)
		}
	})
	t.Run("ended by its context", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "rpicam-vid"), []byte("#!/bin/sh\nexec /bin/sleep 1000\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", dir)
		_, err := tryOpen("libcamera:?size=192x144", live.Options{OpenTimeout: 300 * time.Millisecond})
		if err == nil || !strings.Contains(err.Error(), "the camera gives no picture within 300ms") {
			t.Errorf("%v", err)
		}
	})
}

// limited is an I420 picture of full range, of n pixels, in limited range.
func limited(pix []byte, n int) []byte {
	out := make([]byte, len(pix))
	for i, v := range pix {
		if i < n {
			out[i] = byte((int(v)*219+127)/255 + 16)
		} else {
			out[i] = byte(128 + ((int(v)-128)*224)/255)
		}
	}
	return out
}
