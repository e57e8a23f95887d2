package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"yfv2d/fetch"
	"yfv2d/infer/model"
)

// published is a weights file that its authors publish and that we may not ship.
type published struct {
	name   string   // of the model
	file   string   // the weights' file name
	urls   []string // the same file, tried in order
	sha256 string
	bytes  int64
	says   string // what a user must know before using it
}

// officialWeights is pinned by commit. The second address has the full hash of another commit with a file of that name,
// for a host that wants full hashes. Whatever arrives must have the SHA-256.
var officialWeights = published{
	name: "yolo-fastestv2",
	file: "coco2017-0.241078ap-model.pth",
	urls: []string{
		"https://raw.githubusercontent.com/dog-qiuqiu/Yolo-FastestV2/ac2a5e3/modelzoo/coco2017-0.241078ap-model.pth",
		"https://raw.githubusercontent.com/dog-qiuqiu/Yolo-FastestV2/ef96e53239e11e46ce568a096e11801cd55ecc9e/modelzoo/coco2017-0.241078ap-model.pth",
	},
	sha256: "bdd956aa079bf1cdd3e0090a295ac26d73c40aef7b61b6405981b1afcbea985c",
	bytes:  1158025,
	says: "note: these are the official YOLO-FastestV2 weights by dog-qiuqiu; their repository states no licence, " +
		"so whether you may use them is for you to find out",
}

func newModelFetchCmd() *cobra.Command {
	return fetchCommand(officialWeights)
}

// fetchCommand is `yfv2d model fetch` for one published file.
func fetchCommand(p published) *cobra.Command {
	var from, dir string
	c := &cobra.Command{
		Use:   "fetch [" + p.name + "]",
		Short: "Download the official weights and make a model of them",
		Long: `Download the official YOLO-FastestV2 weights from their authors' repository, check their hash, and make a model of them
in the state directory: $STATE_DIRECTORY, else /var/lib/yfv2d for root, else $XDG_STATE_HOME/yfv2d or ~/.local/state/yfv2d.

A download that was cut is resumed by the next call. The weights' repository states no licence; yfv2d does not ship them.`,
		Example: `  yfv2d model fetch
  yfv2d model fetch --from ~/Downloads/coco2017-0.241078ap-model.pth`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 || len(args) == 1 && args[0] != p.name {
				return usageErrorf("model fetch knows one model: %s", p.name)
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error {
			if dir == "" {
				var err error
				if dir, err = stateDir(); err != nil {
					return err
				}
			}
			return fetchModel(c, p, from, dir)
		},
	}
	c.Flags().StringVar(&from, "from", "", "take the weights from this `URL or file` (a mirror; the hash must be the same)")
	c.Flags().StringVar(&dir, "dir", "", "the state `directory`")
	return c
}

// fetchModel downloads or copies the weights, imports them and installs the model under dir/models.
func fetchModel(c *cobra.Command, p published, from, dir string) error {
	fmt.Fprintln(c.ErrOrStderr(), p.says)
	models := filepath.Join(dir, "models")
	if err := os.MkdirAll(models, 0o755); err != nil {
		return fmt.Errorf("state directory: %w; name another with --dir", err)
	}
	out := filepath.Join(models, p.name+".onnx")
	if m, err := model.Open(out); err == nil && m.SHA256 == p.sha256 {
		fmt.Fprintln(c.ErrOrStderr(), "already there")
		return sayInstalled(c.OutOrStdout(), m, out)
	}
	weights, fetched, err := p.weights(c, from, models)
	if err != nil {
		return err
	}
	m, err := model.Import(model.ImportOptions{Name: p.name, Licence: "not stated by its authors (dog-qiuqiu/Yolo-FastestV2)"}, weights)
	if err != nil {
		return err
	}
	if m.SHA256 != p.sha256 {
		return fmt.Errorf("%s has SHA-256 %s; expected %s", weights, m.SHA256, p.sha256)
	}
	m.Source = p.file
	if err := writeModel(m, out); err != nil {
		return err
	}
	if fetched {
		_ = os.Remove(weights) // the model holds all of it
	}
	return sayInstalled(c.OutOrStdout(), m, out)
}

// weights returns a local path of the file, and whether it was downloaded there.
func (p published) weights(c *cobra.Command, from, dir string) (path string, fetched bool, err error) {
	if from != "" && !isURL(from) {
		return from, false, nil
	}
	urls := p.urls
	if from != "" {
		urls = []string{from}
	}
	path = filepath.Join(dir, p.file)
	for _, u := range urls {
		if err = p.download(c.Context(), c.ErrOrStderr(), u, path); err == nil {
			return path, true, nil
		}
		if c.Context().Err() != nil {
			break
		}
	}
	if errors.Is(err, context.Canceled) {
		return "", false, errors.New("stopped; the same command resumes the download")
	}
	return "", false, fmt.Errorf("%w; a mirror or a file can be named with --from", err)
}

func isURL(s string) bool {
	return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://")
}

func (p published) download(ctx context.Context, stderr io.Writer, url, path string) error {
	report, done := byteProgress(stderr, p.file)
	defer done()
	return fetch.File(ctx, fetch.Request{URL: url, Path: path, SHA256: p.sha256, MaxBytes: 2 * p.bytes, Progress: report})
}

// byteProgress shows a download on a terminal, and nothing elsewhere.
func byteProgress(w io.Writer, what string) (report func(done, total int64), done func()) {
	if !isTerminal(w) {
		return nil, func() {}
	}
	bar := progressbar.NewOptions64(-1,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetTheme(progressbar.ThemeASCII),
		progressbar.OptionSetWidth(24),
		progressbar.OptionSetDescription(what),
		progressbar.OptionShowBytes(true),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)
	return func(n, total int64) {
		if total > 0 && bar.GetMax64() != total {
			bar.ChangeMax64(total)
		}
		_ = bar.Set64(n)
	}, func() { _ = bar.Clear(); _ = bar.Exit() }
}
