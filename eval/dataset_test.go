package eval

import (
	"slices"
	"strings"
	"testing"
)

const small = `{"images":[{"id":7,"file_name":"a.jpg","width":4,"height":3},{"id":8,"file_name":"b.jpg"}],
"categories":[{"id":3,"name":"tv"},{"id":1,"name":"airplane"}],
"annotations":[{"id":1,"image_id":7,"category_id":3,"bbox":[1,2,3,4],"area":9.5,"iscrowd":1},{"id":2,"image_id":8,"category_id":1,"bbox":[0,0,1,1],"area":1}]}`

func TestReadDataset(t *testing.T) {
	d, err := ReadDataset(strings.NewReader(small))
	if err != nil {
		t.Fatal(err)
	}
	want := Annotation{ImageID: 7, CategoryID: 3, BBox: [4]float64{1, 2, 3, 4}, Area: 9.5, Crowd: 1}
	if len(d.Images) != 2 || d.Annotations[0] != want || d.Categories[0].ID != 1 {
		t.Errorf("read %+v", d)
	}
	o := d.Only(map[int64]bool{8: true})
	if len(o.Images) != 1 || len(o.Annotations) != 1 || o.Annotations[0].ImageID != 8 || len(o.Categories) != 2 {
		t.Errorf("one image gives %+v", o)
	}
}

func TestReadDatasetRefuses(t *testing.T) {
	for _, row := range []struct{ name, in, want string }{
		{"empty", "", "no COCO instances file"},
		{"other json", `[1,2]`, "no COCO instances file"},
		{"nothing in it", `{}`, "needs images and categories"},
		{"truncated", small[:100], "no COCO instances file"},
		{"stranger's annotation", strings.Replace(small, `"image_id":8`, `"image_id":9`, 1), "annotation 1 is of image 9"},
		{"unknown category", strings.Replace(small, `"category_id":1`, `"category_id":9`, 1), "category 9"},
		{"box inside out", strings.Replace(small, `[1,2,3,4]`, `[1,2,-3,4]`, 1), "must not be negative"},
		{"image twice", strings.Replace(small, `"id":8`, `"id":7`, 1), "two images"},
		{"category twice", strings.Replace(small, `"id":3,`, `"id":1,`, 1), "two categories"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if _, err := ReadDataset(strings.NewReader(row.in)); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("error %v, want one with %q", err, row.want)
			}
		})
	}
	if _, err := LoadDataset("no such file"); err == nil {
		t.Error("a file that is not there was read")
	}
}

func TestMapClasses(t *testing.T) {
	cats := []Category{{1, "person"}, {4, "motorcycle"}, {5, "airplane"}, {63, "couch"}, {64, "potted plant"}, {67, "dining table"}, {72, "tv"}}
	for _, row := range []struct {
		name    string
		classes []string
		want    []int
	}{
		{"darknet names", []string{"person", "motorbike", "aeroplane", "sofa", "pottedplant", "diningtable", "tvmonitor"}, []int{1, 4, 5, 63, 64, 67, 72}},
		{"other order and case", []string{"TV", "dining_table", " Person "}, []int{72, 67, 1}},
		{"some unknown", []string{"person", "unicorn"}, []int{1, Unknown}},
		{"as many but nameless", []string{"a", "b", "c", "d", "e", "f", "g"}, []int{1, 4, 5, 63, 64, 67, 72}},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := MapClasses(row.classes, cats)
			if err != nil || !slices.Equal(got, row.want) {
				t.Errorf("got %v, %v; want %v", got, err, row.want)
			}
		})
	}
	if _, err := MapClasses([]string{"unicorn"}, cats); err == nil {
		t.Error("a model without any known class was taken")
	}
}
