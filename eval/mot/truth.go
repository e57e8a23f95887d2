package mot

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Classes of the benchmark's truth files (MOT16, Milan et al. 2016, table 2).
const (
	pedestrian      = 1
	personOnVehicle = 2
	vehicleOther    = 6 // "non motorized vehicle"
	staticPerson    = 7
	distractor      = 8
	reflection      = 12
	lastClass       = 13
)

// ReadTruth reads a gt.txt: frame,id,left,top,width,height,mark and more. Rows with mark 0 are ignored.
//
// What the columns after the mark are depends on the benchmark, which no file names. From MOT16 on they are class and
// visibility (9 columns); in MOT15 they are world coordinates x,y,z (10 columns, often all -1), and every row is a
// pedestrian. So a file of 8 or 9 columns has classes, unless all are -1. A file of 10 or more has them only if each
// line could not be MOT15's: a class of 1 to 13, a visibility of 0 to 1, then -1.
//
// With classes, all but pedestrians (1) are ignored, and persons on vehicles, static persons, distractors and
// reflections are distractors; vehicles without a motor are too if the sequence's folder is called MOT20-something.
func ReadTruth(path string) (rows Rows, err error) {
	err = open(path, "truth", func(f io.Reader) error {
		rows, err = readTruth(f, strings.HasPrefix(folderName(SequenceDir(path)), "MOT20-"))
		return err
	})
	return rows, err
}

func readTruth(f io.Reader, mot20 bool) (Rows, error) {
	rows, seen := Rows{}, columns{}
	err := truthForm.read(f, func(r record) error {
		class, err := seen.class(r)
		if err != nil {
			return fmt.Errorf("line %d: %w", r.line, err)
		}
		r.row.Class, r.row.Ignored = class, r.seventh == 0
		return rows.add(r, truthForm)
	})
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, errors.New("it is empty: there is nothing to find and so nothing to measure")
	}
	has, err := seen.classes()
	if err != nil {
		return nil, err
	}
	for _, frame := range rows {
		for i := range frame {
			frame[i].classify(has, mot20)
		}
	}
	return rows, nil
}

// classify says what a row's class means for its counting.
func (r *Row) classify(has, mot20 bool) {
	if !has {
		r.Class = pedestrian
		return
	}
	r.Ignored = r.Ignored || r.Class != pedestrian
	r.Distractor = slices.Contains([]int{personOnVehicle, staticPerson, distractor, reflection}, r.Class) ||
		mot20 && r.Class == vehicleOther
}

// columns finds out whether a truth file has classes.
type columns struct {
	count int   // of every line; 0 before the first
	first int   // number of the first line
	unset bool  // a class of -1 was seen
	named bool  // a class of 1 to 13 was seen
	world bool  // a line was seen that can only be MOT15's
	bad   error // the first class that is neither, with its line
}

// class is the class that a line would have if the file has classes.
func (c *columns) class(r record) (int, error) {
	n := 7 + len(r.more)
	if c.count == 0 {
		c.count, c.first = n, r.line
	}
	if n != c.count {
		return 0, fmt.Errorf("%d columns, but line %d has %d", n, c.first, c.count)
	}
	if n == 7 {
		return pedestrian, nil
	}
	var v [3]float64
	for i, text := range r.more[:min(len(r.more), 3)] {
		var err error
		if v[i], err = strconv.ParseFloat(text, 64); err != nil {
			return 0, fmt.Errorf("column %d %s is no number", 8+i, quote(text))
		}
	}
	named := v[0] >= pedestrian && v[0] <= lastClass && v[0] == math.Trunc(v[0])
	switch {
	case n >= 10:
		c.world = c.world || !(named && v[1] >= 0 && v[1] <= 1 && v[2] == -1)
	case named:
		c.named = true
	case v[0] == -1:
		c.unset = true
	}
	if n < 10 && c.bad == nil && (!named && v[0] != -1 || c.unset && c.named) {
		c.bad = fmt.Errorf("line %d: class %s is out of range (a whole number from 1 to %d, or -1 in every line)", r.line, quote(r.more[0]), lastClass)
	}
	if !named {
		return pedestrian, nil
	}
	return int(v[0]), nil
}

// classes says whether the file has them, once all its lines were seen.
func (c *columns) classes() (bool, error) {
	if c.count >= 10 {
		return !c.world, nil
	}
	return c.named, c.bad
}
