package config

import (
	"fmt"
	"math/rand"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

// agree compares scan with the library's list of keys; ok is false if the library refuses the text.
func agree(text string) (diff string, ok bool) {
	_, _, err := decodeTOML(text)
	if err != nil {
		return "", false
	}
	meta, _ := toml.Decode(text, new(map[string]any))
	places, _ := scan(text)
	var got, want []string
	for _, p := range places {
		if !p.byIndex {
			got = append(got, strings.Join(p.key, "\x00"))
		}
	}
	for _, k := range meta.Keys() {
		want = append(want, strings.Join(k, "\x00"))
	}
	if slices.Equal(got, want) {
		return "", true
	}
	return fmt.Sprintf("scanner %q\nlibrary %q", got, want), true
}

func TestScanShapes(t *testing.T) {
	tests := []struct {
		name, text string
		want       string // path:line of every place
	}{
		{"plain keys", "a = 1\nb-c_1 = \"x\"\n", "a:1 b-c_1:2"},
		{"dotted keys", "a.b.c = 1\na . d = 2\n", "a.b.c:1 a.d:2"},
		{"quoted keys", "\"a b\" = 1\n'c.d' = 2\n\"e\\\"f\\u00e9\".g = 3\n\"\" = 4\n", `"a b":1 "c.d":2 "e\"fé".g:3 "":4`},
		{"tables", "[a]\nb = 1\n[ c . 'd e' ]\nf = 2 # [g]\n", `a:1 a.b:2 c."d e":3 c."d e".f:4`},
		{"arrays of tables", "[[a]]\nb = 1\n\n[[a]]\nb = 2\n[a.c]\nd = 3\n[[a.e]]\nf = 4\n[[a.e]]\n", "a[0]:1 a[0].b:2 a[1]:4 a[1].b:5 a[1].c:6 a[1].c.d:7 a[1].e[0]:8 a[1].e[0].f:9 a[1].e[1]:10"},
		{"inline tables", "a = { b = 1, c.d = { e = 2 }, f = [ { g = 3 } ] }\nh = {}\n", "a:1 a.b:1 a.c.d:1 a.c.d.e:1 a.f:1 a.f[0]:1 a.f[0].g:1 h:2"},
		{"array over lines", "a = [ # [x = 1]\n  1, # ]\n  \"]\",\n  [2,\n3],\n]\nb = 1\n", "a:1 a[0]:2 a[1]:3 a[2]:4 a[2][0]:4 a[2][1]:5 b:7"},
		{"multi-line texts", "a = \"\"\"\nb = 1\n\\\"\"\" # \\\\\"\"\"\"\"\nc = '''\n[d]\n''\\'''\ne = 2\n", "a:1 c:4 e:7"},
		{"texts on one line", "a = \"b = 1 # \\\"\"\nc = 'd\\'\ne = \"\"\nf = ''\n", "a:1 c:2 e:3 f:4"},
		{"numbers and dates", "a = 1979-05-27 07:32:00Z # x\nb = +1_0.5e-3\nc = inf\n", "a:1 b:2 c:3"},
		{"comments", "# a = 1\n  # [b]\nc = 1 # d = 2\n#", "c:3"},
		{"carriage returns", "a = 1\r\n[b]\r\nc = [\r\n1]\r\n", "a:1 b:2 b.c:3 b.c[0]:4"},
		{"byte order mark", "\xef\xbb\xbfa = 1", "a:1"},
		{"no line end", "[a]\nb = [1]", "a:1 a.b:2 a.b[0]:2"},
		{"empty", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			places, _ := scan(tt.text)
			for _, p := range places {
				got = append(got, fmt.Sprintf("%s:%d", p.path, p.line))
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("got  %s\nwant %s", s, tt.want)
			}
			if diff, ok := agree(tt.text); !ok || diff != "" {
				t.Errorf("against the library: valid %v\n%s", ok, diff)
			}
		})
	}
}

// writer makes random valid TOML.
type writer struct {
	*rand.Rand
	strings.Builder
	n int // makes names unique, so that no key is defined twice
}

