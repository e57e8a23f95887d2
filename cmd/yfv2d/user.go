package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"yfv2d/access"
)

// stateHelp is what the help of these commands says of the directory.
const stateHelp = "the state `directory` (default $STATE_DIRECTORY, /var/lib/yfv2d for root, ~/.local/state/yfv2d for others)"

// openStore is the store in dir, or in the usual state directory.
func openStore(dir string) (*access.Store, error) {
	if dir == "" {
		var err error
		if dir, err = stateDir(); err != nil {
			return nil, err
		}
	}
	return access.OpenStore(dir), nil
}

func newUserCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "user",
		Short: "Say who may log in",
		Long:  "Say who may log in to the page, and what each may do. A running daemon notices within two seconds.",
	}
	c.AddCommand(newUserAddCmd(), newUserPasswdCmd(), newUserRoleCmd(), newUserRemoveCmd(), newUserLogoutCmd(), newUserListCmd())
	return c
}

// onStore makes a command that works on the store.
func onStore(c *cobra.Command, work func(c *cobra.Command, s *access.Store, args []string) error) *cobra.Command {
	var dir string
	c.Flags().StringVar(&dir, "dir", "", stateHelp)
	_ = c.MarkFlagDirname("dir")
	c.RunE = func(c *cobra.Command, args []string) error {
		s, err := openStore(dir)
		if err != nil {
			return err
		}
		return work(c, s, args)
	}
	return c
}

// completeUsers offers the users there are.
func completeUsers(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	dir, _ := c.Flags().GetString("dir")
	s, err := openStore(dir)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	users, _ := s.Users()
	names := make([]string, 0, len(users))
	for _, u := range users {
		names = append(names, u.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func roleFlag(c *cobra.Command, role *string, usage string) {
	c.Flags().StringVar(role, "role", string(access.Viewer), usage)
	_ = c.RegisterFlagCompletionFunc("role", cobra.FixedCompletions([]string{"viewer", "admin"}, cobra.ShellCompDirectiveNoFileComp))
}

func newUserAddCmd() *cobra.Command {
	var role string
	var stdin bool
	c := onStore(&cobra.Command{
		Use:   "add NAME",
		Short: "Add a user",
		Long: `Add a user. The password is asked for twice, or is the first line of standard input with --stdin. A viewer may watch and
read everything, an admin may also reload the configuration and try cameras again.`,
		Example: "  sudo yfv2d user add anna --role admin\n  echo \"$PASSWORD\" | sudo yfv2d user add ben --stdin",
		Args:    cobra.ExactArgs(1),
	}, func(c *cobra.Command, s *access.Store, args []string) error {
		r, err := access.ParseRole(role)
		if err != nil {
			return usageErrorf("%w", err)
		}
		password, err := askPassword(c, args[0], stdin)
		if err != nil {
			return err
		}
		if err := s.AddUser(c.Context(), args[0], r, password); err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "user %s added, role %s\n", args[0], r)
		return nil
	})
	roleFlag(c, &role, "what the user may do: viewer or admin")
	c.Flags().BoolVar(&stdin, "stdin", false, "read the password from standard input")
	return c
}

func newUserPasswdCmd() *cobra.Command {
	var stdin bool
	c := onStore(&cobra.Command{
		Use:               "passwd NAME",
		Short:             "Change a user's password",
		Long:              "Change a user's password. All of the user's sessions end.",
		Example:           "  sudo yfv2d user passwd admin",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeUsers,
	}, func(c *cobra.Command, s *access.Store, args []string) error {
		if err := s.Known(args[0]); err != nil { // before a password is asked for
			return err
		}
		password, err := askPassword(c, args[0], stdin)
		if err != nil {
			return err
		}
		if err := s.SetPassword(c.Context(), args[0], password); err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "password of %s changed; every session of %s has ended\n", args[0], args[0])
		return nil
	})
	c.Flags().BoolVar(&stdin, "stdin", false, "read the password from standard input")
	return c
}

func newUserRoleCmd() *cobra.Command {
	return onStore(&cobra.Command{
		Use:               "role NAME viewer|admin",
		Short:             "Change what a user may do",
		Long:              "Change what a user may do, in running sessions too. The last admin stays one.",
		Example:           "  sudo yfv2d user role ben admin",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: completeUsers,
	}, func(c *cobra.Command, s *access.Store, args []string) error {
		role, err := access.ParseRole(args[1])
		if err != nil {
			return usageErrorf("%w", err)
		}
		if err := s.SetRole(c.Context(), args[0], role); err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "user %s has the role %s\n", args[0], role)
		return nil
	})
}

