package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"yfv2d/infer/xnn"
)

var update = flag.Bool("update", false, "write the goldens in testdata anew")

// yfv2d runs one command line in this process.
func runCLI(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return runCLIContext(t, context.Background(), args...)
}

func runCLIContext(t *testing.T, ctx context.Context, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = execute(ctx, args, &out, &errs)
	return code, out.String(), errs.String()
}

func TestExitCodes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		args   string
		code   int
		stderr string // part of the one line
	}{
		{"version", "version", exitOK, ""},
		{"help", "--help", exitOK, ""},
		{"no command", "", exitOK, ""},
		{"help of a command", "version --help", exitOK, ""},
		{"misspelt command", "versoin", exitUsage, `no command "versoin": did you mean version?`},
		{"unknown command", "qqqqqq", exitUsage, `no command "qqqqqq": yfv2d --help lists them`},
		{"misspelt nested command", "gen mam", exitUsage, `yfv2d gen has no command "mam": did you mean man?`},
		{"unknown flag", "version --colour", exitUsage, "unknown flag: --colour"},
		{"argument too many", "version 1", exitUsage, `unexpected argument "1"`},
		{"argument missing", "gen man", exitUsage, "accepts 1 arg"},
		{"flags that exclude each other", "version --json --verbose", exitUsage, "none of the others can be"},
		{"work that fails", "gen man /dev/null/x", exitFailed, "not a directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, _, stderr := runCLI(t, strings.Fields(tt.args)...)
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			checkErrorLine(t, stderr, tt.stderr)
		})
	}
}

// checkErrorLine wants nothing on standard error, or one line that begins with the program's name and holds part.
func checkErrorLine(t *testing.T, stderr, part string) {
	t.Helper()
	if part == "" {
		if stderr != "" {
			t.Errorf("standard error says %q, want nothing", stderr)
		}
		return
	}
	if !strings.HasPrefix(stderr, "yfv2d: ") || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, part) {
		t.Errorf("standard error says %q, want one line with %q", stderr, part)
	}
}

func TestExitErrorIsFoundWhenWrapped(t *testing.T) {
	base := errors.New("bad")
	for name, err := range map[string]error{
		"value":   exitError{exitConfig, base},
		"pointer": &exitError{exitConfig, base},
		"wrapped": fmt.Errorf("check: %w", exitError{exitConfig, base}),
	} {
		if got := exitCode(err); got != exitConfig {
			t.Errorf("%s: exit code %d, want %d", name, got, exitConfig)
		}
		if !errors.Is(err, base) {
			t.Errorf("%s hides its cause", name)
		}
	}
}

func TestReport(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"one line", errors.New("a"), "yfv2d: a\n"},
		{"several faults", errors.Join(errors.New("a"), errors.New("b")), "yfv2d: a\nyfv2d: b\n"},
		{"said already", exitError{exitFailed, errors.New("")}, ""},
		{"reader gone", fmt.Errorf("write: %w", syscall.EPIPE), ""},
		{"none", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			report(&b, tt.err)
			if b.String() != tt.want {
				t.Errorf("reported %q, want %q", b.String(), tt.want)
			}
		})
	}
}

// walk visits every command that a person can see, and the generators.
func walk(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, sub := range c.Commands() {
		walk(sub, visit)
	}
}

func TestEverythingHasHelp(t *testing.T) {
	walk(newRootCmd(), func(c *cobra.Command) {
		t.Run(strings.ReplaceAll(c.CommandPath(), " ", "_"), func(t *testing.T) {
			if c.Short == "" || strings.HasSuffix(c.Short, ".") {
				t.Errorf("short help %q: want a phrase without a full stop", c.Short)
			}
			if c.Runnable() && c.Long == "" {
				t.Error("no long help")
			}
			if c.Runnable() && !strings.HasPrefix(c.Example, "  ") {
				t.Errorf("example %q: want one, indented by two spaces", c.Example)
			}
			c.Flags().VisitAll(func(f *pflag.Flag) {
				if f.Usage == "" {
					t.Errorf("--%s has no help", f.Name)
				}
			})
			for _, line := range strings.Split(c.Long+"\n"+c.Example, "\n") {
				if len(line) > 125 {
					t.Errorf("help line of %d characters: %s", len(line), line)
				}
			}
		})
	})
}

func TestManPage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man1")
	if code, _, stderr := runCLI(t, "gen", "man", dir); code != exitOK {
		t.Fatal(stderr)
	}
	page, err := os.ReadFile(filepath.Join(dir, "yfv2d.1"))
	if err != nil {
		t.Fatal(err)
	}
	root := newRootCmd()
	walk(root, func(c *cobra.Command) {
		if c.Hidden || c.HasParent() && c.Parent().Hidden || c.HasSubCommands() {
			return
		}
		if !bytes.Contains(page, []byte(".SS "+roff(c.CommandPath()))) {
			t.Errorf("the page says nothing of %s", c.CommandPath())
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden && !bytes.Contains(page, []byte(`\fB`+roff("--"+f.Name)+`\fR`)) {
				t.Errorf("the page says nothing of %s --%s", c.CommandPath(), f.Name)
			}
		})
	})
	if bytes.Contains(page, []byte("yfv2d gen")) {
		t.Error("the page tells of a hidden command")
	}
	if groff, err := exec.LookPath("groff"); err == nil {
		out, err := exec.Command(groff, "-man", "-ww", "-Tutf8", "-z", filepath.Join(dir, "yfv2d.1")).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("groff: %v\n%s", err, out)
		}
	}
}

