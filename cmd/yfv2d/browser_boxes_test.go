package main

import (
	"fmt"
	"image"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"yfv2d/capture"
	"yfv2d/infer"
)

// patternSize and patternObjects describe the test picture of TestBrowserBoxesFitTheirFrames.
var patternSize = image.Pt(640, 480)

const patternObjects = 2

// TestBrowserBoxesFitTheirFrames reads the capture time out of the pixels that the browser shows and finds the box where
// the object was at that moment: boxes are predicted to their frame's time, or placed between two detections, and no frame
// wears another one's boxes. The server draws none: the page does.
func TestBrowserBoxesFitTheirFrames(t *testing.T) {
	b := openBrowser(t)
	s := serve(t, "127.0.0.1:0", fmt.Sprintf("[[camera]]\nname = \"pattern\"\nsource = \"test:?size=%dx%d&fps=30&objects=%d&truth=1\"\n",
		patternSize.X, patternSize.Y, patternObjects))
	b.do(chromedp.Navigate(s.url)) // so that something can be kept for it
	for _, mode := range []string{"low_latency", "exact"} {
		t.Run(mode, func(t *testing.T) {
			b.t = t
			b.run(fmt.Sprintf(`localStorage.setItem('yfv2d.view', JSON.stringify({ mode: '%s' }))`, mode))
			b.leave()
			b.open(s.url, "pattern")
			b.waitFor("boxes are drawn", inked("pattern")+" > 200")
			checkFit(t, b)
			checkBare(t, b)
		})
	}
	b.t = t
}

// stampedObject is when a picture was captured and where its first object was then.
func stampedObject(t *testing.T, img *image.NRGBA) (time.Time, infer.Box, bool) {
	t.Helper()
	f := lumaFrame(t, img)
	_, at, ok := capture.ReadStamp(f)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if !ok {
		return at, infer.Box{}, false
	}
	return at, capture.TestObjects(patternSize, patternObjects, at)[0].Box, true
}

// checkFit looks for five pictures with the box on the object.
func checkFit(t *testing.T, b *browser) {
	fits, tries := 0, 0
	for ; fits < 5 && tries < 400; tries++ {
		img := b.picture("pattern")
		at, want, ok := stampedObject(t, img)
		if !ok {
			continue
		}
		// Without prediction a box of 10 detections a second lags by up to 24 pixels and overlaps by 0.72.
		if box, ok := drawnBox(img, want); ok && box.IoU(want) >= 0.85 {
			fits++
			t.Logf("captured %v ago: drawn %v, true %v, IoU %.2f", time.Since(at).Round(time.Millisecond), box, want, box.IoU(want))
		}
	}
	if fits < 5 {
		t.Errorf("%d of %d pictures had the box on the object", fits, tries)
	}
}

// checkBare sees that the video itself has no boxes.
func checkBare(t *testing.T, b *browser) {
	for range 5 {
		img := b.layers("pattern", false)
		if _, want, ok := stampedObject(t, img); ok {
			if box, ok := drawnBox(img, want); ok {
				t.Errorf("the video itself has a box %v", box)
			}
		}
	}
}
