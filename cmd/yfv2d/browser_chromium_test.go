package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"image"
	"image/png"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browserLimit tells a hang from slowness; no browser test passes by being fast.
const browserLimit = 5 * time.Minute

// browser is a headless Chromium with one tab, as a person would open the page in.
type browser struct {
	t     *testing.T
	ctx   context.Context
	close func() // ends Chromium and waits for it; may be called twice
}

// openBrowser starts Chromium with an empty profile. Tests skip where there is none.
func openBrowser(t *testing.T, more ...chromedp.ExecAllocatorOption) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("no chromium")
	}
	profile, err := os.MkdirTemp("", "yfv2d-chromium")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // Chromium's children write for a moment after it has ended
		waitUntil(t, "the browser's profile is removed", func() bool { return os.RemoveAll(profile) == nil })
	})
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.UserDataDir(profile), chromedp.WSURLReadTimeout(time.Minute),
	}
	for _, flag := range []string{"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync",
		"disable-dev-shm-usage", "mute-audio", "disable-extensions"} {
		options = append(options, chromedp.Flag(flag, true))
	}
	options = append(options, more...)
	ctx, cancelLimit := context.WithTimeout(context.Background(), browserLimit)
	ctx, cancelExec := chromedp.NewExecAllocator(ctx, options...)
	// A Chromium newer than the protocol's description sends events that it lacks; each is reported as an error.
	ctx, cancelTab := chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {}))
	b := &browser{t: t, ctx: ctx, close: func() {
		cancelTab()
		cancelExec() // waits for the process
		cancelLimit()
	}}
	t.Cleanup(b.close)
	chromedp.ListenTarget(ctx, b.hear)
	b.do(chromedp.ActionFunc(tellViolations), chromedp.Navigate("about:blank"))
	return b
}

// tellViolations has every page of the tab complain of what its content security policy refuses.
func tellViolations(ctx context.Context) error {
	_, err := page.AddScriptToEvaluateOnNewDocument(`addEventListener('securitypolicyviolation',
		(e) => console.error('refused: ' + e.violatedDirective + ' ' + e.blockedURI));`).Do(ctx)
	return err
}

// hear fails the test for an error in the page's own code.
func (b *browser) hear(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.t.Errorf("error in the page: %v", e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError {
			for _, arg := range e.Args {
				b.t.Errorf("the page complains: %s %s", arg.Value, arg.Description)
			}
		}
	}
}

func (b *browser) do(actions ...chromedp.Action) {
	b.t.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		b.t.Fatalf("browser: %v", err)
	}
}

// eval runs an expression in the page, waits if it is a promise, and puts its value into out.
func (b *browser) eval(expression string, out any) {
	b.t.Helper()
	err := chromedp.Run(b.ctx, chromedp.Evaluate(expression, out, func(p *runtime.EvaluateParams) *runtime.EvaluateParams {
		return p.WithAwaitPromise(true)
	}))
	if err != nil {
		b.t.Fatalf("browser: %s: %v", expression, err)
	}
}

// waitFor waits until an expression of the page is true.
func (b *browser) waitFor(what, expression string) {
	b.t.Helper()
	waitUntil(b.t, what, func() bool {
		var yes bool
		b.eval("!!("+expression+")", &yes)
		return yes
	})
}

// waitUntil polls a condition for at most two minutes.
func waitUntil(t *testing.T, what string, done func() bool) {
	t.Helper()
	for give := time.Now().Add(2 * time.Minute); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(give) {
			t.Fatalf("waited two minutes until %s", what)
		}
	}
}

// open shows the page and waits until its camera plays.
func (b *browser) open(url, camera string) {
	b.t.Helper()
	b.do(chromedp.Navigate(url))
	b.waitPlaying(camera)
}

func (b *browser) waitPlaying(camera string) {
	b.t.Helper()
	b.waitFor(camera+" plays", cardOf(camera, "")+`?.classList.contains('playing')`)
}

func (b *browser) leave() {
	b.t.Helper()
	b.do(chromedp.Navigate("about:blank"))
}

// waitFrames waits until so many more pictures were shown.
func (b *browser) waitFrames(camera string, n int) {
	b.t.Helper()
	var first int
	frames := cardOf(camera, "video") + ".getVideoPlaybackQuality().totalVideoFrames"
	b.eval(frames, &first)
	b.waitFor(fmt.Sprintf("%d frames of %s were played", n, camera), fmt.Sprintf("%s >= %d", frames, first+n))
}

// text is what the page shows at a place of a camera's card.
func (b *browser) text(camera, selector string) string {
	b.t.Helper()
	var s string
	b.eval(cardOf(camera, selector)+".textContent", &s)
	return s
}

// cardOf is the expression for a camera's card, or for what selector finds in it.
func cardOf(camera, selector string) string {
	e := fmt.Sprintf(`document.querySelector('[data-camera="%s"]')`, camera)
	if selector != "" {
		e += fmt.Sprintf(`.querySelector('%s')`, selector)
	}
	return e
}

// picture takes the next picture of a camera, with what the page has drawn on it, in the video's size.
func (b *browser) picture(camera string) *image.NRGBA {
	b.t.Helper()
	return b.layers(camera, true)
}

// layers takes the next picture with or without what the page has drawn on it.
func (b *browser) layers(camera string, drawn bool) *image.NRGBA {
	b.t.Helper()
	var url string
	b.eval(`(async () => {
		const video = `+cardOf(camera, "video")+`, overlay = `+cardOf(camera, "canvas")+`;
		await new Promise((shown) => video.requestVideoFrameCallback(shown)); // after the page's own callback
		const canvas = document.createElement('canvas');
		const [w, h] = [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
		const scale = Math.min(overlay.width / w, overlay.height / h);
		const context = canvas.getContext('2d');
		context.drawImage(video, 0, 0);
		if (`+strconv.FormatBool(drawn)+`) context.drawImage(overlay, (overlay.width - w * scale) / 2, (overlay.height - h * scale) / 2, w * scale, h * scale, 0, 0, w, h);
		return canvas.toDataURL('image/png');
	})()`, &url)
	data, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(url, "data:image/png;base64,"))
	if err != nil {
		b.t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		b.t.Fatal(err)
	}
	return nrgba(img)
}
