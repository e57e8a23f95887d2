package main

import (
	"encoding/json"
	"fmt"
	"image"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
	"gocv.io/x/gocv"

	"yfv2d"
	"yfv2d/infer/model"
	"yfv2d/infer/xnn"
)

// Set by the linker (-X main.version=... -X main.commit=...); empty in a plain go build.
var version, commit string

// versionInfo is what `yfv2d version --json` prints and /api/version serves.
type versionInfo struct {
	Version string `json:"version"`
	Commit  string `json:"commit"` // empty if unknown
	Go      string `json:"go"`
	OpenCV  string `json:"opencv"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
	Engine  string `json:"engine"` // that auto takes if nothing is wrong
	Model   string `json:"model"`  // the built-in one
}

// currentVersion is this program's version. What the linker was not told comes from the VERSION file and from Go's
// build information.
func currentVersion() versionInfo {
	v := versionInfo{
		Version: version, Commit: commit, Go: runtime.Version(), OpenCV: gocv.OpenCVVersion(),
		OS: runtime.GOOS, Arch: runtime.GOARCH, Engine: defaultEngine(), Model: builtinName(),
	}
	if v.Version == "" {
		v.Version = yfv2d.Version()
	}
	if v.Commit == "" {
		v.Commit = builtFrom()
	}
	return v
}

// builtFrom is the commit that Go noted at build time, empty if it noted none.
func builtFrom() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}

// builtinName is the name of the model that the program carries inside.
func builtinName() string {
	m, err := model.Builtin()
	if err != nil {
		return "damaged: " + err.Error() // the build was tampered with; the version can still be told
	}
	return m.Name
}

func newVersionCmd() *cobra.Command {
	var verbose, asJSON bool
	c := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Long:    "Print the version; with --verbose or --json also what the program was built with and runs networks with.",
		Example: "  yfv2d version --verbose",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			v, out := currentVersion(), c.OutOrStdout()
			if asJSON {
				return json.NewEncoder(out).Encode(v)
			}
			text := "yfv2d " + v.Version + "\n"
			if verbose {
				text += v.details(trial())
			}
			_, err := fmt.Fprint(out, text)
			return err
		},
	}
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "also print commit, Go, OpenCV, engine and built-in model")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	c.MarkFlagsMutuallyExclusive("verbose", "json")
	return c
}

// trial is what auto would take for the built-in model on this machine.
func trial() string {
	m, err := model.Builtin()
	if err != nil {
		return err.Error()
	}
	e, err := builtEngines.choose(engineAuto, m, image.Point{})
	switch {
	case err != nil:
		return err.Error()
	case !xnn.Built:
		return fmt.Sprintf("%s (%v)", e.name, xnn.ErrNotBuilt)
	case e.warning != "":
		return fmt.Sprintf("%s (%s)", e.name, e.warning)
	}
	return fmt.Sprintf("%s (%.1f ms a forward of the built-in model at %dx%d)", e.name, e.ms, probeInput.X, probeInput.Y)
}

func (v versionInfo) details(engine string) string {
	commit := v.Commit
	if commit == "" {
		commit = "unknown"
	}
	return fmt.Sprintf("commit   %s\ngo       %s %s/%s\nopencv   %s\nengine   %s\nmodel    %s (built in)\n",
		commit, v.Go, v.OS, v.Arch, v.OpenCV, engine, v.Model)
}
