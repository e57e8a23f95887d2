package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// testCamera is a test picture whose detections are what it shows.
func testCamera(name, options string) string {
	return fmt.Sprintf("[[camera]]\nname = %q\nsource = \"test:?truth=1&objects=2&%s\"\n", name, options)
}

// press sends a key to the page.
func (b *browser) press(key string) {
	b.t.Helper()
	b.do(chromedp.KeyEvent(key))
}

// run runs statements in the page.
func (b *browser) run(statements string) {
	b.t.Helper()
	b.eval("(() => { "+statements+" })()", nil)
}

// fresh opens a page in a browser that has kept nothing.
func (b *browser) fresh(url string) {
	b.t.Helper()
	b.do(chromedp.Navigate(url))
	b.run(`localStorage.clear()`)
	b.leave()
	b.do(chromedp.Navigate(url))
}

// inked is an expression: how many pixels of a camera's overlay were drawn on.
func inked(camera string) string {
	return `(() => {
		const c = ` + cardOf(camera, "canvas") + `;
		if (!c.width) return 0;
		const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
		let n = 0;
		for (let i = 3; i < d.length; i += 4) n += d[i] > 0;
		return n;
	})()`
}

// TestBrowserPage uses the page as a person does, with keys and fingers, in a grid and one camera alone.
func TestBrowserPage(t *testing.T) {
	b := openBrowser(t)
	s := serve(t, "127.0.0.1:0", testCamera("one", "size=320x240&fps=15")+testCamera("two", "size=320x180&fps=15")+
		"[[camera]]\nname = \"gone\"\nsource = \"file:no/such/clip.mp4\"\n")
	b.do(chromedp.EmulateViewport(1280, 800))
	b.fresh(s.url)
	b.waitPlaying("one")
	b.waitPlaying("two")
	for _, step := range []struct {
		name string
		run  func(*browser, *served)
	}{
		{"boxes are drawn here", func(b *browser, _ *served) { b.waitFor("there are boxes", inked("one")+" > 200") }},
		{"grid and one alone", pageRoutes},
		{"choices", pageChoices},
		{"exact", pageExact},
		{"details", pageDetails},
		{"sheets", pageSheets},
		{"phone", pagePhone},
		{"out of sight", pageOutOfSight},
		{"installable", pageInstallable},
	} {
		if !t.Run(step.name, func(t *testing.T) {
			b.t = t
			step.run(b, s)
		}) {
			return
		}
	}
	b.t = t
}

const alone = `document.querySelector('.card.alone:not([hidden])')?.dataset.camera`

func pageRoutes(b *browser, s *served) {
	b.waitFor("the camera that is down says so", cardOf("gone", "")+`.classList.contains('down')`)
	b.run(cardOf("one", ".open") + `.focus()`)
	b.press(kb.ArrowRight)
	b.waitFor("the next camera has the focus", `document.activeElement === `+cardOf("two", ".open"))
	b.press(kb.Enter)
	b.waitFor("it is alone", alone+` === 'two'`)
	b.waitFor("the focus is where one gets back", `document.activeElement === `+cardOf("two", ".back"))
	b.waitPlaying("two")
	waitUntil(b.t, "the other camera is not sent", func() bool { return s.d.whep.Viewers("one") == 0 })
	b.press(kb.ArrowLeft)
	b.waitFor("the camera before it is alone", alone+` === 'one'`)
	b.waitPlaying("one")
	b.press(kb.ArrowLeft)
	b.waitFor("it goes round", alone+` === 'gone'`)
	b.press(kb.Escape)
	b.waitFor("all are there", `!document.querySelector('.alone') && !document.querySelector('.card[hidden]')`)
	b.waitPlaying("one")
	b.waitPlaying("two")
	b.run(`location.hash = '#/camera/nobody'`)
	b.waitFor("an unknown name shows all", `!document.querySelector('.alone')`)
	b.run(`location.hash = '#/camera/one'`)
	b.waitFor("an address opens a camera", alone+` === 'one'`)
	b.waitPlaying("one")
}

