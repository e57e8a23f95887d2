package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"yfv2d/certificate"
	"yfv2d/cmd/yfv2d/config"
	"yfv2d/stream"
)

// selfSignedFile is where the program keeps the certificate that it made.
func selfSignedFile() (string, error) {
	dir, err := stateDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "certificate.pem"), nil
}

// openCertificate is the certificate that the configuration wants; nil for none.
func openCertificate(c config.TLS, log zerolog.Logger) (*certificate.Keeper, error) {
	switch {
	case !c.On():
		return nil, nil
	case c.SelfSigned():
		path, err := selfSignedFile()
		if err != nil {
			return nil, err
		}
		k, replaced, err := certificate.SelfSigned(path)
		if replaced != nil && err == nil {
			log.Warn().Str("reason", replaced.Error()).Msg("new self-signed certificate: browsers ask once more whether to trust it")
		}
		return k, err
	}
	k, err := certificate.Files(c.Cert, c.Key, func(i certificate.Info, err error) {
		if err != nil {
			log.Error().Str("reason", err.Error()).Msg("changed certificate not taken")
			return
		}
		tellCertificate(log, i)
	})
	if err != nil {
		return nil, exitError{exitConfig, fmt.Errorf("server.tls: %w", err)}
	}
	return k, nil
}

// secureServer adds the certificate to the server's configuration.
func (d *daemon) secureServer(cfg *stream.Config) (err error) {
	c := d.cfg.Server.TLS
	if d.certificate, err = openCertificate(c, d.log); err != nil || d.certificate == nil {
		return err
	}
	cfg.TLS, cfg.HSTS = d.certificate.Config(), !c.SelfSigned()
	cfg.Certificate = func() stream.CertificateInfo {
		i := d.certificate.Info()
		return stream.CertificateInfo{SelfSigned: i.SelfSigned, Fingerprint: i.Fingerprint, NotAfter: i.NotAfter.UTC()}
	}
	return nil
}

func tellCertificate(log zerolog.Logger, i certificate.Info) {
	log.Info().Str("sha256", i.Fingerprint).Bool("self_signed", i.SelfSigned).Strs("names", i.Names).Time("not_after", i.NotAfter).Msg("certificate")
	if time.Now().After(i.NotAfter) {
		log.Warn().Time("not_after", i.NotAfter).Msg("the certificate has ended by this machine's clock: browsers will refuse it; renew it")
	}
}

// certificateText is the certificate of a checked configuration in a line; "" for none. It makes none.
func certificateText(c config.TLS) string {
	var i certificate.Info
	var err error
	switch {
	case !c.On():
		return ""
	case c.SelfSigned():
		path, e := selfSignedFile()
		if i, err = certificate.Peek(path); e != nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			return "certificate: self-signed; the daemon makes it at its first start and logs its fingerprint"
		}
	default:
		k, e := certificate.Files(c.Cert, c.Key, func(certificate.Info, error) {})
		if err = e; err == nil {
			i = k.Info()
		}
	}
	if err != nil {
		return "certificate: " + err.Error()
	}
	kind := "certificate"
	if i.SelfSigned {
		kind = "self-signed certificate"
	}
	return fmt.Sprintf("%s of %s until %s, SHA-256 %s", kind, strings.Join(i.Names, ", "), i.NotAfter.Format(time.DateOnly), i.Fingerprint)
}

// readable says whether passwords cross a network that others may listen on: there is a login, other machines reach it, without
// TLS, and no proxy is named that would see to it.
func readable(s config.Server) bool {
	return s.Login() && s.Reached() && !s.TLS.On() && len(s.TrustedProxies) == 0
}
