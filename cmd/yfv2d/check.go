package main

import (
	"errors"
	"fmt"
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
			fmt.Fprintf(c.OutOrStdout(), "%s: ok: %s\n", file, summary(cfg))
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
	return cfg, nil
}

// configHooks lets the other packages check what is theirs.
func configHooks() config.Hooks {
	return config.Hooks{CheckSource: capture.Check, Model: modelClasses}
}

// modelClasses reads a model for its class names.
func modelClasses(ref string) ([]string, error) {
	if ref != model.BuiltinName && !strings.ContainsAny(ref, `./\`) {
		return nil, errors.New("there is no model of this name; give the path of an .onnx file")
	}
	m, err := model.Load(ref)
	if err != nil {
		return nil, err
	}
	return m.Classes, nil
}

// summary is a checked configuration in a few words.
func summary(cfg *config.Config) string {
	off := 0
	for _, cam := range cfg.Cameras {
		if !cam.Enabled {
			off++
		}
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
