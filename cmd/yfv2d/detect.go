package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"yfv2d/capture"
	"yfv2d/cmd/yfv2d/config"
	"yfv2d/pipeline"
	"yfv2d/tracker"
)

func newDetectCmd() *cobra.Command {
	var (
		mf      modelFlags
		out     string
		asJSON  bool
		tracked bool
	)
	c := &cobra.Command{
		Use:   "detect INPUT...",
		Short: "Find objects in pictures and videos",
		Long: `Find objects in pictures, videos and sources, and print a line for each picture or frame.

An INPUT is a picture, a video, a folder (its pictures and videos, without subfolders), a glob in quotes, or a source such as
test:?frames=100 (see config.toml for all kinds). Every frame of a video is looked at, as fast as the machine can.

With -o the pictures are also written with boxes drawn: one input to the file that -o names, or each input to a file of
its own in the folder that -o names, videos as mp4. Names never collide there, and an input is never overwritten.

An input that cannot be read is reported on standard error and the rest is done; the exit code is then 1. Ctrl-C stops at
the next frame and leaves a video that plays.`,
		Example: `  yfv2d detect bus.jpg
  yfv2d detect --json --classes person,car pictures/ > found.jsonl
  yfv2d detect --track -o out.mp4 clip.mp4`,
		Args: needInput,
		RunE: func(c *cobra.Command, args []string) error {
			low := 1.0
			if tracked {
				low = tracking().LowScore
			}
			n, err := mf.open(c.Flags().Changed("score"), low)
			if err != nil {
				return err
			}
			defer n.workers.Close()
			if n.warning != "" {
				fmt.Fprintln(c.ErrOrStderr(), "yfv2d:", n.warning)
			}
			d := &detecting{net: n, tracked: tracked, asJSON: asJSON, stdout: c.OutOrStdout(), stderr: c.ErrOrStderr()}
			defer d.close()
			return d.all(c.Context(), expand(args), out)
		},
	}
	c.Flags().StringVarP(&out, "out", "o", "", "write annotated pictures and videos to `PATH`, a file or a folder")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line for each picture or frame")
	c.Flags().BoolVar(&tracked, "track", false, "follow the objects of a video and give them identities, also through detections weaker than --score")
	mf.add(c)
	return c
}

func needInput(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New("detect what? name at least one picture, video, folder or source")
	}
	return nil
}

// detecting is one run of the command. It belongs to one goroutine.
type detecting struct {
	net            *network
	tracked        bool
	asJSON         bool
	stdout, stderr io.Writer

	out     *outputs // nil without -o
	bar     *progress
	log     zerolog.Logger
	frame   *pipeline.Frame
	plain   *pipeline.Pipeline // without a tracker
	overlay *pipeline.Overlay
	failed  int
}

// errStop ends the whole run and not just one input.
type errStop struct{ error }

func (e errStop) Unwrap() error { return e.error }

// all looks at every input. A failing input is reported and the next one taken; the error then is one without text.
func (d *detecting) all(ctx context.Context, inputs []input, out string) error {
	if err := d.prepare(inputs, out); err != nil {
		return err
	}
	d.bar = newProgress(d.stderr, announced(ctx, inputs, isTerminal(d.stderr)), "frames")
	defer d.bar.done()
	for _, in := range inputs {
		err := d.one(ctx, in)
		var stop errStop
		switch {
		case err == nil:
		case ctx.Err() != nil:
			d.bar.done()
			return errors.New("stopped before the end of " + in.name)
		case errors.As(err, &stop), len(inputs) == 1:
			d.bar.done()
			return err
		default:
			d.failed++
			d.say(func() { report(d.stderr, err) })
		}
	}
	if d.failed > 0 {
		return exitError{exitFailed, errors.New("")}
	}
	return nil
}

// prepare makes what all inputs share.
func (d *detecting) prepare(inputs []input, out string) (err error) {
	if out != "" {
		names := make([]string, len(inputs))
		for i, in := range inputs {
			names[i] = in.name
		}
		if d.out, err = newOutputs(out, names); err != nil {
			return err
		}
		if d.overlay, err = pipeline.NewOverlay(d.net.model.Classes); err != nil {
			return err
		}
	}
	d.log = zerolog.New(&warnings{d})
	d.frame = pipeline.NewFrame()
	d.plain, err = d.newPipeline(nil)
	return err
}

func (d *detecting) newPipeline(t *tracker.Tracker) (*pipeline.Pipeline, error) {
	return pipeline.New(pipeline.Config{Detector: d.net.workers, Tracker: t, Scores: d.net.scores, Input: d.net.input, Resize: d.net.resize, Log: d.log})
}

// tracking is how --track follows objects: as a daemon whose configuration says nothing of it.
func tracking() config.Tracker { return config.Default().Tracker }

// close frees what prepare made.
func (d *detecting) close() {
	if d.plain != nil {
		_ = d.plain.Close()
	}
	if d.frame != nil {
		_ = d.frame.Close()
	}
}

// one looks at one input, frame by frame.
func (d *detecting) one(ctx context.Context, in input) (err error) {
	if in.err != nil {
		return in.err
	}
	src, err := capture.Open(ctx, in.spec, capture.Options{Speed: capture.Max, Log: d.log})
	if err != nil {
		return in.plain(err)
	}
	defer src.Close()
	if capture.Truth(in.spec, capture.View{}) != nil {
		d.say(func() {
			fmt.Fprintf(d.stderr, "yfv2d: %s: truth=1 changes nothing here: detect tells what the network finds\n", in.name)
		})
	}
	r := &reel{detecting: d, in: in, src: src, pipe: d.plain}
	defer func() { err = errors.Join(err, r.finish()) }()
	for {
		switch err := src.Read(ctx, d.frame); {
		case errors.Is(err, io.EOF) && r.seq > 0:
			return nil
		case errors.Is(err, io.EOF):
			return fmt.Errorf("%s holds no picture", in.name)
		case err != nil:
			return err
		}
		if err := r.next(ctx); err != nil {
			return err
		}
	}
}

