package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"yfv2d/eval"
	"yfv2d/infer"
)

// evalOptions are the flags of `yfv2d eval`.
type evalOptions struct {
	model, images, ann string
	input, resize      string
	engine             string
	score, nms         float32
	json               bool
}

func newEvalCmd() *cobra.Command {
	var o evalOptions
	cmd := &cobra.Command{
		Use:   "eval --images DIR --ann instances.json",
		Short: "Measure a model on pictures with known objects (COCO average precision)",
		Long: `eval runs a model over the pictures of a COCO annotations file and prints average precision as the COCO
evaluator defines it, in per cent: over all classes, by object size and by class.

Pictures that cannot be read are named on standard error and left out; the exit code is then 1.

Of an int8 model, auto may find float faster and measure that: the figures name the engine. --engine xnnpack measures int8,
--engine opencv the rounded weights in float.`,
		Example: `  yfv2d eval --images val2017 --ann instances_val2017.json
  yfv2d eval --model weights.pth --images val2017 --ann instances_val2017.json --resize letterbox
  yfv2d eval --model int8.onnx --engine xnnpack --images val2017 --ann instances_val2017.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runEval(cmd, &o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.model, "model", "builtin", "builtin, an imported .onnx, or weights: .pth, or .param with its .bin beside it")
	f.StringVar(&o.images, "images", "", "folder of the pictures")
	f.StringVar(&o.ann, "ann", "", "COCO instances file")
	f.StringVar(&o.input, "input", "352x352", "network input: WIDTHxHEIGHT in multiples of 32, or auto (fits each picture's shape)")
	f.StringVar(&o.resize, "resize", "", "stretch or letterbox (default: as the model was trained)")
	f.StringVar(&o.engine, "engine", engineAuto, engineUsage)
	f.Float32Var(&o.score, "score", 0.01, "least score, 0 to 1")
	f.Float32Var(&o.nms, "nms", 0.4, "overlap (IoU) above which the weaker of two boxes goes, 0 to 1")
	f.BoolVar(&o.json, "json", false, "print the figures as one JSON object")
	_ = cmd.RegisterFlagCompletionFunc("engine", completeEngine)
	for _, name := range []string{"images", "ann"} {
		_ = cmd.MarkFlagRequired(name)
	}
	return cmd
}

func runEval(cmd *cobra.Command, o *evalOptions) error {
	input, err := infer.ParseInput(o.input)
	if err != nil {
		return usageErrorf("--%w", err)
	}
	if st, err := os.Stat(o.images); err != nil || !st.IsDir() {
		return fmt.Errorf("--images %s is no folder: name the one that holds the pictures of --ann", o.images)
	}
	data, err := eval.LoadDataset(o.ann)
	if err != nil {
		return err
	}
	ev, err := newEvaluator(o, input, data)
	if err != nil {
		return err
	}
	defer ev.close()
	if ev.warning != "" {
		fmt.Fprintln(cmd.ErrOrStderr(), "yfv2d:", ev.warning)
	}
	if n := len(data.Categories) - len(ev.categories); n > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "yfv2d: the model does not know %d of the %d categories: they are left out\n", n, len(data.Categories))
	}
	run, err := ev.run(cmd.Context(), cmd.ErrOrStderr(), o.images)
	if err != nil {
		return err
	}
	if len(run.seen) == 0 {
		return fmt.Errorf("no picture of %s could be read in %s", o.ann, o.images)
	}
	rep := eval.Evaluate(data.Only(run.seen), run.results, ev.categories...)
	if err := printEval(cmd.OutOrStdout(), o.json, newEvalReport(o, ev, rep, run.failed)); err != nil {
		return err
	}
	if run.failed > 0 {
		return fmt.Errorf("%d of %d pictures could not be read; the figures are those of the others", run.failed, len(data.Images))
	}
	return nil
}

// evalReport is what `yfv2d eval --json` prints. Figures are per cent, null where the pictures hold no such object.
type evalReport struct {
	Model   string          `json:"model"`
	Engine  string          `json:"engine"` // that ran the network
	Input   string          `json:"input"`
	Resize  string          `json:"resize"`
	Score   float64         `json:"score"`
	NMS     float64         `json:"nms"`
	Images  int             `json:"images"`  // that were evaluated
	Failed  int             `json:"failed"`  // that could not be read
	Objects int             `json:"objects"` // without crowds
	AP      *float64        `json:"ap"`      // mean over IoU 0.50 to 0.95
	AP50    *float64        `json:"ap50"`
	AP75    *float64        `json:"ap75"`
	Small   *float64        `json:"ap_small"` // below 32x32 pixels
	Medium  *float64        `json:"ap_medium"`
	Large   *float64        `json:"ap_large"` // above 96x96 pixels
	AR1     *float64        `json:"ar1"`      // recall with one detection of a class on a picture
	AR10    *float64        `json:"ar10"`
	AR100   *float64        `json:"ar100"`
	Classes []evalClassJSON `json:"classes"` // in the order of the category ids
}

type evalClassJSON struct {
	Class      string   `json:"class"`
	CategoryID int      `json:"category_id"`
	Objects    int      `json:"objects"`
	AP         *float64 `json:"ap"`
	AP50       *float64 `json:"ap50"`
	AP75       *float64 `json:"ap75"`
	AR100      *float64 `json:"ar100"`
}

func newEvalReport(o *evalOptions, ev *evaluator, r *eval.Report, failed int) evalReport {
	out := evalReport{
		Model: o.model, Engine: ev.engine, Input: o.input, Resize: ev.resize.String(), Score: round(float64(o.score), 1e6), NMS: round(float64(o.nms), 1e6),
		Images: r.Images, Failed: failed, Objects: r.Objects,
		AP: percent(r.AP), AP50: percent(r.AP50), AP75: percent(r.AP75),
		Small: percent(r.APSmall), Medium: percent(r.APMedium), Large: percent(r.APLarge),
		AR1: percent(r.AR1), AR10: percent(r.AR10), AR100: percent(r.AR100),
	}
	for _, c := range r.Classes {
		out.Classes = append(out.Classes, evalClassJSON{
			Class: c.Category.Name, CategoryID: c.Category.ID, Objects: c.Objects,
			AP: percent(c.AP), AP50: percent(c.AP50), AP75: percent(c.AP75), AR100: percent(c.AR100),
		})
	}
	return out
}

// percent turns 0..1 into per cent with two decimals; nil for NaN, which JSON does not have.
func percent(v float64) *float64 {
	if v != v {
		return nil
	}
	p := round(100*v, 100)
	return &p
}

func printEval(w io.Writer, asJSON bool, r evalReport) error {
	if asJSON {
		return json.NewEncoder(w).Encode(r)
	}
	return r.text(w)
}

// text writes the table for a person. Its first line is meant for scripts too: AP, AP50, AP75.
func (r *evalReport) text(w io.Writer) error {
	out := &lineWriter{w: w}
	out.printf("AP %s AP50 %s AP75 %s", figure(r.AP), figure(r.AP50), figure(r.AP75))
	out.printf("AP small %s medium %s large %s", figure(r.Small), figure(r.Medium), figure(r.Large))
	out.printf("AR 1 %s 10 %s 100 %s", figure(r.AR1), figure(r.AR10), figure(r.AR100))
	out.printf("%d images, %d objects; model %s on %s, input %s, %s, score %g, nms %g", r.Images, r.Objects, filepath.Base(r.Model), r.Engine, r.Input, r.Resize, r.Score, r.NMS)
	out.printf("")
	out.printf("%-16s %7s %6s %6s %6s %6s", "class", "objects", "AP", "AP50", "AP75", "AR100")
	for _, c := range r.Classes {
		if c.Objects > 0 {
			out.printf("%-16s %7d %6s %6s %6s %6s", c.Class, c.Objects, figure(c.AP), figure(c.AP50), figure(c.AP75), figure(c.AR100))
		}
	}
	return out.err
}

func figure(p *float64) string {
	if p == nil {
		return "-"
	}
	return fmt.Sprintf("%.2f", *p)
}

// lineWriter keeps the first error of a run of lines.
type lineWriter struct {
	w   io.Writer
	err error
}

func (l *lineWriter) printf(format string, args ...any) {
	if l.err == nil {
		_, l.err = fmt.Fprintf(l.w, format+"\n", args...)
	}
}
