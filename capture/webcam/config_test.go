package webcam

import (
	"fmt"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	rows := []struct {
		spec            string
		url, user, pass string
		fps             float64
		text            string
	}{
		{"http://cam/video.mjpg", "http://cam/video.mjpg", "", "", 0, "http://cam/video.mjpg"},
		{"HTTP://Cam:8080", "http://cam:8080/", "", "", 0, "http://cam:8080"},
		{"https://u:p@10.0.0.7/a?b=c#fps=2.5", "https://10.0.0.7/a?b=c", "u", "p", 2.5, "https://10.0.0.7/a?b=c"},
		{"http://u@cam/a", "http://cam/a", "u", "", 0, "http://cam/a"},
		{"http://u:p@ss/w?rd#1@cam/a@b", "http://b", "u", "p@ss/w?rd#1@cam/a", 0, ""}, // the last @ ends a password
		{"http://u:p%40%2f@cam/a", "http://cam/a", "u", "p@/", 0, "http://cam/a"},
		{"http://u:100%@cam/a", "http://cam/a", "u", "100%", 0, "http://cam/a"},
		{"http://cam/user@home", "http://cam/user@home", "", "", 0, "http://cam/user%40home"},
		{"http://[fe80::1]:81/x y", "http://[fe80::1]:81/x%20y", "", "", 0, "http://[fe80::1]:81/x%20y"},
		{"http://cam/a?pwd=hunter2&x=1", "http://cam/a?pwd=hunter2&x=1", "", "", 0, "http://cam/a?pwd=***&x=1"},
		{"http://cam/50%?a=1%", "http://cam/50%25?a=1%25", "", "", 0, "http://cam/50%25?a=1%25"},
		{"http://cam?x=1", "http://cam/?x=1", "", "", 0, "http://cam/?x=1"},
	}
	for _, r := range rows {
		t.Run(r.spec, func(t *testing.T) {
			c, err := Parse(r.spec)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.TrimSuffix(c.url.String(), "/")
			if got != strings.TrimSuffix(r.url, "/") || c.user != r.user || c.pass != r.pass || c.FPS != r.fps || c.login != (r.user != "") {
				t.Errorf("%q %q %q %v, want %q %q %q %v", got, c.user, c.pass, c.FPS, r.url, r.user, r.pass, r.fps)
			}
			if r.text != "" && c.String() != r.text {
				t.Errorf("it calls itself %q, want %q", c, r.text)
			}
			for _, s := range []string{fmt.Sprintf("%v", c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c)} {
				if r.pass != "" && len(r.pass) > 2 && strings.Contains(s, r.pass) || strings.Contains(s, "hunter2") {
					t.Errorf("%q holds the password", s)
				}
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	rows := []struct{ spec, says string }{
		{"", "no address of a camera"},
		{"rtsp://cam/a", "no address of a camera"},
		{"http://", "the host is missing"},
		{"http:///path", "the host is missing"},
		{"http://:secret1@cam/a", "the user name is empty"},
		{"http://u:secret1@/a", "the host is missing"},
		{"http://u:secret1@c am/a", `host "c am"`},
		{"http://u:secret1@cam:0/a", `port "0"`},
		{"http://u:secret1@cam:/a", `port ""`},
		{"http://u:secret1@cam:x/a", `port`},
		{"http://u:secret1@fe80::1/a", "stands in brackets"},
		{"http://u:secret1@[zz]/a", `host "zz" is no IPv6 address`},
		{"http://u:secret1@cam/a\nb", "no control characters"},
		{"http://u:secret1@cam/a#fps=0", `fps "0"`},
		{"http://u:secret1@cam/a#fps=nan", `fps "nan"`},
		{"http://u:secret1@cam/a#fps=61", `fps "61"`},
		{"http://u:secret1@cam/a#rate=1", `unknown option "rate"`},
	}
	for _, r := range rows {
		t.Run(r.spec, func(t *testing.T) {
			_, err := Parse(r.spec)
			if err == nil || !strings.Contains(err.Error(), r.says) {
				t.Fatalf("%v, want %q", err, r.says)
			}
			if strings.Contains(err.Error(), "secret1") || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "want http://") {
				t.Errorf("%q", err)
			}
		})
	}
}

// The examples of RFC 7616 section 3.9 (the second with its erratum 4897) and RFC 2617 section 3.5.
func TestDigestExamples(t *testing.T) {
	rows := []struct{ name, challenge, user, pass, uri, cnonce, want string }{
		{"MD5", `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=MD5, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`,
			"Mufasa", "Circle of Life", "/dir/index.html", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "8ca523f5e9506fed4657c9700eebdbec"},
		{"SHA-256", `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`,
			"Mufasa", "Circle of Life", "/dir/index.html", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"},
		{"SHA-512-256 and userhash", `Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", charset=UTF-8, userhash=true`,
			"Jäsøn Doe", "Secret, or not?", "/doe.json", "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v", "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"},
		{"RFC 2617", `Digest realm="testrealm@host.com",qop="auth,auth-int",nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",opaque="5ccc069c403ebaf9f0171e9517f40e41"`,
			"Mufasa", "Circle Of Life", "/dir/index.html", "0a4f113b", "6629fae49393a05397450978507c4ef1"},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			ch, ok := best(parseChallenges([]string{r.challenge}))
			if !ok {
				t.Fatal("the challenge cannot be met")
			}
			c := credentials{user: r.user, pass: r.pass, challenge: ch, count: 1}
			if line := c.digest("GET", r.uri, r.cnonce); !strings.Contains(line, `response="`+r.want+`"`) {
				t.Errorf("%s\nwant response %s", line, r.want)
			}
		})
	}
}

func TestChallenges(t *testing.T) {
	rows := []struct {
		name  string
		lines []string
		want  string // scheme and algorithm of the best; empty: none
	}{
		{"basic", []string{`Basic realm="x"`}, "basic "},
		{"digest before basic", []string{`Basic realm="x"`, `Digest realm="y", nonce="n"`}, "digest "},
		{"in one line", []string{`Basic realm="a, b", Digest realm="y",nonce=n,algorithm=SHA-256`}, "digest SHA-256"},
		{"the strongest", []string{`Digest nonce="n", algorithm=MD5`, `Digest nonce="n", algorithm="sha-256"`}, "digest sha-256"},
		{"session", []string{`DIGEST nonce="n", algorithm=md5-SESS`}, "digest md5-SESS"},
		{"unknown hash", []string{`Digest nonce="n", algorithm=SHA3`}, ""},
		{"only auth-int", []string{`Digest nonce="n", qop="auth-int"`}, ""},
		{"no nonce", []string{`Digest realm="x"`}, ""},
		{"bearer", []string{`Bearer`, `Negotiate abc==`}, ""},
		{"nonsense", []string{`=`, `"`, `,,,`, `Digest "`, "Basic=", ``}, ""},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			got := ""
			if ch, ok := best(parseChallenges(r.lines)); ok {
				got = ch.scheme + " " + ch.params["algorithm"]
			}
			if got != r.want {
				t.Errorf("%q, want %q", got, r.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add("http://u:p@ss@cam:80/a b?c=%#fps=2")
	f.Add("https://[::1]/")
	f.Add("http://cam/a@b")
	f.Fuzz(func(t *testing.T, spec string) {
		c, err := Parse(spec)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x00") {
				t.Fatalf("%q", err)
			}
			return
		}
		if c.url.Host == "" || c.url.User != nil || c.url.Fragment != "" || c.pause() <= 0 {
			t.Fatalf("%q gives %v", spec, c.url)
		}
		again, err := Parse(c.String())
		if err != nil {
			t.Fatalf("%q calls itself %q, which is refused: %v", spec, c, err)
		}
		if again.login {
			t.Fatalf("%q calls itself %q, which has a login", spec, c)
		}
	})
}

func FuzzChallenges(f *testing.F) {
	f.Add(`Digest realm="a \"b", nonce="n", qop="auth", algorithm=MD5-sess, Basic realm=x`)
	f.Add(`Basic`)
	f.Fuzz(func(t *testing.T, line string) {
		ch, ok := best(parseChallenges([]string{line}))
		if !ok {
			return
		}
		c := credentials{user: "u", pass: "hunter2"}
		c.meet(ch)
		if a := c.answer("GET", "/"); a == "" || strings.Contains(a, "hunter2") {
			t.Fatalf("%q is answered by %q", line, a)
		}
	})
}

func TestBoundary(t *testing.T) {
	for params, want := range map[string]string{
		"": "", "boundary=": "", " boundary=x": "--x", `boundary="x"`: "--x", "charset=a; Boundary = --x ": "--x", "boundary=--a b--": "--a b--", "boundary='x'": "--x",
	} {
		if got := boundary(params); got != want {
			t.Errorf("%q: %q, want %q", params, got, want)
		}
	}
}