// reel is one input under way.
type reel struct {
	*detecting
	in    input
	src   pipeline.Source
	pipe  *pipeline.Pipeline // plain, or one of its own with a tracker
	video *videoWriter       // nil without -o and for pictures
	seq   uint64
	start time.Time // of the first frame
}

// next looks at the frame that was just read.
func (r *reel) next(ctx context.Context) error {
	r.seq++
	r.frame.Seq = r.seq
	if r.seq == 1 {
		if err := r.begin(); err != nil {
			return err
		}
	}
	found, err := r.pipe.Step(ctx, r.frame)
	if err != nil {
		return fmt.Errorf("%s: %w", r.in.name, err)
	}
	res := &result{
		input: r.in.name, still: r.frame.Format == pipeline.BGR, seq: r.seq, t: r.frame.At.Sub(r.start), size: r.frame.Size(),
		detections: found.Detections, tracks: found.Tracks, took: found.DetectTime,
	}
	if err := r.print(res); err != nil {
		return errStop{err}
	}
	if r.out != nil {
		if err := r.draw(res); err != nil {
			return err
		}
	}
	r.bar.add(1)
	return nil
}

// begin sets up what the first frame decides: pictures have no tracks, and a video's file has its size.
func (r *reel) begin() (err error) {
	r.start = r.frame.At
	if r.frame.Format == pipeline.BGR {
		return nil
	}
	if r.tracked {
		interval := time.Duration(float64(time.Second) / rate(r.src))
		t := tracker.New(tracking().For(interval, r.net.model.Classes, r.net.scores))
		if r.pipe, err = r.newPipeline(t); err != nil {
			r.pipe = r.plain
			return err
		}
	}
	if r.out == nil {
		return nil
	}
	path, err := r.out.video(r.in.name)
	if err != nil {
		return err
	}
	r.video, err = newVideoWriter(path, r.frame.Size(), rate(r.src))
	return err
}

// fallbackRate is written into a video whose source tells no rate, frames a second.
const fallbackRate = 25

func rate(src pipeline.Source) float64 {
	if a, ok := src.(capture.Announcer); ok && a.FPS() > 0 {
		return a.FPS()
	}
	return fallbackRate
}

func (r *reel) print(res *result) (err error) {
	r.say(func() {
		if r.asJSON {
			enc := json.NewEncoder(r.stdout)
			enc.SetEscapeHTML(false)
			err = enc.Encode(newDetectLine(res, r.net.model.Classes))
			return
		}
		_, err = fmt.Fprintln(r.stdout, res.text(r.net.model.Classes))
	})
	return err
}

// draw writes the frame with its boxes: the tracks of a tracked video, else the detections.
func (r *reel) draw(res *result) error {
	boxes := res.tracks
	if r.pipe == r.plain {
		boxes = pipeline.AsTracks(res.detections, 0)
	}
	if err := r.overlay.Draw(r.frame, boxes); err != nil {
		return fmt.Errorf("%s: %w", r.in.name, err)
	}
	if r.video != nil {
		return r.video.write(r.frame)
	}
	path, err := r.out.picture(r.in.name)
	if err != nil {
		return err
	}
	return writePicture(path, &r.frame.Img)
}

// finish ends the input's video, whatever happened, and says what became of it.
func (r *reel) finish() error {
	if r.pipe != r.plain {
		_ = r.pipe.Close()
	}
	if r.video == nil {
		return nil
	}
	if r.video.frames == 0 {
		r.video.abandon()
		return nil
	}
	if err := r.video.finish(); err != nil {
		return err
	}
	r.say(func() {
		fmt.Fprintf(r.stderr, "wrote %s: %d frames, %s\n", r.video.path, r.video.frames, r.video.codec)
	})
	return nil
}

// say prints without the progress bar in the way.
func (d *detecting) say(print func()) {
	d.bar.clear()
	print()
}

// announced is how many frames the inputs will give, 0 if one of them does not know. It opens the videos, so it is
// asked for only when somebody watches.
func announced(ctx context.Context, inputs []input, wanted bool) int64 {
	if !wanted {
		return 0
	}
	var total int64
	for _, in := range inputs {
		if in.err != nil || capture.IsPicture(in.spec) {
			total++
			continue
		}
		src, err := capture.Open(ctx, in.spec, capture.Options{Speed: capture.Max})
		if err != nil {
			continue // reported in its turn
		}
		n := 0
		if a, ok := src.(capture.Announcer); ok {
			n = a.Frames()
		}
		_ = src.Close()
		if n == 0 {
			return 0
		}
		total += int64(n)
	}
	return total
}

// warnings turns what a source logs into lines for a person. A warning (a video that ends too early) is a failure of the
// input, the rest (a cropped side) is not.
type warnings struct{ *detecting }

func (w *warnings) Write(line []byte) (int, error) {
	var e struct{ Level, File, Message string }
	if err := json.Unmarshal(line, &e); err != nil {
		return 0, err
	}
	if e.File != "" {
		e.File += ": "
	}
	if e.Level == zerolog.WarnLevel.String() {
		w.failed++
	}
	w.say(func() { fmt.Fprintf(w.stderr, "yfv2d: %s%s\n", e.File, e.Message) })
	return len(line), nil
}
