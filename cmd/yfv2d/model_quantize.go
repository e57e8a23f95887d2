package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"yfv2d/capture"
	"yfv2d/infer/dnn"
	"yfv2d/infer/model"
	"yfv2d/pipeline"
)

func newModelQuantizeCmd() *cobra.Command {
	var calibrate []string
	var out string
	c := &cobra.Command{
		Use:   "quantize MODEL.onnx|builtin --calibrate DIR|VIDEO -o MODEL-int8.onnx",
		Short: "Make an int8 model, which newer processors run faster",
		Long: fmt.Sprintf(`Make an int8 model of a float one: a quarter of the size, and faster where the processor and XNNPACK have int8 products.

The pictures or videos show what the model will look at; %d pictures of the kind are enough, and no more than %d are
looked at. Of a video it takes one frame in %d. They need no labels. The result is standard ONNX with QuantizeLinear and
DequantizeLinear. XNNPACK computes it in int8 (--engine xnnpack); OpenCV computes it in float with the rounded weights.`,
			fewPictures, mostPictures, frameStep),
		Example: `  yfv2d model quantize builtin --calibrate pictures/ -o builtin-int8.onnx
  yfv2d model quantize yolo-fastestv2.onnx --calibrate street.mp4 -o yolo-fastestv2-int8.onnx`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageErrorf("model quantize takes one model file, or builtin; got %d names", len(args))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if out == "" {
				return usageErrorf("model quantize: say where the model goes with -o FILE.onnx")
			}
			if len(calibrate) == 0 {
				return usageErrorf("model quantize: name a folder of pictures or a video with --calibrate")
			}
			return quantizeModel(c, args[0], calibrate, out)
		},
	}
	f := c.Flags()
	f.StringSliceVar(&calibrate, "calibrate", nil, "`folder` of pictures, picture or video of the kind that the model will look at")
	f.StringVarP(&out, "output", "o", "", "the `file` to write, *.onnx")
	return c
}

// How many pictures a calibration looks at: below the first the ranges are chance, above the last nothing changes.
const (
	fewPictures  = 32
	mostPictures = 500
	frameStep    = 10 // neighbouring frames of a video tell the same
)

func quantizeModel(c *cobra.Command, ref string, calibrate []string, out string) error {
	m, err := loadModel(ref)
	if err != nil {
		return err
	}
	cal, err := newCalibration(m)
	if err != nil {
		return err
	}
	defer cal.close()
	inputs := thin(expand(calibrate), mostPictures)
	if err := cal.run(c.Context(), c.ErrOrStderr(), inputs); err != nil {
		return err
	}
	n := cal.model.Pictures()
	if n == 0 {
		return fmt.Errorf("quantize: no picture to calibrate with in %s", strings.Join(calibrate, ", "))
	}
	if err := cal.equalize(); err != nil {
		return err
	}
	if err := cal.run(c.Context(), io.Discard, inputs); err != nil {
		return err
	}
	if n < fewPictures {
		fmt.Fprintf(c.ErrOrStderr(), "yfv2d: calibrated on %d pictures only: take %d or more for ranges that hold\n", n, fewPictures)
	}
	q, err := model.Quantize(cal.model)
	if err != nil {
		return err
	}
	if err := writeModel(q, out); err != nil {
		return err
	}
	return sayInstalled(c.OutOrStdout(), q, out)
}

// thin takes at most n inputs, evenly spread.
func thin(all []input, n int) []input {
	if len(all) <= n {
		return all
	}
	out := make([]input, n)
	for i := range out {
		out[i] = all[i*len(all)/n]
	}
	return out
}

// calibration shows pictures to a model's calibrator. It owns the network, a frame and a canvas.
type calibration struct {
	model       *model.Calibrator
	net         *dnn.Net
	letterboxer *pipeline.Letterboxer
	frame       *pipeline.Frame
	canvas      *pipeline.Canvas
}

func newCalibration(m *model.Model) (*calibration, error) {
	c, err := model.NewCalibrator(m)
	if err != nil {
		return nil, fmt.Errorf("quantize %s: %w", m.Name, err)
	}
	l, err := pipeline.NewLetterboxer(c.Size(), m.Resize)
	if err != nil {
		return nil, err
	}
	n, err := dnn.OpenNet(c.Graph())
	if err != nil {
		return nil, fmt.Errorf("quantize %s: %w", m.Name, err)
	}
	return &calibration{model: c, net: n, letterboxer: l, frame: pipeline.NewFrame(), canvas: pipeline.NewCanvas()}, nil
}

// equalize goes on with the equalised network, which wants to see the pictures again.
func (cal *calibration) equalize() error {
	c, err := cal.model.Equalized()
	if err != nil {
		return err
	}
	n, err := dnn.OpenNet(c.Graph())
	if err != nil {
		return fmt.Errorf("quantize: %w", err)
	}
	_ = cal.net.Close()
	cal.model, cal.net = c, n
	return nil
}

func (cal *calibration) close() {
	_ = cal.net.Close()
	_ = cal.canvas.Close()
	_ = cal.frame.Close()
}

// run looks at all inputs. What cannot be read is told on stderr and left out.
func (cal *calibration) run(ctx context.Context, stderr io.Writer, inputs []input) error {
	total := int64(len(inputs))
	if len(inputs) == 1 && !capture.IsPicture(filepath.Base(inputs[0].name)) {
		total = 0 // a video: not known
	}
	bar := newProgress(stderr, total, "pictures")
	defer bar.done()
	for _, in := range inputs {
		err := in.err
		if err == nil {
			err = cal.input(ctx, in, bar)
		}
		if ctx.Err() != nil {
			return errors.New("stopped before the last picture: no model is written")
		}
		if err != nil {
			bar.clear()
			report(stderr, fmt.Errorf("%s: %w", in.name, in.plain(err)))
		}
	}
	return nil
}

// input looks at one picture, or at some frames of a video.
func (cal *calibration) input(ctx context.Context, in input, bar *progress) error {
	src, err := capture.Open(ctx, in.spec, capture.Options{Speed: capture.Max})
	if err != nil {
		return err
	}
	defer src.Close()
	for i := 0; cal.model.Pictures() < mostPictures; i++ {
		err := src.Read(ctx, cal.frame)
		if errors.Is(err, io.EOF) && i > 0 {
			return nil
		}
		if err != nil {
			return err
		}
		if i%frameStep != 0 {
			continue
		}
		if err := cal.look(); err != nil {
			return err
		}
		bar.add(1)
	}
	return nil
}

// look adds the frame's picture.
func (cal *calibration) look() error {
	if err := cal.letterboxer.Make(cal.canvas, cal.frame); err != nil {
		return err
	}
	values, err := cal.net.Forward(cal.canvas.Pix)
	if err != nil {
		return err
	}
	return cal.model.Add(values)
}
