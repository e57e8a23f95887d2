package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"image"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"yfv2d/infer/model"
)

// nameInt8 is XNNPACK with the int8 model.
const nameInt8 = "xnnpack-int8"

// engine is one of the program's own, with its model.
type engine struct{ name, engine, model string }

// engineOf is the engine that the results call so, false for ONNX Runtime. The int8 model is a file in dir.
func (o *options) engineOf(name, dir string) (engine, bool) {
	switch name {
	case "opencv-stock", "opencv", "xnnpack":
		return engine{name, name, o.model}, true
	case nameInt8:
		return engine{name, "xnnpack", filepath.Join(dir, "int8.onnx")}, true
	}
	return engine{}, false
}

// command measures the engine.
func (e engine) command(o *options) []string {
	return []string{o.bin, "bench-worker", "--engine", e.engine, "--model", e.model, "--input", fmt.Sprintf("%dx%d", side, side), "--source", "file:" + o.clip}
}

func (e engine) start(ctx context.Context, o *options) (*worker, error) {
	return startWorker(ctx, e.name, e.command(o)...)
}

// startInt8 makes the int8 model and starts XNNPACK with it.
func startInt8(ctx context.Context, o *options, dir string) (*worker, error) {
	e, _ := o.engineOf(nameInt8, dir)
	out, err := exec.CommandContext(ctx, o.bin, "model", "quantize", o.model, "--calibrate", o.calibrate, "-o", e.model).CombinedOutput()
	if err != nil {
		return nil, errors.New(firstLine(out))
	}
	return e.start(ctx, o)
}

func firstLine(b []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
	return line
}

//go:embed ort/package.json ort/package-lock.json ort/ort.mjs
var ortFiles embed.FS

// installORT puts ONNX Runtime into o.ort, at the exact version that the lock file names and without running any script of
// the packages.
func installORT(ctx context.Context, o *options) error {
	if err := os.MkdirAll(o.ort, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"package.json", "package-lock.json", "ort.mjs"} {
		data, err := ortFiles.ReadFile("ort/" + name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(o.ort, name), data, 0o644); err != nil {
			return err
		}
	}
	if have, err := os.ReadFile(filepath.Join(o.ort, "node_modules/.package-lock.json")); err == nil && sameORT(have) {
		return nil
	}
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = o.ort
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci (make bench needs Node 18 or newer for ONNX Runtime): %w: %s", err, firstLine(out))
	}
	return nil
}

// sameORT says whether what npm installed has the version that we want.
func sameORT(installed []byte) bool {
	lock, err := ortFiles.ReadFile("ort/package-lock.json")
	return err == nil && ortVersion(lock) != "" && ortVersion(lock) == ortVersion(installed)
}

// startORT starts ONNX Runtime on both forms of the network, each with its own arena and with malloc.
func startORT(ctx context.Context, o *options, dir string, r *results) ([]*worker, error) {
	if err := installORT(ctx, o); err != nil {
		return nil, err
	}
	m, err := model.Load(o.model)
	if err != nil {
		return nil, err
	}
	var all []*worker
	for _, form := range []struct {
		name string
		onnx func(image.Point) ([]byte, error)
	}{{"ort-stock", m.StockONNX}, {"ort-ours", m.PlainONNX}} {
		data, err := form.onnx(image.Pt(side, side))
		if err != nil {
			return all, err
		}
		path := filepath.Join(dir, form.name+".onnx")
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return all, err
		}
		for _, memory := range []string{"arena", "malloc"} {
			w, err := startWorker(ctx, form.name+"-"+memory, "node", filepath.Join(o.ort, "ort.mjs"), path, memory)
			if err != nil {
				return all, err
			}
			all, r.ORT = append(all, w), w.ready.Version
			if a, b := all[0].ready.Sum, w.ready.Sum; !(math.Abs(a-b) <= 1e-4*math.Abs(a)) {
				return all, fmt.Errorf("the two forms of the network give ONNX Runtime different outputs: %g and %g in sum", a, b)
			}
		}
	}
	return all, nil
}
