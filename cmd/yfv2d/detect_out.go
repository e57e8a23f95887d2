package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gocv.io/x/gocv"
)

// Extensions of pictures that OpenCV writes from colour, and of the one kind of video that is written.
var (
	pictureExts = []string{".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm"}
	videoExts   = []string{".mp4"}
)

// maxSides are the longest sides that formats can hold, pixels. OpenCV would abort the program beyond them.
var maxSides = map[string]int{".jpg": 65500, ".jpeg": 65500, ".webp": 16383}

// outputs gives each input its place below -o: one named file for a single input, else a file of its own in a folder.
type outputs struct {
	file   string // set if -o names a file
	dir    string
	inputs []os.FileInfo   // never to be written to
	taken  map[string]bool // names given out in dir
}

// newOutputs reads -o for these inputs (those that are files of this machine are protected) and makes the folder.
func newOutputs(o string, inputs []string) (*outputs, error) {
	out := &outputs{taken: map[string]bool{}}
	for _, in := range inputs {
		if info, err := os.Stat(in); err == nil {
			out.inputs = append(out.inputs, info)
		}
	}
	if info, err := os.Stat(o); (err == nil && info.IsDir()) || filepath.Ext(o) == "" || strings.HasSuffix(o, "/") {
		out.dir = o
		return out, os.MkdirAll(o, 0o755)
	}
	switch known := slices.Concat(pictureExts, videoExts); {
	case len(inputs) != 1:
		return nil, usageErrorf("-o %s names one file but there are %d inputs: name a folder, with / at its end if it is new and has a dot", o, len(inputs))
	case !slices.Contains(known, strings.ToLower(filepath.Ext(o))):
		return nil, usageErrorf("-o %s: files can be written as %s; for a folder put / at its end", o, strings.Join(known, " "))
	case out.isInput(o):
		return nil, usageErrorf("-o %s is the input itself: name another file", o)
	}
	out.file = o
	return out, os.MkdirAll(filepath.Dir(o), 0o755)
}

func (o *outputs) isInput(path string) bool {
	info, err := os.Stat(path)
	return err == nil && slices.ContainsFunc(o.inputs, func(in os.FileInfo) bool { return os.SameFile(in, info) })
}

// picture is where the annotated form of a picture goes. A format that cannot be written becomes PNG.
func (o *outputs) picture(input string) (string, error) {
	if o.file == "" {
		ext := strings.ToLower(filepath.Ext(input))
		if !slices.Contains(pictureExts, ext) {
			return o.unique(input, ".png"), nil
		}
		return o.unique(input, filepath.Ext(input)), nil
	}
	if !slices.Contains(pictureExts, strings.ToLower(filepath.Ext(o.file))) {
		return "", usageErrorf("%s is a picture: -o %s wants one of %s at its end", input, o.file, strings.Join(pictureExts, " "))
	}
	return o.file, nil
}

// video is where the annotated form of a video or live source goes.
func (o *outputs) video(input string) (string, error) {
	if o.file == "" {
		return o.unique(input, ".mp4"), nil
	}
	if !slices.Contains(videoExts, strings.ToLower(filepath.Ext(o.file))) {
		return "", usageErrorf("%s is a video: -o %s wants .mp4 at its end", input, o.file)
	}
	return o.file, nil
}

var unsafeInName = regexp.MustCompile(`[^\pL\pN ._()+,@-]+`)

// unique is a path in the folder for the input's name with another extension: numbered if this run has given the name
// out already, or if it is one of the inputs. What an earlier run left there is overwritten.
func (o *outputs) unique(input, ext string) string {
	base := input
	if !strings.Contains(input, ":") || fileExists(input) {
		base = filepath.Base(input)
	}
	if old := filepath.Ext(base); len(old) > 1 && len(old) <= 6 {
		base = strings.TrimSuffix(base, old)
	}
	base = strings.Trim(unsafeInName.ReplaceAllString(base, "-"), "-")
	if base == "" || base == "." || base == ".." {
		base = "out"
	}
	for n := 1; ; n++ {
		name := base + ext
		if n > 1 {
			name = fmt.Sprintf("%s-%d%s", base, n, ext)
		}
		path := filepath.Join(o.dir, name)
		if key := strings.ToLower(name); !o.taken[key] && !o.isInput(path) { // also distinct where letter case is not
			o.taken[key] = true
			return path
		}
	}
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// writePicture writes a BGR picture in the format of path's extension. The file appears whole or not at all.
func writePicture(path string, img *gocv.Mat) error {
	ext := strings.ToLower(filepath.Ext(path))
	if limit, ok := maxSides[ext]; ok && max(img.Cols(), img.Rows()) > limit {
		return fmt.Errorf("write %s: %dx%d pixels, but this format holds at most %d a side", path, img.Cols(), img.Rows(), limit)
	}
	buf, err := gocv.IMEncode(gocv.FileExt(ext), *img)
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	defer buf.Close()
	part, err := os.CreateTemp(filepath.Dir(path), ".yfv2d-*")
	if err != nil {
		return err
	}
	defer os.Remove(part.Name())
	_, err = part.Write(buf.GetBytes())
	if err = errors.Join(err, part.Chmod(0o644), part.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(part.Name(), path)
}
