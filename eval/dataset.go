// Package eval measures a detector as COCO does: average precision over classes, overlaps and object sizes, with the
// rules of the reference evaluator pycocotools.
package eval

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
)

// Dataset is what a COCO "instances" file says.
type Dataset struct {
	Images      []Image      `json:"images"`
	Annotations []Annotation `json:"annotations"`
	Categories  []Category   `json:"categories"`
}

// Image is one picture; FileName has no folder.
type Image struct {
	ID       int64  `json:"id"`
	FileName string `json:"file_name"`
	Width    int    `json:"width"`
	Height   int    `json:"height"`
}

// Annotation is one object that is really there, or a crowd of them.
type Annotation struct {
	ImageID    int64      `json:"image_id"`
	CategoryID int        `json:"category_id"`
	BBox       [4]float64 `json:"bbox"` // left, top, width, height in pixels
	Area       float64    `json:"area"` // of the object's outline, square pixels; decides small, medium, large
	Crowd      int        `json:"iscrowd"`
}

// Category is one class of objects.
type Category struct {
	ID   int    `json:"id"`
	Name string `json:"name"`
}

// LoadDataset reads a COCO instances file.
func LoadDataset(path string) (*Dataset, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read annotations: %w", err)
	}
	defer f.Close()
	d, err := ReadDataset(f)
	if err != nil {
		return nil, fmt.Errorf("read annotations %s: %w", path, err)
	}
	return d, nil
}

// ReadDataset reads a COCO instances file and checks that its parts fit together.
func ReadDataset(r io.Reader) (*Dataset, error) {
	d := &Dataset{}
	if err := json.NewDecoder(r).Decode(d); err != nil {
		return nil, fmt.Errorf("no COCO instances file: %w", err)
	}
	if err := d.check(); err != nil {
		return nil, err
	}
	slices.SortStableFunc(d.Categories, func(a, b Category) int { return cmp.Compare(a.ID, b.ID) })
	return d, nil
}

func (d *Dataset) check() error {
	if len(d.Images) == 0 || len(d.Categories) == 0 {
		return errors.New("no COCO instances file: it needs images and categories")
	}
	images, cats := make(map[int64]bool, len(d.Images)), make(map[int]bool, len(d.Categories))
	for _, im := range d.Images {
		if images[im.ID] {
			return fmt.Errorf("two images have the id %d", im.ID)
		}
		images[im.ID] = true
	}
	for _, c := range d.Categories {
		if cats[c.ID] {
			return fmt.Errorf("two categories have the id %d", c.ID)
		}
		cats[c.ID] = true
	}
	for i, a := range d.Annotations {
		if !images[a.ImageID] || !cats[a.CategoryID] {
			return fmt.Errorf("annotation %d is of image %d and category %d, and one of the two is not in the file", i, a.ImageID, a.CategoryID)
		}
		if a.BBox[2] < 0 || a.BBox[3] < 0 || math.IsNaN(a.Area) {
			return fmt.Errorf("annotation %d has the box %v and the area %g: sizes must not be negative", i, a.BBox, a.Area)
		}
	}
	return nil
}

// Only is the dataset with no images but those of the given ids.
func (d *Dataset) Only(ids map[int64]bool) *Dataset {
	out := &Dataset{Categories: d.Categories}
	for _, im := range d.Images {
		if ids[im.ID] {
			out.Images = append(out.Images, im)
		}
	}
	for _, a := range d.Annotations {
		if ids[a.ImageID] {
			out.Annotations = append(out.Annotations, a)
		}
	}
	return out
}
