package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/rs/zerolog"

	"yfv2d/access"
)

// shots, a folder named in the environment, gets pictures of the login page and the account sheet, for a person to look at.
var shots = os.Getenv("YFV2D_SHOTS")

func (b *browser) shoot(name string) {
	b.t.Helper()
	if shots == "" {
		return
	}
	var png []byte
	b.do(chromedp.CaptureScreenshot(&png))
	if err := os.WriteFile(filepath.Join(shots, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// arrives waits until an expression is true of the page that the present one leads to. In between there is no page to ask.
func (b *browser) arrives(what, expression string) {
	b.t.Helper()
	waitUntil(b.t, what, func() bool {
		var yes bool
		return chromedp.Run(b.ctx, chromedp.Evaluate("!!("+expression+")", &yes)) == nil && yes
	})
}

// TestBrowserLogin is the first evening with a new service: the page asks, the first password is in the file that it names, the camera
// plays, the password is changed, and when the login is revoked the page is back where it began.
func TestBrowserLogin(t *testing.T) {
	b := openBrowser(t)
	d, state := loginDaemon(t, demo(t), zerolog.Nop())
	s := serveDaemon(t, d)
	file := filepath.Join(state, "initial-password")
	written, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const atLogin = `location.pathname === '/login' && document.getElementById('form')?.hidden === false`
	const own = "a password of my own"
	enter := func(name, password string) {
		b.run(`document.getElementById('name').value = ''; document.getElementById('password').value = ''`)
		b.do(chromedp.SendKeys("#name", name, chromedp.ByQuery), chromedp.SendKeys("#password", password+"\r", chromedp.ByQuery))
	}
	store := access.OpenStore(state)

	steps := []struct {
		name string
		run  func(t *testing.T)
	}{
		{"the page asks for a login", func(t *testing.T) {
			b.do(chromedp.Navigate(s.url + "?x=1#/camera/demo"))
			b.arrives("the login page is shown", atLogin)
			b.waitFor("it names the file", `document.getElementById('first-command').textContent.trim() === 'sudo cat `+file+`'`)
			b.shoot("login")
		}},
		{"a wrong password is told", func(t *testing.T) {
			enter("admin", "wrong password")
			b.waitFor("the fault is shown", `document.getElementById('fault').textContent === 'Wrong name or password.'`)
		}},
		{"the first password opens the page that was asked for", func(t *testing.T) {
			enter("Admin", strings.TrimSpace(string(written)))
			b.arrives("it is the page asked for", `location.pathname === '/' && location.search === '?x=1' && location.hash === '#/camera/demo'`)
			b.waitPlaying("demo")
			b.waitFrames("demo", 10)
		}},
		{"the password is changed", func(t *testing.T) {
			b.waitFor("there is an account menu", `!document.getElementById('account-button').hidden`)
			b.do(chromedp.Click("#account-button", chromedp.ByQuery))
			b.waitFor("it tells who", `document.getElementById('account-name').textContent === 'admin' && !document.getElementById('account-initial').hidden`)
			b.shoot("account")
			for id, text := range map[string]string{"#account-old": strings.TrimSpace(string(written)), "#account-new": own, "#account-again": own} {
				b.do(chromedp.SendKeys(id, text, chromedp.ByQuery))
			}
			b.do(chromedp.Click("#account-change", chromedp.ByQuery))
			b.waitFor("it says so", `document.getElementById('account-said').className === 'done' && document.getElementById('account-initial').hidden`)
			if _, err := os.Stat(file); err == nil {
				t.Error("the file with the first password is still there")
			}
			b.do(chromedp.Evaluate(`document.querySelector('#account .close').click()`, nil)) // the browser's own "save the password?" may cover it
			b.waitPlaying("demo")
			b.waitFrames("demo", 10)
		}},
		{"a revoked login brings the page back to the login", func(t *testing.T) {
			if err := store.LogOut(context.Background(), "admin"); err != nil {
				t.Fatal(err)
			}
			revoked := time.Now()
			b.arrives("the login page is shown", atLogin)
			took := time.Since(revoked)
			t.Logf("at the login %v after the revocation", took.Round(time.Millisecond))
			if took > 5*time.Second {
				t.Errorf("at the login after %v", took)
			}
			s.waitUnwatched("demo")
			b.waitFor("it no longer speaks of the first password", `document.getElementById('first').hidden`)
		}},
		{"and back to the camera", func(t *testing.T) {
			enter("admin", own)
			b.arrives("it is the page that was left", `location.pathname === '/' && location.search === '?x=1' && location.hash === '#/camera/demo'`)
			b.waitPlaying("demo")
		}},
		{"who is logged in and opens the login page is sent on", func(t *testing.T) {
			b.do(chromedp.Navigate(s.url + "login"))
			b.arrives("the page is shown", `location.pathname === '/'`)
			b.waitPlaying("demo")
		}},
		{"next leads nowhere else", func(t *testing.T) {
			for _, next := range []string{"//evil.example/", "https://evil.example/", `\\\\evil.example`, "javascript:alert(1)", "/login", "data:text/html,x"} {
				b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(s.url+"login?next="+strings.ReplaceAll(next, `\`, "%5C")))
				b.arrives("the page is shown", `location.origin + '/' === '`+s.url+`' && location.pathname === '/'`)
			}
		}},
		{"logging out", func(t *testing.T) {
			b.waitPlaying("demo")
			b.do(chromedp.Click("#account-button", chromedp.ByQuery), chromedp.Click("#account-out", chromedp.ByQuery))
			b.arrives("the login page is shown", atLogin)
			s.waitUnwatched("demo")
		}},
		{"after many wrong passwords the page tells how long to wait", func(t *testing.T) {
			b.waitFor("the form can be used", `!document.getElementById('go').disabled`)
			for range 8 {
				var waits bool
				enter("admin", "wrong password")
				b.waitFor("an answer", `!document.getElementById('fault').hidden`)
				b.eval(`/Try again in \d+ s/.test(document.getElementById('fault').textContent) && document.getElementById('go').disabled`, &waits)
				if waits {
					b.shoot("locked")
					b.waitFor("the wait ends", `!document.getElementById('go').disabled`)
					return
				}
			}
			t.Error("no wait was told")
		}},
	}
	for _, step := range steps {
		if !t.Run(step.name, step.run) {
			b.shoot("failed")
			return // the next steps build upon it
		}
	}
	b.leave()
}
