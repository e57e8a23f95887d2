package main

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"yfv2d/access"
)

func newTokenCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "token",
		Short: "Say which programs may use the API",
		Long: `Say which programs may use the API, WHEP and the metrics, and what each may do. A program sends its token in the header
"Authorization: Bearer TOKEN". A running daemon notices within two seconds.`,
	}
	c.AddCommand(newTokenAddCmd(), newTokenRevokeCmd(), newTokenListCmd())
	return c
}

func newTokenAddCmd() *cobra.Command {
	var role, expires string
	c := onStore(&cobra.Command{
		Use:   "add NAME",
		Short: "Make a token and print it, once",
		Long: `Make a token and print it on standard output. It is kept as a hash only, so it is not shown again: who loses it revokes
it and makes another.`,
		Example: "  sudo yfv2d token add home-assistant\n  sudo yfv2d token add deploy --role admin --expires 90d",
		Args:    cobra.ExactArgs(1),
	}, func(c *cobra.Command, s *access.Store, args []string) error {
		r, err := access.ParseRole(role)
		if err != nil {
			return usageErrorf("%w", err)
		}
		until, err := parseExpiry(expires, time.Now())
		if err != nil {
			return usageErrorf("%w", err)
		}
		secret, err := s.AddToken(c.Context(), args[0], r, until)
		if err != nil {
			return err
		}
		fmt.Fprintln(c.ErrOrStderr(), "this token is not shown again:")
		fmt.Fprintln(c.OutOrStdout(), secret)
		return nil
	})
	roleFlag(c, &role, "what its holder may do: viewer or admin")
	c.Flags().StringVar(&expires, "expires", "never", "how long it is good: a `time` like 12h or 90d, a date like 2027-01-31, or never")
	return c
}

// parseExpiry reads never, a number of days or hours from now, or a date, which ends the token at its beginning.
func parseExpiry(s string, now time.Time) (time.Time, error) {
	const want = "use never, a time like 12h or 90d, or a date like 2027-01-31"
	if s == "never" || s == "" {
		return time.Time{}, nil
	}
	var until time.Time
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 1 || n > 36500 {
			return time.Time{}, fmt.Errorf("--expires %q: %s", s, want)
		}
		until = now.AddDate(0, 0, n)
	} else if d, err := time.ParseDuration(s); err == nil {
		until = now.Add(d)
	} else if until, err = time.ParseInLocation(time.DateOnly, s, time.Local); err != nil {
		return time.Time{}, fmt.Errorf("--expires %q: %s", s, want)
	}
	if !until.After(now) || until.Year() > 9000 {
		return time.Time{}, fmt.Errorf("--expires %q is not in the time to come; %s", s, want)
	}
	return until.UTC().Truncate(time.Second), nil
}

func newTokenRevokeCmd() *cobra.Command {
	return onStore(&cobra.Command{
		Use:     "revoke NAME",
		Short:   "Make a token worthless",
		Long:    "Make a token worthless. What its holder watches ends.",
		Example: "  sudo yfv2d token revoke home-assistant",
		Args:    cobra.ExactArgs(1),
		ValidArgsFunction: func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			dir, _ := c.Flags().GetString("dir")
			s, err := openStore(dir)
			if err != nil || len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			tokens, _ := s.Tokens()
			names := make([]string, 0, len(tokens))
			for _, t := range tokens {
				names = append(names, t.Name)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}, func(c *cobra.Command, s *access.Store, args []string) error {
		if err := s.RevokeToken(c.Context(), args[0]); err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "token %s revoked\n", args[0])
		return nil
	})
}

func newTokenListCmd() *cobra.Command {
	return onStore(&cobra.Command{
		Use:     "list",
		Short:   "Show which tokens there are",
		Long:    "Show which tokens there are, without the tokens themselves. The last use may be up to an hour late.",
		Example: "  sudo yfv2d token list",
		Args:    noArgs,
	}, func(c *cobra.Command, s *access.Store, _ []string) error {
		tokens, err := s.Tokens()
		if err != nil {
			return err
		}
		if len(tokens) == 0 {
			fmt.Fprintln(c.ErrOrStderr(), "no tokens; yfv2d token add makes one")
			return nil
		}
		w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "NAME\tROLE\tSINCE\tLAST USED\tEXPIRES")
		for _, t := range tokens {
			expires := "never"
			switch {
			case t.Expired(time.Now()):
				expires = day(t.Expires) + " (over)"
			case !t.Expires.IsZero():
				expires = day(t.Expires)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", t.Name, t.Role, day(t.Created), day(t.LastUsed), expires)
		}
		return w.Flush()
	})
}