func pageChoices(b *browser, _ *served) {
	b.waitFor("boxes with labels", inked("one")+" > 200")
	b.press("b")
	b.waitFor("no boxes", inked("one")+" === 0")
	b.do(chromedp.Reload())
	b.waitPlaying("one")
	b.waitFrames("one", 5)
	b.waitFor("the choice was kept", inked("one")+" === 0")
	b.press("b")
	b.waitFor("boxes again", inked("one")+" > 200")
	var with, without int
	b.eval(inked("one"), &with)
	b.run(`document.querySelector('[data-pref=labels]').click()`)
	b.waitFrames("one", 2)
	b.waitFor("fewer pixels without labels", inked("one")+fmt.Sprintf(" < %d", with-100))
	b.eval(inked("one"), &without)
	b.run(`document.querySelector('[data-pref=labels]').click()`)
	// The pattern's two objects are of two classes; each can be left out.
	b.waitFor("classes to choose from", `document.querySelectorAll('#view-classes input').length === 2`)
	b.run(`document.querySelectorAll('#view-classes input').forEach((i) => i.click())`)
	b.waitFrames("one", 2)
	b.waitFor("no class, no box", inked("one")+" === 0")
	b.run(`document.querySelectorAll('#view-classes input').forEach((i) => i.click()); document.querySelector('[data-pref=trails]').click()`)
	b.waitFor("boxes and trails", inked("one")+" > 200")
	b.run(`document.querySelector('[data-pref=trails]').click()`)
	b.run(`document.querySelector('[name=theme][value=dark]').click()`)
	b.waitFor("dark colours", `getComputedStyle(document.body).backgroundColor === 'rgb(13, 16, 19)'`)
	b.run(`document.querySelector('[name=theme][value=auto]').click()`)
}

func pageExact(b *browser, _ *served) {
	b.run(`globalThis.stopped = 0; new MutationObserver(() => { stopped += !` + cardOf("one", "") + `.classList.contains('playing'); })
		.observe(` + cardOf("one", "") + `, { attributeFilter: ['class'] });
		globalThis.before = ` + cardOf("one", "video") + `; document.querySelector('[value=exact]').click()`)
	b.waitFor("another picture has taken the place", cardOf("one", "video")+` !== before && !before.isConnected`)
	b.waitFrames("one", 10)
	b.waitFor("nothing was seen of it", `stopped === 0`)
	b.waitFor("boxes are drawn", inked("one")+" > 200")
	b.run(`document.querySelector('[value=low_latency]').click()`)
	b.waitFrames("one", 5)
}

func pageDetails(b *browser, _ *served) {
	shown := `getComputedStyle(` + cardOf("one", ".details") + `).display !== 'none'`
	b.press("d")
	b.waitFor("details are shown", shown)
	for name, like := range map[string]string{
		"via": `^WebRTC · UDP$`, "codec": `^(H264|VP8)$`, "rendition": `clean`, "size": `^320 × 240`, "rate": `bit.s$`,
		"latencyP": `^\d+ ms, 95 %`, "rtt": `^[\d.]+ ms$`, "aligned": `^[\d.]+ %$`, "clock": `± [\d.]+$`,
	} {
		b.waitFor(name+" is told", fmt.Sprintf(`/%s/.test(%s.textContent.trim())`, like, cardOf("one", "[data-figure="+name+"]")))
	}
	b.press("d")
	b.waitFor("details are gone", `!(`+shown+`)`)
}

func pageSheets(b *browser, _ *served) {
	b.press("?")
	b.waitFor("the keys are shown", `document.getElementById('help').open`)
	b.press(kb.Escape)
	b.waitFor("they are gone", `!document.getElementById('help').open`)
	b.waitFor("the camera is still alone", alone+` === 'one'`)
	b.press("v")
	b.waitFor("the choices are shown", `document.getElementById('view').open`)
	b.run(`document.querySelector('#view .close').click()`)
	b.waitFor("they are gone", `!document.getElementById('view').open`)
}

func pagePhone(b *browser, s *served) {
	b.do(chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulateScale(2)))
	b.waitFor("nothing is wider than the phone", `document.documentElement.scrollWidth <= 390`)
	swipe := func(from, to int) {
		b.run(fmt.Sprintf(`const screen = document.querySelector('.alone .screen');
			const touch = (x) => new Touch({ identifier: 1, target: screen, clientX: x, clientY: 200 });
			screen.dispatchEvent(new TouchEvent('touchstart', { bubbles: true, touches: [touch(%[1]d)], changedTouches: [touch(%[1]d)] }));
			screen.dispatchEvent(new TouchEvent('touchend', { bubbles: true, changedTouches: [touch(%[2]d)] }))`, from, to))
	}
	swipe(300, 80)
	b.waitFor("a swipe shows the next camera", alone+` === 'two'`)
	swipe(80, 300)
	b.waitFor("and back", alone+` === 'one'`)
	b.waitPlaying("one")
	b.waitFor("boxes are sharp", cardOf("one", "canvas")+`.width >= 2 * `+cardOf("one", "canvas")+`.clientWidth - 2`)
	b.run(`location.hash = '#/'`)
	b.waitFor("the grid fits, too", `document.documentElement.scrollWidth <= 390`)
}

