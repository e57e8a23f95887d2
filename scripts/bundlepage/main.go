// Command bundlepage joins the page's modules into few small files, stream/bundle. Each file costs a browser several processes'
// attention, and it fetches six at a time: on a small machine twenty files were a third of the time to the first picture.
// go generate ./stream runs it; a test says when that was forgotten.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// early is a script of its own, which runs before the page's body is there. It is no module when it is served, since browsers run
// those later; app.js finds what it exports in a global of this name.
const (
	early       = "early.js"
	earlyGlobal = "yfv2dEarly"
)

// entries are what the page's HTML names; early comes first, since app.js needs to know what it exports.
var entries = []string{early, "app.js", "login.js", "page.css"}

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
	var exports []string // of early
	for _, entry := range entries {
		options := api.BuildOptions{
			AbsWorkingDir: web, EntryPoints: []string{entry}, Outfile: entry, Bundle: true, Format: api.FormatESModule,
			MinifyWhitespace: true, MinifyIdentifiers: true, MinifySyntax: true, Charset: api.CharsetUTF8, LogLevel: api.LogLevelSilent,
			Target: api.ES2022, LegalComments: api.LegalCommentsNone,
		}
		switch entry {
		case early:
			options.Format, options.GlobalName = api.FormatIIFE, earlyGlobal
			if exports, err = exportsOf(filepath.Join(web, early)); err != nil {
				return nil, err
			}
		case "app.js":
			options.Plugins = []api.Plugin{found(exports)}
		}
		result := api.Build(options)
		if len(result.Errors) > 0 {
			return nil, errors.New(strings.TrimSpace(strings.Join(api.FormatMessages(result.Errors, api.FormatMessagesOptions{}), "")))
		}
		files[entry] = result.OutputFiles[0].Contents
	}
	return files, nil
}

var exported = regexp.MustCompile(`(?m)^export (?:const|(?:async )?function) (\w+)`)

// exportsOf are the names that a module exports.
func exportsOf(file string) ([]string, error) {
	source, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, m := range exported.FindAllStringSubmatch(string(source), -1) {
		names = append(names, m[1])
	}
	return names, nil
}

// found makes the module early stand for what its script left in the global.
func found(exports []string) api.Plugin {
	contents := "export const { " + strings.Join(exports, ", ") + " } = globalThis." + earlyGlobal + ";"
	return api.Plugin{Name: "early", Setup: func(b api.PluginBuild) {
		b.OnLoad(api.OnLoadOptions{Filter: `/early\.js$`}, func(api.OnLoadArgs) (api.OnLoadResult, error) {
			return api.OnLoadResult{Contents: &contents, Loader: api.LoaderJS}, nil
		})
	}}
}
