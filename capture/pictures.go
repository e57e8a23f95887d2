package capture

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gocv.io/x/gocv"

	"yfv2d/pipeline"
)

// stillEvery is how long a picture is shown when pictures are played as a video.
const stillEvery = time.Second

// PictureError says that one picture of several could not be read. Read can go on with the next.
type PictureError struct {
	Path string
	Err  error
}

func (e *PictureError) Error() string { return fmt.Sprintf("picture %s: %v", e.Path, e.Err) }

func (e *PictureError) Unwrap() error { return e.Err }

// extensions that a folder's pictures are known by. The content decides how a picture is read.
var extensions = map[string]bool{
	".jpg": true, ".jpeg": true, ".jpe": true, ".png": true, ".bmp": true, ".webp": true,
	".ppm": true, ".pgm": true, ".pnm": true,
}

func isPicture(path string) bool { return extensions[strings.ToLower(filepath.Ext(path))] }

// pictures gives still images as BGR frames in their own size, a second apart.
type pictures struct {
	paths  []string
	next   int // index of the next path
	base   time.Time
	closed bool
}

func newPictures(paths []string, clock Clock) *pictures {
	return &pictures{paths: paths, base: clock.Now()}
}

// openFolder lists a folder's pictures in natural order, without its subfolders and hidden files.
func openFolder(dir string, opt Options) (pipeline.Source, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, statError(err)
	}
	var paths []string
	for _, e := range entries {
		if !e.IsDir() && isPicture(e.Name()) && !strings.HasPrefix(e.Name(), ".") {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s holds no picture (jpg, png, bmp, webp, ppm)", dir)
	}
	slices.SortFunc(paths, naturalCompare)
	return newPictures(paths, opt.Clock), nil
}

// openGlob lists what a pattern matches, in natural order. What is matched and is no picture is reported by Read.
func openGlob(pattern string, opt Options) (pipeline.Source, error) {
	matches, err := filepath.Glob(pattern)
	if err != nil {
		return nil, fmt.Errorf("pattern %s: %w", pattern, err)
	}
	paths := slices.DeleteFunc(matches, func(p string) bool {
		info, err := os.Stat(p)
		return err == nil && info.IsDir()
	})
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s matches no file", pattern)
	}
	slices.SortFunc(paths, naturalCompare)
	return newPictures(paths, opt.Clock), nil
}

// Name is the path of the newest picture, also of one that could not be read.
func (p *pictures) Name() string {
	if p.next == 0 {
		return ""
	}
	return p.paths[p.next-1]
}

func (p *pictures) Read(ctx context.Context, f *pipeline.Frame) error {
	if p.closed {
		return pipeline.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if p.next == len(p.paths) {
		return io.EOF
	}
	path := p.paths[p.next]
	p.next++
	if err := readPicture(path, f); err != nil {
		return &PictureError{Path: path, Err: err}
	}
	f.At = p.base.Add(time.Duration(p.next-1) * stillEvery)
	return nil
}

func (p *pictures) Close() error {
	p.closed = true
	return nil
}

// readPicture decodes a file into f. OpenCV gets only bytes whose header was understood first, so that absurd sizes take
// no memory.
func readPicture(path string, f *pipeline.Frame) error {
	data, err := readBounded(path, maxPictureBytes)
	if err != nil {
		return err
	}
	return decodePicture(data, f)
}

// decodePicture decodes JPEG (turned upright by its EXIF), PNG, BMP, WebP and PNM into f as 8-bit BGR.
func decodePicture(data []byte, f *pipeline.Frame) error {
	size, err := pictureSize(data)
	if err != nil {
		return err
	}
	if size.X <= 0 || size.Y <= 0 || size.X > maxPicturePixels/size.Y {
		return fmt.Errorf("%dx%d pixels: the limit is %d million in all", size.X, size.Y, maxPicturePixels>>20)
	}
	m := gocv.NewMat()
	defer m.Close()
	if err := decodeInto(&m, data); err != nil {
		return err
	}
	pix, err := m.DataPtrUint8()
	if err != nil {
		return err
	}
	if err := f.Prepare(pipeline.BGR, image.Pt(m.Cols(), m.Rows())); err != nil {
		return err
	}
	copy(f.Pix(), pix)
	return nil
}

func readBounded(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, statError(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("it is %s", modeName(info.Mode()))
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%d bytes: the limit is %d", info.Size(), limit)
	}
	data, err := io.ReadAll(io.LimitReader(file, limit))
	if err == nil && len(data) == 0 {
		err = errors.New("the file is empty")
	}
	return data, err
}
