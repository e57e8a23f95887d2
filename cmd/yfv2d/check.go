package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"yfv2d/capture"
	"yfv2d/cmd/yfv2d/config"
	"yfv2d/infer/model"
)

// defaultConfigFile is what the commands read that have no -c.
const defaultConfigFile = "config.toml"

func newCheckCmd() *cobra.Command {
	file := defaultConfigFile
	c := &cobra.Command{
		Use:   "check [-c FILE]",
		Short: "Check a configuration file and say everything that is wrong with it",
		Long: `check reads the configuration as run would, opens the model, and reports every fault at once, each on its own line:
file, line, key, what is wrong, what is allowed. Cameras are not opened. The exit code is 78 if anything is wrong.`,
		Example: "  yfv2d check -c config.toml",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := loadConfig(file, configHooks())
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s: ok: %s, %s\n", file, summary(cfg), accessSummary(cfg.Server))
			if text := certificateText(cfg.Server.TLS); text != "" {
				fmt.Fprintln(c.OutOrStdout(), text)
			}
			return nil
		},
	}
	c.Flags().StringVarP(&file, "config", "c", file, "configuration `file`")
	_ = c.MarkFlagFilename("config", "toml")
	return c
}

// loadConfig reads a configuration; its faults end the program with the code that stops a service manager from trying again.
func loadConfig(file string, hooks config.Hooks) (*config.Config, error) {
	cfg, err := config.Load(file, hooks)
	if err != nil {
		return nil, exitError{exitConfig, err}
	}
	capture.Hide(cfg.Secrets)
	return cfg, nil
}

// configHooks lets the other packages check what is theirs.
func configHooks() config.Hooks {
	return config.Hooks{CheckSource: capture.Check, CheckCamera: checkTruth, Model: findModel}
}

// findModel finds the model that a configuration names, a fetched one by its name alone, and reads its class names.
func findModel(ref string) (path string, classes []string, err error) {
	if ref != model.BuiltinName && !strings.ContainsAny(ref, "./") {
		if ref, err = fetchedModel(ref); err != nil {
			return "", nil, err
		}
	}
	m, err := model.Load(ref)
	if err != nil {
		return "", nil, err
	}
	return ref, m.Classes, nil
}

// fetchedModel is the file of a model that was fetched.
func fetchedModel(name string) (string, error) {
	dir, err := stateDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "models", name+".onnx")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if name == officialWeights.name {
		return "", fmt.Errorf("it is not in %s; get it with `yfv2d model fetch`", filepath.Dir(path))
	}
	return "", fmt.Errorf("there is no model of this name in %s; for a file give its path", filepath.Dir(path))
}

// summary is a checked configuration in a few words.
func summary(cfg *config.Config) string {
	off := 0
	for _, cam := range cfg.Cameras {
		if !cam.Enabled {
			off++
		}
	}
	if len(cfg.Cameras) == 0 {
		return "no camera yet (add a [[camera]] with name and source), model " + cfg.Model
	}
	s := fmt.Sprintf("%d camera", len(cfg.Cameras))
	if len(cfg.Cameras) != 1 {
		s += "s"
	}
	if off > 0 {
		s += fmt.Sprintf(" (%d off)", off)
	}
	return s + ", model " + cfg.Model
}
