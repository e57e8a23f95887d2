// Command bundlepage joins the page's modules into few small files, stream/bundle. Each file costs a browser several processes'
// attention, and it fetches six at a time: on a small machine twenty files were a third of the time to the first picture.
// go generate ./stream runs it; a test says when that was forgotten.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// entries are what the page's HTML names. early.js stays a file of its own, which runs before the rest is there, and app.js
// imports it as that.
var entries = []string{"app.js", "early.js", "login.js", "page.css"}

const outside = "./early.js"

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, "bundlepage:", err)
		os.Exit(1)
	}
}

// run writes the bundle of the package stream in dir.
func run(dir string) error {
	files, err := bundle(filepath.Join(dir, "web"))
	if err != nil {
		return err
	}
	out := filepath.Join(dir, "bundle")
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(out, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// bundle gives the joined files of a folder by name.
func bundle(web string) (map[string][]byte, error) {
	web, err := filepath.Abs(web)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, entry := range entries {
		options := api.BuildOptions{
			AbsWorkingDir: web, EntryPoints: []string{entry}, Outfile: entry, Bundle: true, Format: api.FormatESModule,
			MinifyWhitespace: true, MinifyIdentifiers: true, MinifySyntax: true, Charset: api.CharsetUTF8, LogLevel: api.LogLevelSilent,
			Target: api.ES2022, LegalComments: api.LegalCommentsNone,
		}
		if entry == "app.js" {
			options.External = []string{outside}
		}
		result := api.Build(options)
		if len(result.Errors) > 0 {
			return nil, errors.New(strings.TrimSpace(strings.Join(api.FormatMessages(result.Errors, api.FormatMessagesOptions{}), "")))
		}
		files[entry] = result.OutputFiles[0].Contents
	}
	return files, nil
}
