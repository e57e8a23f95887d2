package mot

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"yfv2d/infer"
)

// Bounds of a file, so that a broken or hostile one costs neither memory nor hours. The largest file of the challenge
// (MOT20-05) has 750 thousand lines and 250 boxes in a frame.
const (
	maxLines  = 5_000_000
	maxLine   = 4096 // bytes
	maxFrame  = 10_000_000
	maxBoxes  = 1000 // in a frame
	maxID     = 1 << 31
	maxCoord  = 1e7 // pixels; a float32 tells halves of it apart
	bom       = "\ufeff"
	lineStart = "frame,id,left,top,width,height,"
)

// form is one of the kinds of files. They share their first six columns.
type form struct {
	seventh string // what the seventh column is called
	ids     bool   // the second column tells objects apart
}

var (
	truthForm     = form{seventh: "mark", ids: true}
	detectionForm = form{seventh: "score"}
	resultForm    = form{seventh: "score", ids: true}
)

// record is one line.
type record struct {
	line    int // from 1
	frame   int
	row     Row
	seventh float64
	more    []string // the columns after the seventh
}

// ReadDetections reads a detector's file: frame,-1,left,top,width,height,score and anything after it. If any score
// leaves 0..1 then scored is false and every score is 1, for such scores have no common scale. A file without any line
// is a detector that found nothing.
func ReadDetections(path string) (rows Rows, scored bool, err error) {
	err = open(path, "detections", func(f io.Reader) error {
		rows, scored, err = readDetections(f)
		return err
	})
	return rows, scored, err
}

func readDetections(f io.Reader) (Rows, bool, error) {
	rows, scored := Rows{}, true
	err := detectionForm.read(f, func(r record) error {
		r.row.Score = float32(r.seventh)
		scored = scored && r.seventh >= 0 && r.seventh <= 1
		return rows.add(r, detectionForm)
	})
	if err != nil {
		return nil, false, err
	}
	if !scored {
		for _, frame := range rows {
			for i := range frame {
				frame[i].Score = 1
			}
		}
	}
	return rows, scored, nil
}

// ReadResult reads a tracker's file: frame,id,left,top,width,height,score and anything after it, which is not looked at.
func ReadResult(path string) (rows Rows, err error) {
	err = open(path, "result", func(f io.Reader) error {
		rows, err = readResult(f)
		return err
	})
	return rows, err
}

func readResult(f io.Reader) (Rows, error) {
	rows := Rows{}
	err := resultForm.read(f, func(r record) error {
		r.row.Score = float32(r.seventh)
		return rows.add(r, resultForm)
	})
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// open lets read have the file at path, and names both in its error.
func open(path, what string, read func(io.Reader) error) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read %s: %w", what, err)
	}
	defer f.Close()
	if err := read(f); err != nil {
		var pe *os.PathError
		if errors.As(err, &pe) { // it names the file already
			return fmt.Errorf("read %s: %w", what, err)
		}
		return fmt.Errorf("read %s %s: %w", what, path, err)
	}
	return nil
}

// add puts a record where it belongs.
func (r Rows) add(rec record, f form) error {
	rows := r[rec.frame]
	if f.ids && slices.ContainsFunc(rows, func(o Row) bool { return o.ID == rec.row.ID }) {
		return fmt.Errorf("line %d: id %d stands in frame %d twice", rec.line, rec.row.ID, rec.frame)
	}
	if len(rows) == maxBoxes {
		return fmt.Errorf("line %d: frame %d has more than %d boxes", rec.line, rec.frame, maxBoxes)
	}
	r[rec.frame] = append(rows, rec.row)
	return nil
}

// read calls add for every line of a file. Columns are separated by commas, or by white space where a line has no comma.
func (f form) read(r io.Reader, add func(record) error) error {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, maxLine), maxLine)
	n := 0
	for s.Scan() {
		n++
		text := s.Text()
		if n == 1 {
			text = strings.TrimPrefix(text, bom)
		}
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		if n > maxLines {
			return fmt.Errorf("it has more than %d lines", maxLines)
		}
		rec, err := f.parse(text)
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		rec.line = n
		if err := add(rec); err != nil {
			return err
		}
	}
	if errors.Is(s.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("line %d: it is longer than %d bytes; a line starts with %s%s", n+1, maxLine, lineStart, f.seventh)
	}
	return s.Err()
}

func (f form) parse(text string) (record, error) {
	cols := split(text)
	if len(cols) < 7 {
		return record{}, fmt.Errorf("%d columns, at least 7 wanted; a line starts with %s%s", len(cols), lineStart, f.seventh)
	}
	names := [7]string{"frame", "id", "left", "top", "width", "height", f.seventh}
	least := [7]float64{1, 0, -maxCoord, -maxCoord, 0, 0, -math.MaxFloat32}
	most := [7]float64{maxFrame, maxID, maxCoord, maxCoord, maxCoord, maxCoord, math.MaxFloat32}
	if !f.ids {
		least[1] = -maxID
	}
	var v [7]float64
	for i := range v {
		var err error
		if v[i], err = number(names[i], cols[i], least[i], most[i], i < 2); err != nil {
			return record{}, fmt.Errorf("%w; a line starts with %s%s", err, lineStart, f.seventh)
		}
	}
	box := infer.Box{X0: float32(v[2]), Y0: float32(v[3]), X1: float32(v[2] + v[4]), Y1: float32(v[3] + v[5])}
	row := Row{ID: int(v[1]), Box: box, Score: 1, Class: 1}
	return record{frame: int(v[0]), row: row, seventh: v[6], more: cols[7:]}, nil
}

func split(text string) []string {
	if !strings.Contains(text, ",") {
		return strings.Fields(text)
	}
	cols := strings.Split(text, ",")
	for i, c := range cols {
		cols[i] = strings.TrimSpace(c)
	}
	return cols
}

// number reads one column. Some writers give frames and ids as 1.0, so that is whole too.
func number(name, text string, least, most float64, whole bool) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	switch {
	case errors.Is(err, strconv.ErrRange): // v is infinite
	case err != nil:
		return 0, fmt.Errorf("%s %s is no number", name, quote(text))
	}
	if whole && v != math.Trunc(v) || !(v >= least && v <= most) {
		kind := "a number"
		if whole {
			kind = "a whole number"
		}
		return 0, fmt.Errorf("%s %s is out of range (%s from %g to %g)", name, quote(text), kind, least, most)
	}
	return v, nil
}

// quote shows what stands in a file, short and without control characters.
func quote(s string) string {
	const most = 40
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strconv.QuoteToASCII(s)
}