func newUserRemoveCmd() *cobra.Command {
	return onStore(&cobra.Command{
		Use:               "remove NAME",
		Short:             "Remove a user",
		Long:              "Remove a user. All of the user's sessions end, and what they show. The last admin cannot be removed.",
		Example:           "  sudo yfv2d user remove ben",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeUsers,
	}, func(c *cobra.Command, s *access.Store, args []string) error {
		if err := s.RemoveUser(c.Context(), args[0]); err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "user %s removed\n", args[0])
		return nil
	})
}

func newUserLogoutCmd() *cobra.Command {
	return onStore(&cobra.Command{
		Use:               "logout NAME",
		Short:             "End all sessions of a user",
		Long:              "End all sessions of a user, on all devices. The user may log in again; to keep somebody out, remove the user or\nchange the password.",
		Example:           "  sudo yfv2d user logout anna",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeUsers,
	}, func(c *cobra.Command, s *access.Store, args []string) error {
		if err := s.LogOut(c.Context(), args[0]); err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "every session of %s has ended\n", args[0])
		return nil
	})
}

func newUserListCmd() *cobra.Command {
	return onStore(&cobra.Command{
		Use:     "list",
		Short:   "Show who may log in",
		Long:    "Show who may log in, with roles.",
		Example: "  sudo yfv2d user list",
		Args:    noArgs,
	}, func(c *cobra.Command, s *access.Store, _ []string) error {
		users, err := s.Users()
		if err != nil {
			return err
		}
		if len(users) == 0 {
			fmt.Fprintln(c.ErrOrStderr(), "no users yet: the daemon makes admin when it starts with a login, or use yfv2d user add")
			return nil
		}
		w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "NAME\tROLE\tSINCE\tPASSWORD")
		for _, u := range users {
			password := "own"
			if u.Initial {
				password = "generated, not changed yet"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", u.Name, u.Role, day(u.Created), password)
		}
		return w.Flush()
	})
}

func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04")
}

// askPassword reads a new password: twice from the terminal without showing it, or one line of standard input.
func askPassword(c *cobra.Command, user string, stdin bool) (string, error) {
	if stdin {
		line, err := bufio.NewReader(io.LimitReader(c.InOrStdin(), 4096)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read the password: %w", err)
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	fd := int(os.Stdin.Fd())
	if !term.IsTerminal(fd) {
		return "", usageErrorf("standard input is no terminal to ask for a password on; give the password there with --stdin")
	}
	first, err := readHidden(c.Context(), c.ErrOrStderr(), fd, "New password of "+user+": ")
	if err != nil {
		return "", err
	}
	if err := access.CheckPassword(user, first); err != nil {
		return "", err
	}
	second, err := readHidden(c.Context(), c.ErrOrStderr(), fd, "Again: ")
	if err != nil {
		return "", err
	}
	if first != second {
		return "", errors.New("the two passwords differ; nothing is changed")
	}
	return first, nil
}

// readHidden reads a line without showing it. Whoever presses ^C gets the terminal back as it was.
func readHidden(ctx context.Context, stderr io.Writer, fd int, prompt string) (string, error) {
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	fmt.Fprint(stderr, prompt)
	type answer struct {
		line []byte
		err  error
	}
	got := make(chan answer, 1)
	go func() { // on ^C it stays in its read until the program ends, right after
		line, err := term.ReadPassword(fd)
		got <- answer{line, err}
	}()
	select {
	case a := <-got:
		fmt.Fprintln(stderr)
		if a.err != nil {
			return "", fmt.Errorf("read the password: %w", a.err)
		}
		return string(a.line), nil
	case <-ctx.Done():
		_ = term.Restore(fd, before)
		fmt.Fprintln(stderr)
		return "", errors.New("stopped; nothing is changed")
	}
}
