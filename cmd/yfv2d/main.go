// Command yfv2d finds objects in pictures, videos and camera streams with YOLO-FastestV2 on one CPU thread.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run(os.Args[1:])) }

// run is the whole program: args without the program's name in, exit code out. The first SIGINT or SIGTERM cancels the
// command's context, the second ends the program at once.
func run(args []string) int {
	signal.Ignore(syscall.SIGPIPE) // a write to a closed pipe is then an error, and files under way are finished
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return execute(ctx, args, os.Stdout, os.Stderr)
}

// execute runs one command line with its output going to stdout and stderr.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root, started := newRootCmd(), false
	finish(root, &started)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err != nil && !started {
		err = exitError{exitUsage, err} // cobra's own: unknown flag, wrong number of arguments
	}
	report(stderr, err)
	return exitCode(err)
}

func newRootCmd() *cobra.Command {
	root := &cobra.Command{
		Use:   "yfv2d",
		Short: "Object detection on one CPU thread: pictures, videos, cameras, a live page",
		Long: `yfv2d finds objects in pictures, videos and live cameras with YOLO-FastestV2 on one CPU thread.

Exit codes:
  0   all went well
  1   some or all inputs failed, or the work itself did
  2   the command line is wrong
  78  the configuration file or its model is wrong`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.AddCommand(
		newProbeCmd(),
		newRunCmd(),
		newDetectCmd(),
		newModelCmd(),
		newBenchCmd(),
		newBenchWorkerCmd(),
		newEvalCmd(),
		newTrackEvalCmd(),
		newUserCmd(),
		newTokenCmd(),
		newCheckCmd(),
		newDoctorCmd(),
		newVersionCmd(),
		newGenCmd(),
	)
	return root
}

// finish completes every command of the tree: started is set when a command's own code begins, so errors before it are
// known to be the command line's; and a command that only groups others names the nearest one for a misspelt name.
func finish(c *cobra.Command, started *bool) {
	for _, sub := range c.Commands() {
		finish(sub, started)
	}
	if c.HasSubCommands() && !c.Runnable() {
		c.Args, c.RunE = cobra.ArbitraryArgs, group
		return
	}
	if work := c.RunE; work != nil {
		c.RunE = func(c *cobra.Command, args []string) error {
			*started = true
			return work(c, args)
		}
	}
}

// group is what a command does that only groups others: help, or the nearest name for one that does not exist.
func group(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return c.Help()
	}
	c.SuggestionsMinimumDistance = 2
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		return usageErrorf("%s has no command %q: did you mean %s?", c.CommandPath(), args[0], strings.Join(near, " or "))
	}
	return usageErrorf("%s has no command %q: %s --help lists them", c.CommandPath(), args[0], c.CommandPath())
}

// noArgs is for commands that take flags only.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageErrorf("%s: unexpected argument %q", c.CommandPath(), args[0])
	}
	return nil
}