func (w *writer) name() string {
	w.n++
	return fmt.Sprintf([]string{"k%d", "k-%d_", `"k %d"`, `'k.%d'`, `"k\u00e9\"%d"`, "%d"}[w.Intn(6)], w.n)
}

func (w *writer) gap() string { return []string{"", " ", "\t", "  "}[w.Intn(4)] }

func (w *writer) key() string {
	names := []string{w.name()}
	for w.Intn(4) == 0 {
		names = append(names, w.name())
	}
	return strings.Join(names, w.gap()+"."+w.gap())
}

func (w *writer) value(depth int) string {
	kinds := 12
	if depth <= 0 {
		kinds = 10
	}
	switch w.Intn(kinds) {
	case 10:
		s := "["
		for n := w.Intn(4); n > 0; n-- {
			s += w.lines() + w.value(depth-1) + w.lines() + ","
		}
		return s + w.lines() + "]"
	case 11:
		var parts []string
		for n := w.Intn(3); n > 0; n-- {
			parts = append(parts, w.gap()+w.key()+w.gap()+"="+w.gap()+w.value(depth-1)+w.gap())
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	return []string{
		"1", "-1.5e3", "true", "1979-05-27 07:32:00", `"a = \"1\" # ["`, `'b \'`, "\"\"\"\n[x]\ny = 1 \\\"\"\"\"\"\"", "'''\n{'a\n'''''",
		`""`, "0xff",
	}[w.Intn(10)]
}

// lines is what may stand between the elements of an array.
func (w *writer) lines() string {
	return []string{"", " ", "\n", "\r\n  ", " # a ] = \"\n", "\n\n#\n"}[w.Intn(6)]
}

func (w *writer) file() string {
	w.Reset()
	var arrays []string
	for n := w.Intn(12); n > 0; n-- {
		switch w.Intn(6) {
		case 0:
			fmt.Fprintf(w, "[%s]%s# x\n", w.key(), w.gap())
		case 1:
			k := w.key()
			arrays = append(arrays, k)
			fmt.Fprintf(w, "[[%s]]\n", k)
		case 2:
			if len(arrays) > 0 {
				fmt.Fprintf(w, "[[%s]]\n", arrays[w.Intn(len(arrays))])
			}
		case 3:
			if len(arrays) > 0 {
				fmt.Fprintf(w, "[%s.%s]\n", arrays[w.Intn(len(arrays))], w.name())
			}
		default:
			fmt.Fprintf(w, "%s%s%s=%s%s%s\n", w.gap(), w.key(), w.gap(), w.gap(), w.value(3), w.gap())
		}
		w.WriteString([]string{"", "\n", "# [c]\n"}[w.Intn(3)])
	}
	return w.String()
}

func TestScanAgreesWithLibrary(t *testing.T) {
	w := &writer{Rand: rand.New(rand.NewSource(6))}
	valid := 0
	for range 3000 {
		text := w.file()
		diff, ok := agree(text)
		if diff != "" {
			t.Fatalf("%s\n%s", text, diff)
		}
		if ok {
			valid++
		}
	}
	if valid < 1000 {
		t.Errorf("only %d of 3000 texts were valid", valid)
	}
}

func TestScanAgreesOnRealFiles(t *testing.T) {
	for _, b := range bad {
		if diff, _ := agree(b.text); diff != "" {
			t.Errorf("%s: %s", b.name, diff)
		}
	}
	text, err := os.ReadFile(shipped)
	if err != nil {
		t.Fatal(err)
	}
	if diff, ok := agree(string(text)); !ok || diff != "" {
		t.Errorf("config.toml: valid %v\n%s", ok, diff)
	}
}

func FuzzScan(f *testing.F) {
	w := &writer{Rand: rand.New(rand.NewSource(7))}
	for range 50 {
		f.Add(w.file())
	}
	for _, b := range bad {
		f.Add(b.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		last := 0
		places, _ := scan(text)
		for _, p := range places {
			if p.line < max(1, last) || p.line > 1+strings.Count(text, "\n") {
				t.Fatalf("line %d after line %d: %q", p.line, last, text)
			}
			last = p.line
		}
		if diff, _ := agree(text); diff != "" {
			t.Fatalf("%q\n%s", text, diff)
		}
	})
}
