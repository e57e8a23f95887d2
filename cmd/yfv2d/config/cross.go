package config

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// crossCheck checks what needs more than one key, or the world outside the file.
func (l *loader) crossCheck() {
	l.listen()
	l.model()
}

// listen applies the command line and refuses addresses that others reach if nobody asks who comes.
func (l *loader) listen() {
	s, at := &l.cfg.Server, func(i int) string {
		if len(l.cfg.Server.Listen) == 1 {
			return "server.listen"
		}
		return indexPath("server.listen", i)
	}
	if len(l.hooks.Listen) > 0 {
		s.Listen, at = l.hooks.Listen, nil
		for _, addr := range s.Listen {
			if what := checkAddress(addr); what != "" {
				l.faults = append(l.faults, Fault{File: "command line", Key: "--listen", What: what, Allowed: rows["server.listen"].want})
			}
		}
	}
	s.AllowOpen = s.AllowOpen || l.hooks.AllowOpen
	for i, addr := range s.Listen {
		if s.AllowOpen || s.Login() || checkAddress(addr) != "" || isLoopback(addr) {
			continue
		}
		shown := show(addr)
		if at != nil {
			shown = l.shown(at(i), addr)
		}
		what := fmt.Sprintf("%s lets other machines in, and with server.auth = \"off\" nobody is asked for a password; "+
			"leave auth at \"auto\", listen on 127.0.0.1, or say server.allow_open = true (--allow-open) if that is meant", shown)
		if at == nil {
			l.faults = append(l.faults, Fault{File: "command line", Key: "--listen", What: what})
			continue
		}
		l.fault(at(i), what, Fault{})
	}
}

func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

// model checks the model and the class names of the file against the model's.
func (l *loader) model() {
	c := &l.cfg
	if notEmpty(c.Model) != "" {
		return
	}
	written := c.Model
	if isPath(written) && !filepath.IsAbs(written) {
		c.Model = filepath.Join(c.Dir, written)
	}
	check := l.hooks.Model
	if check == nil {
		check = openModel
	}
	ref, classes, err := check(c.Model)
	if err != nil {
		f := Fault{}
		if ref, ok := l.written["model"]; ok {
			l.fault("model", show(ref)+" does not fit, with what its references stand for: there is no such model, or it cannot be read", f)
			return
		}
		if !isPath(written) {
			f.Near = nearest(written, []string{Builtin})
		}
		why := strings.TrimPrefix(firstLine(err), "model "+c.Model+": ") // the fault names it already
		l.fault("model", fmt.Sprintf("%s cannot be used: %s", show(written), strings.TrimPrefix(why, "model: ")), f)
		return
	}
	c.Model = ref
	if len(classes) == 0 {
		return
	}
	for i, name := range c.Detect.Classes {
		l.class(indexPath("detect.classes", i), name, classes)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Detect.ClassScores)) {
		l.class(joinPath("detect.class_scores", name), name, classes)
	}
}

func (l *loader) class(path, name string, classes []string) {
	if notEmpty(name) == "" && !slices.Contains(classes, name) {
		near := ""
		if _, ok := l.written[path]; !ok {
			near = nearest(name, classes)
		}
		l.fault(path, fmt.Sprintf("the model knows no class %s", l.shown(path, name)), Fault{Near: near})
	}
}

// isPath tells a path from the name of a model.
func isPath(model string) bool {
	return strings.ContainsRune(model, filepath.Separator) || strings.Contains(model, ".")
}

// openModel is Hooks.Model if there is none.
func openModel(ref string) (string, []string, error) {
	if ref == Builtin {
		return ref, nil, nil
	}
	if !isPath(ref) {
		return "", nil, errors.New("there is no model of this name")
	}
	f, err := os.Open(ref)
	if err != nil {
		return "", nil, plain(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", nil, errors.New("it is no file")
	}
	return ref, nil, nil
}

// firstLine is an error's text as part of a fault: one line, without secrets.
func firstLine(err error) string {
	s, _, _ := strings.Cut(strings.TrimSpace(err.Error()), "\n")
	return redactText(s)
}

var otherScheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]+:`)

// camera checks what one camera says about itself; the last of cfg.Cameras.
func (l *loader) camera(at string, cam *Camera) {
	for _, other := range l.cfg.Cameras[:len(l.cfg.Cameras)-1] {
		if cam.Name != "" && other.Name == cam.Name {
			l.fault(at+".name", fmt.Sprintf("%s is the name of another camera too (line %d)", l.shown(at+".name", cam.Name), other.Line), Fault{})
			break
		}
	}
	if notEmpty(cam.Source) != "" {
		return
	}
	if !l.source(at+".source", cam.Source) || cam.DetectSource != "" && !l.source(at+".detect_source", cam.DetectSource) {
		return
	}
	if scheme := otherScheme.FindString(cam.Source); cam.Loop && scheme != "" && !isFile(cam.Source) {
		l.fault(at+".loop", fmt.Sprintf("a %s source has no end to start again from", scheme), Fault{Allowed: "true with file: sources only"})
	}
	if l.hooks.CheckCamera == nil {
		return
	}
	if key, err := l.hooks.CheckCamera(*cam); err != nil {
		l.fault(at+"."+key, firstLine(err), Fault{})
	}
}

// source checks a source's form and says whether it is right.
func (l *loader) source(at, source string) bool {
	check := l.hooks.CheckSource
	if check == nil {
		return true
	}
	if err := check(source); err != nil {
		if ref, ok := l.written[at]; ok {
			l.fault(at, firstLine(l.sourceWithReferences(ref)), Fault{})
			return false
		}
		clean := strings.ReplaceAll(err.Error(), source, Redact(source))
		l.fault(at, firstLine(errors.New(clean)), Fault{})
		return false
	}
	return true
}

// sourceWithReferences says what is wrong with a source without what its references stand for: the fault of what is
// written, if that has one by itself.
func (l *loader) sourceWithReferences(written string) error {
	parts, err := split(written)
	if err != nil {
		return err
	}
	for i := range parts {
		parts[i].value = "reference"
	}
	if probe := join(parts); probe != "reference" {
		if err := l.hooks.CheckSource(probe); err != nil {
			return errors.New(strings.ReplaceAll(err.Error(), probe, Redact(probe)))
		}
	}
	return fmt.Errorf("%s is no source, with what its references stand for", show(written))
}
