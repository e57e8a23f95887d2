package main

import (
	"context"
	"errors"
	"fmt"

	"yfv2d/access"
	"yfv2d/cmd/yfv2d/config"
)

// openAccess reads who may come in, if the configuration asks that.
func (d *daemon) openAccess() error {
	if !d.cfg.Server.Login() {
		return nil
	}
	dir, err := stateDir()
	if err != nil {
		return err
	}
	d.access, err = access.NewKeeper(dir, d.log)
	var damaged *access.DamagedError
	if errors.As(err, &damaged) {
		return exitError{exitConfig, err} // no restart mends it
	}
	return err
}

// firstAdmin makes the user admin if there are no users. The password is shown once on the terminal; a service, whose words are kept
// in a journal, writes it to a file instead.
func (d *daemon) firstAdmin(ctx context.Context) error {
	if d.access == nil {
		return nil
	}
	password, err := d.access.FirstAdmin(ctx, d.terminal == nil)
	switch {
	case err != nil:
		return fmt.Errorf("make the first user: %w", err)
	case password == "":
	case d.terminal != nil:
		fmt.Fprintf(d.terminal, "\n  There are no users yet. Log in as admin with this password, which is not shown again:\n\n      %s\n\n", password)
	default:
		d.log.Info().Str("user", "admin").Str("shown_by", "sudo cat "+d.access.InitialFile()).
			Msg("there were no users: log in with the password in this file, then change it")
	}
	return nil
}

// announceAccess says who may look.
func (d *daemon) announceAccess() {
	if d.access == nil && d.cfg.Server.Reached() {
		d.log.Warn().Msg("there is no login: everybody who reaches the port sees the cameras")
	}
}

// accessSummary says in a few words who may look.
func accessSummary(s config.Server) string {
	switch {
	case s.Login():
		return "with a login"
	case s.Reached():
		return "open to everybody who reaches the port"
	}
	return "without a login, for this machine only"
}
