package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const cam = "[[camera]]\nname = \"a\"\nsource = \"test:\"\n" // a camera without fault

var testHooks = Hooks{
	CheckSource: func(s string) error {
		if !strings.HasPrefix(s, "file:") && !strings.HasPrefix(s, "test:") {
			return fmt.Errorf("source %q: unknown kind", s) // as if capture forgot to redact
		}
		return nil
	},
	Model: func(m string) (string, []string, error) {
		if m != Builtin {
			return openModel(m)
		}
		return m, []string{"person", "car", "dining table"}, nil
	},
}

// Each line of want is a fault without "c.toml:"; the order is the file's.
var bad = []struct{ name, text, want string }{
	{"port out of range", "[webrtc]\nport = 70000\n" + cam, `2: webrtc.port: 70000 is out of range (allowed: 0, or 1 to 65535)`},
	{"public name", "[webrtc]\npublic_ips = [\"example.org\"]\n" + cam, `2: webrtc.public_ips: "example.org" is no IP address (allowed: addresses like 203.0.113.5)`},
	{"no ICE server", "[webrtc]\nice_servers = [\"example.org\"]\n" + cam,
		`2: webrtc.ice_servers: is no STUN or TURN server (allowed: stun:host:port or turn:user:password@host:port?transport=udp)`},
	{"interface pattern", "[webrtc]\ninterfaces = [\"eth[\"]\n" + cam,
		`2: webrtc.interfaces: "eth[" is no name of a network interface (allowed: names or patterns, as in ["eth*", "wlan0"])`},
	{"unknown key at the top", "modl = 1\n" + cam, `1: modl: unknown key, did you mean "model"?`},
	{"unknown key in a table", "[detect]\nfsp = 10\n" + cam, `2: detect.fsp: unknown key, did you mean "detect.fps"?`},
	{"unknown key like no other", "[detect]\nzzzzzzzz = 10\n" + cam, `2: detect.zzzzzzzz: unknown key`},
	{"unknown dotted key", "detect.skore = 0.5\n" + cam, `1: detect.skore: unknown key, did you mean "detect.score"?`},
	{"unknown key in an inline table", "detect = { fps = 5, nmss = 0.5 }\n" + cam, `1: detect.nmss: unknown key, did you mean "detect.nms"?`},
	{"unknown key in a camera", cam + "sorce = \"x\"\n", `4: camera.sorce: unknown key, did you mean "camera.source"?`},
	{"unknown key in the second camera", cam + "[[camera]]\nname = \"b\"\nsource = \"test:\"\nLoop = true\n", `7: camera.Loop: unknown key, did you mean "camera.loop"?`},
	{"key of another table", "bitrate_kbps = 100\n" + cam, `1: bitrate_kbps: unknown key, did you mean "preview.bitrate_kbps"?`},
	{"unknown table", "[detct]\nfps = 1\n[[camera]]\nname = \"a\"\nsource = \"test:\"\n", `1: detct: unknown table, did you mean "detect"?`},
	{"unknown table in a table", "[detect.more]\nx = 1\n" + cam, `1: detect.more: unknown key, did you mean "detect.score"?`},
	{"unknown array of tables", cam + "[[zonexyz]]\nname = 1\n", `4: zonexyz: unknown key`},
	{"quoted unknown key", "[log]\n\"a b.c\" = 1\n" + cam, `2: log."a b.c": unknown key`},
	{"wrong case", "[Detect]\nfps = 1\n" + cam, `1: Detect: unknown table, did you mean "detect"?`},
	{"hyphen for underscore", "[server]\nallow-open = true\n" + cam, `2: server.allow-open: unknown key, did you mean "server.allow_open"?`},

	{"an angle that is none", cam + "rotate = 45\n", `4: camera.rotate: 45 is not one of its values (allowed: 0, 90, 180 or 270)`},
	{"a fraction for an angle", cam + "rotate = 90.5\n", `4: camera.rotate: want a whole number and not the number 90.5 (allowed: 0, 90, 180 or 270)`},
	{"half a fingerprint", cam + "tls_fingerprint = \"00:11:22\"\n", `4: camera.tls_fingerprint: "00:11:22" is no fingerprint (allowed: the SHA-256 of the certificate as 64 hexadecimal digits, colons allowed; empty is any that the system trusts)`},
	{"a crop of three numbers", cam + "crop = [0, 0, 1]\n", `4: camera.crop: has 3 numbers (allowed: [x, y, width, height] as parts of the whole from 0 to 1; [] is all of it)`},
	{"a crop in pixels", cam + "crop = [0, 0, 640, 480]\n", `4: camera.crop: 640 is out of range (allowed: 0 to 1)`},
	{"a crop beyond the picture", cam + "crop = [0.5, 0, 0.6, 1]\n", `4: camera.crop: reaches beyond the picture, or is less than a hundredth of it wide or high (allowed: [x, y, width, height] as parts of the whole from 0 to 1; [] is all of it)`},
	{"an empty crop", cam + "crop = [0.5, 0, 0, 1]\n", `4: camera.crop: reaches beyond the picture, or is less than a hundredth of it wide or high (allowed: [x, y, width, height] as parts of the whole from 0 to 1; [] is all of it)`},
	{"a crop of texts", cam + "crop = [\"0\", 0, 1, 1]\n", `4: camera.crop: want a number and not the text "0" (allowed: [x, y, width, height] as parts of the whole from 0 to 1; [] is all of it)`},
	{"a mask that is one polygon", cam + "mask = [[0, 0], [1, 0], [1, 1]]\n", `4: camera.mask: a polygon has 3 to 256 points (allowed: lists of three or more [x, y] from 0 to 1, as in [[[0, 0], [0.3, 0], [0, 0.5]]])`},
	{"a point of one number", cam + "mask = [[[0], [1, 0], [1, 1]]]\n", `4: camera.mask: a point is [x, y] (allowed: lists of three or more [x, y] from 0 to 1, as in [[[0, 0], [0.3, 0], [0, 0.5]]])`},
	{"a point in pixels", cam + "mask = [[[0, 0], [100, 0], [1, 1]]]\n", `4: camera.mask: 100 is out of range (allowed: 0 to 1)`},
	{"a faulty second stream", cam + "detect_source = \"cam:1\"\n", `4: camera.detect_source: source "cam:1": unknown kind`},

	{"text for a number", "[detect]\nfps = \"10\"\n" + cam, `2: detect.fps: want a number and not the text "10" (allowed: 0.1 to 60)`},
	{"number for a text", "[log]\nlevel = 3\n" + cam, `2: log.level: want a text in quotes and not the number 3 (allowed: trace, debug, info, warn, error)`},
	{"text for a boolean", "[server]\nallow_open = \"yes\"\n" + cam, `2: server.allow_open: want true or false and not the text "yes"`},
	{"fraction for a whole number", "[detect]\nworkers = 1.5\n" + cam, `2: detect.workers: want a whole number and not the number 1.5 (allowed: 1 to 64)`},
	{"date for a number", "[detect]\nnms = 2024-01-01\n" + cam, `2: detect.nms: want a number and not a date or time (allowed: 0.01 to 1)`},
	{"table for a text", "[model]\npath = \"x\"\n" + cam, `1: model: want a text in quotes and not a table`},
	{"text for a list", "[detect]\nclasses = \"person\"\n" + cam, `2: detect.classes: want a list of texts and not the text "person"`},
	{"number in a list", "[detect]\nclasses = [\n  \"person\",\n  5,\n]\n" + cam, `4: detect.classes: want a text in quotes and not the number 5`},
	{"list for a table of numbers", "[detect]\nclass_scores = [1]\n" + cam, `2: detect.class_scores: want a table of numbers and not a list (allowed: 0.01 to 1)`},
	{"text in a table of numbers", "[detect.class_scores]\nperson = \"high\"\n" + cam, `2: detect.class_scores.person: want a number and not the text "high" (allowed: 0.01 to 1)`},
	{"value for a table", "detect = 5\n" + cam, `1: detect: want a table, [detect], and not the number 5`},
	{"array of tables for a table", "[[detect]]\nfps = 5\n" + cam, `1: detect: want a table, [detect], and not a list`},
	{"table for the cameras", "[camera]\nname = \"a\"\n", `1: camera: each camera is a [[camera]] of its own, and not a table`},
	{"text for a camera", "camera = [\"a\"]\n", `1: camera: want a table and not the text "a"`},
	{"text for the cameras", "camera = \"a\"\n", `1: camera: each camera is a [[camera]] of its own, and not the text "a"`},

	{"fps too low", "[detect]\nfps = 0\n" + cam, `2: detect.fps: 0 is out of range (allowed: 0.1 to 60)`},
	{"fps too high", "detect.fps = 1_000\n" + cam, `1: detect.fps: 1000 is out of range (allowed: 0.1 to 60)`},
	{"score below its least", "[detect]\nscore = 0.001\n" + cam, `2: detect.score: 0.001 is out of range (allowed: 0, or 0.01 to 1)`},
	{"not a number", "[detect]\nnms = nan\n" + cam, `2: detect.nms: NaN is out of range (allowed: 0.01 to 1)`},
	{"no low score", "[tracker]\nlow_score = 0\n" + cam, `2: tracker.low_score: 0 is out of range (allowed: 0.01 to 1)`},
	{"confirmed by nothing", "[tracker]\nconfirm_after = 0\n" + cam, `2: tracker.confirm_after: 0 is out of range (allowed: 0.001 to 60)`},
	{"infinite", "[tracker]\nlost_after = inf\n" + cam, `2: tracker.lost_after: +Inf is out of range (allowed: 0.01 to 3600)`},
	{"negative whole number", "[preview]\nbitrate_kbps = -5\n" + cam, `2: preview.bitrate_kbps: -5 is out of range (allowed: 50 to 50000)`},
	{"camera's fps", cam + "preview_fps = 31\n", `4: camera.preview_fps: 31 is out of range (allowed: 0, or 1 to 30)`},
	{"score of a class", "[detect]\nclass_scores = { person = 2 }\n" + cam, `2: detect.class_scores.person: 2 is out of range (allowed: 0.01 to 1)`},

	{"not one of its values", "[log]\nlevel = \"inof\"\n" + cam, `2: log.level: "inof" is not one of its values (allowed: trace, debug, info, warn, error), did you mean "info"?`},
	{"resize", "[detect]\nresize = \"crop\"\n" + cam, `2: detect.resize: "crop" is not one of its values (allowed: letterbox, stretch)`},
	{"input no multiple of 32", "[detect]\ninput = \"640x481\"\n" + cam, `2: detect.input: "640x481" is no input size (allowed: auto, or WxH with sides of 64 to 1280 that are multiples of 32)`},
	{"input too large", "[detect]\ninput = \"1312x32\"\n" + cam, `2: detect.input: "1312x32" is no input size (allowed: auto, or WxH with sides of 64 to 1280 that are multiples of 32)`},
	{"input in other words", "[detect]\ninput = \"+32x032\"\n" + cam, `2: detect.input: "+32x032" is no input size (allowed: auto, or WxH with sides of 64 to 1280 that are multiples of 32)`},
	{"class unknown to the model", "[detect]\nclasses = [\"person\", \"dinning table\"]\n" + cam, `2: detect.classes: the model knows no class "dinning table", did you mean "dining table"?`},
	{"class listed twice", "[detect]\nclasses = [\"car\",\n\"car\"]\n" + cam, `3: detect.classes: "car" is listed twice`},
	{"score of a class unknown to the model", "[detect.class_scores]\ncra = 0.5\n" + cam, `2: detect.class_scores.cra: the model knows no class "cra", did you mean "car"?`},
	{"empty class", "[detect]\nclasses = [\"\"]\n" + cam, `2: detect.classes: is empty`},

	{"model misspelt", "model = \"biultin\"\n" + cam, `1: model: "biultin" cannot be used: there is no model of this name, did you mean "builtin"?`},
	{"model not there", "model = \"nowhere/m.onnx\"\n" + cam, `1: model: "nowhere/m.onnx" cannot be used: no such file or directory`},
	{"model empty", "model = \" \"\n" + cam, `1: model: is empty`},

	{"address without port", "[server]\nlisten = \"127.0.0.1\"\n" + cam, `2: server.listen: "127.0.0.1" is no address (allowed: host:port, as in 127.0.0.1:8080)`},
	{"port too high", "[server]\nlisten = [\"127.0.0.1:65536\"]\n" + cam, `2: server.listen: "127.0.0.1:65536" has no port from 0 to 65535 (allowed: host:port, as in 127.0.0.1:8080)`},
	{"host that is none", "[server]\nlisten = \"a b:80\"\n" + cam, `2: server.listen: "a b:80" has no valid host (allowed: host:port, as in 127.0.0.1:8080)`},
	{"no address", "[server]\nlisten = []\n" + cam, `2: server.listen: is an empty list (allowed: host:port, as in 127.0.0.1:8080)`},
	{"open to all", "[server]\nlisten = [\"127.0.0.1:80\",\n\":8080\"]\nauth = \"off\"\n" + cam, `3: server.listen: ":8080" lets other machines in, and with server.auth = "off" nobody is asked for a password; leave auth at "auto", listen on 127.0.0.1, or say server.allow_open = true (--allow-open) if that is meant`},
	{"open by IPv6", "[server]\nlisten = \"[::]:8080\"\nauth = \"off\"\n" + cam, `2: server.listen: "[::]:8080" lets other machines in, and with server.auth = "off" nobody is asked for a password; leave auth at "auto", listen on 127.0.0.1, or say server.allow_open = true (--allow-open) if that is meant`},
	{"host with port", "[server]\nhosts = [\"cam.example:80\"]\n" + cam, `2: server.hosts: "cam.example:80" is no host name (allowed: a host name or address without scheme and port)`},
	{"origin with path", "[server]\ncors_origins = [\"https://a.example/\"]\n" + cam, `2: server.cors_origins: "https://a.example/" is no origin (allowed: scheme://host[:port], as in https://home.example.org)`},
	{"origin for all", "[server]\ncors_origins = [\"*\"]\n" + cam, `2: server.cors_origins: "*" is no origin (allowed: scheme://host[:port], as in https://home.example.org)`},

	{"camera without name", "[[camera]]\nsource = \"test:\"\n", `1: camera.name: is missing (allowed: 1 to 32 of a-z, 0-9, _ and -)`},
	{"camera without anything", "\n[[camera]]\n", "2: camera.name: is missing (allowed: 1 to 32 of a-z, 0-9, _ and -)\n2: camera.source: is missing"},
	{"camera name in capitals", "[[camera]]\nname = \"Door\"\nsource = \"test:\"\n", `2: camera.name: "Door" is no camera name (allowed: 1 to 32 of a-z, 0-9, _ and -)`},
	{"camera name too long", "[[camera]]\nname = \"" + strings.Repeat("a", 33) + "\"\nsource = \"test:\"\n", `2: camera.name: "` + strings.Repeat("a", 33) + `" is no camera name (allowed: 1 to 32 of a-z, 0-9, _ and -)`},
	{"camera name empty", "[[camera]]\nname = \"\"\nsource = \"test:\"\n", `2: camera.name: "" is no camera name (allowed: 1 to 32 of a-z, 0-9, _ and -)`},
	{"camera name twice", cam + cam, `5: camera.name: "a" is the name of another camera too (line 1)`},
	{"camera name thrice", cam + cam + cam, "5: camera.name: \"a\" is the name of another camera too (line 1)\n8: camera.name: \"a\" is the name of another camera too (line 1)"},
	{"camera name twice, inline", "camera = [\n{ name = \"a\", source = \"test:\" },\n{ name = \"a\", source = \"test:\" },\n]\n", `3: camera.name: "a" is the name of another camera too (line 2)`},
	{"source empty", "[[camera]]\nname = \"a\"\nsource = \"\"\n", `3: camera.source: is empty`},
	{"source of an unknown kind", "[[camera]]\nname = \"a\"\nsource = \"gopher:x\"\n", `3: camera.source: source "gopher:x": unknown kind`},
	{"source with a password", "[[camera]]\nname = \"a\"\nsource = \"rtsp://me:hunter2@10.0.0.9/1\"\n", `3: camera.source: source "rtsp://***@10.0.0.9/1": unknown kind`},
	{"loop of a test pattern", cam + "loop = true\n", `4: camera.loop: a test: source has no end to start again from (allowed: true with file: sources only)`},
	{"speed", cam + "speed = \"fast\"\n", `4: camera.speed: "fast" is not one of its values (allowed: realtime, max)`},

	{"no value", "[detect]\nfps =\n" + cam, "2: not valid TOML: expected value but found '\\n' instead"},
	{"key twice", "[detect]\nfps = 1\nfps = 2\n" + cam, "3: not valid TOML: key 'detect.fps' has already been defined"},
	{"table twice", "[detect]\nfps = 1\n[detect]\nnms = 2\n", "3: not valid TOML: key 'detect' has already been defined; what follows is not checked"},
	{"text without end", "[log]\nlevel = \"info\n" + cam, "2: not valid TOML: strings cannot contain newlines"},
	{"text without quotes", "[log]\nlevel = info\n" + cam, "2: not valid TOML: a text needs quotes around it, and true and false are written small"},
	{"list without end", "[detect]\nfps = 99\nclasses = [\"car\"\n[log]\nlevel = \"inof\"\n", "2: detect.fps: 99 is out of range (allowed: 0.1 to 60)\n" +
		"4: not valid TOML: expected a comma (',') or array terminator (']'), but got '[' (it begins in line 3); what follows is not checked"},
	{"several, and the rest is still checked", "[detect]\nfps = ten\nnms = 1.\nscore = 7\n[log]\nlevel = \"a\n" + cam + "x = 1\n",
		"2: not valid TOML: a text needs quotes around it, and true and false are written small\n" +
			"3: not valid TOML: invalid float \"1.\": '.' must be followed by one or more digits\n" +
			"4: detect.score: 7 is out of range (allowed: 0, or 0.01 to 1)\n" +
			"6: not valid TOML: strings cannot contain newlines\n" +
			"10: camera.x: unknown key"},
	{"source without quotes", "[[camera]]\nname = \"a\"\nsource = rtsp://me:hunter2@10.0.0.9/1\nloop = True\n",
		"3: not valid TOML: a text needs quotes around it, and true and false are written small\n" +
			"4: not valid TOML: a text needs quotes around it, and true and false are written small"},
	{"long text without end", "[log]\nlevel = \"inof\"\nformat = \"\"\"\nauto\n[[camera]]\n",
		"2: log.level: \"inof\" is not one of its values (allowed: trace, debug, info, warn, error), did you mean \"info\"?\n" +
			"5: not valid TOML: unexpected EOF; expected '\"\"\"' (it begins in line 3); what follows is not checked"},
	{"header without end", "[log]\nlevel = \"inof\"\n[[camera]\nname = \"a\"\n",
		"2: log.level: \"inof\" is not one of its values (allowed: trace, debug, info, warn, error), did you mean \"info\"?\n" +
			"4: not valid TOML: expected end of table array name delimiter ']', but got '\\n' instead (it begins in line 3); what follows is not checked"},
	{"key twice over several lines", "[detect]\nclasses = []\nclasses = [\n\"car\"]\nfps = 0\n", "3: not valid TOML: key 'detect.classes' has already been defined; what follows is not checked"},
	{"nested too deep", "[log]\nlevel = " + strings.Repeat("[", 2000) + "\n" + cam, "2: not valid TOML: nested deeper than 16 levels; what follows is not checked"},
	{"key of too many names", strings.Repeat("a.", 2000) + "a = 1\n" + cam, "1: not valid TOML: nested deeper than 16 levels"},
	{"not UTF-8", "[log]\nlevel = \"\xff\"\n", "2: not valid TOML: a byte that is no UTF-8 text; what follows is not checked"},
	{"NUL", "a\x00b = 1\n", "1: not valid TOML: files cannot contain NULL bytes; probably using UTF-16; TOML files must be UTF-8"},
	{"everything at once", "fps = 3\n[server]\nlisten = \"0.0.0.0:1\"\nauth = \"off\"\n[detect]\nfps = true\n[[camera]]\nname = \"É\"\nsource = \"x:\"\n[[camera]]\n",
		"1: fps: unknown key, did you mean \"detect.fps\"?\n" +
			"3: server.listen: \"0.0.0.0:1\" lets other machines in, and with server.auth = \"off\" nobody is asked for a password; leave auth at \"auto\", listen on 127.0.0.1, or say server.allow_open = true (--allow-open) if that is meant\n" +
			"6: detect.fps: want a number and not true (allowed: 0.1 to 60)\n" +
			"8: camera.name: \"É\" is no camera name (allowed: 1 to 32 of a-z, 0-9, _ and -)\n" +
			"9: camera.source: source \"x:\": unknown kind\n" +
			"10: camera.name: is missing (allowed: 1 to 32 of a-z, 0-9, _ and -)\n" +
			"10: camera.source: is missing"},
}

func TestBadConfigs(t *testing.T) {
	if len(bad) < 40 {
		t.Fatalf("only %d rows", len(bad))
	}
	for _, tt := range bad {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse("c.toml", tt.text, testHooks)
			var faults Errors
			if !errors.As(err, &faults) {
				t.Fatalf("error is %v", err)
			}
			var want []string
			for _, line := range strings.Split(tt.want, "\n") {
				want = append(want, "c.toml:"+line)
			}
			if got := err.Error(); got != strings.Join(want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
			}
		})
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large.toml")
	if err := os.WriteFile(large, make([]byte, maxSize+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none.toml"): ": there is no such file; give the configuration with -c FILE",
		dir:                             ": is a folder, not a configuration file",
		large:                           ": is larger than 64 kB and so no configuration",
	} {
		if _, err := Load(path, Hooks{}); err == nil || err.Error() != path+want {
			t.Errorf("got %v, want %s", err, path+want)
		}
	}
}
