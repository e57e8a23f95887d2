// Command screenshot opens the page in headless Chromium, waits until its video has played for a while, and writes a PNG.
// The README's picture is made with it.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/chromedp/chromedp"
)

func main() {
	url := flag.String("url", "http://127.0.0.1:8080/", "the page")
	out := flag.String("o", "screenshot.png", "the picture to write")
	width := flag.Int64("width", 1280, "of the window, pixels")
	height := flag.Int64("height", 800, "of the window, pixels")
	played := flag.Float64("played", 4, "seconds of video to wait for; 0 waits for none")
	flag.Parse()
	if err := shoot(*url, *out, *width, *height, *played); err != nil {
		fmt.Fprintln(os.Stderr, "screenshot:", err)
		os.Exit(1)
	}
}

func shoot(url, out string, width, height int64, played float64) error {
	// As root Chromium has no sandbox; without the background flags it looks up hosts that are none of our business.
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true))
	alloc, stopBrowser := chromedp.NewExecAllocator(context.Background(), opts...)
	defer stopBrowser()
	// A Chromium newer than the protocol library sends events that it does not know: no news.
	ctx, cancel := chromedp.NewContext(alloc, chromedp.WithErrorf(func(string, ...any) {}), chromedp.WithLogf(log.New(os.Stderr, "", 0).Printf))
	defer cancel()
	ctx, stop := context.WithTimeout(ctx, 60*time.Second)
	defer stop()
	var png []byte
	wait := fmt.Sprintf("(%g <= 0 && document.querySelector('.card')) || (document.querySelector('video')?.currentTime ?? 0) > %g", played, played)
	err := chromedp.Run(ctx,
		chromedp.EmulateViewport(width, height),
		chromedp.Navigate(url),
		chromedp.Poll(wait, nil, chromedp.WithPollingInterval(200*time.Millisecond), chromedp.WithPollingTimeout(45*time.Second)),
		chromedp.CaptureScreenshot(&png))
	if err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	return os.WriteFile(out, png, 0o644)
}
