// Command screenshot opens the page in headless Chromium and writes PNGs of what it shows: of one address, or, with
// -states, of every state that the page has, in a desktop's and a phone's size, from daemons that it starts itself. With
// -icons it makes the page's icons from its SVG.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// shot is one picture to take.
type shot struct {
	url           string
	out           string
	width, height int64
	phone, dark   bool
	wait          string // expression of the page that must be true first
	then          string // expression to run before the picture is taken, if any
	rest          time.Duration
}

func main() {
	var s shot
	flag.StringVar(&s.url, "url", "http://127.0.0.1:8080/", "the page")
	flag.StringVar(&s.out, "o", "screenshot.png", "the picture to write; with -states the folder, with -icons the page's folder")
	flag.Int64Var(&s.width, "width", 1280, "of the window, pixels")
	flag.Int64Var(&s.height, "height", 800, "of the window, pixels")
	flag.BoolVar(&s.dark, "dark", false, "as a dark system shows it")
	played := flag.Float64("played", 4, "seconds of video to wait for; 0 waits for none")
	states := flag.Bool("states", false, "take pictures of every state")
	bin := flag.String("bin", "bin/yfv2d", "the daemon that -states starts")
	only := flag.String("only", "", "of -states only those whose name has this in it")
	icons := flag.Bool("icons", false, "make the page's icons")
	flag.Parse()
	s.wait = fmt.Sprintf("(%g <= 0 && document.querySelector('.card')) || (document.querySelector('video')?.currentTime ?? 0) > %g", *played, *played)
	var err error
	switch {
	case *icons:
		err = makeIcons(s.out)
	case *states:
		err = shootStates(*bin, s.out, *only)
	default:
		err = withBrowser(func(ctx context.Context) error { return shoot(ctx, s) })
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "screenshot:", err)
		os.Exit(1)
	}
}

// withBrowser runs f with a Chromium.
func withBrowser(f func(context.Context) error) error {
	// As root Chromium has no sandbox; without the background flags it looks up hosts that are none of our business.
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true))
	alloc, stopBrowser := chromedp.NewExecAllocator(context.Background(), opts...)
	defer stopBrowser()
	// A Chromium newer than the protocol library sends events that it does not know: no news.
	ctx, cancel := chromedp.NewContext(alloc, chromedp.WithErrorf(func(string, ...any) {}), chromedp.WithLogf(log.New(os.Stderr, "", 0).Printf))
	defer cancel()
	return f(ctx)
}

// shoot takes one picture in a tab of its own.
func shoot(ctx context.Context, s shot) error {
	ctx, cancel := chromedp.NewContext(ctx)
	defer cancel()
	ctx, stop := context.WithTimeout(ctx, 90*time.Second)
	defer stop()
	var png []byte
	size := []chromedp.EmulateViewportOption{}
	if s.phone {
		size = append(size, chromedp.EmulateScale(2), chromedp.EmulateMobile, chromedp.EmulateTouch)
	}
	scheme := "light"
	if s.dark {
		scheme = "dark"
	}
	actions := []chromedp.Action{
		chromedp.EmulateViewport(s.width, s.height, size...),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
		chromedp.Navigate(s.url),
		chromedp.Poll(s.wait, nil, chromedp.WithPollingInterval(200*time.Millisecond), chromedp.WithPollingTimeout(60*time.Second)),
	}
	if s.then != "" {
		actions = append(actions, chromedp.Evaluate(s.then, nil))
	}
	actions = append(actions, chromedp.Sleep(s.rest), chromedp.ActionFunc(func(ctx context.Context) error {
		var err error
		png, err = page.CaptureScreenshot().WithFormat(page.CaptureScreenshotFormatPng).Do(ctx)
		return err
	}))
	if err := chromedp.Run(ctx, actions...); err != nil {
		return fmt.Errorf("%s: %w", s.url, err)
	}
	return os.WriteFile(s.out, png, 0o644)
}
