package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"time"

	"yfv2d/eval/mot"
	"yfv2d/infer"
	"yfv2d/tracker"
)

// trackSequence is one sequence to be measured.
type trackSequence struct {
	name   string
	fps    float64
	frames []int    // those that count, rising
	truth  mot.Rows // as the file says
	dets   mot.Rows // nil if the result was given
	result mot.Rows // given, or made by track
	took   time.Duration
}

// sequencePaths are the files of one sequence; det may be empty.
type sequencePaths struct {
	dirs    []string // where seqinfo.ini may be
	gt, det string
}

// load reads all sequences that the flags name. fpsGiven: --fps was.
func (o *trackEvalOptions) load(fpsGiven bool, stderr io.Writer) ([]*trackSequence, error) {
	all := []sequencePaths{{dirs: []string{mot.SequenceDir(o.gt)}, gt: o.gt, det: o.det}}
	if o.det != "" {
		all[0].dirs = append(all[0].dirs, mot.SequenceDir(o.det))
	}
	if len(o.sequences) > 0 {
		all = nil
	}
	for _, dir := range o.sequences {
		all = append(all, sequencePaths{
			dirs: []string{dir}, gt: filepath.Join(dir, "gt", "gt.txt"), det: filepath.Join(dir, o.detDir, "det.txt"),
		})
	}
	var out []*trackSequence
	places := map[string]string{}
	for _, p := range all {
		s, err := o.loadOne(p, fpsGiven, stderr)
		if err != nil {
			return nil, err
		}
		if other, ok := places[s.name]; ok {
			return nil, fmt.Errorf("the sequences in %s and %s are both called %s: the figures could not be told apart", other, p.dirs[0], s.name)
		}
		places[s.name] = p.dirs[0]
		out = append(out, s)
	}
	return out, nil
}

func (o *trackEvalOptions) loadOne(p sequencePaths, fpsGiven bool, stderr io.Writer) (*trackSequence, error) {
	info, err := readInfo(p.dirs)
	if err != nil {
		return nil, err
	}
	s := &trackSequence{name: info.Name, fps: o.fps}
	if info.FrameRate > 0 {
		s.fps = info.FrameRate
		if fpsGiven && o.fps != s.fps {
			fmt.Fprintf(stderr, "yfv2d: %s: its %s says %g frames a second, so --fps is not used\n", s.name, mot.InfoFile, s.fps)
		}
	}
	if s.truth, err = mot.ReadTruth(p.gt); err != nil {
		return nil, err
	}
	tracked, file := &s.dets, p.det
	if o.result != "" {
		tracked, file = &s.result, o.file(o.result, s)
		s.result, err = mot.ReadResult(file)
	} else {
		s.dets, err = readDetections(file, stderr)
	}
	if err != nil {
		return nil, err
	}
	last := max(s.truth.Last(), tracked.Last())
	if info.Length > 0 {
		for _, f := range []struct {
			path string
			last int
		}{{p.gt, s.truth.Last()}, {file, tracked.Last()}} {
			if f.last > info.Length {
				return nil, fmt.Errorf("%s has a frame %d, but %s of %s says that there are %d", f.path, f.last, mot.InfoFile, s.name, info.Length)
			}
		}
		last = info.Length
	}
	for f := 1; f <= last; f += o.every {
		s.frames = append(s.frames, f)
	}
	return s, nil
}

// readInfo reads the first seqinfo.ini that there is. Without any, only the name is known.
func readInfo(dirs []string) (mot.Info, error) {
	var first mot.Info
	for i, dir := range dirs {
		info, err := mot.ReadInfo(dir)
		if !errors.Is(err, fs.ErrNotExist) {
			return info, err
		}
		if i == 0 {
			first = info
		}
	}
	return first, nil
}

func readDetections(path string, stderr io.Writer) (mot.Rows, error) {
	dets, scored, err := mot.ReadDetections(path)
	if err == nil && !scored {
		fmt.Fprintf(stderr, "yfv2d: %s: its scores leave 0 to 1, so all detections count with score 1\n", path)
	}
	return dets, err
}

// track runs the tracker over the frames that count. A track is in the result where its box is not held: where it was
// detected, and for the span after a miss in which the tracker trusts its prediction. The sequence's number makes its
// --drop differ from the others'.
func (s *trackSequence) track(ctx context.Context, settings tracker.Config, o *trackEvalOptions, number uint64) error {
	settings.Interval = time.Duration(float64(o.every) * float64(time.Second) / s.fps)
	t, kept := tracker.New(settings), rand.New(rand.NewPCG(o.seed, number))
	start := time.Unix(0, 0)
	s.result = mot.Rows{}
	var dets []infer.Detection
	for _, f := range s.frames {
		if ctx.Err() != nil {
			return errors.New("stopped before the last frame: no figures")
		}
		dets = dets[:0]
		for _, d := range s.dets[f] {
			if o.drop == 0 || kept.Float64()*100 >= o.drop {
				dets = append(dets, infer.Detection{Box: d.Box, Score: d.Score})
			}
		}
		at := start.Add(time.Duration(float64(f) * float64(time.Second) / s.fps))
		begin := time.Now()
		snapshot := t.Update(dets, at)
		s.took += time.Since(begin)
		for _, k := range snapshot.At(at) {
			if !k.Predicted && k.ID > 0 {
				s.result[f] = append(s.result[f], mot.Row{ID: k.ID, Box: k.Box, Score: k.Score})
			}
		}
	}
	return nil
}
