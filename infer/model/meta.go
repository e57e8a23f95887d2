package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"yfv2d/infer"
)

// Versions of our files: a reader refuses a newer one. The second is that of int8 models.
const (
	fileFloat = 1
	fileInt8  = 2
)

// Keys of metadata_props in our files.
const (
	keyFormat  = "yfv2d.format"
	keyName    = "yfv2d.name"
	keyClasses = "yfv2d.classes" // a JSON list
	keyAnchors = "yfv2d.anchors" // "w,h" pairs, pixels
	keyStrides = "yfv2d.strides"
	keyResize  = "yfv2d.resize"
	keyScore   = "yfv2d.default_score"
	keySource  = "yfv2d.source"
	keySHA256  = "yfv2d.source_sha256"
	keyLicence = "yfv2d.licence"
	keyNotes   = "yfv2d.notes"
)

func (m *Model) meta() []MetaEntry {
	classes, _ := json.Marshal(m.Classes) // strings always encode
	format := fileFloat
	if m.quant != nil {
		format = fileInt8
	}
	return []MetaEntry{
		{keyFormat, strconv.Itoa(format)},
		{keyName, m.Name},
		{keyClasses, string(classes)},
		{keyAnchors, FormatAnchors(m.Head.Anchors)},
		{keyStrides, formatStrides(m.Head.Strides)},
		{keyResize, resizeName(m.Resize)},
		{keyScore, formatFloat(m.DefaultScore)},
		{keySource, m.Source},
		{keySHA256, m.SHA256},
		{keyLicence, m.Licence},
		{keyNotes, m.Notes},
	}
}

func (m *Model) setMeta(f *File) error {
	format, ok := f.MetaValue(keyFormat)
	if !ok {
		return errors.New("this ONNX file was not written by yfv2d; import the network's .pth or ncnn weights with `yfv2d model import`")
	}
	if v, err := strconv.Atoi(format); err != nil || v < 1 || v > fileInt8 {
		return fmt.Errorf("its format is %.20q; this version reads format 1 to %d", format, fileInt8)
	}
	text := func(key string) string { s, _ := f.MetaValue(key); return s }
	m.Name, m.Source, m.SHA256 = text(keyName), text(keySource), text(keySHA256)
	m.Licence, m.Notes = text(keyLicence), text(keyNotes)
	if err := json.Unmarshal([]byte(text(keyClasses)), &m.Classes); err != nil {
		return fmt.Errorf("%s is no JSON list of names", keyClasses)
	}
	if err := checkClasses(m.Classes); err != nil {
		return fmt.Errorf("%s: %w", keyClasses, err)
	}
	var err error
	if m.Head.Anchors, err = ParseAnchors(text(keyAnchors)); err != nil {
		return fmt.Errorf("%s: %w", keyAnchors, err)
	}
	if got, want := text(keyStrides), formatStrides(strides); got != want {
		return fmt.Errorf("%s is %.40q; expected %q", keyStrides, got, want)
	}
	if m.Resize, err = parseResize(text(keyResize)); err != nil {
		return err
	}
	score, err := strconv.ParseFloat(text(keyScore), 32)
	if err != nil || !(score >= 0 && score <= 1) {
		return fmt.Errorf("%s is %.20q; expected a number from 0 to 1", keyScore, text(keyScore))
	}
	m.DefaultScore = float32(score)
	return nil
}

func resizeName(r infer.Resize) string {
	if r == infer.ResizeStretch {
		return "stretch"
	}
	return "letterbox"
}

func parseResize(s string) (infer.Resize, error) {
	switch s {
	case "stretch":
		return infer.ResizeStretch, nil
	case "letterbox":
		return infer.ResizeLetterbox, nil
	}
	return 0, fmt.Errorf("resize is %.20q; expected stretch or letterbox", s)
}

func formatStrides(v []int) string {
	s := make([]string, len(v))
	for i, x := range v {
		s[i] = strconv.Itoa(x)
	}
	return strings.Join(s, ",")
}

func formatFloat(v float32) string { return strconv.FormatFloat(float64(v), 'g', -1, 32) }

// officialAnchors are those of the authors' COCO training, pixels of a 352x352 input.
const officialAnchors = "12.64,19.39 37.88,51.48 55.71,138.31 126.91,78.23 131.57,214.55 279.92,258.87"

// ParseAnchors reads "w,h w,h ...": three pairs for stride 16, then three for stride 32, pixels of the input that the
// network was trained with. The numbers may also stand in one comma-separated list, as the authors' .data files have them.
func ParseAnchors(s string) ([][][2]float32, error) {
	fields := strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == ';' })
	if want := 2 * anchorsPerScale * len(strides); len(fields) != want {
		return nil, fmt.Errorf("%d numbers; expected %d: width,height of %d anchors for each of %d scales", len(fields), want, anchorsPerScale, len(strides))
	}
	out := make([][][2]float32, len(strides))
	for i := 0; i < len(fields); i += 2 {
		var wh [2]float32
		for j := range wh {
			v, err := strconv.ParseFloat(fields[i+j], 32)
			if err != nil || !(v > 0 && v < math.MaxInt16) {
				return nil, fmt.Errorf("%.20q is not a length in pixels; expected a number over 0", fields[i+j])
			}
			wh[j] = float32(v)
		}
		scale := i / (2 * anchorsPerScale)
		out[scale] = append(out[scale], wh)
	}
	return out, nil
}

// FormatAnchors writes what ParseAnchors reads.
func FormatAnchors(a [][][2]float32) string {
	var s []string
	for _, scale := range a {
		for _, wh := range scale {
			s = append(s, formatFloat(wh[0])+","+formatFloat(wh[1]))
		}
	}
	return strings.Join(s, " ")
}
