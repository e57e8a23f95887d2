package mot

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode"
)

// Info is what a sequence's seqinfo.ini says. What it leaves out is 0; a missing name is the folder's.
type Info struct {
	Name          string
	FrameRate     float64 // frames a second
	Length        int     // frames
	Width, Height int     // pixels
}

// Bounds of a frame rate, frames a second.
const MinRate, MaxRate = 0.01, 1000

const maxName = 100 // bytes

// InfoFile is the name of the file that ReadInfo reads.
const InfoFile = "seqinfo.ini"

// ReadInfo reads dir/seqinfo.ini. If there is none, the error is fs.ErrNotExist and Info has the folder's name.
func ReadInfo(dir string) (info Info, err error) {
	path := filepath.Join(dir, InfoFile)
	err = open(path, "sequence", func(f io.Reader) error {
		info, err = readInfo(f)
		return err
	})
	if info.Name == "" {
		info.Name = folderName(dir)
	}
	return info, err
}

func readInfo(f io.Reader) (Info, error) {
	var info Info
	s := bufio.NewScanner(io.LimitReader(f, 64<<10)) // a dozen short lines are usual
	for n := 1; s.Scan(); n++ {
		line := strings.TrimSpace(strings.TrimPrefix(s.Text(), bom))
		if line == "" || strings.ContainsRune(";#[", rune(line[0])) {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			return Info{}, fmt.Errorf("line %d: %s has no =; a line is key=value", n, quote(line))
		}
		if err := info.set(strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(value)); err != nil {
			return Info{}, fmt.Errorf("line %d: %w", n, err)
		}
	}
	return info, s.Err()
}

func (i *Info) set(key, value string) error {
	whole := func(to *int, most float64) error {
		v, err := number(key, value, 1, most, true)
		*to = int(v)
		return err
	}
	switch key {
	case "name":
		if len(value) > maxName || strings.ContainsAny(value, `/\\`) || strings.ContainsFunc(value, notPrintable) {
			return fmt.Errorf("name %s is no plain name of a sequence", quote(value))
		}
		i.Name = value
	case "framerate":
		v, err := number(key, value, MinRate, MaxRate, false)
		i.FrameRate = v
		return err
	case "seqlength":
		return whole(&i.Length, maxFrame)
	case "imwidth":
		return whole(&i.Width, maxCoord)
	case "imheight":
		return whole(&i.Height, maxCoord)
	}
	return nil
}

func notPrintable(r rune) bool { return !unicode.IsPrint(r) }

// folderName is the name of a folder, also of one given as "." or "..".
func folderName(dir string) string {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return filepath.Base(dir)
	}
	return filepath.Base(abs)
}

// SequenceDir is the folder of the sequence that a gt.txt or det.txt belongs to: the parent of the folder that it lies
// in, or that folder itself if the sequence's seqinfo.ini stands right beside the file.
func SequenceDir(file string) string {
	beside := filepath.Dir(file)
	if _, err := os.Stat(filepath.Join(beside, InfoFile)); err == nil {
		return beside
	}
	return filepath.Join(beside, "..")
}
