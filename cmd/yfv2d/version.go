package main

import (
	"encoding/json"
	"fmt"
	"image"
	"runtime"
	"runtime/debug"

	"github.com/rs/zerolog"
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
	var ref string
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Long: `Print the version; with --verbose or --json also what the program was built with and runs networks with. --verbose tries
the engines on this machine, with the built-in model or the one that --model names.`,
		Example: "  yfv2d version --verbose\n  yfv2d version --verbose --model yolo-fastestv2-int8.onnx",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			v, out := currentVersion(), c.OutOrStdout()
			if c.Flags().Changed("model") && !verbose {
				return usageErrorf("--model goes with --verbose")
			}
			if asJSON {
				return json.NewEncoder(out).Encode(v)
			}
			text := "yfv2d " + v.Version + "\n"
			if verbose {
				engine, err := trial(ref)
				if err != nil {
					return err
				}
				enc, err := builtEncoders(zerolog.Nop()).choose(encoderAuto)
				if err != nil {
					return err
				}
				text += v.details(engine, enc.String())
			}
			_, err := fmt.Fprint(out, text)
			return err
		},
	}
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "also print commit, Go, OpenCV, engine, encoders and built-in model")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	c.Flags().StringVar(&ref, "model", model.BuiltinName, "with --verbose: try the engines with this `model`, builtin or a file")
	c.MarkFlagsMutuallyExclusive("verbose", "json")
	return c
}

// trial is what auto would take for a model on this machine, and why.
func trial(ref string) (string, error) {
	m, err := loadModel(ref)
	if err != nil {
		return "", err
	}
	e, err := builtEngines.choose(engineAuto, m, image.Point{})
	switch {
	case err != nil:
		return "", err
	case !xnn.Built:
		return fmt.Sprintf("%s (%v)", e.name, xnn.ErrNotBuilt), nil
	case e.warning != "":
		return fmt.Sprintf("%s (%s)", e.name, e.warning), nil
	case e.choice != "":
		return fmt.Sprintf("%s (%s; %s at %dx%d)", e.name, e.choice, m.Name, probeInput.X, probeInput.Y), nil
	}
	return fmt.Sprintf("%s (%.1f ms a forward of %s at %dx%d)", e.name, e.ms, m.Name, probeInput.X, probeInput.Y), nil
}

func (v versionInfo) details(engine, encoders string) string {
	commit := v.Commit
	if commit == "" {
		commit = "unknown"
	}
	return fmt.Sprintf("commit   %s\ngo       %s %s/%s\nopencv   %s\nengine   %s\nencoders %s\nmodel    %s (built in)\n",
		commit, v.Go, v.OS, v.Arch, v.OpenCV, engine, encoders, v.Model)
}
