package model

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"yfv2d/infer"
)

// ImportOptions says what a weights file does not. The zero value is right for the official files.
type ImportOptions struct {
	Names     string  // path of a file with one class name a line; empty: COCO for 80 classes, else class0, class1 ...
	Anchors   string  // see ParseAnchors; empty: the official ones
	Letterbox bool    // training pictures kept their aspect ratio; the official way is to stretch them
	Score     float32 // default score, 0: 0.3
	Name      string  // the model's name; empty: the first file's without its ending
	Licence   string  // one line
	Notes     string  // one line
}

// BuiltinOptions are those that the built-in model was imported with.
func BuiltinOptions() ImportOptions {
	return ImportOptions{
		Name:    "yolo-fastestv2-builtin",
		Score:   0.35, // it gives many false boxes below, see its card
		Licence: "Apache-2.0 as far as its makers hold rights; backbone BSD-3-Clause, (c) 2022 xuehao.ma",
		Notes:   "a small demo model; COCO AP / AP50 on 80 val2017 pictures: 13.53 / 25.34 (official weights: 18.35 / 31.09)",
	}
}

// officialScore is the score that the network's authors test with.
const officialScore = 0.3

// Import reads weights: one .pth file, or an ncnn .param and .bin file in any order. Errors are one line with the file,
// what is wrong and what was expected.
func Import(opt ImportOptions, files ...string) (*Model, error) {
	if len(files) == 2 && strings.EqualFold(filepath.Ext(files[0]), ".bin") {
		files = []string{files[1], files[0]}
	}
	n, hash, err := importFiles(files)
	if err != nil {
		return nil, err
	}
	m := &Model{
		Name: opt.Name, Source: baseNames(files), SHA256: hash, Resize: infer.ResizeStretch,
		DefaultScore: opt.Score, Licence: opt.Licence, Notes: opt.Notes,
	}
	if opt.Letterbox {
		m.Resize = infer.ResizeLetterbox
	}
	if m.Name == "" {
		m.Name = strings.TrimSuffix(filepath.Base(files[0]), filepath.Ext(files[0]))
	}
	if m.DefaultScore == 0 {
		m.DefaultScore = officialScore
	}
	if m.DefaultScore < 0 || m.DefaultScore > 1 {
		return nil, fmt.Errorf("default score %v; expected 0 to 1", m.DefaultScore)
	}
	if err := m.setClasses(n.classes(), opt.Names); err != nil {
		return nil, err
	}
	if opt.Anchors == "" {
		opt.Anchors = officialAnchors
	}
	anchors, err := ParseAnchors(opt.Anchors)
	if err != nil {
		return nil, fmt.Errorf("anchors: %w", err)
	}
	m.Head = newHead(n.classes(), anchors)
	m.net = newFastNet(n)
	return m, nil
}

func (m *Model) setClasses(classes int, namesFile string) (err error) {
	if namesFile == "" {
		m.Classes, m.Warning = defaultNames(classes)
		return nil
	}
	data, err := os.ReadFile(namesFile)
	if err != nil {
		return fmt.Errorf("names: %w", err)
	}
	if m.Classes, err = parseNames(data); err != nil {
		return fmt.Errorf("names %s: %w", namesFile, err)
	}
	if len(m.Classes) != classes {
		return fmt.Errorf("names %s: %d names; expected %d, one for each class of the network", namesFile, len(m.Classes), classes)
	}
	return nil
}

func importFiles(files []string) (*network, string, error) {
	switch len(files) {
	case 1:
		return importPTH(files[0])
	case 2:
		return importNCNN(files[0], files[1])
	}
	return nil, "", errors.New("import takes one .pth file, or an ncnn .param file and its .bin file")
}

func importPTH(path string) (*network, string, error) {
	if ext := strings.ToLower(filepath.Ext(path)); ext == ".param" || ext == ".bin" {
		return nil, "", fmt.Errorf("model %s: an ncnn network is a .param and a .bin file; name both", path)
	}
	data, err := readFile(path)
	if err != nil {
		return nil, "", err
	}
	n, err := parsePTH(data)
	if err != nil {
		return nil, "", fmt.Errorf("model %s: %w", path, err)
	}
	return n, hashOf(data), nil
}

func importNCNN(paramPath, binPath string) (*network, string, error) {
	param, err := readFile(paramPath)
	if err != nil {
		return nil, "", err
	}
	bin, err := readFile(binPath)
	if err != nil {
		return nil, "", err
	}
	n, err := parseNCNN(param, bin)
	if err != nil {
		return nil, "", fmt.Errorf("model %s with %s: %w", paramPath, binPath, err)
	}
	return n, hashOf(param) + "+" + hashOf(bin), nil
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