func TestRoffEscapes(t *testing.T) {
	for in, want := range map[string]string{
		`a-b`: `a\-b`, `.x`: `\&.x`, `'x`: `\&'x`, `a\b`: `a\eb`, "a\nb": "a b",
	} {
		if got := roff(in); got != want {
			t.Errorf("roff(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCompletions(t *testing.T) {
	dir := t.TempDir()
	if code, _, stderr := runCLI(t, "gen", "completion", dir); code != exitOK {
		t.Fatal(stderr)
	}
	for _, name := range []string{"yfv2d.bash", "_yfv2d", "yfv2d.fish"} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Contains(b, []byte("yfv2d")) {
			t.Errorf("%s: %v, %d bytes", name, err, len(b))
		}
	}
	if bash, err := exec.LookPath("bash"); err == nil {
		if out, err := exec.Command(bash, "-n", filepath.Join(dir, "yfv2d.bash")).CombinedOutput(); err != nil {
			t.Errorf("bash: %v\n%s", err, out)
		}
	}
}

func TestVersion(t *testing.T) {
	code, out, _ := runCLI(t, "version")
	if want := "yfv2d " + currentVersion().Version + "\n"; code != exitOK || out != want {
		t.Errorf("version says %q, want %q", out, want)
	}
	_, out, _ = runCLI(t, "version", "--verbose")
	for _, part := range []string{"commit", "go1.", "opencv   4.", "engine", "model"} {
		if !strings.Contains(out, part) {
			t.Errorf("version --verbose says %q, want %q in it", out, part)
		}
	}
}

// --model tries the engines with another model than the built-in one.
func TestVersionWithModel(t *testing.T) {
	if !xnn.Built {
		t.Skip("built without XNNPACK")
	}
	path := filepath.Join(t.TempDir(), "int8.onnx")
	if err := os.WriteFile(path, quantized(t).Encode(), 0o644); err != nil {
		t.Fatal(err)
	}
	code, out, errs := runCLI(t, "version", "--verbose", "--model", path)
	if code != exitOK || !regexp.MustCompile(`engine   \S+ \(int8 [0-9.]+ ms against float [0-9.]+: (int8|float) chosen; yolo-fastestv2-builtin-int8 at`).MatchString(out) {
		t.Errorf("code %d, %q, %q", code, out, errs)
	}
	if code, _, errs := runCLI(t, "version", "--model", path); code != exitUsage || !strings.Contains(errs, "goes with --verbose") {
		t.Errorf("code %d, %q", code, errs)
	}
	if code, _, errs := runCLI(t, "version", "--verbose", "--model", "gone.onnx"); code != exitFailed || !strings.Contains(errs, "gone.onnx") {
		t.Errorf("code %d, %q", code, errs)
	}
}

func TestVersionFromTheLinker(t *testing.T) {
	defer func(v, c string) { version, commit = v, c }(version, commit)
	version, commit = "9.8.7", "0123456789ab"
	if v := currentVersion(); v.Version != "9.8.7" || v.Commit != "0123456789ab" {
		t.Errorf("version %+v, want what the linker said", v)
	}
}

func TestProgressStaysOffPipes(t *testing.T) {
	var b strings.Builder
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, out := range []io.Writer{&b, w} {
		p := newProgress(out, 3, "frames")
		for range 3 {
			p.add(1)
		}
		p.clear()
		p.done()
	}
	w.Close()
	if got, _ := io.ReadAll(r); len(got) > 0 || b.Len() > 0 {
		t.Errorf("progress wrote %q and %q, want nothing", got, b.String())
	}
}

func TestProgressOnTerminals(t *testing.T) {
	for _, tt := range []struct {
		name  string
		total int64
		want  []string
	}{
		{"known total", 4, []string{"%", "/4", "frames/", ":"}},
		{"unknown total", 0, []string{"frames/"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			p := drawProgress(&b, tt.total, "frames")
			p.add(1)
			for _, part := range tt.want {
				if !strings.Contains(b.String(), part) {
					t.Errorf("drew %q, want %q in it", b.String(), part)
				}
			}
			for range 10 { // more than announced
				p.add(1)
			}
			p.done()
			lines := strings.Split(strings.TrimRight(b.String(), " \r"), "\r")
			if last := lines[len(lines)-1]; strings.Contains(b.String(), "\n") || strings.TrimSpace(last) == "" {
				t.Errorf("left %q, want a line that is redrawn and wiped", b.String())
			}
			if !strings.HasSuffix(b.String(), " \r") {
				t.Errorf("left %q at the end, want an empty line", b.String())
			}
		})
	}
}
