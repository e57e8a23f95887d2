package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"yfv2d/infer/model"
)

// newModelCmd is `yfv2d model`: weights in, models out.
func newModelCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "model",
		Short: "Import, fetch, quantise and describe models",
	}
	c.AddCommand(newModelImportCmd(), newModelFetchCmd(), newModelQuantizeCmd(), newModelInfoCmd())
	return c
}

func newModelImportCmd() *cobra.Command {
	var opt model.ImportOptions
	var out, resize string
	var builtin bool
	c := &cobra.Command{
		Use:   "import FILE... -o MODEL.onnx",
		Short: "Make a model of YOLO-FastestV2 weights",
		Long: `Make a model of YOLO-FastestV2 weights: a PyTorch .pth file (a state dict), or an ncnn .param and .bin file.

Any number of classes works. Nothing in the file is run. The model is an ONNX file that holds the rewritten network,
the class names, the anchors and where the weights came from; it can be used at any input size that is a multiple of 32.`,
		Example: `  yfv2d model import coco2017-0.241078ap-model.pth -o yolo-fastestv2.onnx
  yfv2d model import my.param my.bin -o my.onnx --names my.names --anchors "12,19 38,51 56,138 127,78 132,215 280,259"`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return usageErrorf("model import takes one .pth file, or an ncnn .param and .bin file; got %d files", len(args))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if out == "" {
				return usageErrorf("model import: say where the model goes with -o FILE.onnx")
			}
			if resize != "stretch" && resize != "letterbox" {
				return usageErrorf("model import: --resize is %q; expected stretch or letterbox", resize)
			}
			if builtin {
				opt = model.BuiltinOptions()
			}
			opt.Letterbox = resize == "letterbox"
			return importModel(c, opt, out, args)
		},
	}
	f := c.Flags()
	f.StringVarP(&out, "output", "o", "", "the `file` to write, *.onnx")
	f.StringVar(&opt.Names, "names", "", "`file` with one class name a line (default: COCO's names for 80 classes, else class0, class1 ...)")
	f.StringVar(&opt.Anchors, "anchors", "", "six `w,h` pairs in pixels, the three of stride 16 first (default: the official ones)")
	f.StringVar(&resize, "resize", "stretch", "how the training pictures were fitted to the input: stretch or letterbox")
	f.Float32Var(&opt.Score, "score", 0.3, "the model's default `score`, over 0 to 1")
	f.StringVar(&opt.Name, "name", "", "the model's `name` (default: the file's)")
	f.StringVar(&opt.Licence, "licence", "", "a `line` about the licence of the weights")
	f.StringVar(&opt.Notes, "notes", "", "a `line` for the model's card")
	f.BoolVar(&builtin, "builtin", false, "use the options of the built-in model")
	_ = f.MarkHidden("builtin") // for `go generate`
	return c
}

func importModel(c *cobra.Command, opt model.ImportOptions, out string, files []string) error {
	m, err := model.Import(opt, files...)
	if err != nil {
		return err
	}
	if m.Warning != "" {
		fmt.Fprintln(c.ErrOrStderr(), "yfv2d:", m.Warning)
	}
	if err := writeModel(m, out); err != nil {
		return err
	}
	return sayInstalled(c.OutOrStdout(), m, out)
}

// writeModel writes the model's file in one step.
func writeModel(m *model.Model, path string) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".model-*")
	if err != nil {
		return fmt.Errorf("write model: %w", err)
	}
	defer os.Remove(tmp.Name()) // gone already if all went well
	_, err = tmp.Write(m.Encode())
	if err == nil {
		err = tmp.Chmod(0o644)
	}
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write model %s: %w", path, err)
	}
	return nil
}

// sayInstalled tells what a model file holds and how to use it.
func sayInstalled(w io.Writer, m *model.Model, path string) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "wrote %s: %s, %d classes\n", path, m.Name, len(m.Classes))
	fmt.Fprintf(w, "use it with this line in config.toml:\nmodel = %s\n", tomlString(abs))
	return nil
}

// tomlString quotes s for TOML, whose basic strings take JSON's escapes.
func tomlString(s string) string {
	b, _ := json.Marshal(s) // a string always encodes
	return string(b)
}

func newModelInfoCmd() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "info FILE|builtin",
		Short: "Describe a model",
		Long: `Describe a model: its classes, input, size and speed in parameters and multiply-adds, layers, and where its weights
came from.`,
		Example: `  yfv2d model info builtin
  yfv2d model info --json yolo-fastestv2.onnx`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageErrorf("model info takes one model file, or builtin; got %d names", len(args))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			m, err := loadModel(args[0])
			if err != nil {
				return err
			}
			info, err := m.Info()
			if err != nil {
				return err
			}
			if asJSON {
				e := json.NewEncoder(c.OutOrStdout())
				e.SetEscapeHTML(false)
				return e.Encode(info)
			}
			_, err = io.WriteString(c.OutOrStdout(), card(info))
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

// card is a model's description for a person.
func card(i *model.Info) string {
	var layers []string
	for _, l := range i.Layers {
		layers = append(layers, fmt.Sprintf("%d %s", l.Count, l.Op))
	}
	var s strings.Builder
	line := func(key, value string) {
		if value != "" {
			fmt.Fprintf(&s, "%-15s%s\n", key, value)
		}
	}
	line("model", i.Name)
	line("file", i.File)
	line("classes", fmt.Sprintf("%d: %s", len(i.Classes), shorten(i.Classes, 12)))
	line("input", fmt.Sprintf("%dx%d BGR, %s in training; any width and height from 64 on that are multiples of 32", i.Input[0], i.Input[1], resized(i.Resize)))
	line("parameters", thousands(int64(i.Parameters)))
	line("precision", i.Precision)
	line("multiply-adds", fmt.Sprintf("%s at %dx%d", thousands(i.MACs), i.Input[0], i.Input[1]))
	line("layers", strings.Join(layers, ", "))
	line("anchors", i.Anchors)
	line("default score", strconv.FormatFloat(float64(i.DefaultScore), 'g', -1, 32))
	line("source", i.Source)
	line("source sha256", i.SourceSHA256)
	line("sha256", i.SHA256)
	line("licence", i.Licence)
	line("notes", i.Notes)
	return s.String()
}

func resized(mode string) string {
	if mode == "stretch" {
		return "stretched"
	}
	return "letterboxed"
}

func shorten(names []string, n int) string {
	if len(names) <= n {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:n], ", ") + " ..."
}

// thousands groups a number's digits by commas.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