// pageOutOfSight looks at a phone on which the first camera fills the view.
func pageOutOfSight(b *browser, s *served) {
	b.do(chromedp.EmulateViewport(390, 240))
	b.waitFor("all cameras are there again", `document.querySelectorAll('.card:not([hidden])').length === 3`)
	b.run(`scrollTo(0, 0)`)
	waitUntil(b.t, "who is out of sight is not sent", func() bool { return s.d.whep.Viewers("two") == 0 && s.d.whep.Viewers("one") == 1 })
	b.run(cardOf("two", "") + `.scrollIntoView()`)
	waitUntil(b.t, "what comes into sight is sent", func() bool { return s.d.whep.Viewers("two") == 1 })
	b.do(chromedp.EmulateViewport(1280, 800))
	b.waitPlaying("one")
}

func pageInstallable(b *browser, _ *served) {
	b.eval(`fetch(document.querySelector('link[rel=manifest]').href).then((r) => r.json()).then(async (m) => {
		globalThis.icons = (await Promise.all(m.icons.map(async (i) => {
			const icon = new Image();
			icon.src = i.src;
			await icon.decode();
			return i.sizes === 'any' || i.sizes === icon.naturalWidth + 'x' + icon.naturalHeight;
		}))).every(Boolean) && m.icons.length >= 3 && m.display === 'standalone';
	})`, nil)
	b.waitFor("its icons are what it says", `icons === true`)
}

// TestBrowserFallback opens the page where WebRTC does not pass: the picture comes by MJPEG, or as stills, and by WebRTC as
// soon as that passes.
func TestBrowserFallback(t *testing.T) {
	t.Parallel() // it mostly waits
	b := openBrowser(t)
	s := serve(t, "127.0.0.1:0", testCamera("one", "size=320x240&fps=10")+testCamera("two", "size=320x240&fps=10"))
	w := wayTo(t, s)
	via := func(camera, way string) string { return cardOf(camera, "") + `.dataset.via === '` + way + `'` }
	pictured := func(camera string) string {
		still := cardOf(camera, ".still")
		return `!` + still + `.hidden && ` + still + `.naturalWidth > 0`
	}
	b.do(chromedp.EmulateViewport(1280, 800))
	w.noRTC.Store(true)
	b.fresh(w.url + "#/camera/one")
	b.waitFor("it tries to connect", `document.querySelector('.alone .state-text')?.textContent === 'Connecting'`)
	b.waitFor("MJPEG takes its place", via("one", "mjpeg")+" && "+pictured("one"))
	b.waitFor("the page says so, and why", `!`+cardOf("one", ".via")+`.hidden && /MJPEG.*WebRTC/.test(`+cardOf("one", ".via")+`.textContent)`)
	b.run(`location.hash = '#/'`)
	b.waitFor("stills in the grid", via("one", "snapshots")+" && "+pictured("one"))
	b.waitFor("for all", via("two", "snapshots")+" && "+pictured("two"))
	w.noMJPEG.Store(true)
	b.run(`location.hash = '#/camera/two'`)
	b.waitFor("stills where MJPEG fails", via("two", "snapshots")+" && "+pictured("two"))
	b.waitFor("the page says so", `/stills/.test(`+cardOf("two", ".via")+`.textContent)`)
	w.noRTC.Store(false)
	b.waitPlaying("two")
	b.waitFor("WebRTC is back", via("two", "webrtc")+` && `+cardOf("two", ".via")+`.hidden && `+cardOf("two", ".still")+`.hidden`)
	b.waitFor("boxes are drawn", inked("two")+" > 200")

	// Without live messages there is nothing to draw from: the server draws the boxes.
	w.noLive.Store(true)
	b.do(chromedp.Reload())
	b.waitPlaying("two")
	b.press("d")
	b.waitFor("boxes are burned in", `/burned/.test(`+cardOf("two", "[data-figure=rendition]")+`.textContent)`)
	w.noLive.Store(false)
	b.waitFor("and drawn here again", `/clean/.test(`+cardOf("two", "[data-figure=rendition]")+`.textContent) && `+inked("two")+" > 200")
}

