package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"yfv2d/eval/mot"
	"yfv2d/tracker"
)

// trackEvalOptions are the flags of `yfv2d track-eval`.
type trackEvalOptions struct {
	gt, det        string
	sequences      []string
	detDir         string
	fps            float64
	result, tracks string
	config         string
	every          int
	drop           float64 // per cent
	seed           uint64
	json           bool
}

func newTrackEvalCmd() *cobra.Command {
	var o trackEvalOptions
	cmd := &cobra.Command{
		Use:   "track-eval {--gt gt.txt --det det.txt | --seq DIR...}",
		Short: "Measure the tracker on sequences with known objects (MOTA, IDF1, HOTA)",
		Long: `track-eval runs the tracker over detections in MOTChallenge's form and prints the figures of CLEAR MOT, identity
and HOTA as the reference evaluator TrackEval defines them, with its preprocessing: only pedestrians count, results on
distractors are left out, IoU 0.5, HOTA over 0.05 to 0.95. Several sequences get a combined row.

A sequence's folder holds gt/gt.txt, det/det.txt and seqinfo.ini, which gives its length and rate; without that file
the rate is --fps and the last frame ends the sequence. The tracker has its default settings, or those under [tracker]
of the configuration that -c names. A track counts in the frames in which it was detected, and for as long after a miss
as its prediction is trusted (tracker.predict_intervals), not while its box is held.

Standard output is for the figures; anything else that should be known is told on standard error.`,
		Example: `  yfv2d track-eval --seq TUD-Campus --seq TUD-Stadtmitte --det-dir det-sort-frcnn
  yfv2d track-eval --gt TUD-Campus/gt/gt.txt --det TUD-Campus/det/det.txt --json
  yfv2d track-eval --gt TUD-Campus/gt/gt.txt --result tracks.txt`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runTrackEval(cmd, &o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.gt, "gt", "", "truth of one sequence: frame,id,left,top,width,height,mark,...")
	f.StringVar(&o.det, "det", "", "its detections: frame,-1,left,top,width,height,score,...")
	f.StringArrayVar(&o.sequences, "seq", nil, "`folder` of a sequence; may be repeated")
	f.StringVar(&o.detDir, "det-dir", "det", "`folder` of det.txt in each sequence's folder")
	f.Float64Var(&o.fps, "fps", 25, "frames a second, where no seqinfo.ini says it")
	f.StringVar(&o.result, "result", "", "evaluate this tracker's output instead of running the tracker: a `file`, or a folder with NAME.txt of each sequence")
	f.StringVar(&o.tracks, "tracks", "", "write the tracks here: a `file`, or of several sequences a folder for NAME.txt")
	f.StringVarP(&o.config, "config", "c", "", "take the tracker's settings from this configuration `file`")
	f.IntVar(&o.every, "every", 1, "use only every `N`th frame, from the first on")
	f.Float64Var(&o.drop, "drop", 0, "leave out `P` per cent of the detections, at random")
	f.Uint64Var(&o.seed, "seed", 1, "of --drop's choice")
	f.BoolVar(&o.json, "json", false, "print the figures as one JSON object")
	_ = cmd.MarkFlagFilename("config", "toml")
	for _, pair := range [][]string{
		{"seq", "gt"}, {"seq", "det"}, {"det-dir", "gt"}, {"result", "tracks"}, {"result", "drop"}, {"result", "config"}, {"result", "det-dir"},
	} {
		cmd.MarkFlagsMutuallyExclusive(pair...)
	}
	return cmd
}

// maxEvery is far beyond any use: at 25 frames a second it leaves one in a minute.
const maxEvery = 1500

// check finds what is wrong with the flags themselves.
func (o *trackEvalOptions) check() error {
	switch {
	case len(o.sequences) == 0 && o.gt == "":
		return usageErrorf("nothing to measure: give --gt with --det or --result, or --seq with a sequence's folder")
	case len(o.sequences) == 0 && o.det == "" && o.result == "":
		return usageErrorf("--gt alone says nothing of a tracker: give --det detections to run it on, or its --result")
	case !(o.fps >= mot.MinRate && o.fps <= mot.MaxRate):
		return usageErrorf("--fps %g is out of range (%g to %g)", o.fps, mot.MinRate, float64(mot.MaxRate))
	case o.every < 1 || o.every > maxEvery:
		return usageErrorf("--every %d is out of range (1 to %d)", o.every, maxEvery)
	case !(o.drop >= 0 && o.drop <= 100):
		return usageErrorf("--drop %g is out of range (0 to 100 per cent)", o.drop)
	}
	return nil
}

func runTrackEval(cmd *cobra.Command, o *trackEvalOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	settings := tracker.DefaultConfig()
	if o.config != "" {
		cfg, err := loadConfig(o.config, configHooks())
		if err != nil {
			return err
		}
		settings = cfg.Tracker.Config
	}
	sequences, err := o.load(cmd.Flags().Changed("fps"), cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	report := trackReport{Sequences: map[string]trackFigures{}}
	var combined mot.Counts
	for i, s := range sequences {
		if s.result == nil {
			if err := s.track(cmd.Context(), settings, o, uint64(i)); err != nil {
				return err
			}
			report.updates += len(s.frames)
			report.took += s.took
		}
		if o.tracks != "" {
			if err := writeTracks(o.file(o.tracks, s), s.result); err != nil {
				return err
			}
		}
		counts := mot.Evaluate(s.truth, s.result, s.frames)
		combined.Add(counts)
		report.names = append(report.names, s.name)
		report.Sequences[s.name] = newTrackFigures(counts)
	}
	report.Combined = newTrackFigures(&combined)
	return report.print(cmd.OutOrStdout(), o.json)
}

// file is where the tracks of a sequence are, or go to, if the flag for them says path.
func (o *trackEvalOptions) file(path string, s *trackSequence) string {
	if info, err := os.Stat(path); len(o.sequences) > 1 || err == nil && info.IsDir() {
		return filepath.Join(path, s.name+".txt")
	}
	return path
}

func writeTracks(path string, rows mot.Rows) error {
	return writeFile(filepath.Dir(path), filepath.Base(path), func(w io.Writer) error { return mot.Write(w, rows) })
}

// trackReport is what `yfv2d track-eval --json` prints.
type trackReport struct {
	Sequences map[string]trackFigures `json:"sequences"` // by name
	Combined  trackFigures            `json:"combined"`

	names   []string // in the order of the command line
	updates int      // of the tracker; 0 if it did not run
	took    time.Duration
}

// trackFigures are the figures of a sequence or of all together, in per cent with two decimals, and counts.
type trackFigures struct {
	MOTA float64 `json:"MOTA"`
	MOTP float64 `json:"MOTP"` // mean IoU of the matches
	IDF1 float64 `json:"IDF1"`
	IDP  float64 `json:"IDP"`
	IDR  float64 `json:"IDR"`
	HOTA float64 `json:"HOTA"`
	DetA float64 `json:"DetA"`
	AssA float64 `json:"AssA"`
	FP   int     `json:"FP"`
	FN   int     `json:"FN"`
	IDs  int     `json:"IDs"`
	Frag int     `json:"Frag"`
	MT   int     `json:"MT"`
	ML   int     `json:"ML"`
}

func newTrackFigures(c *mot.Counts) trackFigures {
	s := c.Scores()
	two := func(v float64) float64 { return round(v, 100) }
	return trackFigures{
		MOTA: two(s.MOTA), MOTP: two(s.MOTP), IDF1: two(s.IDF1), IDP: two(s.IDP), IDR: two(s.IDR),
		HOTA: two(s.HOTA), DetA: two(s.DetA), AssA: two(s.AssA),
		FP: s.FP, FN: s.FN, IDs: s.IDs, Frag: s.Frag, MT: s.MT, ML: s.ML,
	}
}

func (r *trackReport) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(r)
	}
	out := &lineWriter{w: w}
	wide := len("sequence")
	for _, n := range r.names {
		wide = max(wide, len([]rune(n)))
	}
	out.printf("%-*s   MOTA   MOTP   IDF1    IDP    IDR   HOTA   DetA   AssA     FP     FN    IDs   Frag     MT     ML", wide, "sequence")
	row := func(name string, f trackFigures) {
		out.printf("%-*s %6.2f %6.2f %6.2f %6.2f %6.2f %6.2f %6.2f %6.2f %6d %6d %6d %6d %6d %6d", wide, name,
			f.MOTA, f.MOTP, f.IDF1, f.IDP, f.IDR, f.HOTA, f.DetA, f.AssA, f.FP, f.FN, f.IDs, f.Frag, f.MT, f.ML)
	}
	for _, n := range r.names {
		row(n, r.Sequences[n])
	}
	if len(r.names) > 1 {
		row("combined", r.Combined)
	}
	if r.updates > 0 {
		ms := float64(r.took.Nanoseconds()) / 1e6 / float64(r.updates)
		out.printf("%d updates of the tracker, %.3f ms each", r.updates, ms)
	}
	return out.err
}
