package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"path/filepath"

	"yfv2d/capture"
	"yfv2d/eval"
	"yfv2d/infer"
	"yfv2d/pipeline"
)

// evaluator runs a model over the pictures of a dataset. It owns the detector, a frame and a canvas.
type evaluator struct {
	data        *eval.Dataset
	ids         []int // category id of each class of the model, or eval.Unknown
	categories  []int // those that the model knows
	resize      infer.Resize
	engine      string // that runs the network
	warning     string // about it, empty if there is none
	detector    infer.Detector
	letterboxer *pipeline.Letterboxer
	frame       *pipeline.Frame
	canvas      *pipeline.Canvas
}

func newEvaluator(o *evalOptions, input image.Point, data *eval.Dataset) (*evaluator, error) {
	m, err := loadModel(o.model)
	if err != nil {
		return nil, err
	}
	ev := &evaluator{data: data, resize: m.Resize}
	if o.resize != "" {
		if ev.resize, err = infer.ParseResize(o.resize); err != nil {
			return nil, usageErrorf("--%w", err)
		}
	}
	if ev.ids, err = eval.MapClasses(m.Classes, data.Categories); err != nil {
		return nil, err
	}
	for _, id := range ev.ids {
		if id != eval.Unknown {
			ev.categories = append(ev.categories, id)
		}
	}
	t := infer.Thresholds{Score: o.score, NMS: o.nms}
	if _, err := infer.NewDecoder(m.Head, t); err != nil {
		return nil, usageErrorf("%w", err)
	}
	if ev.letterboxer, err = pipeline.NewLetterboxer(input, ev.resize); err != nil {
		return nil, err
	}
	chosen, err := builtEngines.choose(o.engine, m, input)
	if err != nil {
		return nil, usageErrorf("--%w", err)
	}
	engine, err := chosen.new(m)
	if err != nil {
		return nil, err
	}
	ev.engine, ev.warning = chosen.name, chosen.warning
	ev.detector = infer.NewDetector(engine, m.Head, t)
	ev.frame, ev.canvas = pipeline.NewFrame(), pipeline.NewCanvas()
	return ev, nil
}

func (ev *evaluator) close() {
	_ = ev.detector.Close()
	_ = ev.canvas.Close()
	_ = ev.frame.Close()
}

// evalRun is what came out of one pass over the pictures.
type evalRun struct {
	results []eval.Result
	seen    map[int64]bool // ids of the pictures that could be read
	failed  int
}

// run looks at every picture of the dataset, in folder dir. What cannot be read is told on stderr.
func (ev *evaluator) run(ctx context.Context, stderr io.Writer, dir string) (*evalRun, error) {
	r := &evalRun{seen: map[int64]bool{}}
	bar := newProgress(stderr, int64(len(ev.data.Images)), "images")
	defer bar.done()
	for _, im := range ev.data.Images {
		found, err := ev.one(ctx, dir, im)
		if ctx.Err() != nil {
			return nil, errors.New("stopped before the last picture: no figures")
		}
		if err != nil {
			bar.clear()
			report(stderr, err)
			r.failed++
		} else {
			r.seen[im.ID] = true
			r.results = append(r.results, found...)
		}
		bar.add(1)
	}
	return r, nil
}

func (ev *evaluator) one(ctx context.Context, dir string, im eval.Image) ([]eval.Result, error) {
	if !filepath.IsLocal(im.FileName) {
		return nil, fmt.Errorf("picture %q: its name leads out of the folder", im.FileName)
	}
	path := filepath.Join(dir, filepath.FromSlash(im.FileName))
	if err := readStill(ctx, path, ev.frame); err != nil {
		return nil, err
	}
	if err := ev.letterboxer.Make(ev.canvas, ev.frame); err != nil {
		return nil, fmt.Errorf("picture %s: %w", path, err)
	}
	dets, err := ev.detector.Detect(&ev.canvas.Canvas)
	if err != nil {
		return nil, fmt.Errorf("picture %s: %w", path, err)
	}
	out := make([]eval.Result, 0, len(dets))
	for _, d := range dets {
		if id := ev.ids[d.Class]; id != eval.Unknown {
			out = append(out, eval.Result{ImageID: im.ID, CategoryID: id, Box: d.Box, Score: d.Score})
		}
	}
	return out, nil
}

// readStill reads one picture into f, as BGR. The error names it.
func readStill(ctx context.Context, path string, f *pipeline.Frame) error {
	src, err := capture.Open(ctx, "file:"+path, capture.Options{Speed: capture.Max})
	if err != nil {
		return err
	}
	defer src.Close()
	if err := src.Read(ctx, f); err != nil {
		return err
	}
	if f.Format != pipeline.BGR {
		return fmt.Errorf("picture %s: it is a video", path)
	}
	return nil
}
