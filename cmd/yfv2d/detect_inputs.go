package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"yfv2d/capture"
)

// input is one picture, video or live source to look at.
type input struct {
	spec string // for capture.Open
	name string // for a person, and as the output says it; never holds a password
	err  error  // why it cannot be looked at, known before it is opened
}

// videoNames are the extensions that a folder's videos are known by.
var videoNames = map[string]bool{
	".mp4": true, ".m4v": true, ".mov": true, ".mkv": true, ".webm": true, ".avi": true, ".mpg": true, ".mpeg": true,
	".ts": true, ".mts": true, ".m2ts": true, ".wmv": true, ".flv": true, ".3gp": true, ".ogv": true, ".gif": true,
}

// plain is an error of opening the input without the source string before it, which for a file only repeats the name.
func (in input) plain(err error) error {
	if inner := errors.Unwrap(err); inner != nil && strings.HasPrefix(in.spec, "file:") {
		return inner
	}
	return err
}

var sourceKind = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]+:`)

// expand turns the arguments into inputs: folders and globs into their files, in natural order.
func expand(args []string) []input {
	var all []input
	for _, arg := range args {
		all = append(all, expandOne(arg)...)
	}
	return all
}

func expandOne(arg string) []input {
	path := arg
	if rest, ok := strings.CutPrefix(arg, "file:"); ok && !fileExists(arg) {
		path = strings.TrimPrefix(rest, "//")
	} else if sourceKind.MatchString(arg) && !fileExists(arg) {
		return []input{{spec: arg, name: capture.Redact(arg)}}
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return folder(path)
	case err != nil && strings.ContainsAny(path, "*?["):
		return glob(path)
	case errors.Is(err, os.ErrNotExist):
		return []input{{name: path, err: fmt.Errorf("%s does not exist", path)}}
	}
	return []input{file(path)}
}

// file is an input that is a path; the prefix keeps a name with a colon from being taken for a source.
func file(path string) input { return input{spec: "file:" + path, name: path} }

func files(paths []string) []input {
	slices.SortFunc(paths, capture.NaturalCompare)
	all := make([]input, len(paths))
	for i, p := range paths {
		all[i] = file(p)
	}
	return all
}

// folder is its pictures and videos, without subfolders and hidden files.
func folder(dir string) []input {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return []input{{name: dir, err: err}}
	}
	var paths []string
	for _, e := range entries {
		n := e.Name()
		if !e.IsDir() && !strings.HasPrefix(n, ".") && (capture.IsPicture(n) || videoNames[strings.ToLower(filepath.Ext(n))]) {
			paths = append(paths, filepath.Join(dir, n))
		}
	}
	if len(paths) == 0 {
		return []input{{name: dir, err: fmt.Errorf("folder %s holds no picture and no video", dir)}}
	}
	return files(paths)
}

// glob is the files that a pattern matches (the shell leaves it to us when it is quoted).
func glob(pattern string) []input {
	matches, err := filepath.Glob(pattern)
	if err != nil {
		return []input{{name: pattern, err: fmt.Errorf("pattern %s: an opening [ lacks its ]", pattern)}}
	}
	matches = slices.DeleteFunc(matches, func(p string) bool {
		info, err := os.Stat(p)
		return err == nil && info.IsDir()
	})
	if len(matches) == 0 {
		return []input{{name: pattern, err: fmt.Errorf("%s matches no file", pattern)}}
	}
	return files(matches)
}
