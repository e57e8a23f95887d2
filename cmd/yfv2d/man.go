package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// newGenCmd writes the man page and the shell completions; `make docs` and packagers call it.
func newGenCmd() *cobra.Command {
	c := &cobra.Command{
		Use:    "gen",
		Short:  "Write the man page or the shell completions",
		Long:   "Write the man page or the shell completions, made from the commands and flags of this very program.",
		Hidden: true,
	}
	c.AddCommand(
		&cobra.Command{
			Use: "man DIR", Short: "Write the man page", Long: "Write the man page DIR/yfv2d.1.",
			Example: "  yfv2d gen man share/man/man1", Args: cobra.ExactArgs(1),
			RunE: func(c *cobra.Command, args []string) error {
				return writeFile(args[0], "yfv2d.1", func(w io.Writer) error { return manPage(w, c.Root()) })
			},
		},
		&cobra.Command{
			Use: "completion DIR", Short: "Write the shell completions",
			Long:    "Write the completions for bash (DIR/yfv2d.bash), zsh (DIR/_yfv2d) and fish (DIR/yfv2d.fish).",
			Example: "  yfv2d gen completion share/completions", Args: cobra.ExactArgs(1),
			RunE: func(c *cobra.Command, args []string) error { return writeCompletions(args[0], c.Root()) },
		},
	)
	return c
}

func writeCompletions(dir string, root *cobra.Command) error {
	bash := func(w io.Writer) error { return root.GenBashCompletionV2(w, true) }
	fish := func(w io.Writer) error { return root.GenFishCompletion(w, true) }
	if err := writeFile(dir, "yfv2d.bash", bash); err != nil {
		return err
	}
	if err := writeFile(dir, "_yfv2d", root.GenZshCompletion); err != nil {
		return err
	}
	return writeFile(dir, "yfv2d.fish", fish)
}

// writeFile makes dir if need be and the file in it.
func writeFile(dir, name string, write func(io.Writer) error) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		_ = f.Close()
		return fmt.Errorf("write %s: %w", f.Name(), err)
	}
	return f.Close()
}

// manPage writes one page for the whole program in man(7) form.
func manPage(w io.Writer, root *cobra.Command) error {
	var b strings.Builder
	name := root.Name()
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"%s %s\" \"User Commands\"\n", strings.ToUpper(name), name, roff(currentVersion().Version))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", name, roff(root.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n.I command\n[\\fIflags\\fR] [\\fIarguments\\fR]\n", name)
	b.WriteString(".SH DESCRIPTION\n")
	manText(&b, root.Long)
	b.WriteString(".SH COMMANDS\n")
	manCommands(&b, root)
	_, err := io.WriteString(w, b.String())
	return err
}

// manCommands writes every command below c that does something and is shown.
func manCommands(b *strings.Builder, c *cobra.Command) {
	for _, sub := range c.Commands() {
		if !sub.IsAvailableCommand() || sub.Name() == "help" {
			continue
		}
		if sub.HasAvailableSubCommands() {
			manCommands(b, sub)
			continue
		}
		fmt.Fprintf(b, ".SS %s\n", roff(sub.UseLine()))
		manText(b, sub.Long)
		sub.LocalFlags().VisitAll(func(f *pflag.Flag) { manFlag(b, f) })
		if sub.Example != "" {
			b.WriteString(".PP\nFor example:\n")
			manText(b, sub.Example)
		}
	}
}

func manFlag(b *strings.Builder, f *pflag.Flag) {
	if f.Hidden || f.Name == "help" {
		return
	}
	value, usage := pflag.UnquoteUsage(f)
	names := "\\fB" + roff("--"+f.Name) + "\\fR"
	if f.Shorthand != "" {
		names = "\\fB" + roff("-"+f.Shorthand) + "\\fR, " + names
	}
	if value != "" {
		names += " \\fI" + roff(value) + "\\fR"
	}
	if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" && f.DefValue != "0" {
		usage += " (default " + f.DefValue + ")"
	}
	fmt.Fprintf(b, ".TP\n%s\n%s\n", names, roff(usage))
}

// manText writes help text: paragraphs are filled, blocks of indented lines stand as they are.
func manText(b *strings.Builder, text string) {
	indented := false
	for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		switch in := strings.HasPrefix(line, "  "); {
		case in && !indented:
			b.WriteString(".PP\n.RS 4\n.nf\n")
			indented = true
		case !in && indented:
			b.WriteString(".fi\n.RE\n")
			indented = false
		}
		switch {
		case strings.TrimSpace(line) != "":
			b.WriteString(roff(strings.TrimPrefix(line, "  ")) + "\n")
		default:
			b.WriteString(".PP\n")
		}
	}
	if indented {
		b.WriteString(".fi\n.RE\n")
	}
}

// roff escapes one line of plain text.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "\n", " ").Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}
