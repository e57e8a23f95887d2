package config

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write config.toml anew from the table of keys")

const shipped = "../../../config.toml"

// demo is the camera of the shipped file.
var demo = func() Camera {
	c := defaultCamera()
	c.Name, c.Source, c.Loop = "demo", "file:testdata/videos/demo-640x480.mp4", true
	c.Shown = c.Source
	return c
}()

const fileHead = `# Configuration of yfv2d: every key, its default, and what it may be. A key that is left out has its default.
#   yfv2d check -c config.toml   says everything that is wrong with this file
#   yfv2d run -c config.toml     runs with it
# A text may hold ${cred:NAME}, the file NAME in $CREDENTIALS_DIRECTORY (systemd's LoadCredential=), or ${env:NAME}, an
# environment variable: for passwords, which are shown nowhere. In the user and password of an address, what they stand for may
# hold any sign, such as @ or /. $${ is a plain ${.
`

var tableHeads = map[string]string{
	"log":     "# What is written to standard error.",
	"server":  "# The page and the API.",
	"detect":  "# Looking for objects.",
	"tracker": "# Telling which object is which over time. The defaults suit 2 to 30 detections a second.",
	"preview": "# The live picture. Nothing is encoded while nobody watches.",
	"webrtc":  "# How live pictures get to viewers.",
	"capture": "# Reading the cameras.",
	"camera":  "# One [[camera]] for each camera.",
}

// render writes the table of keys as a configuration file.
func render(c *Config, cam *Camera) string {
	var b strings.Builder
	b.WriteString(fileHead)
	table := ""
	for _, k := range keys {
		t, name, ok := strings.Cut(k.path, ".")
		if !ok {
			t, name = "", k.path
		}
		if t != table {
			table = t
			head := "[" + t + "]"
			if t == cameraTable {
				head = "[" + head + "]"
			}
			fmt.Fprintf(&b, "\n%s\n%s\n", tableHeads[t], head)
		} else if table == "" {
			b.WriteString("\n")
		}
		doc := k.doc
		if a := k.allowed(); a != "" {
			doc += " (" + a + ")"
		}
		fmt.Fprintf(&b, "# %s\n%s = %s\n", doc, name, literal(k.at(c, cam)))
	}
	return b.String()
}

func literal(v any) string {
	switch v := v.(type) {
	case *string:
		return strconv.Quote(*v)
	case *bool:
		return strconv.FormatBool(*v)
	case *int:
		return strconv.Itoa(*v)
	case *float64:
		return strconv.FormatFloat(*v, 'g', -1, 64)
	case *time.Duration:
		return strconv.FormatFloat(v.Seconds(), 'g', -1, 64)
	case *[]string:
		quoted := make([]string, len(*v))
		for i, s := range *v {
			quoted[i] = strconv.Quote(s)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	case *map[string]float64:
		return "{}"
	case *Fingerprint:
		return `""`
	case *TLS:
		return strconv.Quote(v.Mode)
	case *Crop, *Masks:
		return "[]"
	}
	panic(fmt.Sprintf("no literal for %T", v))
}

// The shipped file is what the table of keys says: every key, its default, its comment.
func TestShippedFileIsTheTable(t *testing.T) {
	c, cam := Default(), demo
	want := render(&c, &cam)
	if *update {
		if err := os.WriteFile(shipped, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(shipped)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) == want {
		return
	}
	a, b := strings.Split(string(got), "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			t.Fatalf("config.toml:%d is\n%s\nbut the table of keys says\n%s\nchange keys.go and run go test ./cmd/yfv2d/config -update", i+1, a[i], b[i])
		}
	}
	t.Fatalf("config.toml has %d lines, the table of keys gives %d", len(a), len(b))
}

func TestShippedFileHoldsTheDefaults(t *testing.T) {
	got, err := Load(shipped, Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Path, want.Dir, want.Secrets = shipped, "../../..", map[string]string{}
	want.Cameras = []Camera{demo}
	want.Cameras[0].Line = got.Cameras[0].Line
	want.Server.Hosts, want.Server.CORSOrigins, want.Detect.Classes = got.Server.Hosts, got.Server.CORSOrigins, got.Detect.Classes
	want.Server.TrustedProxies = got.Server.TrustedProxies
	want.Detect.ClassScores = got.Detect.ClassScores
	if n := len(got.Server.Hosts) + len(got.Server.TrustedProxies) + len(got.Server.CORSOrigins) + len(got.Detect.Classes) + len(got.Detect.ClassScores); n != 0 {
		t.Errorf("%d entries in lists that are empty by default", n)
	}
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("config.toml gives\n%+v\nbut the defaults are\n%+v", *got, want)
	}
}

func TestShippedFileNamesEveryKey(t *testing.T) {
	text, err := os.ReadFile(shipped)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	places, _ := scan(string(text))
	for _, p := range places {
		names = append(names, strings.Join(p.key, "."))
	}
	for _, k := range keys {
		if !slices.Contains(names, k.path) {
			t.Errorf("config.toml does not mention %s", k.path)
		}
		if k.doc == "" {
			t.Errorf("%s has no comment", k.path)
		}
	}
}

// Every field of Config can be set by a key, and every row of the table sets one of its own.
func TestEveryFieldHasAKey(t *testing.T) {
	var c Config
	var cam Camera
	seen := map[any]string{}
	for _, k := range keys {
		at := k.at(&c, &cam)
		if other, ok := seen[at]; ok {
			t.Errorf("%s and %s set the same field", k.path, other)
		}
		seen[at] = k.path
	}
	for _, skip := range []any{&c.Path, &c.Dir, &c.Cameras, &c.Secrets, &cam.Line, &cam.Shown, &c.Tracker.Interval, &c.Tracker.Groups,
		&c.Tracker.StartScore, &c.Tracker.StartScores} {
		seen[skip] = "not a key"
	}
	var walk func(v reflect.Value, name string)
	walk = func(v reflect.Value, name string) {
		for i := range v.NumField() {
			f, n := v.Field(i), name+"."+v.Type().Field(i).Name
			if _, ok := seen[f.Addr().Interface()]; ok {
				continue
			}
			if f.Kind() == reflect.Struct {
				walk(f, n)
				continue
			}
			t.Errorf("no key sets %s", n)
		}
	}
	walk(reflect.ValueOf(&c).Elem(), "Config")
	walk(reflect.ValueOf(&cam).Elem(), "Camera")
}
