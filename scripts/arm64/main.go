// Command arm64 compares what yfv2d computes on two kinds of processor. scripts/test-arm64.sh builds it for both.
//
//	arm64 pictures CLIP DIR  writes pictures of the clip to DIR, without loss
//	arm64 heads DIR FILE     writes what each engine makes of these pictures and of noise to FILE
//	arm64 same-heads A B     compares two such files
//	arm64 same-boxes A B     compares two outputs of `yfv2d detect --json` for the same pictures
//	arm64 alike-boxes A B    compares two outputs for the same video
//
// A comparison prints one line and ends with 1 if the two do not agree.
package main

import (
	"encoding/gob"
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"

	"gocv.io/x/gocv"

	"yfv2d/infer"
	"yfv2d/infer/dnn"
	"yfv2d/infer/model"
	"yfv2d/infer/xnn"
	"yfv2d/pipeline"
)

func main() {
	line, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "arm64:", err)
		os.Exit(1)
	}
	fmt.Println(line)
}

var commands = map[string]func(a, b string) (string, error){
	"pictures": writePictures, "heads": writeHeads, "same-heads": sameHeads, "same-boxes": sameBoxes, "alike-boxes": alikeBoxes,
}

func run(args []string) (string, error) {
	if len(args) != 3 || commands[args[0]] == nil {
		return "", errors.New("want pictures CLIP DIR, heads DIR FILE, same-heads A B, same-boxes A B or alike-boxes A B")
	}
	return commands[args[0]](args[1], args[2])
}

// everyNth frame of the clip becomes a picture: the demo clip's 300 give 20.
const everyNth = 15

func writePictures(clip, dir string) (string, error) {
	video, err := gocv.VideoCaptureFile(clip)
	if err != nil {
		return "", fmt.Errorf("open %s: %w", clip, err)
	}
	defer video.Close()
	img := gocv.NewMat()
	defer img.Close()
	n := 0
	for i := 0; video.Read(&img); i++ {
		if i%everyNth != 0 {
			continue
		}
		name := filepath.Join(dir, fmt.Sprintf("%04d.png", i))
		if !gocv.IMWrite(name, img) {
			return "", fmt.Errorf("write %s: OpenCV cannot", name)
		}
		n++
	}
	if n == 0 {
		return "", fmt.Errorf("%s has no picture", clip)
	}
	return fmt.Sprintf("%d pictures of %s", n, clip), nil
}

// heads are an engine's output for each canvas, by engine and canvas.
type heads map[string][]float32

// headPictures pictures are enough for heads; detect sees them all.
const headPictures = 4

func writeHeads(dir, file string) (string, error) {
	m, err := model.Builtin()
	if err != nil {
		return "", err
	}
	canvases, free, err := canvasesOf(dir)
	defer free()
	if err != nil {
		return "", err
	}
	all := heads{}
	for name, open := range map[string]func() (infer.Engine, error){
		"xnnpack": func() (infer.Engine, error) { return xnn.New(m, xnn.Options{}) },
		"opencv":  func() (infer.Engine, error) { return dnn.New(m) },
	} {
		if err := all.take(name, open, canvases); err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
	}
	f, err := os.Create(file)
	if err != nil {
		return "", err
	}
	if err := errors.Join(gob.NewEncoder(f).Encode(all), f.Close()); err != nil {
		return "", fmt.Errorf("write %s: %w", file, err)
	}
	return fmt.Sprintf("%d outputs of the network in %s", len(all), file), nil
}

func (h heads) take(name string, open func() (infer.Engine, error), canvases map[string]*infer.Canvas) error {
	e, err := open()
	if err != nil {
		return err
	}
	defer e.Close()
	for of, c := range canvases {
		out, err := e.Forward(c)
		if err != nil {
			return err
		}
		h[name+", "+of] = append([]float32(nil), out...)
	}
	return nil
}

// canvasesOf letterboxes pictures of dir and adds noise. free closes the canvases, and is never nil.
func canvasesOf(dir string) (all map[string]*infer.Canvas, free func(), err error) {
	all = map[string]*infer.Canvas{}
	var made []*pipeline.Canvas
	free = func() {
		for _, c := range made {
			_ = c.Close()
		}
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*.png"))
	if len(names) == 0 {
		return nil, free, fmt.Errorf("no pictures in %s", dir)
	}
	for _, name := range names[:min(headPictures, len(names))] {
		c := pipeline.NewCanvas()
		made = append(made, c)
		if err := letterbox(c, name); err != nil {
			return nil, free, err
		}
		all[filepath.Base(name)] = &c.Canvas
	}
	for _, size := range []image.Point{{X: 352, Y: 352}, {X: 96, Y: 160}} {
		all[fmt.Sprintf("noise of %dx%d", size.X, size.Y)] = noise(size)
	}
	return all, free, nil
}

func letterbox(c *pipeline.Canvas, name string) error {
	img := gocv.IMRead(name, gocv.IMReadColor)
	defer img.Close()
	if img.Empty() {
		return fmt.Errorf("read %s: OpenCV cannot", name)
	}
	f := pipeline.NewFrame()
	defer f.Close()
	if err := f.Prepare(pipeline.BGR, image.Pt(img.Cols(), img.Rows())); err != nil {
		return err
	}
	copy(f.Pix(), img.ToBytes())
	var resize infer.Resize
	l, err := pipeline.NewLetterboxer(image.Point{}, resize)
	if err != nil {
		return err
	}
	return l.Make(c, f)
}

// noise is the same on every machine.
func noise(size image.Point) *infer.Canvas {
	c := &infer.Canvas{Pix: make([]byte, size.X*size.Y*3), Size: size, Letterbox: infer.NewStretch(size, size)}
	v := uint32(1)
	for i := range c.Pix {
		v = v*1664525 + 1013904223 // Numerical Recipes' generator
		c.Pix[i] = byte(v >> 24)
	}
	return c
}