// TestBrowserCameraStates shows cameras that are not there: none at all, one that is down, and that one when it comes.
func TestBrowserCameraStates(t *testing.T) {
	t.Parallel() // it mostly waits
	b := openBrowser(t)
	t.Run("no cameras", func(t *testing.T) {
		b.t = t
		firstCamera(b, serve(t, "127.0.0.1:0", ""))
		b.leave()
	})
	t.Run("down and back", func(t *testing.T) {
		b.t = t
		clip := filepath.Join(t.TempDir(), "clip.mp4")
		s := serve(t, "127.0.0.1:0", fmt.Sprintf("[[camera]]\nname = \"late\"\nsource = %q\nloop = true\n", "file:"+clip))
		b.fresh(s.url)
		b.waitFor("it is down", cardOf("late", "")+`?.classList.contains('down')`)
		b.waitFor("with a reason and the next try", `/Next try in|Trying again/.test(`+cardOf("late", ".veil-text")+`.textContent)`)
		data, err := os.ReadFile(filepath.Join("..", "..", "testdata", "videos", "demo-640x480.mp4"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(clip, data, 0o600); err != nil {
			t.Fatal(err)
		}
		b.run(cardOf("late", ".retry") + `.click()`)
		b.waitPlaying("late")
		b.waitFrames("late", 5)
		b.leave()
	})
	b.t = t
}

// firstCamera sets up a first camera as the page says it.
func firstCamera(b *browser, s *served) {
	b.do(chromedp.EmulateViewport(390, 844))
	b.fresh(s.url)
	b.waitFor("the page says what to do", `document.getElementById('empty')?.innerText.includes('[[camera]]')`)
	b.waitFor("it names the file", fmt.Sprintf(`document.getElementById('setup-file').textContent === %q`, s.d.cfg.Path))
	b.waitFor("and the command", `document.getElementById('setup-command').textContent.startsWith('kill -HUP ')`)
	b.waitFor("what doctor found is there", `document.querySelectorAll('#setup-found .what').length > 0`)
	b.waitFor("nothing is wider than the phone", `document.documentElement.scrollWidth <= 390`)
	b.do(chromedp.EmulateViewport(1280, 800))
	b.run(`document.getElementById('setup-reload').click()`)
	b.waitFor("the file names no camera yet", `/names no camera/.test(document.getElementById('setup-said').textContent)`)
	// What the copy button gives is what the file takes.
	b.run(`Object.defineProperty(navigator, 'clipboard', { value: { writeText: async (text) => { globalThis.copied = text; } } });
		document.querySelector('#setup-other .found:last-child button').click()`)
	b.waitFor("lines are copied", `/^\[\[camera\]\]/.test(globalThis.copied)`)
	var lines string
	b.eval(`copied`, &lines)
	text, err := os.ReadFile(s.d.cfg.Path)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, row := range []struct{ add, then, expression string }{
		{"[[camera]]\nname = \"no source\"\n", "the fault is told", `/camera.source/.test(document.getElementById('setup-said').textContent)`},
		{lines, "the camera is there", `document.getElementById('empty').hidden && !!` + cardOf("test", "")},
	} {
		if err := os.WriteFile(s.d.cfg.Path, append(text, "\n"+row.add...), 0o600); err != nil {
			b.t.Fatal(err)
		}
		b.run(`document.getElementById('setup-reload').click()`)
		b.waitFor(row.then, row.expression)
	}
	b.waitPlaying("test")
}

// TestBrowserNineCamerasInTwoTabs: each tab has one connection for all messages, and pictures do not use up those that a
// browser allows a host.
func TestBrowserNineCamerasInTwoTabs(t *testing.T) {
	t.Parallel() // it mostly waits
	b := openBrowser(t)
	const cameras = 9
	var config strings.Builder
	for i := range cameras {
		config.WriteString(testCamera(fmt.Sprintf("cam%d", i), "size=160x120&fps=5"))
	}
	s := serve(t, "127.0.0.1:0", config.String())
	all := fmt.Sprintf(`document.querySelectorAll('.card.playing').length === %d`, cameras)
	// In a window of its own: what lies behind another tab is hidden, and a hidden page gives up its pictures.
	id, err := target.CreateTarget("about:blank").WithNewWindow(true).Do(cdp.WithExecutor(b.ctx, chromedp.FromContext(b.ctx).Browser))
	if err != nil {
		t.Fatal(err)
	}
	tab, closeTab := chromedp.NewContext(b.ctx, chromedp.WithTargetID(id))
	defer closeTab()
	second := &browser{t: t, ctx: tab}
	chromedp.ListenTarget(tab, second.hear)
	for _, b := range []*browser{b, second} {
		b.do(chromedp.EmulateViewport(1280, 1600))
		b.fresh(s.url)
	}
	b.waitFor("all play in the first tab", all)
	second.waitFor("all play in the second tab", all)
	for i := range cameras {
		name := fmt.Sprintf("cam%d", i)
		b.waitFor("boxes on "+name, inked(name)+" > 50")
		second.waitFor("boxes on "+name, inked(name)+" > 50")
		waitUntil(t, "both tabs watch "+name, func() bool { return s.d.whep.Viewers(name) == 2 })
	}
}
