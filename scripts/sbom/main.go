// Command sbom writes a CycloneDX 1.5 bill of materials of a built program: the Go modules in it, and the system's libraries that its
// package needs. It says the same for the same program, whenever it runs.
package main

import (
	"bufio"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

type bom struct {
	Format       string       `json:"bomFormat"`
	Spec         string       `json:"specVersion"`
	Version      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type metadata struct {
	Timestamp string    `json:"timestamp"`
	Component component `json:"component"`
}

type component struct {
	Type     string    `json:"type"`
	Ref      string    `json:"bom-ref"`
	Name     string    `json:"name"`
	Version  string    `json:"version"`
	Scope    string    `json:"scope,omitempty"`
	Hashes   []hash    `json:"hashes,omitempty"`
	Licenses []license `json:"licenses,omitempty"`
	PURL     string    `json:"purl"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type license struct {
	Expression string `json:"expression"`
}

type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn,omitempty"`
}

func main() {
	program := flag.String("program", "", "the built `file`")
	version := flag.String("version", "", "its version")
	arch := flag.String("arch", "", "Debian's name of its `architecture`")
	distro := flag.String("distro", "", "Debian's name of the `release`")
	libraries := flag.String("libraries", "", "a `file` with a package and its version on each line")
	notices := flag.String("notices", "THIRD_PARTY_NOTICES", "the `file` whose table names each module's licence")
	flag.Parse()
	if err := run(os.Stdout, *program, *version, *arch, *distro, *libraries, *notices); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(w io.Writer, program, version, arch, distro, libraries, notices string) error {
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return fmt.Errorf("read the modules of %s: %w", program, err)
	}
	licences, err := lines(notices)
	if err != nil {
		return err
	}
	packages, err := lines(libraries)
	if err != nil {
		return err
	}
	self := component{Type: "application", Name: "yfv2d", Version: version, PURL: "pkg:generic/yfv2d@" + url.PathEscape(version),
		Licenses: []license{{"Apache-2.0"}}}
	self.Ref = self.PURL
	b := bom{Format: "CycloneDX", Spec: "1.5", Version: 1,
		Metadata: metadata{time.Unix(seconds, 0).UTC().Format(time.RFC3339), self}}
	b.Components = append(b.Components, component{Type: "library", Ref: "pkg:golang/std@" + info.GoVersion, Name: "std", Version: info.GoVersion,
		Licenses: []license{{"BSD-3-Clause"}}, PURL: "pkg:golang/std@" + info.GoVersion})
	modules, err := moduleComponents(info.Deps, licenceTable(licences))
	if err != nil {
		return err
	}
	b.Components = append(b.Components, modules...)
	for _, line := range packages {
		name, v, ok := strings.Cut(line, " ")
		if !ok {
			return fmt.Errorf("%s: %q is no package and version", libraries, line)
		}
		purl := fmt.Sprintf("pkg:deb/debian/%s@%s?arch=%s&distro=%s", url.PathEscape(name), url.PathEscape(v), arch, distro)
		b.Components = append(b.Components, component{Type: "library", Ref: purl, Name: name, Version: v, Scope: "required", PURL: purl})
	}
	all := dependency{Ref: self.Ref}
	for _, c := range b.Components {
		all.DependsOn = append(all.DependsOn, c.Ref)
	}
	b.Dependencies = []dependency{all}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(b)
}

// moduleComponents are the modules linked in, in the order of their paths, as the build information has them.
func moduleComponents(deps []*debug.Module, licences map[string]string) ([]component, error) {
	var out []component
	for _, m := range deps {
		if m.Replace != nil {
			m = m.Replace
		}
		purl := "pkg:golang/" + m.Path + "@" + m.Version
		c := component{Type: "library", Ref: purl, Name: m.Path, Version: m.Version, PURL: purl}
		// h1: is the SHA-256 of the module's list of files and their hashes.
		if sum, ok := strings.CutPrefix(m.Sum, "h1:"); ok {
			raw, err := base64.StdEncoding.DecodeString(sum)
			if err != nil {
				return nil, fmt.Errorf("hash of %s: %w", m.Path, err)
			}
			c.Hashes = []hash{{"SHA-256", hex.EncodeToString(raw)}}
		}
		if l := licences[m.Path]; l != "" {
			c.Licenses = []license{{l}}
		}
		out = append(out, c)
	}
	return out, nil
}

// licenceTable reads "| module | licence | notice |" rows. Licences are SPDX expressions but for two that are written for people.
func licenceTable(notices []string) map[string]string {
	spdx := strings.NewReplacer("FreeType License", "FTL", " and ", " AND ")
	out := map[string]string{}
	for _, line := range notices {
		cells := strings.Split(line, "|")
		if len(cells) == 5 && strings.Contains(cells[1], "/") {
			out[strings.TrimSpace(cells[1])] = spdx.Replace(strings.TrimSpace(cells[2]))
		}
	}
	return out
}

// lines are those of a file that are not empty.
func lines(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []string
	s := bufio.NewScanner(f)
	for s.Scan() {
		if t := strings.TrimSpace(s.Text()); t != "" {
			out = append(out, t)
		}
	}
	return out, s.Err()
}
